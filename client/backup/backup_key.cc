#include "client/backup/backup_key.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/secure_memory.h"
#include "crypto/hash/hash.h"

namespace messenger::client {
namespace {

// Crockford's base 32: without I, L, O and U.
constexpr absl::string_view kDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr size_t kCheckBytes = 3;
constexpr size_t kBytes = BackupKey::kSize + kCheckBytes;
constexpr size_t kBitsOfDigit = 5;
constexpr size_t kTextDigits = kBytes * 8 / kBitsOfDigit;
static_assert(kBytes * 8 % kBitsOfDigit == 0);
constexpr size_t kGroupDigits = 4;

using Bytes = std::array<uint8_t, kBytes>;

std::string Check(absl::string_view key) {
  return std::string(crypto::Blake2b256("nm1-backup-key", {key})
                         .bytes()
                         .substr(0, kCheckBytes));
}

// Bit `i` counts from the most significant one of the first byte.
bool Bit(const Bytes& bytes, size_t i) {
  return (bytes[i / 8] >> (7 - i % 8) & 1) != 0;
}

std::optional<uint8_t> DigitValue(char typed) {
  char c = absl::ascii_toupper(static_cast<unsigned char>(typed));
  if (c == 'O') c = '0';
  if (c == 'I' || c == 'L') c = '1';
  const size_t found = kDigits.find(c);
  if (found == absl::string_view::npos) return std::nullopt;
  return static_cast<uint8_t>(found);
}

}  // namespace

std::string BackupKeyText(const BackupKey& key) {
  Bytes bytes;
  absl::Cleanup wipe = [&bytes] {
    crypto::SecureWipe(bytes.data(), bytes.size());
  };
  const std::string check = Check(key.Expose());
  for (size_t i = 0; i < kBytes; ++i) {
    bytes[i] = static_cast<uint8_t>(
        i < BackupKey::kSize ? key.Expose()[i] : check[i - BackupKey::kSize]);
  }
  std::string text;
  // Room for all, so that growing leaves no copy behind.
  text.reserve(kTextDigits + kTextDigits / kGroupDigits);
  for (size_t digit = 0; digit < kTextDigits; ++digit) {
    if (digit > 0 && digit % kGroupDigits == 0) text += '-';
    size_t value = 0;
    for (size_t bit = 0; bit < kBitsOfDigit; ++bit) {
      value = value << 1 | (Bit(bytes, digit * kBitsOfDigit + bit) ? 1 : 0);
    }
    text += kDigits[value];
  }
  return text;
}

absl::StatusOr<BackupKey> ParseBackupKey(absl::string_view text) {
  Bytes bytes = {};
  absl::Cleanup wipe = [&bytes] {
    crypto::SecureWipe(bytes.data(), bytes.size());
  };
  size_t digits = 0;
  for (const char c : text) {
    if (c == '-' || absl::ascii_isspace(static_cast<unsigned char>(c))) {
      continue;
    }
    const std::optional<uint8_t> value = DigitValue(c);
    if (!value) {
      return absl::InvalidArgumentError(absl::StrCat(
          "group ", digits / kGroupDigits + 1,
          " of the backup key has a character that no backup key has"));
    }
    for (size_t bit = 0; bit < kBitsOfDigit && digits < kTextDigits; ++bit) {
      const size_t i = digits * kBitsOfDigit + bit;
      const int one = *value >> (kBitsOfDigit - 1 - bit) & 1;
      bytes[i / 8] = static_cast<uint8_t>(bytes[i / 8] | one << (7 - i % 8));
    }
    ++digits;
  }
  if (digits != kTextDigits) {
    return absl::InvalidArgumentError(
        absl::StrCat("a backup key has 14 groups of 4, ", kTextDigits,
                     " letters and digits, and this one has ", digits));
  }
  BackupKey key;
  std::string check;
  for (size_t i = 0; i < kBytes; ++i) {
    if (i < BackupKey::kSize) {
      key.MutableExpose()[i] = static_cast<char>(bytes[i]);
    } else {
      check += static_cast<char>(bytes[i]);
    }
  }
  if (check != Check(key.Expose())) {
    return absl::InvalidArgumentError(
        "this is no backup key: a character is wrong, or two are in the wrong "
        "order");
  }
  return key;
}

}  // namespace messenger::client
