// Randomness that replays: equal seeds give equal bytes, on every machine and
// however the requests are cut (the ChaCha20 key stream of the seed).
//
// Not thread-safe.

#ifndef CRYPTO_RANDOM_TESTING_SEEDED_RANDOM_H_
#define CRYPTO_RANDOM_TESTING_SEEDED_RANDOM_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "crypto/random/random.h"

namespace messenger::crypto {

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed);

  void Fill(absl::Span<char> out) override;

 private:
  static constexpr size_t kBlocks = 16;

  void Refill();

  std::array<uint8_t, 32> key_{};
  std::array<char, kBlocks * 64> buffer_;
  size_t used_ = kBlocks * 64;
  uint64_t next_block_ = 0;
};

}  // namespace messenger::crypto

#endif  // CRYPTO_RANDOM_TESTING_SEEDED_RANDOM_H_
