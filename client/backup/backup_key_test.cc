#include "client/backup/backup_key.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

std::string KeyOf(absl::string_view text) {
  const absl::StatusOr<BackupKey> key = ParseBackupKey(text);
  return key.ok() ? std::string(key->Expose()) : key.status().ToString();
}

TEST(BackupKeyTest, IsReadAsItWasWritten) {
  crypto::SeededRandom random(1);
  for (int i = 0; i < 200; ++i) {
    const BackupKey key = random.Secret<32>();
    const std::string text = BackupKeyText(key);
    EXPECT_THAT(text,
                MatchesRegex("[0-9A-HJKMNP-TV-Z][0-9A-HJKMNP-TV-Z-]{67}[0-9A-"
                             "HJKMNP-TV-Z]"));
    EXPECT_EQ(KeyOf(text), key.Expose());
  }
}

// Of the bytes 0 to 31; computed by another program.
TEST(BackupKeyTest, IsWrittenAsSpecified) {
  BackupKey key;
  for (size_t i = 0; i < BackupKey::kSize; ++i) {
    key.MutableExpose()[i] = static_cast<char>(i);
  }
  EXPECT_EQ(BackupKeyText(key),
            "000G-40R4-0M30-E209-185G-R38E-1W81-24GK-2GAH-C5RR-34D1-P70X-3RFX-"
            "GWFF");
}

TEST(BackupKeyTest, IsReadAsPeopleTypeIt) {
  crypto::SeededRandom random(2);
  const BackupKey key = random.Secret<32>();
  const std::string text = BackupKeyText(key);
  EXPECT_EQ(KeyOf(absl::AsciiStrToLower(text)), key.Expose());
  EXPECT_EQ(KeyOf(absl::StrReplaceAll(text, {{"-", " "}})), key.Expose());
  EXPECT_EQ(KeyOf(absl::StrReplaceAll(text, {{"-", ""}}) + "\r\n"),
            key.Expose());
  EXPECT_EQ(KeyOf(absl::StrReplaceAll(text, {{"0", "o"}, {"1", "l"}})),
            key.Expose());
}

TEST(BackupKeyTest, EveryWrongCharacterAndEverySwapIsNoticed) {
  crypto::SeededRandom random(3);
  const std::string text = BackupKeyText(random.Secret<32>());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '-') continue;
    std::string wrong = text;
    wrong[i] = text[i] == '7' ? '8' : '7';
    EXPECT_THAT(ParseBackupKey(wrong),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << i;
    if (i == 0 || text[i - 1] == '-' || text[i - 1] == text[i]) continue;
    wrong = text;
    std::swap(wrong[i], wrong[i - 1]);
    EXPECT_THAT(ParseBackupKey(wrong),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(BackupKeyTest, WhatIsWrongIsNamed) {
  crypto::SeededRandom random(4);
  const std::string text = BackupKeyText(random.Secret<32>());
  std::string wrong = text;
  wrong[6] = 'U';
  EXPECT_THAT(
      ParseBackupKey(wrong),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("group 2")));
  EXPECT_THAT(
      ParseBackupKey(text.substr(1)),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has 55")));
  EXPECT_THAT(
      ParseBackupKey(text + text),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has 112")));
}

}  // namespace
}  // namespace messenger::client
