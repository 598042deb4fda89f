#include "crypto/base/hex.h"

#include <string>

#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

TEST(HexTest, WritesLowerCase) {
  EXPECT_EQ(HexEncode(std::string("\x00\xff\x1a", 3)), "00ff1a");
  EXPECT_EQ(HexEncode(""), "");
}

TEST(HexTest, ReadsBothCases) {
  EXPECT_THAT(HexDecode("aBCdef09"),
              IsOkAndHolds(std::string("\xab\xcd\xef\x09")));
  EXPECT_THAT(HexDecode(""), IsOkAndHolds(std::string()));
}

TEST(HexTest, EveryByteComesBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  EXPECT_THAT(HexDecode(HexEncode(bytes)), IsOkAndHolds(bytes));
}

TEST(HexTest, OddLengthIsRefused) {
  EXPECT_THAT(HexDecode("abc"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(HexTest, OnlyHexDigitsAreRead) {
  const std::string digits = "0123456789abcdefABCDEF";
  for (int c = 0; c < 256; ++c) {
    const char character = static_cast<char>(c);
    const bool is_digit = digits.find(character) != std::string::npos;
    EXPECT_EQ(HexDecode(std::string{character, '0'}).ok(), is_digit) << c;
    EXPECT_EQ(HexDecode(std::string{'0', character}).ok(), is_digit) << c;
  }
}

}  // namespace
}  // namespace messenger::crypto
