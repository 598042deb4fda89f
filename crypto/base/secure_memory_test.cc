#include "crypto/base/secure_memory.h"

#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

TEST(SecureWipeTest, ZeroesExactlyWhatItIsGiven) {
  std::string bytes = "abcdef";
  SecureWipe(&bytes[1], 3);
  EXPECT_EQ(bytes, std::string("a\0\0\0ef", 6));
  SecureWipe(nullptr, 0);
}

TEST(SecureWipeTest, WipesAStringToItsCapacity) {
  std::string text(1000, 'x');
  text.resize(10);
  char* const memory = text.data();
  SecureWipe(text);
  EXPECT_TRUE(text.empty());
  ASSERT_EQ(text.data(), memory);
  // Growing within the capacity does not move, so this looks at the same
  // memory again.
  ASSERT_GE(text.capacity(), 1000u);
  for (size_t i = 1; i < 10; ++i) EXPECT_EQ(memory[i], '\0') << i;
}

TEST(ConstantTimeEqualsTest, ComparesLikeEquals) {
  EXPECT_TRUE(ConstantTimeEquals("", ""));
  EXPECT_TRUE(ConstantTimeEquals("abc", "abc"));
  EXPECT_FALSE(ConstantTimeEquals("abc", "ab"));
  EXPECT_FALSE(ConstantTimeEquals("", "a"));
}

TEST(ConstantTimeEqualsTest, SeesEverySingleBit) {
  const std::string original(9, 'x');
  for (size_t bit = 0; bit < 8 * original.size(); ++bit) {
    std::string other = original;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(ConstantTimeEquals(original, other)) << bit;
  }
}

}  // namespace
}  // namespace messenger::crypto
