// Why a member refused, carried inside an absl::Status from where it is decided
// to the edge, and back at the client (swarm/SPEC.md, section 4.3).
//
// Pure functions; thread-safe.

#ifndef SWARM_PROTO_REFUSAL_H_
#define SWARM_PROTO_REFUSAL_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::swarm {

// A status with a reason. The code says whether to try again, the reason why.
absl::Status Refused(absl::StatusCode code, v1::Refusal::Reason reason,
                     absl::string_view message, uint32_t work_bits = 0);
absl::Status WithRefusal(absl::Status status, const v1::Refusal& refusal);

// Nothing if the status carries no reason.
std::optional<v1::Refusal> RefusalOf(const absl::Status& status);
// REASON_UNSPECIFIED if it carries none.
v1::Refusal::Reason ReasonOf(const absl::Status& status);

}  // namespace messenger::swarm

#endif  // SWARM_PROTO_REFUSAL_H_
