#include "client/store/pin_text.h"

#include <cstddef>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "crypto/base/secure_memory.h"
#include "utf8proc.h"

namespace messenger::client {
namespace {

constexpr auto kOptions = static_cast<utf8proc_option_t>(
    UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);

}  // namespace

std::string NormalisedPin(absl::string_view pin) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(pin.data());
  const auto size = static_cast<utf8proc_ssize_t>(pin.size());
  // First the number of characters, then these. The library's own buffers would
  // not be wiped.
  const utf8proc_ssize_t count =
      utf8proc_decompose(bytes, size, nullptr, 0, kOptions);
  if (count <= 0) return std::string(pin);
  // It may end with a zero.
  std::vector<utf8proc_int32_t> characters(static_cast<size_t>(count) + 1);
  absl::Cleanup wipe = [&characters] {
    crypto::SecureWipe(characters.data(),
                       characters.size() * sizeof(characters[0]));
  };
  if (utf8proc_decompose(bytes, size, characters.data(), count, kOptions) !=
      count) {
    return std::string(pin);
  }
  const utf8proc_ssize_t written =
      utf8proc_reencode(characters.data(), count, kOptions);
  if (written < 0) return std::string(pin);
  return std::string(reinterpret_cast<const char*>(characters.data()),
                     static_cast<size_t>(written));
}

}  // namespace messenger::client
