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

TEST(PinTextTest, OneSlipMakesPinsNear) {
  EXPECT_TRUE(AreNearPins("482916", "482916"));
  EXPECT_TRUE(AreNearPins("482916", "482917"));        // wrong
  EXPECT_TRUE(AreNearPins("482916", "48216"));         // left out
  EXPECT_TRUE(AreNearPins("482916", "4829166"));       // added at the end
  EXPECT_TRUE(AreNearPins("482916", "1482916"));       // and at the beginning
  EXPECT_TRUE(AreNearPins("482916", "489216"));        // swapped
  EXPECT_TRUE(AreNearPins("pass word", "PASS WORD"));  // Caps Lock
  EXPECT_TRUE(AreNearPins("caf\u00e9 pin", "cafe\u0301 pin"));
  EXPECT_TRUE(AreNearPins("", "1"));
  EXPECT_TRUE(AreNearPins("\xff\xfe\xfd", "\xff\xfe\xfc"));
}

TEST(PinTextTest, TwoSlipsDoNot) {
  EXPECT_FALSE(AreNearPins("482916", "482925"));
  EXPECT_FALSE(AreNearPins("482916", "4829"));
  EXPECT_FALSE(AreNearPins("482916", "48291633"));
  EXPECT_FALSE(AreNearPins("482916", "849216"));
  EXPECT_FALSE(AreNearPins("482916", "829164"));  // turned
  EXPECT_FALSE(AreNearPins("482916", "482961x"));
  EXPECT_FALSE(AreNearPins("", "12"));
  EXPECT_FALSE(AreNearPins("\xff\xfe\xfd", "\xff\xfc\xfb"));
}

}  // namespace
}  // namespace messenger::client
