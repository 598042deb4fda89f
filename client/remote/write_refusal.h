// Why members of a swarm refused a write, in a form that a program can act on
// and tell people about (swarm/SPEC.md, section 4.3).
//
// Travels as a payload of absl::Status, through whatever passes that on. The
// words of members never do.

#ifndef CLIENT_REMOTE_WRITE_REFUSAL_H_
#define CLIENT_REMOTE_WRITE_REFUSAL_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace messenger::swarm::v1 {
class ClientResponse;
}  // namespace messenger::swarm::v1

namespace messenger::client {

enum class RefusalReason : int {
  kNone = 0,  // or one that this version does not know
  kNotRegistered = 1,
  kMailboxFull = 2,
  kWorkNeeded = 3,
  kNodeFull = 4,
  kBusy = 5,
  kWrongSwarm = 6,
  kClockSkew = 7,
  kFilling = 8,
  kOwnerLimit = 9,
  kStaleChallenge = 10,
};

struct WriteRefusal {
  RefusalReason reason = RefusalReason::kNone;
  int work_bits = 0;  // with kWorkNeeded, 0 to 255
  // With kBusy, at most a minute.
  absl::Duration retry_after = absl::ZeroDuration();
  // With kStaleChallenge; does not travel in a status.
  uint64_t challenge = 0;

  friend bool operator==(const WriteRefusal&, const WriteRefusal&) = default;
};

// What the member said; its numbers are cut to their bounds.
WriteRefusal RefusalIn(const swarm::v1::ClientResponse& response);

// `status` must not be OK.
absl::Status WithRefusal(absl::Status status, const WriteRefusal& refusal);
// kNone where nothing was attached.
WriteRefusal RefusalOf(const absl::Status& status);

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_WRITE_REFUSAL_H_
