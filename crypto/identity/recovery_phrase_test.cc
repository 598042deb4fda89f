#include "crypto/identity/recovery_phrase.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/hash/hash.h"
#include "crypto/identity/recovery_words.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/testdata/vector_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kFile[] = "crypto/testdata/account.txt";

std::vector<std::string> ValidWords() {
  return absl::StrSplit(LoadVector(kFile, "phrase 1").Bytes("phrase"), ' ');
}

std::string ValidSeed() { return LoadVector(kFile, "phrase 1").Bytes("seed"); }

// The seed's bytes; the test ends if the phrase is refused.
std::string Decode(absl::string_view phrase) {
  return std::string(DecodeRecoveryPhrase(phrase).value().Expose());
}

TEST(RecoveryWordsTest, AreTheListOfTheSpecification) {
  EXPECT_EQ(Sha256(absl::StrJoin(kRecoveryWords, "\n")).bytes(),
            LoadVector(kFile, "word list").Bytes("words_sha256"));
}

TEST(RecoveryWordsTest, HaveUniqueFirstLetters) {
  std::set<absl::string_view> prefixes;
  for (const absl::string_view word : kRecoveryWords) {
    ASSERT_GE(word.size(), 3u);
    EXPECT_TRUE(prefixes.insert(word.substr(0, 3)).second) << word;
    EXPECT_EQ(word, absl::AsciiStrToLower(word));
  }
}

TEST(RecoveryPhraseTest, MatchesTheVectors) {
  for (const TestVector& vector : LoadVectors(kFile, "phrase ")) {
    EXPECT_EQ(EncodeRecoveryPhrase(
                  AccountSeed::FromBytes(vector.Bytes("seed")).value()),
              vector.Bytes("phrase"));
    EXPECT_EQ(Decode(vector.Bytes("phrase")), vector.Bytes("seed"));
  }
}

TEST(RecoveryPhraseTest, EverySeedComesBack) {
  SeededRandom random(1);
  for (int i = 0; i < 300; ++i) {
    const AccountSeed seed = random.Secret<16>();
    EXPECT_EQ(Decode(EncodeRecoveryPhrase(seed)), seed.Expose());
  }
}

TEST(RecoveryPhraseTest, ExtremeSeedsComeBack) {
  for (const char fill : {'\0', '\x7f', '\xff'}) {
    const std::string bytes(16, fill);
    EXPECT_EQ(
        Decode(EncodeRecoveryPhrase(AccountSeed::FromBytes(bytes).value())),
        bytes);
  }
}

TEST(RecoveryPhraseTest, CaseAndWhiteSpaceDoNotMatter) {
  const std::string phrase = absl::StrJoin(ValidWords(), " ");
  EXPECT_EQ(Decode(absl::AsciiStrToUpper(phrase)), ValidSeed());
  EXPECT_EQ(Decode(absl::StrCat("\n  ", absl::StrJoin(ValidWords(), " \t\r\n"),
                                "  ")),
            ValidSeed());
}

TEST(RecoveryPhraseTest, FirstThreeLettersAreEnough) {
  std::vector<std::string> words = ValidWords();
  for (std::string& word : words) word.resize(3);
  EXPECT_EQ(Decode(absl::StrJoin(words, " ")), ValidSeed());
  for (std::string& word : words) word += "qqq";
  EXPECT_EQ(Decode(absl::StrJoin(words, " ")), ValidSeed());
}

TEST(RecoveryPhraseTest, UnknownWordIsNamed) {
  for (size_t i = 0; i < 13; ++i) {
    std::vector<std::string> words = ValidWords();
    words[i] = "xyzzy";
    EXPECT_THAT(
        DecodeRecoveryPhrase(absl::StrJoin(words, " ")),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 HasSubstr(absl::StrCat("word ", i + 1, " (\"xyzzy\")"))));
  }
}

TEST(RecoveryPhraseTest, WordOfTwoLettersIsNamed) {
  std::vector<std::string> words = ValidWords();
  words[4] = "ab";
  EXPECT_THAT(DecodeRecoveryPhrase(absl::StrJoin(words, " ")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("word 5 (\"ab\")")));
}

TEST(RecoveryPhraseTest, QuotedWordIsShortAndPrintable) {
  std::vector<std::string> words = ValidWords();
  words[0] = "\x1b[31m" + std::string(500, 'q');
  const absl::Status status =
      DecodeRecoveryPhrase(absl::StrJoin(words, " ")).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("word 1 (\"\\x1b[31mqqq"),
                                     Not(HasSubstr("\x1b")))));
  EXPECT_LT(status.message().size(), 200u);
}

// A message that quoted words of the list would carry parts of the secret.
TEST(RecoveryPhraseTest, NoMessageQuotesAWordOfTheList) {
  std::vector<std::string> words = ValidWords();
  words[12] = "abbey";
  const absl::Status checksum =
      DecodeRecoveryPhrase(absl::StrJoin(words, " ")).status();
  words.pop_back();
  const absl::Status count =
      DecodeRecoveryPhrase(absl::StrJoin(words, " ")).status();
  for (const absl::Status& status : {checksum, count}) {
    ASSERT_FALSE(status.ok());
    for (const std::string& word : ValidWords()) {
      EXPECT_THAT(std::string(status.message()), Not(HasSubstr(word)));
    }
  }
}

TEST(RecoveryPhraseTest, WrongWordCountIsRefused) {
  for (const size_t count : {0, 1, 12, 14, 24, 25}) {
    const std::vector<std::string> words(count, "abbey");
    EXPECT_THAT(DecodeRecoveryPhrase(absl::StrJoin(words, " ")),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("13 words"),
                               HasSubstr(absl::StrCat("has ", count)))));
  }
}

TEST(RecoveryPhraseTest, WrongChecksumWordIsNamed) {
  std::vector<std::string> words = ValidWords();
  words[12] = "abbey";
  EXPECT_THAT(
      DecodeRecoveryPhrase(absl::StrJoin(words, " ")),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("word 13")));
}

TEST(RecoveryPhraseTest, MostSwappedWordsAreNoticed) {
  int refused = 0;
  for (size_t i = 0; i + 1 < 12; ++i) {
    std::vector<std::string> words = ValidWords();
    std::swap(words[i], words[i + 1]);
    refused += !DecodeRecoveryPhrase(absl::StrJoin(words, " ")).ok();
  }
  EXPECT_GE(refused, 9);
}

TEST(RecoveryPhraseTest, TripletBeyondFourBytesIsNamed) {
  for (size_t triplet = 0; triplet < 4; ++triplet) {
    std::vector<std::string> words = ValidWords();
    words[3 * triplet] = "abbey";
    words[3 * triplet + 1] = "abbey";
    words[3 * triplet + 2] = "zoom";
    EXPECT_THAT(DecodeRecoveryPhrase(absl::StrJoin(words, " ")),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(absl::StrCat("words ", 3 * triplet + 1,
                                                " to ", 3 * triplet + 3))));
  }
}

TEST(RecoveryPhraseTest, OverlongTextIsRefused) {
  EXPECT_THAT(
      DecodeRecoveryPhrase(std::string(1'000'000, 'a')),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too long")));
}

TEST(RecoveryPhraseTest, LettersBeyondAsciiAreAnUnknownWord) {
  std::vector<std::string> words = ValidWords();
  words[2] = "d\xc3\xa4ting";
  EXPECT_THAT(
      DecodeRecoveryPhrase(absl::StrJoin(words, " ")),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("word 3")));
}

}  // namespace
}  // namespace messenger::crypto
