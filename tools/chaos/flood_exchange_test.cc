#include "tools/chaos/flood_exchange.h"

#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::chaos {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

AttackReport Report() {
  return {{"replays",
           {.tried = 7,
            .withheld = 2,
            .answers = {{AttackFigures::kAccepted, 4}, {"BUSY", 3}},
            .accepted_bytes = 4096}},
          {"no requests at all",
           {.tried = 1, .withheld = 0, .answers = {}, .accepted_bytes = 0}}};
}

TEST(FloodExchangeTest, TargetsComeAsTheyWere) {
  crypto::SeededRandom random(1);
  std::vector<FloodTarget> targets;
  for (int i = 0; i < 3; ++i) {
    targets.push_back(
        {.inbox = crypto::AccountKeys::Generate(random).id(),
         .read_key = crypto::Ed25519PrivateKey::Generate(random).public_key(),
         .write_key =
             crypto::Ed25519PrivateKey::Generate(random).public_key()});
  }
  const auto read = TargetsFromText(TargetsToText(targets));
  ASSERT_THAT(read, IsOk());
  ASSERT_EQ(read->size(), targets.size());
  for (size_t i = 0; i < targets.size(); ++i) {
    EXPECT_EQ((*read)[i].inbox, targets[i].inbox);
    EXPECT_EQ((*read)[i].read_key, targets[i].read_key);
    EXPECT_EQ((*read)[i].write_key, targets[i].write_key);
  }
}

TEST(FloodExchangeTest, AReportComesAsItWas) {
  const auto read = ReportFromText(ReportToText(Report()));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(*read, Report());
}

TEST(FloodExchangeTest, AReportThatIsCutOffIsNone) {
  const std::string text = ReportToText(Report());
  for (size_t size = 0; size + 1 < text.size(); ++size) {
    EXPECT_THAT(ReportFromText(text.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss))
        << size;
  }
}

}  // namespace
}  // namespace messenger::chaos
