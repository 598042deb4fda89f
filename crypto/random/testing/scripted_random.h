// Randomness that is written down: for test vectors that fix the coins.
//
// Not thread-safe.

#ifndef CRYPTO_RANDOM_TESTING_SCRIPTED_RANDOM_H_
#define CRYPTO_RANDOM_TESTING_SCRIPTED_RANDOM_H_

#include <string>
#include <utility>

#include "absl/types/span.h"
#include "crypto/random/random.h"

namespace messenger::crypto {

// Hands out `bytes` in order. Asking for more than there is ends the test.
class ScriptedRandom final : public Random {
 public:
  explicit ScriptedRandom(std::string bytes) : rest_(std::move(bytes)) {}

  void Fill(absl::Span<char> out) override;

  bool used_up() const { return rest_.empty(); }

 private:
  std::string rest_;
};

}  // namespace messenger::crypto

#endif  // CRYPTO_RANDOM_TESTING_SCRIPTED_RANDOM_H_
