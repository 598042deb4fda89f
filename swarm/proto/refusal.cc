#include "swarm/proto/refusal.h"

#include <string>
#include <utility>

#include "absl/strings/cord.h"

namespace messenger::swarm {
namespace {

constexpr absl::string_view kPayloadType = "messenger.swarm.v1.Refusal";

}  // namespace

absl::Status Refused(absl::StatusCode code, v1::Refusal::Reason reason,
                     absl::string_view message, uint32_t work_bits) {
  v1::Refusal refusal;
  refusal.set_reason(reason);
  refusal.set_work_bits(work_bits);
  return WithRefusal(absl::Status(code, message), refusal);
}

absl::Status WithRefusal(absl::Status status, const v1::Refusal& refusal) {
  status.SetPayload(kPayloadType, absl::Cord(refusal.SerializeAsString()));
  return status;
}

std::optional<v1::Refusal> RefusalOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadType);
  v1::Refusal refusal;
  if (!payload.has_value() || !refusal.ParseFromString(std::string(*payload))) {
    return std::nullopt;
  }
  return refusal;
}

v1::Refusal::Reason ReasonOf(const absl::Status& status) {
  const std::optional<v1::Refusal> refusal = RefusalOf(status);
  return refusal.has_value() ? refusal->reason()
                             : v1::Refusal::REASON_UNSPECIFIED;
}

}  // namespace messenger::swarm
