#include "client/store/pin_text.h"

#include <string>

#include "gtest/gtest.h"

namespace messenger::client {
namespace {

TEST(PinTextTest, AsciiStaysAsItIs) {
  std::string all;
  for (char c = 0; c < 127; ++c) all += c;
  EXPECT_EQ(NormalisedPin(all), all);
  EXPECT_EQ(NormalisedPin(""), "");
}

TEST(PinTextTest, ComposedAndDecomposedAreTheSame) {
  EXPECT_EQ(NormalisedPin("caf\u00e9"), "cafe\u0301");
  EXPECT_EQ(NormalisedPin("cafe\u0301"), "cafe\u0301");
  // Two marks, in either order.
  EXPECT_EQ(NormalisedPin("q\u0307\u0323"), NormalisedPin("q\u0323\u0307"));
  EXPECT_EQ(NormalisedPin("\uac00"), "\u1100\u1161");
}

TEST(PinTextTest, DigitsOfAnyWidthAreTheSame) {
  EXPECT_EQ(NormalisedPin("\uff14\uff18\u00b2"), "482");
}

// The longest decomposition of the standard.
TEST(PinTextTest, OneCharacterMayBecomeManyMore) {
  EXPECT_EQ(NormalisedPin("\ufdfa").size(), 33u);
}

TEST(PinTextTest, DifferentLettersStayDifferent) {
  EXPECT_NE(NormalisedPin("caf\u00e9"), NormalisedPin("cafe"));
  EXPECT_NE(NormalisedPin("CAFE"), NormalisedPin("cafe"));
}

TEST(PinTextTest, WhatIsNotUtf8StaysAsItIs) {
  EXPECT_EQ(NormalisedPin("caf\xe9 1234"), "caf\xe9 1234");
  EXPECT_EQ(NormalisedPin("\xff"), "\xff");
}

}  // namespace
}  // namespace messenger::client
