#include "client/session/safety_code.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/hex.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "crypto/identity/safety_number.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::ConstantTimeEquals;

// Bytes of the protobuf that the code is, in this order and no other.
constexpr absl::string_view kVersionField("\x08\x10", 2);
constexpr absl::string_view kLocalField("\x12\x22\x0a\x20", 4);
constexpr absl::string_view kRemoteField("\x1a\x22\x0a\x20", 4);
constexpr absl::string_view kLocalHeadField("\x22\x10", 2);
constexpr absl::string_view kRemoteHeadField("\x2a\x10", 2);
constexpr size_t kHeadBytes = 16;

std::string Fingerprint(const IdentityRecord& record) {
  return crypto::ScannableFingerprint(record.account_id().bytes(),
                                      record.account_id().ToHex());
}

absl::string_view Head(const IdentityRecord& record) {
  return record.hash().bytes().substr(0, kHeadBytes);
}

std::string Encode(const IdentityRecord& local, const IdentityRecord& remote) {
  return absl::StrCat(
      absl::StrCat(kVersionField, kLocalField, Fingerprint(local), kRemoteField,
                   Fingerprint(remote)),
      kLocalHeadField, Head(local), kRemoteHeadField, Head(remote));
}

constexpr size_t kAccountBytes = kVersionField.size() + kLocalField.size() +
                                 kRemoteField.size() +
                                 2 * crypto::kScannableFingerprintBytes;
static_assert(kAccountBytes + kLocalHeadField.size() + kRemoteHeadField.size() +
                  2 * kHeadBytes ==
              kSafetyCodeBytes);

absl::StatusOr<std::string> Decode(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  std::string bytes;
  if (text.size() == 2 * kSafetyCodeBytes) {
    const absl::StatusOr<std::string> decoded = crypto::HexDecode(text);
    if (decoded.ok()) bytes = *decoded;
  } else if (!absl::WebSafeBase64Unescape(text, &bytes) &&
             !absl::Base64Unescape(text, &bytes)) {
    bytes.clear();
  }
  if (bytes.size() < kVersionField.size() || bytes[0] != kVersionField[0]) {
    return absl::InvalidArgumentError("that is no scanned safety code");
  }
  if (bytes[1] != kVersionField[1]) {
    return absl::InvalidArgumentError(
        "this safety code is of another version of the program; compare the "
        "60 digits");
  }
  if (bytes.size() != kSafetyCodeBytes) {
    return absl::InvalidArgumentError(
        "this safety code is not whole; scan it again");
  }
  return bytes;
}

}  // namespace

std::string SafetyCode(const IdentityRecord& ours,
                       const IdentityRecord& theirs) {
  std::string text;
  absl::WebSafeBase64Escape(Encode(ours, theirs), &text);
  return text;
}

// What they show must be what this side would show in their place.
absl::StatusOr<SafetyCodeMatch> CompareSafetyCode(const IdentityRecord& ours,
                                                  const IdentityRecord& theirs,
                                                  absl::string_view scanned) {
  ASSIGN_OR_RETURN(const std::string shown, Decode(scanned));
  const std::string expected = Encode(theirs, ours);
  const auto same = [&](size_t from, size_t size) {
    return ConstantTimeEquals(absl::string_view(shown).substr(from, size),
                              absl::string_view(expected).substr(from, size));
  };
  const bool accounts = same(0, kAccountBytes);
  const bool devices = same(kAccountBytes, kSafetyCodeBytes - kAccountBytes);
  if (!accounts) return SafetyCodeMatch::kOtherAccounts;
  return devices ? SafetyCodeMatch::kSame : SafetyCodeMatch::kOtherDevices;
}

}  // namespace messenger::client
