#include "crypto/base/secret_bytes.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
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

// What the memory holds, also where no object lives.
std::string Peek(const char* place) {
  std::string bytes(Secret::kSize, '?');
  const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  const ssize_t count =
      pread(memory, bytes.data(), bytes.size(),
            static_cast<off_t>(reinterpret_cast<uintptr_t>(place)));
  close(memory);
  EXPECT_EQ(count, static_cast<ssize_t>(bytes.size()));
  return bytes;
}

TEST(SecretBytesTest, DestructionWipesTheMemory) {
  const char* place = nullptr;
  {
    const Secret secret = Abcdefgh();
    place = secret.Expose().data();
    ASSERT_EQ(Peek(place), "abcdefgh");
  }
  EXPECT_EQ(Peek(place), kZeros);
}

TEST(SecretBytesTest, AssigningWipesWhatWasThere) {
  Secret secret = Abcdefgh();
  const char* const place = secret.Expose().data();
  secret = Secret();
  EXPECT_EQ(Peek(place), kZeros);
  EXPECT_EQ(secret.Expose(), kZeros);
}

TEST(SecretBytesTest, MovingLeavesNoCopyBehind) {
  Secret source = Abcdefgh();
  const char* const place = source.Expose().data();
  const Secret target = std::move(source);
  EXPECT_EQ(target.Expose().data(), place);
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
