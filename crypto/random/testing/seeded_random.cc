#include "crypto/random/testing/seeded_random.h"

#include <algorithm>
#include <cstring>

#include "crypto/internal/sodium_init.h"
#include "sodium.h"

namespace messenger::crypto {

SeededRandom::SeededRandom(uint64_t seed) {
  internal::EnsureSodium();
  for (size_t i = 0; i < 8; ++i) {
    key_[i] = static_cast<uint8_t>(seed >> (8 * i));
  }
}

void SeededRandom::Refill() {
  static constexpr uint8_t kNonce[crypto_stream_chacha20_NONCEBYTES] = {};
  buffer_.fill(0);
  auto* const block = reinterpret_cast<uint8_t*>(buffer_.data());
  crypto_stream_chacha20_xor_ic(block, block, buffer_.size(), kNonce,
                                next_block_, key_.data());
  next_block_ += kBlocks;
  used_ = 0;
}

void SeededRandom::Fill(absl::Span<char> out) {
  while (!out.empty()) {
    if (used_ == buffer_.size()) Refill();
    const size_t n = std::min(out.size(), buffer_.size() - used_);
    std::memcpy(out.data(), buffer_.data() + used_, n);
    used_ += n;
    out.remove_prefix(n);
  }
}

}  // namespace messenger::crypto
