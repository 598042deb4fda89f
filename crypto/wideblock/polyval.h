// POLYVAL (RFC 8452, section 3): the universal hash inside HCTR2. Not a hash
// function to use by itself: whoever knows the key makes collisions at will.
//
// Runs in constant time, on carry-less multiplication where the processor has
// it and on shifts where it has not.

#ifndef CRYPTO_WIDEBLOCK_POLYVAL_H_
#define CRYPTO_WIDEBLOCK_POLYVAL_H_

#include <array>
#include <cstddef>
#include <cstdint>

namespace messenger::crypto::internal {

inline constexpr size_t kPolyvalBlockBytes = 16;

// One element of the field, in POLYVAL's little-endian order; also the running
// value of a hash, which starts as zero.
using PolyvalBlock = std::array<uint8_t, kPolyvalBlockBytes>;

// A hash key with its powers. Immutable, hence thread-safe; wiped on
// destruction.
class Polyval final {
 public:
  enum class Engine {
    kPortable,
    kCarrylessMultiply,      // PCLMULQDQ, one block per instruction
    kWideCarrylessMultiply,  // VPCLMULQDQ, two blocks per instruction
  };

  // Whether this processor has what `engine` needs.
  static bool Supports(Engine engine);

  // The quickest engine that this processor supports.
  static Engine BestEngine();

  // `engine` must be supported.
  explicit Polyval(const PolyvalBlock& key, Engine engine = BestEngine());
  ~Polyval();
  Polyval(const Polyval&) = delete;
  Polyval& operator=(const Polyval&) = delete;

  // Hashes `blocks` whole blocks at `data` into `value`.
  void Update(PolyvalBlock& value, const uint8_t* data, size_t blocks) const;

 private:
  // Enough to keep the multiplier busy while one reduction serves them all.
  static constexpr size_t kPowers = 16;

  void UpdatePortable(PolyvalBlock& value, const uint8_t* data,
                      size_t blocks) const;
  void ComputePowers();
  void UpdateCarryless(PolyvalBlock& value, const uint8_t* data,
                       size_t blocks) const;
  void UpdateWideCarryless(PolyvalBlock& value, const uint8_t* data,
                           size_t blocks) const;

  const PolyvalBlock& key() const { return powers_.back(); }

  const Engine engine_;
  // Descending: the first block of a run of `kPowers` meets the first power.
  alignas(32) std::array<PolyvalBlock, kPowers> powers_;
};

}  // namespace messenger::crypto::internal

#endif  // CRYPTO_WIDEBLOCK_POLYVAL_H_
