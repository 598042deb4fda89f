#include "crypto/identity/recovery_phrase.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "crypto/base/secure_memory.h"
#include "crypto/identity/recovery_words.h"

namespace messenger::crypto {
namespace {

constexpr size_t kPrefixLetters = 3;
constexpr size_t kSeedWords = 12;
constexpr size_t kPhraseWords = kSeedWords + 1;

// More than 13 of the longest words; what is longer is no phrase and is not
// looked at.
constexpr size_t kMaxPhraseBytes = 1024;

// Longer mistypings are cut when they are quoted.
constexpr size_t kMaxQuotedBytes = 24;

// Words are named by their place in the list.
using WordIndex = uint32_t;

absl::string_view Prefix(WordIndex word) {
  return kRecoveryWords[word].substr(0, kPrefixLetters);
}

// The place of the word with these first letters. A linear search: it takes
// microseconds, and which words are looked up does not show in the timing of a
// hash table. Does not stop early, for the same reason.
std::optional<WordIndex> FindWord(absl::string_view typed) {
  if (typed.size() < kPrefixLetters) return std::nullopt;
  const char prefix[kPrefixLetters] = {absl::ascii_tolower(typed[0]),
                                       absl::ascii_tolower(typed[1]),
                                       absl::ascii_tolower(typed[2])};
  std::optional<WordIndex> found;
  for (WordIndex word = 0; word < kRecoveryWordCount; ++word) {
    if (Prefix(word) == absl::string_view(prefix, kPrefixLetters)) found = word;
  }
  return found;
}

// CRC-32 (IEEE) of the first letters of all seed words chooses which of them
// is repeated at the end.
size_t ChecksumPosition(const std::array<WordIndex, kSeedWords>& words) {
  uint32_t crc = 0xffffffff;
  for (const WordIndex word : words) {
    for (const char letter : Prefix(word)) {
      crc ^= static_cast<unsigned char>(letter);
      for (int bit = 0; bit < 8; ++bit) {
        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
      }
    }
  }
  return (crc ^ 0xffffffff) % kSeedWords;
}

absl::Status UnknownWordError(size_t position, absl::string_view typed) {
  return absl::InvalidArgumentError(absl::StrCat(
      "word ", position + 1, " (\"",
      absl::CHexEscape(typed.substr(0, kMaxQuotedBytes)),
      "\") is not in the word list: check its first three letters"));
}

absl::Status WordCountError(size_t count) {
  return absl::InvalidArgumentError(
      absl::StrCat("a recovery phrase has 13 words, and this one has ", count));
}

}  // namespace

std::string EncodeRecoveryPhrase(const AccountSeed& seed) {
  constexpr uint32_t n = kRecoveryWordCount;
  std::array<WordIndex, kSeedWords> words;
  for (size_t i = 0; i < AccountSeed::kSize / 4; ++i) {
    uint32_t x = 0;
    for (size_t byte = 4; byte > 0; --byte) {
      x = x << 8 | static_cast<uint8_t>(seed.Expose()[4 * i + byte - 1]);
    }
    words[3 * i] = x % n;
    words[3 * i + 1] = (x / n + words[3 * i]) % n;
    words[3 * i + 2] = (x / n / n + words[3 * i + 1]) % n;
  }
  std::string phrase;
  // Room for every word, so that growing leaves no copy behind.
  phrase.reserve(kMaxPhraseBytes);
  for (const WordIndex word : words) {
    absl::StrAppend(&phrase, kRecoveryWords[word], " ");
  }
  absl::StrAppend(&phrase, kRecoveryWords[words[ChecksumPosition(words)]]);
  SecureWipe(words.data(), sizeof(words));
  return phrase;
}

absl::StatusOr<AccountSeed> DecodeRecoveryPhrase(absl::string_view phrase) {
  if (phrase.size() > kMaxPhraseBytes) {
    return absl::InvalidArgumentError("this is too long for a recovery phrase");
  }
  const std::vector<absl::string_view> typed =
      absl::StrSplit(phrase, absl::ByAnyChar(" \t\r\n\v\f"), absl::SkipEmpty());

  // An unknown word explains a wrong count better than the count does.
  std::vector<WordIndex> words;
  words.reserve(kMaxPhraseBytes / 2);
  for (size_t i = 0; i < typed.size(); ++i) {
    const std::optional<WordIndex> word = FindWord(typed[i]);
    if (!word.has_value()) return UnknownWordError(i, typed[i]);
    words.push_back(*word);
  }
  if (words.size() != kPhraseWords) return WordCountError(words.size());

  constexpr uint64_t n = kRecoveryWordCount;
  AccountSeed seed;
  for (size_t i = 0; i < AccountSeed::kSize / 4; ++i) {
    const uint64_t w1 = words[3 * i];
    const uint64_t w2 = words[3 * i + 1];
    const uint64_t w3 = words[3 * i + 2];
    const uint64_t x =
        w1 + n * ((w2 + n - w1) % n) + n * n * ((w3 + n - w2) % n);
    if (x > std::numeric_limits<uint32_t>::max()) {
      return absl::InvalidArgumentError(
          absl::StrCat("words ", 3 * i + 1, " to ", 3 * i + 3,
                       " do not belong together: one of them is wrong"));
    }
    for (size_t byte = 0; byte < 4; ++byte) {
      seed.MutableExpose()[4 * i + byte] = static_cast<char>(x >> (8 * byte));
    }
  }

  std::array<WordIndex, kSeedWords> seed_words;
  std::copy_n(words.begin(), kSeedWords, seed_words.begin());
  const bool matches =
      words[kSeedWords] == seed_words[ChecksumPosition(seed_words)];
  SecureWipe(seed_words.data(), sizeof(seed_words));
  SecureWipe(words.data(), words.size() * sizeof(WordIndex));
  if (!matches) {
    return absl::InvalidArgumentError(
        "word 13 does not fit the other twelve: one word is wrong, or two are "
        "in the wrong order");
  }
  return seed;
}

}  // namespace messenger::crypto
