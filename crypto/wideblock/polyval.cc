#include "crypto/wideblock/polyval.h"

#include <cstdlib>

#include "crypto/base/secure_memory.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define MESSENGER_HAS_PCLMUL 1
#define MESSENGER_PCLMUL __attribute__((target("pclmul,sse4.1")))
#define MESSENGER_VPCLMUL \
  __attribute__((target("pclmul,sse4.1,avx2,vpclmulqdq")))
#endif

namespace messenger::crypto::internal {
namespace {

struct Element {
  uint64_t low;
  uint64_t high;
};

uint64_t LoadLittleEndian(const uint8_t* in) {
  uint64_t value = 0;
  for (size_t i = 8; i > 0; --i) value = value << 8 | in[i - 1];
  return value;
}

void StoreLittleEndian(uint64_t value, uint8_t* out) {
  for (size_t i = 0; i < 8; ++i) out[i] = static_cast<uint8_t>(value >> 8 * i);
}

Element Load(const uint8_t* in) {
  return {LoadLittleEndian(in), LoadLittleEndian(in + 8)};
}

// a * b * x^-128, one bit of `a` at a time and without a branch: after bit i is
// added, the rest of the loop divides it by x another 128 - i times.
Element Dot(const Element& a, const Element& b) {
  // The field's polynomial without its constant term, divided by x.
  constexpr uint64_t kReduction = 0xe100000000000000;
  Element product = {0, 0};
  for (int i = 0; i < 128; ++i) {
    const uint64_t bit = (i < 64 ? a.low >> i : a.high >> (i - 64)) & 1;
    const uint64_t take = 0 - bit;
    product.low ^= b.low & take;
    product.high ^= b.high & take;
    const uint64_t odd = 0 - (product.low & 1);
    product.low = product.low >> 1 | product.high << 63;
    product.high = product.high >> 1 ^ (kReduction & odd);
  }
  return product;
}

#ifdef MESSENGER_HAS_PCLMUL

// An unreduced product of 255 bits in three parts: the middle one straddles
// the other two.
struct Wide {
  __m128i low;
  __m128i middle;
  __m128i high;
};

MESSENGER_PCLMUL inline __m128i LoadBlock(const uint8_t* in) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
}

MESSENGER_PCLMUL inline void MultiplyAdd(__m128i a, __m128i b, Wide& sum) {
  sum.low = _mm_xor_si128(sum.low, _mm_clmulepi64_si128(a, b, 0x00));
  sum.high = _mm_xor_si128(sum.high, _mm_clmulepi64_si128(a, b, 0x11));
  sum.middle = _mm_xor_si128(sum.middle,
                             _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01),
                                           _mm_clmulepi64_si128(a, b, 0x10)));
}

// Montgomery reduction: clears the low half 64 bits at a time, which divides by
// x^128.
MESSENGER_PCLMUL inline __m128i Reduce(const Wide& sum) {
  const __m128i polynomial =
      _mm_set_epi64x(static_cast<int64_t>(0xc200000000000000), 1);
  __m128i low = _mm_xor_si128(sum.low, _mm_slli_si128(sum.middle, 8));
  const __m128i high = _mm_xor_si128(sum.high, _mm_srli_si128(sum.middle, 8));
  for (int i = 0; i < 2; ++i) {
    const __m128i folded = _mm_clmulepi64_si128(low, polynomial, 0x10);
    low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), folded);
  }
  return _mm_xor_si128(low, high);
}

MESSENGER_PCLMUL inline __m128i DotCarryless(__m128i a, __m128i b) {
  Wide product = {_mm_setzero_si128(), _mm_setzero_si128(),
                  _mm_setzero_si128()};
  MultiplyAdd(a, b, product);
  return Reduce(product);
}

MESSENGER_VPCLMUL inline __m256i LoadPair(const uint8_t* in) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in));
}

MESSENGER_VPCLMUL inline __m128i Fold(__m256i pair) {
  return _mm_xor_si128(_mm256_castsi256_si128(pair),
                       _mm256_extracti128_si256(pair, 1));
}

#endif  // MESSENGER_HAS_PCLMUL

}  // namespace

bool Polyval::Supports(Engine engine) {
#ifdef MESSENGER_HAS_PCLMUL
  const bool narrow =
      __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  switch (engine) {
    case Engine::kPortable:
      return true;
    case Engine::kCarrylessMultiply:
      return narrow;
    case Engine::kWideCarrylessMultiply:
      return narrow && __builtin_cpu_supports("avx2") &&
             __builtin_cpu_supports("vpclmulqdq");
  }
#endif
  return engine == Engine::kPortable;
}

Polyval::Engine Polyval::BestEngine() {
  static const Engine best =
      Supports(Engine::kWideCarrylessMultiply) ? Engine::kWideCarrylessMultiply
      : Supports(Engine::kCarrylessMultiply)   ? Engine::kCarrylessMultiply
                                               : Engine::kPortable;
  return best;
}

Polyval::Polyval(const PolyvalBlock& key, Engine engine) : engine_(engine) {
  powers_.fill(key);
  if (engine_ != Engine::kPortable) ComputePowers();
}

Polyval::~Polyval() { SecureWipe(powers_.data(), sizeof(powers_)); }

void Polyval::Update(PolyvalBlock& value, const uint8_t* data,
                     size_t blocks) const {
  switch (engine_) {
    case Engine::kPortable:
      return UpdatePortable(value, data, blocks);
    case Engine::kCarrylessMultiply:
      return UpdateCarryless(value, data, blocks);
    case Engine::kWideCarrylessMultiply:
      return UpdateWideCarryless(value, data, blocks);
  }
}

void Polyval::UpdatePortable(PolyvalBlock& value, const uint8_t* data,
                             size_t blocks) const {
  const Element hash_key = Load(key().data());
  Element sum = Load(value.data());
  for (size_t i = 0; i < blocks; ++i) {
    const Element block = Load(data + kPolyvalBlockBytes * i);
    sum = Dot({sum.low ^ block.low, sum.high ^ block.high}, hash_key);
  }
  StoreLittleEndian(sum.low, value.data());
  StoreLittleEndian(sum.high, value.data() + 8);
}

#ifdef MESSENGER_HAS_PCLMUL

MESSENGER_PCLMUL void Polyval::ComputePowers() {
  const __m128i hash_key = LoadBlock(key().data());
  __m128i power = hash_key;
  for (size_t i = kPowers - 1; i > 0; --i) {
    power = DotCarryless(power, hash_key);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(powers_[i - 1].data()), power);
  }
}

// `kPowers` steps `sum = (sum + block) * key` multiplied out: each block meets
// the power of the key that it is steps away from the end.
MESSENGER_PCLMUL void Polyval::UpdateCarryless(PolyvalBlock& value,
                                               const uint8_t* data,
                                               size_t blocks) const {
  __m128i sum = LoadBlock(value.data());
  for (; blocks >= kPowers; blocks -= kPowers) {
    Wide wide = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};
#pragma GCC unroll 16
    for (size_t i = 0; i < kPowers; ++i) {
      __m128i block = LoadBlock(data + kPolyvalBlockBytes * i);
      if (i == 0) block = _mm_xor_si128(block, sum);
      MultiplyAdd(block, LoadBlock(powers_[i].data()), wide);
    }
    sum = Reduce(wide);
    data += kPowers * kPolyvalBlockBytes;
  }
  const __m128i hash_key = LoadBlock(key().data());
  for (; blocks > 0; --blocks) {
    sum = DotCarryless(_mm_xor_si128(sum, LoadBlock(data)), hash_key);
    data += kPolyvalBlockBytes;
  }
  _mm_storeu_si128(reinterpret_cast<__m128i*>(value.data()), sum);
}

// The same with two blocks side by side; what is left over goes the narrow way.
MESSENGER_VPCLMUL void Polyval::UpdateWideCarryless(PolyvalBlock& value,
                                                    const uint8_t* data,
                                                    size_t blocks) const {
  __m128i sum = LoadBlock(value.data());
  for (; blocks >= kPowers; blocks -= kPowers) {
    __m256i low = _mm256_setzero_si256();
    __m256i middle = low;
    __m256i high = low;
#pragma GCC unroll 8
    for (size_t i = 0; i < kPowers; i += 2) {
      __m256i pair = LoadPair(data + kPolyvalBlockBytes * i);
      if (i == 0) pair = _mm256_xor_si256(pair, _mm256_zextsi128_si256(sum));
      const __m256i power = LoadPair(powers_[i].data());
      low = _mm256_xor_si256(low, _mm256_clmulepi64_epi128(pair, power, 0x00));
      high =
          _mm256_xor_si256(high, _mm256_clmulepi64_epi128(pair, power, 0x11));
      middle =
          _mm256_xor_si256(middle, _mm256_clmulepi64_epi128(pair, power, 0x01));
      middle =
          _mm256_xor_si256(middle, _mm256_clmulepi64_epi128(pair, power, 0x10));
    }
    sum = Reduce({Fold(low), Fold(middle), Fold(high)});
    data += kPowers * kPolyvalBlockBytes;
  }
  _mm_storeu_si128(reinterpret_cast<__m128i*>(value.data()), sum);
  UpdateCarryless(value, data, blocks);
}

#else

void Polyval::ComputePowers() { std::abort(); }
void Polyval::UpdateCarryless(PolyvalBlock&, const uint8_t*, size_t) const {
  std::abort();
}
void Polyval::UpdateWideCarryless(PolyvalBlock&, const uint8_t*, size_t) const {
  std::abort();
}

#endif  // MESSENGER_HAS_PCLMUL

}  // namespace messenger::crypto::internal
