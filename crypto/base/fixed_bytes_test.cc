#include "crypto/base/fixed_bytes.h"

#include <string>
#include <type_traits>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash_testing.h"
#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

using Fruit = FixedBytes<struct FruitTag, 4>;
using Stone = FixedBytes<struct StoneTag, 4>;

// Equal length is not equal meaning.
static_assert(!std::is_convertible_v<Fruit, Stone>);
static_assert(!std::is_constructible_v<Fruit, Stone>);
static_assert(!std::is_constructible_v<Fruit, std::string>);

TEST(FixedBytesTest, StartsAsZero) {
  EXPECT_EQ(Fruit().bytes(), std::string(4, '\0'));
  EXPECT_TRUE(Fruit().IsZero());
}

TEST(FixedBytesTest, KeepsItsBytes) {
  const Fruit fruit = Fruit::FromArray({1, 2, 3, 0xff});
  EXPECT_EQ(fruit.bytes(), "\x01\x02\x03\xff");
  EXPECT_EQ(fruit.ToHex(), "010203ff");
  EXPECT_FALSE(fruit.IsZero());
  EXPECT_THAT(Fruit::FromHex("010203FF"), IsOkAndHolds(fruit));
  EXPECT_THAT(Fruit::FromBytes(fruit.bytes()), IsOkAndHolds(fruit));
}

TEST(FixedBytesTest, WrongLengthIsRefused) {
  for (const size_t size : {0, 3, 5}) {
    EXPECT_THAT(Fruit::FromBytes(std::string(size, 'x')),
                StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(Fruit::FromHex(std::string(2 * size, '0')),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(Fruit::FromHex("0102030g"),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(FixedBytesTest, OrdersAsUnsignedBytes) {
  const Fruit small = Fruit::FromArray({0x01, 0, 0, 0xff});
  const Fruit large = Fruit::FromArray({0x80, 0, 0, 0x00});
  EXPECT_TRUE(small < large);
  EXPECT_FALSE(large < small);
  EXPECT_FALSE(small < small);
}

TEST(FixedBytesTest, HashAgreesWithEquality) {
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly(
      {Fruit(), Fruit::FromArray({1, 0, 0, 0}), Fruit::FromArray({0, 1, 0, 0}),
       Fruit::FromArray({0, 0, 0, 1})}));
  absl::flat_hash_set<Fruit> basket = {Fruit(), Fruit()};
  EXPECT_EQ(basket.size(), 1u);
}

TEST(FixedBytesTest, IsFilledInPlace) {
  Fruit fruit;
  fruit.data()[3] = 'x';
  EXPECT_NE(fruit, Fruit());
  EXPECT_EQ(fruit.bytes()[3], 'x');
}

}  // namespace
}  // namespace messenger::crypto
