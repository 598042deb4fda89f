// One direction of one hop of a circuit: HCTR2 over the whole cell, with a
// tweak that depends on every cell before it (routing/SPEC.md, section 3.2).
//
//   tweak_j = u64 j | outer_{j-1}[0:16] | inner_{j-1}[0:16]
//   tweak_0 = u64 0 | chain iv 32
//
// "Outer" are the bytes on the client's side of the hop and "inner" those on
// the destination's side, whichever way the cell travels. The two ends of a
// chain stay in step only while both saw the same bytes on both sides; after
// one flipped bit, or one cell lost, repeated or swapped, nothing later
// decrypts. That is the protection against tagging, so there is no way back.
//
// Move-only, not thread-safe.

#ifndef ROUTING_ONION_CELL_CHAIN_H_
#define ROUTING_ONION_CELL_CHAIN_H_

#include <cstdint>

#include "absl/types/span.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/wideblock/hctr2.h"

namespace messenger::routing {

class CellChain final {
 public:
  CellChain(const crypto::SecretBytes<32>& key, crypto::SecretBytes<32> iv);

  CellChain(CellChain&&) = default;
  CellChain& operator=(CellChain&&) = default;
  CellChain(const CellChain&) = delete;
  CellChain& operator=(const CellChain&) = delete;

  // Turns inner bytes into outer bytes, in place, and moves on by one cell.
  // `body` must be `kFrameBodySize` long.
  void AddLayer(absl::Span<char> body);

  // Turns outer bytes into inner bytes, in place, and moves on by one cell.
  void RemoveLayer(absl::Span<char> body);

 private:
  crypto::Hctr2 cipher_;
  crypto::SecretBytes<32> history_;  // outer[0:16] | inner[0:16], or the iv.
  uint64_t next_cell_ = 0;
};

}  // namespace messenger::routing

#endif  // ROUTING_ONION_CELL_CHAIN_H_
