// Handling of bytes that must not be left behind or leak through timing.
//
// All functions are thread-safe on distinct memory.

#ifndef CRYPTO_BASE_SECURE_MEMORY_H_
#define CRYPTO_BASE_SECURE_MEMORY_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace messenger::crypto {

// Overwrites `size` bytes with zeros in a way the optimiser keeps.
void SecureWipe(void* data, size_t size);

// Overwrites the whole capacity of `text` and leaves it empty.
void SecureWipe(std::string& text);

// Compares in time that depends on the lengths only. Different lengths are
// unequal.
bool ConstantTimeEquals(absl::string_view a, absl::string_view b);

}  // namespace messenger::crypto

#endif  // CRYPTO_BASE_SECURE_MEMORY_H_
