#include "client/remote/work_search.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

class WorkSearchTest : public ::testing::Test {
 protected:
  std::unique_ptr<WorkSearch> Search(int bits, uint64_t answer) {
    auto search = std::make_unique<WorkSearch>(
        executor_, bits,
        [this, answer](uint64_t from,
                       uint64_t tries) -> std::optional<uint64_t> {
          slices_.emplace_back(from, tries);
          if (answer < from || answer >= from + tries) return std::nullopt;
          return answer;
        },
        [this](absl::StatusOr<uint64_t> result) {
          result_ = std::move(result);
        });
    search->Start();
    return search;
  }

  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_{clock_};
  std::vector<std::pair<uint64_t, uint64_t>> slices_;
  std::optional<absl::StatusOr<uint64_t>> result_;
};

TEST_F(WorkSearchTest, OtherTasksRunBetweenItsSlices) {
  const auto search = Search(20, 4'500);
  EXPECT_TRUE(slices_.empty()) << "worked inside Start()";
  size_t slices_before_other = 0;
  executor_.Run([&] { slices_before_other = slices_.size(); });
  executor_.RunUntilIdle();
  EXPECT_EQ(slices_before_other, 1u);
  ASSERT_TRUE(result_.has_value());
  EXPECT_THAT(*result_, IsOkAndHolds(4'500u));
  EXPECT_THAT(slices_, ::testing::ElementsAre(std::make_pair(0, 2'000),
                                              std::make_pair(2'000, 2'000),
                                              std::make_pair(4'000, 2'000)));
}

TEST_F(WorkSearchTest, RefusesMoreBitsThanAnHonestMemberAsksFor) {
  const auto search = Search(kMaxWorkBits + 1, 0);
  executor_.RunUntilIdle();
  ASSERT_TRUE(result_.has_value());
  EXPECT_THAT(*result_, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(slices_.empty());
}

TEST_F(WorkSearchTest, EndsEvenIfThereIsNoSuchNonce) {
  const auto search = Search(8, 1 << 30);
  executor_.RunUntilIdle();
  ASSERT_TRUE(result_.has_value());
  EXPECT_THAT(*result_, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(slices_.size(), 64u * 256 / 2'000 + 1);
}

TEST_F(WorkSearchTest, StopsWhenItIsDestroyed) {
  auto search = Search(20, 1'000'000);
  executor_.Run([&] { search.reset(); });
  executor_.RunUntilIdle();
  EXPECT_FALSE(result_.has_value());
  EXPECT_EQ(slices_.size(), 1u);
}

}  // namespace
}  // namespace messenger::client
