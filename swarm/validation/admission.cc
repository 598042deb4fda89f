#include "swarm/validation/admission.h"

#include <algorithm>

#include "swarm/auth/limits.h"
#include "swarm/proto/refusal.h"
#include "swarm/store/admission.h"

namespace messenger::swarm {
namespace {

using v1::Refusal;

constexpr uint64_t kHalf = kLastWorkBits - kFirstWorkBits;

// Of the bound that is nearer. A whole is so much that each step above a half
// is one bit of work.
uint64_t FillOf(const MailboxUsage& usage, uint64_t messages, uint64_t bytes) {
  return std::max(usage.messages * 2 * kHalf / messages,
                  usage.bytes * 2 * kHalf / bytes);
}

absl::Status Full(Refusal::Reason reason, absl::string_view message) {
  return Refused(absl::StatusCode::kResourceExhausted, reason, message);
}

}  // namespace

int WorkBitsFor(const MailboxUsage& usage) {
  const uint64_t fill = FillOf(usage, kStrangerMessages, kStrangerBytes);
  if (fill < kHalf) return 0;
  return kFirstWorkBits + static_cast<int>(std::min(fill, 2 * kHalf) - kHalf);
}

absl::Status Admit(const ValidWrite& write, const MailboxUsage& usage,
                   const NodeSpace& space, uint64_t now_ms) {
  const auto* put = std::get_if<PutMessage>(&write.op);
  if (put == nullptr) return absl::OkStatus();
  if (usage.registered_until_ms <= now_ms) {
    return Refused(absl::StatusCode::kPermissionDenied, Refusal::NOT_REGISTERED,
                   "nobody has registered this mailbox");
  }
  const bool stranger = put->ns == MailboxNamespace::kInbox;
  const uint64_t messages = stranger ? kStrangerMessages : kContactMessages;
  const uint64_t bytes = stranger ? kStrangerBytes : kContactBytes;
  if (usage.messages >= messages || usage.bytes + put->payload.size() > bytes) {
    return Full(Refusal::MAILBOX_FULL, "the mailbox is full");
  }
  if (space.capacity_bytes > 0) {
    const uint64_t fill = space.used_bytes * 100 / space.capacity_bytes;
    if (fill >= kNoMessagesPercent ||
        (stranger && fill >= kNoStrangersPercent) ||
        (fill >= kCrowdedPercent &&
         usage.bytes > (stranger ? space.median_mailbox_bytes
                                 : space.fair_mailbox_bytes))) {
      return Full(Refusal::NODE_FULL, "this node is short of space");
    }
  }
  const int bits = stranger ? WorkBitsFor(usage) : 0;
  if (write.work_bits < bits) {
    return Refused(absl::StatusCode::kResourceExhausted, Refusal::WORK_NEEDED,
                   "this inbox is crowded: work is needed",
                   static_cast<uint32_t>(bits));
  }
  return absl::OkStatus();
}

}  // namespace messenger::swarm
