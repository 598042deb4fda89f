// The source of chance, handed down from `main` like the clock, so that whole
// networks replay from one seed.
//
// Whether an implementation is thread-safe is its own to say: `SystemRandom()`
// is, `SeededRandom` is not.

#ifndef CRYPTO_RANDOM_RANDOM_H_
#define CRYPTO_RANDOM_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>

#include "absl/types/span.h"
#include "crypto/base/secret_bytes.h"

namespace messenger::crypto {

class Random {
 public:
  virtual ~Random() = default;

  // Fills `out` with independent, uniformly distributed bytes. Cannot fail:
  // without randomness there is nothing sensible left to do.
  virtual void Fill(absl::Span<char> out) = 0;

  template <size_t N>
  SecretBytes<N> Secret() {
    SecretBytes<N> secret;
    Fill(secret.MutableExpose());
    return secret;
  }

  // `F` is a `FixedBytes`: `random.Fixed<XNonce>()`.
  template <typename F>
  F Fixed() {
    F value;
    Fill(absl::MakeSpan(value.data(), F::kSize));
    return value;
  }

  std::string String(size_t size);
  uint64_t U64();

  // Without bias in [0, bound); `bound` must not be 0.
  uint64_t Uniform(uint64_t bound);

  // In [0, 1), with 53 random bits.
  double UnitDouble();

  // Every order is equally likely.
  template <typename It>
  void Shuffle(It begin, It end) {
    using Difference = typename std::iterator_traits<It>::difference_type;
    for (Difference n = end - begin; n > 1; --n) {
      const auto chosen =
          static_cast<Difference>(Uniform(static_cast<uint64_t>(n)));
      using std::swap;
      swap(begin[n - 1], begin[chosen]);
    }
  }
};

}  // namespace messenger::crypto

#endif  // CRYPTO_RANDOM_RANDOM_H_
