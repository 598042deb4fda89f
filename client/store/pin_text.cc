#include "client/store/pin_text.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "crypto/base/secure_memory.h"
#include "utf8proc.h"

namespace messenger::client {
namespace {

constexpr auto kOptions = static_cast<utf8proc_option_t>(
    UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);

using Characters = std::vector<utf8proc_int32_t>;

void Wipe(Characters& characters) {
  crypto::SecureWipe(characters.data(),
                     characters.size() * sizeof(characters[0]));
}

// Empty for what is not UTF-8. The caller wipes it. The library's own buffers
// would not be.
Characters Decomposed(absl::string_view pin, utf8proc_option_t options) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(pin.data());
  const auto size = static_cast<utf8proc_ssize_t>(pin.size());
  const utf8proc_ssize_t count =
      utf8proc_decompose(bytes, size, nullptr, 0, options);
  if (count <= 0) return {};
  // It may end with a zero.
  Characters characters(static_cast<size_t>(count) + 1);
  if (utf8proc_decompose(bytes, size, characters.data(), count, options) !=
      count) {
    Wipe(characters);
    return {};
  }
  characters.back() = 0;
  characters.pop_back();
  return characters;
}

// For comparing: each byte of what is not UTF-8 is a character.
Characters Folded(absl::string_view pin) {
  Characters characters = Decomposed(
      pin, static_cast<utf8proc_option_t>(kOptions | UTF8PROC_CASEFOLD));
  if (characters.empty()) {
    characters.assign(pin.begin(), pin.end());
  }
  return characters;
}

}  // namespace

std::string NormalisedPin(absl::string_view pin) {
  Characters characters = Decomposed(pin, kOptions);
  if (characters.empty()) return std::string(pin);
  const auto count = static_cast<utf8proc_ssize_t>(characters.size());
  // Where it writes its zero.
  characters.push_back(0);
  absl::Cleanup wipe = [&characters] { Wipe(characters); };
  const utf8proc_ssize_t written =
      utf8proc_reencode(characters.data(), count, kOptions);
  if (written < 0) return std::string(pin);
  return std::string(reinterpret_cast<const char*>(characters.data()),
                     static_cast<size_t>(written));
}

bool AreNearPins(absl::string_view a, absl::string_view b) {
  Characters shorter = Folded(a);
  Characters longer = Folded(b);
  absl::Cleanup wipe = [&] {
    Wipe(shorter);
    Wipe(longer);
  };
  if (shorter.size() > longer.size()) shorter.swap(longer);
  if (longer.size() - shorter.size() > 1) return false;
  // Up to the first difference, and after one slip there.
  const auto [left, right] =
      std::mismatch(shorter.begin(), shorter.end(), longer.begin());
  if (left == shorter.end()) return true;
  if (shorter.size() < longer.size()) {
    return std::equal(left, shorter.end(), right + 1);
  }
  if (std::equal(left + 1, shorter.end(), right + 1)) return true;
  return shorter.end() - left >= 2 && left[0] == right[1] &&
         left[1] == right[0] && std::equal(left + 2, shorter.end(), right + 2);
}

}  // namespace messenger::client
