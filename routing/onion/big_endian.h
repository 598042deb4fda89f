// Big-endian integers in fixed places of fixed-size messages.

#ifndef ROUTING_ONION_BIG_ENDIAN_H_
#define ROUTING_ONION_BIG_ENDIAN_H_

#include <cstddef>
#include <type_traits>

namespace messenger::routing {

// Writes `value` to the `sizeof(T)` bytes at `out`.
template <typename T>
void StoreBigEndian(T value, char* out) {
  static_assert(std::is_unsigned_v<T> && sizeof(T) > 1);
  for (size_t i = sizeof(T); i-- > 0;) {
    out[i] = static_cast<char>(value & 0xff);
    value = static_cast<T>(value >> 8);
  }
}

// Reads the `sizeof(T)` bytes at `in`.
template <typename T>
T LoadBigEndian(const char* in) {
  static_assert(std::is_unsigned_v<T> && sizeof(T) > 1);
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>((value << 8) | static_cast<unsigned char>(in[i]));
  }
  return value;
}

}  // namespace messenger::routing

#endif  // ROUTING_ONION_BIG_ENDIAN_H_
