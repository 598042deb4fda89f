#include "swarm/proto/refusal.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace messenger::swarm {
namespace {

using v1::Refusal;

TEST(RefusalTest, ReasonAndWorkTravelWithTheStatus) {
  const absl::Status status =
      Refused(absl::StatusCode::kResourceExhausted, Refusal::WORK_NEEDED,
              "crowded", /*work_bits=*/17);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(), "crowded");
  EXPECT_EQ(ReasonOf(status), Refusal::WORK_NEEDED);
  ASSERT_TRUE(RefusalOf(status).has_value());
  EXPECT_EQ(RefusalOf(status)->work_bits(), 17u);
}

TEST(RefusalTest, AStatusWithoutOneHasNone) {
  for (const absl::Status& status :
       {absl::OkStatus(), absl::UnavailableError("away")}) {
    EXPECT_FALSE(RefusalOf(status).has_value());
    EXPECT_EQ(ReasonOf(status), Refusal::REASON_UNSPECIFIED);
  }
}

TEST(RefusalTest, AnotherPackagesPayloadIsNone) {
  absl::Status status = absl::UnavailableError("away");
  status.SetPayload("another", absl::Cord("\x08\x01"));
  EXPECT_FALSE(RefusalOf(status).has_value());
  // And stays beside ours.
  status = WithRefusal(status, Refusal());
  EXPECT_EQ(status.GetPayload("another"), absl::Cord("\x08\x01"));
}

TEST(RefusalTest, AMalformedOneIsNone) {
  absl::Status status =
      Refused(absl::StatusCode::kUnavailable, Refusal::FILLING, "not all here");
  std::string type;
  status.ForEachPayload([&](absl::string_view name, const absl::Cord&) {
    type = std::string(name);
  });
  status.SetPayload(type, absl::Cord("\x08"));
  EXPECT_FALSE(RefusalOf(status).has_value());
  EXPECT_EQ(ReasonOf(status), Refusal::REASON_UNSPECIFIED);
}

TEST(RefusalTest, TheLaterOneCounts) {
  Refusal busy;
  busy.set_reason(Refusal::BUSY);
  busy.set_retry_after_ms(500);
  const absl::Status status =
      WithRefusal(Refused(absl::StatusCode::kResourceExhausted,
                          Refusal::NODE_FULL, "no space"),
                  busy);
  EXPECT_EQ(ReasonOf(status), Refusal::BUSY);
  EXPECT_EQ(RefusalOf(status)->retry_after_ms(), 500u);
  EXPECT_EQ(status.message(), "no space");
}

// An OK status cannot carry one: a client that reads OK has been served.
TEST(RefusalTest, SuccessCarriesNone) {
  Refusal busy;
  busy.set_reason(Refusal::BUSY);
  EXPECT_EQ(WithRefusal(absl::OkStatus(), busy), absl::OkStatus());
  EXPECT_EQ(ReasonOf(WithRefusal(absl::OkStatus(), busy)),
            Refusal::REASON_UNSPECIFIED);
}

}  // namespace
}  // namespace messenger::swarm
