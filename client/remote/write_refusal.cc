#include "client/remote/write_refusal.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::client {
namespace {

constexpr char kPayload[] = "messenger.client/write-refusal";
constexpr uint64_t kLongestRetryMs = 60'000;

RefusalReason ReasonOf(int value) {
  return value > 0 && value <= static_cast<int>(RefusalReason::kStaleChallenge)
             ? static_cast<RefusalReason>(value)
             : RefusalReason::kNone;
}

}  // namespace

WriteRefusal RefusalIn(const swarm::v1::ClientResponse& response) {
  const swarm::v1::Refusal& said = response.refusal();
  return {
      .reason = ReasonOf(static_cast<int>(said.reason())),
      .work_bits = static_cast<int>(std::min<uint32_t>(said.work_bits(), 255)),
      .retry_after = absl::Milliseconds(static_cast<int64_t>(
          std::min(said.retry_after_ms(), kLongestRetryMs))),
      .challenge = said.challenge()};
}

absl::Status WithRefusal(absl::Status status, const WriteRefusal& refusal) {
  if (refusal.reason == RefusalReason::kNone) return status;
  status.SetPayload(
      kPayload, absl::Cord(absl::StrCat(
                    static_cast<int>(refusal.reason), ",", refusal.work_bits,
                    ",", absl::ToInt64Milliseconds(refusal.retry_after))));
  return status;
}

WriteRefusal RefusalOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayload);
  if (!payload) return {};
  const std::vector<std::string> fields =
      absl::StrSplit(std::string(*payload), ',');
  int reason = 0;
  int bits = 0;
  int64_t retry_ms = 0;
  if (fields.size() != 3 || !absl::SimpleAtoi(fields[0], &reason) ||
      !absl::SimpleAtoi(fields[1], &bits) ||
      !absl::SimpleAtoi(fields[2], &retry_ms)) {
    return {};
  }
  return {.reason = ReasonOf(reason),
          .work_bits = bits,
          .retry_after = absl::Milliseconds(retry_ms),
          .challenge = 0};
}

}  // namespace messenger::client
