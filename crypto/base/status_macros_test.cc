#include "crypto/base/status_macros.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

absl::Status Guard(absl::Status first, bool& went_on) {
  RETURN_IF_ERROR(first);
  went_on = true;
  return absl::OkStatus();
}

absl::StatusOr<int> Sum(absl::StatusOr<int> a, absl::StatusOr<int> b) {
  ASSIGN_OR_RETURN(const int first, std::move(a));
  int second = 0;
  ASSIGN_OR_RETURN(second, std::move(b));
  return first + second;
}

absl::StatusOr<std::unique_ptr<int>> PassOn(
    absl::StatusOr<std::unique_ptr<int>> in) {
  ASSIGN_OR_RETURN(std::unique_ptr<int> value, std::move(in));
  return value;
}

TEST(StatusMacrosTest, ReturnIfErrorGoesOnWhenOk) {
  bool went_on = false;
  EXPECT_THAT(Guard(absl::OkStatus(), went_on), IsOk());
  EXPECT_TRUE(went_on);
}

TEST(StatusMacrosTest, ReturnIfErrorReturnsTheError) {
  bool went_on = false;
  EXPECT_THAT(Guard(absl::NotFoundError("x"), went_on),
              StatusIs(absl::StatusCode::kNotFound, "x"));
  EXPECT_FALSE(went_on);
}

TEST(StatusMacrosTest, AssignOrReturnAssignsAndReturns) {
  EXPECT_THAT(Sum(1, 2), IsOkAndHolds(3));
  EXPECT_THAT(Sum(absl::DataLossError("a"), 2),
              StatusIs(absl::StatusCode::kDataLoss, "a"));
  EXPECT_THAT(Sum(1, absl::DataLossError("b")),
              StatusIs(absl::StatusCode::kDataLoss, "b"));
}

TEST(StatusMacrosTest, AssignOrReturnMovesTheValue) {
  EXPECT_THAT(PassOn(std::make_unique<int>(7)),
              IsOkAndHolds(::testing::Pointee(7)));
}

}  // namespace
}  // namespace messenger::crypto
