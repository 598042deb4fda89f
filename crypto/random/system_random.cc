#include "crypto/random/system_random.h"

#include <cstdint>
#include <cstdlib>

#include "absl/types/span.h"
#include "openssl/rand.h"

namespace messenger::crypto {
namespace {

class BoringSslRandom final : public Random {
 public:
  void Fill(absl::Span<char> out) override {
    const int ok =
        RAND_bytes(reinterpret_cast<uint8_t*>(out.data()), out.size());
    // BoringSSL aborts by itself when there is no entropy.
    if (ok != 1) std::abort();
  }
};

}  // namespace

Random& SystemRandom() {
  static BoringSslRandom* const random = new BoringSslRandom;
  return *random;
}

}  // namespace messenger::crypto
