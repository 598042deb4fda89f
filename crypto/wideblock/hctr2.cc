#include "crypto/wideblock/hctr2.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "crypto/base/secure_memory.h"
#include "crypto/wideblock/polyval.h"
#include "openssl/cipher.h"

namespace messenger::crypto {
namespace {

using internal::Polyval;
using internal::PolyvalBlock;

using Block = PolyvalBlock;

constexpr size_t kBlock = internal::kPolyvalBlockBytes;

// How much key stream is made at a time: enough for AES to run in parallel,
// little enough to stay in the first-level cache.
constexpr size_t kStreamBlocks = 64;

static_assert(Hctr2::kMinMessageBytes == kBlock);

// AES-256 in one direction, over any number of whole blocks at once.
class Aes final {
 public:
  enum class Direction { kDecrypt = 0, kEncrypt = 1 };

  Aes(const SecretBytes<32>& key, Direction direction) {
    const int ok =
        EVP_CipherInit_ex(context_.get(), EVP_aes_256_ecb(), /*engine=*/nullptr,
                          reinterpret_cast<const uint8_t*>(key.Expose().data()),
                          /*iv=*/nullptr, static_cast<int>(direction));
    if (ok != 1) std::abort();
  }

  // `EVP_Cipher` is the bare cipher: it keeps no partial block and, in ECB
  // mode, leaves the context as it was. Hence const, and thread-safe.
  void Run(uint8_t* blocks, size_t size) const {
    if (EVP_Cipher(const_cast<EVP_CIPHER_CTX*>(context_.get()), blocks, blocks,
                   size) != 1) {
      std::abort();
    }
  }

  Block Run(Block block) const {
    Run(block.data(), block.size());
    return block;
  }

 private:
  bssl::ScopedEVP_CIPHER_CTX context_;
};

void XorInto(uint8_t* target, const uint8_t* source, size_t size) {
  for (size_t i = 0; i < size; ++i) target[i] ^= source[i];
}

Block Xor(Block a, const Block& b) {
  XorInto(a.data(), b.data(), kBlock);
  return a;
}

Block LittleEndianBlock(uint64_t value) {
  Block block = {};
  for (size_t i = 0; i < 8; ++i) {
    block[i] = static_cast<uint8_t>(value >> 8 * i);
  }
  return block;
}

}  // namespace

struct Hctr2::State {
  explicit State(const SecretBytes<32>& key)
      : encrypt(key, Aes::Direction::kEncrypt),
        decrypt(key, Aes::Direction::kDecrypt),
        mask(encrypt.Run(LittleEndianBlock(1))),
        hash(encrypt.Run(LittleEndianBlock(0))) {}
  ~State() { SecureWipe(mask.data(), mask.size()); }

  // The hash of the length block and the tweak, common to both passes over a
  // message.
  Block HashTweak(absl::string_view tweak, size_t message_size) const {
    const bool aligned = message_size % kBlock == 0;
    const Block lengths = LittleEndianBlock(
        2 * (8 * static_cast<uint64_t>(tweak.size())) + (aligned ? 2 : 3));
    Block value = {};
    hash.Update(value, lengths.data(), 1);
    const auto* const data = reinterpret_cast<const uint8_t*>(tweak.data());
    hash.Update(value, data, tweak.size() / kBlock);
    const size_t rest = tweak.size() % kBlock;
    if (rest != 0) {
      Block padded = {};
      std::memcpy(padded.data(), data + tweak.size() - rest, rest);
      hash.Update(value, padded.data(), 1);
    }
    return value;
  }

  // Continues `value` with a message; a last block that is not whole is marked
  // with a one bit.
  Block HashMessage(Block value, const uint8_t* data, size_t size) const {
    hash.Update(value, data, size / kBlock);
    const size_t rest = size % kBlock;
    if (rest != 0) {
      Block padded = {};
      std::memcpy(padded.data(), data + size - rest, rest);
      padded[rest] = 1;
      hash.Update(value, padded.data(), 1);
      SecureWipe(padded.data(), padded.size());
    }
    return value;
  }

  // XCTR: block i of the key stream, from 1, is the encryption of `seed` ^ i.
  void AddKeyStream(const Block& seed, uint8_t* data, size_t size) const {
    uint64_t low;
    std::memcpy(&low, seed.data(), sizeof(low));
    alignas(64) uint8_t stream[kStreamBlocks * kBlock];
    uint64_t counter = 1;
    while (size > 0) {
      const size_t n = std::min(size, sizeof(stream));
      const size_t blocks = (n + kBlock - 1) / kBlock;
      for (size_t i = 0; i < blocks; ++i) {
        // Little-endian, whatever the machine: see `CounterBits`.
        const uint64_t counted = low ^ CounterBits(counter++);
        std::memcpy(stream + kBlock * i, &counted, 8);
        std::memcpy(stream + kBlock * i + 8, seed.data() + 8, 8);
      }
      encrypt.Run(stream, blocks * kBlock);
      XorInto(data, stream, n);
      data += n;
      size -= n;
    }
    SecureWipe(stream, sizeof(stream));
  }

  // The bits of a counter in the order in which it lies in memory when it is
  // written little-endian.
  static uint64_t CounterBits(uint64_t counter) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(counter);
#else
    return counter;
#endif
  }

  // Encrypting and decrypting differ only in what happens to the first block.
  void Transform(const Aes& first, absl::string_view tweak,
                 absl::Span<char> inout) const {
    if (inout.size() < kMinMessageBytes) std::abort();
    auto* const message = reinterpret_cast<uint8_t*>(inout.data());
    uint8_t* const rest = message + kBlock;
    const size_t rest_size = inout.size() - kBlock;
    const Block tweak_hash = HashTweak(tweak, rest_size);

    Block head;
    std::memcpy(head.data(), message, kBlock);
    const Block before = Xor(head, HashMessage(tweak_hash, rest, rest_size));
    const Block after = first.Run(before);
    AddKeyStream(Xor(Xor(before, after), mask), rest, rest_size);
    head = Xor(after, HashMessage(tweak_hash, rest, rest_size));
    std::memcpy(message, head.data(), kBlock);
  }

  const Aes encrypt;
  const Aes decrypt;
  Block mask;
  const Polyval hash;
};

Hctr2::Hctr2(const SecretBytes<32>& key)
    : state_(std::make_unique<State>(key)) {}
Hctr2::~Hctr2() = default;
Hctr2::Hctr2(Hctr2&& other) noexcept = default;
Hctr2& Hctr2::operator=(Hctr2&& other) noexcept = default;

void Hctr2::Encrypt(absl::string_view tweak, absl::Span<char> inout) const {
  state_->Transform(state_->encrypt, tweak, inout);
}

void Hctr2::Decrypt(absl::string_view tweak, absl::Span<char> inout) const {
  state_->Transform(state_->decrypt, tweak, inout);
}

}  // namespace messenger::crypto
