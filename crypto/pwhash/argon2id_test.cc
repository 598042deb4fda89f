#include "crypto/pwhash/argon2id.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/testdata/vector_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::StatusIs;

constexpr uint64_t kKib = 1024;

std::string Key(absl::string_view password, const Argon2Salt& salt,
                uint32_t passes = 1, uint64_t memory_bytes = 8 * kKib) {
  return std::string(
      Argon2id(password, salt, passes, memory_bytes).value().Expose());
}

TEST(Argon2idTest, MatchesTheVectors) {
  for (const TestVector& vector : LoadVectors("crypto/testdata/argon2id.txt")) {
    EXPECT_EQ(Key(vector.Bytes("password"),
                  Argon2Salt::FromBytes(vector.Bytes("salt")).value(),
                  static_cast<uint32_t>(vector.Number("passes")),
                  static_cast<uint64_t>(vector.Number("memory_kib")) * kKib),
              vector.Bytes("key"))
        << vector.name();
  }
}

TEST(Argon2idTest, EveryParameterMatters) {
  const Argon2Salt salt;
  const std::string base = Key("password", salt);
  EXPECT_EQ(Key("password", salt), base);
  EXPECT_NE(Key("passwore", salt), base);
  EXPECT_NE(Key("", salt), base);
  EXPECT_NE(Key("password", Argon2Salt::FromArray({1})), base);
  EXPECT_NE(Key("password", salt, 2), base);
  EXPECT_NE(Key("password", salt, 1, 16 * kKib), base);
}

TEST(Argon2idTest, PasswordMayContainZeroBytes) {
  EXPECT_NE(Key(absl::string_view("a\0b", 3), Argon2Salt()),
            Key("a", Argon2Salt()));
}

TEST(Argon2idTest, ParametersOutOfRangeAreRefused) {
  EXPECT_THAT(Argon2id("p", Argon2Salt(), 0, 8 * kKib),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Argon2id("p", Argon2Salt(), 1, 8 * kKib - 1),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Argon2id("p", Argon2Salt(), 1, ~uint64_t{0}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace messenger::crypto
