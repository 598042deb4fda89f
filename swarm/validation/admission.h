// Whether a member takes a message on at all (swarm/SPEC.md, section 4.4;
// design/0003, "Who may store"). Decided by the member that is asked, before
// anything is written or sent to others; the bounds themselves are kept by
// every store, whoever brings a message.
//
// Pure functions; thread-safe.

#ifndef SWARM_VALIDATION_ADMISSION_H_
#define SWARM_VALIDATION_ADMISSION_H_

#include <cstdint>

#include "absl/status/status.h"
#include "swarm/auth/mailbox.h"
#include "swarm/store/message_store.h"
#include "swarm/validation/request_validator.h"

namespace messenger::swarm {

// Work asked of a stranger for an inbox that is at least half full, rising with
// its fill to the last.
inline constexpr int kFirstWorkBits = 12;
inline constexpr int kLastWorkBits = 20;

// Bits that the next message into an inbox of this usage needs; 0 below half.
int WorkBitsFor(const MailboxUsage& usage);

// OK, or a refusal with its reason (Refused()):
//   PERMISSION_DENIED   NOT_REGISTERED
//   RESOURCE_EXHAUSTED  MAILBOX_FULL, WORK_NEEDED, NODE_FULL
// Only messages are refused here.
absl::Status Admit(const ValidWrite& write, const MailboxUsage& usage,
                   const NodeSpace& space, uint64_t now_ms);

}  // namespace messenger::swarm

#endif  // SWARM_VALIDATION_ADMISSION_H_
