#include "crypto/random/random.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/random/testing/scripted_random.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::testing::UnorderedElementsAre;

TEST(RandomTest, U64IsBigEndianBytes) {
  ScriptedRandom random("\x01\x02\x03\x04\x05\x06\x07\x08");
  EXPECT_EQ(random.U64(), 0x0102030405060708u);
  EXPECT_TRUE(random.used_up());
}

TEST(RandomTest, FillsTypedValues) {
  ScriptedRandom random("abcdefghij");
  EXPECT_EQ(random.Secret<3>().Expose(), "abc");
  EXPECT_EQ((random.Fixed<FixedBytes<struct T, 4>>().bytes()), "defg");
  EXPECT_EQ(random.String(3), "hij");
}

TEST(RandomTest, UniformStaysBelowItsBoundAndReachesAll) {
  SeededRandom random(1);
  std::array<int, 7> counts = {};
  for (int i = 0; i < 7000; ++i) ++counts.at(random.Uniform(7));
  // Ten standard deviations around the mean of 1,000.
  for (const int count : counts) {
    EXPECT_GT(count, 700);
    EXPECT_LT(count, 1300);
  }
  EXPECT_EQ(random.Uniform(1), 0u);
}

TEST(RandomTest, UniformDrawsBiasedValuesAgain) {
  // For a bound of 3, 2^64 mod 3 = 1: only the value 0 is drawn again.
  ScriptedRandom random(std::string(8, '\0') +
                        std::string("\0\0\0\0\0\0\0\5", 8));
  EXPECT_EQ(random.Uniform(3), 2u);
  EXPECT_TRUE(random.used_up());
}

TEST(RandomTest, UniformCoversTheWholeRange) {
  ScriptedRandom random(std::string(8, '\xff'));
  EXPECT_EQ(random.Uniform(~uint64_t{0}), 0u);
}

TEST(RandomDeathTest, UniformOfNothingCrashes) {
  SeededRandom random(1);
  EXPECT_DEATH(random.Uniform(0), "");
}

TEST(RandomTest, UnitDoubleIsBelowOne) {
  ScriptedRandom random(std::string(8, '\0') + std::string(8, '\xff'));
  EXPECT_EQ(random.UnitDouble(), 0.0);
  const double largest = random.UnitDouble();
  EXPECT_LT(largest, 1.0);
  EXPECT_GT(largest, 0.999999999);
}

TEST(RandomTest, ShuffleKeepsTheElements) {
  SeededRandom random(2);
  std::vector<int> cards = {1, 2, 3, 4, 5};
  random.Shuffle(cards.begin(), cards.end());
  EXPECT_THAT(cards, UnorderedElementsAre(1, 2, 3, 4, 5));
  std::vector<int> none;
  random.Shuffle(none.begin(), none.end());
}

TEST(RandomTest, ShuffleReachesEveryOrderAlike) {
  SeededRandom random(3);
  std::map<std::string, int> orders;
  for (int i = 0; i < 6000; ++i) {
    std::string cards = "abc";
    random.Shuffle(cards.begin(), cards.end());
    ++orders[cards];
  }
  ASSERT_EQ(orders.size(), 6u);
  for (const auto& [order, count] : orders) {
    EXPECT_GT(count, 700) << order;
    EXPECT_LT(count, 1300) << order;
  }
}

}  // namespace
}  // namespace messenger::crypto
