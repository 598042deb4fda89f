#include "client/remote/write_refusal.h"

#include <limits>

#include "gtest/gtest.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::client {
namespace {

TEST(WriteRefusalTest, TravelsWithAStatus) {
  const WriteRefusal refusal{.reason = RefusalReason::kWorkNeeded,
                             .work_bits = 17,
                             .retry_after = absl::Milliseconds(1'500)};
  const absl::Status status =
      WithRefusal(absl::ResourceExhaustedError("crowded"), refusal);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RefusalOf(status), refusal);
  const absl::Status copy = status;
  EXPECT_EQ(RefusalOf(copy), refusal);
}

TEST(WriteRefusalTest, AStatusWithoutOneHasNone) {
  EXPECT_EQ(RefusalOf(absl::UnavailableError("")), WriteRefusal());
  EXPECT_EQ(RefusalOf(absl::OkStatus()), WriteRefusal());
  const absl::Status status = absl::UnavailableError("");
  EXPECT_EQ(WithRefusal(status, WriteRefusal()), status);
}

TEST(WriteRefusalTest, WhatAMemberSaysIsBounded) {
  swarm::v1::ClientResponse response;
  EXPECT_EQ(RefusalIn(response), WriteRefusal());
  swarm::v1::Refusal& refusal = *response.mutable_refusal();
  refusal.set_reason(swarm::v1::Refusal::BUSY);
  refusal.set_work_bits(std::numeric_limits<uint32_t>::max());
  refusal.set_retry_after_ms(std::numeric_limits<uint64_t>::max());
  const WriteRefusal read = RefusalIn(response);
  EXPECT_EQ(read.reason, RefusalReason::kBusy);
  EXPECT_EQ(read.work_bits, 255);
  EXPECT_EQ(read.retry_after, absl::Minutes(1));
  refusal.set_reason(static_cast<swarm::v1::Refusal::Reason>(77));
  EXPECT_EQ(RefusalIn(response).reason, RefusalReason::kNone);
}

}  // namespace
}  // namespace messenger::client
