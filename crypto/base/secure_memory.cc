#include "crypto/base/secure_memory.h"

#include <cstdint>
#include <cstring>

namespace messenger::crypto {

void SecureWipe(void* data, size_t size) {
  if (size == 0) return;
  std::memset(data, 0, size);
  // The memory counts as read here, so the store above cannot be dropped.
  __asm__ __volatile__("" : : "r"(data) : "memory");
}

void SecureWipe(std::string& text) {
  // Growing to the capacity never reallocates, so no copy is left behind.
  text.resize(text.capacity());
  SecureWipe(text.data(), text.size());
  text.clear();
}

bool ConstantTimeEquals(absl::string_view a, absl::string_view b) {
  if (a.size() != b.size()) return false;
  volatile uint8_t difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference = difference | static_cast<uint8_t>(a[i] ^ b[i]);
  }
  return difference == 0;
}

}  // namespace messenger::crypto
