#include "routing/onion/cell_chain.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/string_view.h"
#include "routing/onion/big_endian.h"
#include "routing/onion/geometry.h"

namespace messenger::routing {
namespace {

constexpr size_t kCounterSize = 8;
constexpr size_t kHalfSize = 16;
constexpr size_t kHistorySize = 2 * kHalfSize;

using Tweak = std::array<char, kCounterSize + kHistorySize>;

Tweak MakeTweak(uint64_t cell, const crypto::SecretBytes<32>& history) {
  Tweak tweak;
  StoreBigEndian<uint64_t>(cell, tweak.data());
  std::memcpy(tweak.data() + kCounterSize, history.Expose().data(),
              kHistorySize);
  return tweak;
}

}  // namespace

CellChain::CellChain(const crypto::SecretBytes<32>& key,
                     crypto::SecretBytes<32> iv)
    : cipher_(key), history_(std::move(iv)) {}

void CellChain::AddLayer(absl::Span<char> body) {
  if (body.size() != kFrameBodySize) std::abort();  // The caller's invariant.
  const Tweak tweak = MakeTweak(next_cell_++, history_);
  char* history = history_.MutableExpose().data();
  std::memcpy(history + kHalfSize, body.data(), kHalfSize);
  cipher_.Encrypt(absl::string_view(tweak.data(), tweak.size()), body);
  std::memcpy(history, body.data(), kHalfSize);
}

void CellChain::RemoveLayer(absl::Span<char> body) {
  if (body.size() != kFrameBodySize) std::abort();  // The caller's invariant.
  const Tweak tweak = MakeTweak(next_cell_++, history_);
  char* history = history_.MutableExpose().data();
  std::memcpy(history, body.data(), kHalfSize);
  cipher_.Decrypt(absl::string_view(tweak.data(), tweak.size()), body);
  std::memcpy(history + kHalfSize, body.data(), kHalfSize);
}

}  // namespace messenger::routing
