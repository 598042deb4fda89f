#include "crypto/internal/sodium_init.h"

#include <cstdlib>

#include "sodium.h"

namespace messenger::crypto::internal {

void EnsureSodium() {
  static const bool ready = sodium_init() >= 0;
  if (!ready) std::abort();
}

}  // namespace messenger::crypto::internal
