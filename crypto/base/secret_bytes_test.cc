#include "crypto/base/secret_bytes.h"

#include <cstddef>
#include <new>
#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::StatusIs;

using Secret = SecretBytes<8>;

template <typename T, typename = void>
struct IsPrintable : std::false_type {};
template <typename T>
struct IsPrintable<T, std::void_t<decltype(std::declval<std::ostream&>()
                                           << std::declval<T>())>>
    : std::true_type {};

template <typename T, typename = void>
struct IsComparable : std::false_type {};
template <typename T>
struct IsComparable<
    T, std::void_t<decltype(std::declval<T>() == std::declval<T>())>>
    : std::true_type {};

// Misuse that must not compile.
static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(!std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);
static_assert(!IsPrintable<Secret>::value);
static_assert(IsPrintable<int>::value);
static_assert(!IsComparable<Secret>::value);
static_assert(IsComparable<int>::value);
static_assert(!std::is_convertible_v<Secret, std::string>);

const std::string kZeros(8, '\0');

Secret Abcdefgh() { return *Secret::FromBytes("abcdefgh"); }

TEST(SecretBytesTest, StartsAsZero) { EXPECT_EQ(Secret().Expose(), kZeros); }

TEST(SecretBytesTest, KeepsItsBytes) {
  EXPECT_EQ(Abcdefgh().Expose(), "abcdefgh");
}

TEST(SecretBytesTest, WrongLengthIsRefused) {
  for (const char* bytes : {"", "abcdefg", "abcdefghi"}) {
    EXPECT_THAT(Secret::FromBytes(bytes),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(SecretBytesTest, MovingWipesTheSource) {
  Secret source = Abcdefgh();
  const Secret target = std::move(source);
  EXPECT_EQ(target.Expose(), "abcdefgh");
  EXPECT_EQ(source.Expose(), kZeros);
}

TEST(SecretBytesTest, AssigningWipesTheSource) {
  Secret source = Abcdefgh();
  Secret target;
  target = std::move(source);
  EXPECT_EQ(target.Expose(), "abcdefgh");
  EXPECT_EQ(source.Expose(), kZeros);
}

TEST(SecretBytesTest, AssigningToItselfKeepsTheSecret) {
  Secret secret = Abcdefgh();
  Secret& alias = secret;
  secret = std::move(alias);
  EXPECT_EQ(secret.Expose(), "abcdefgh");
}

// Reads memory in which an object no longer lives, out of sight of the
// compiler, which would otherwise assume that nobody may.
[[gnu::noinline]] std::string Snapshot(const volatile char* memory) {
  std::string bytes;
  for (size_t i = 0; i < sizeof(Secret); ++i) bytes.push_back(memory[i]);
  return bytes;
}

TEST(SecretBytesTest, DestructionWipesTheMemory) {
  alignas(Secret) char memory[sizeof(Secret)] = {};
  Secret* const secret = new (memory) Secret(Abcdefgh());
  ASSERT_EQ(Snapshot(memory), "abcdefgh");
  secret->~Secret();
  EXPECT_EQ(Snapshot(memory), kZeros);
}

TEST(SecretBytesTest, CloneIsIndependent) {
  const Secret original = Abcdefgh();
  Secret clone = original.Clone();
  clone.MutableExpose()[0] = 'X';
  EXPECT_EQ(original.Expose(), "abcdefgh");
  EXPECT_EQ(clone.Expose(), "Xbcdefgh");
}

}  // namespace
}  // namespace messenger::crypto
