// The two ends of an established circuit (routing/SPEC.md, section 3).
//
//   client                relay 0 ........ relay n-1 (destination)
//   SealCell   ---------> ForwardLayer --> OpenForward
//   OpenCell   <--------- BackwardLayer <- SealBackward
//
// Any relay may also originate a backward cell with `SealBackward`, which is
// how a hop reports that it cannot go on; the client learns from which hop a
// cell came by the layer at which it became readable.
//
// A circuit that met one unreadable cell is dead for good: every later call
// that could succeed fails. All classes are move-only and not thread-safe.

#ifndef ROUTING_ONION_CIRCUIT_H_
#define ROUTING_ONION_CIRCUIT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "crypto/base/secret_bytes.h"
#include "routing/onion/cell.h"
#include "routing/onion/cell_chain.h"

namespace messenger::routing {

// What SETUP gives to both ends for one hop (section 2.3).
struct CircuitKeys {
  crypto::SecretBytes<32> forward_key;
  crypto::SecretBytes<32> backward_key;
  crypto::SecretBytes<32> forward_iv;
  crypto::SecretBytes<32> backward_iv;
};

// The keys of one hop, as that hop holds them.
class RelayCircuit final {
 public:
  explicit RelayCircuit(CircuitKeys keys);

  RelayCircuit(RelayCircuit&&) = default;
  RelayCircuit& operator=(RelayCircuit&&) = default;

  // Removes this hop's layer from a cell on its way to the destination, or adds
  // it to one on its way back; in place. `body` is `kFrameBodySize` long. There
  // is nothing to fail: a relay in the middle cannot tell a good cell.
  void ForwardLayer(absl::Span<char> body);
  void BackwardLayer(absl::Span<char> body);

  // The destination's side of a forward cell. UNAUTHENTICATED when the cell is
  // not readable, and ever after.
  absl::StatusOr<OpenedCell> OpenForward(std::string body);

  // A backward cell that starts here: body of `kFrameBodySize`. `data` over
  // `kCellDataSize` is a broken invariant of the caller and ends the process.
  std::string SealBackward(const CellHeader& header, absl::string_view data);

  // An error cell (section 3.3). It says nothing but `code`, which must not be
  // OK.
  std::string SealError(absl::StatusCode code);

 private:
  CellChain forward_;
  CellChain backward_;
  bool dead_ = false;
};

// The keys of all hops, as the client holds them.
class ClientCircuit final {
 public:
  // `hops` in the order of the path, 1 to `kMaxHops` of them.
  explicit ClientCircuit(std::vector<CircuitKeys> hops);

  ClientCircuit(ClientCircuit&&) = default;
  ClientCircuit& operator=(ClientCircuit&&) = default;

  int hops() const { return static_cast<int>(layers_.size()); }
  bool dead() const { return dead_; }

  // A forward cell for the last hop: body of `kFrameBodySize`. INVALID_ARGUMENT
  // when `data` is over `kCellDataSize`, FAILED_PRECONDITION when the circuit
  // is dead.
  absl::StatusOr<std::string> SealCell(const CellHeader& header,
                                       absl::string_view data);

  struct Received {
    int hop = 0;  // 0-based hop that sealed the cell.
    CellHeader header;
    std::string data;
  };

  // Reads a backward cell. UNAUTHENTICATED when no hop's layer makes it
  // readable, and ever after.
  absl::StatusOr<Received> OpenCell(absl::string_view body);

 private:
  struct Layer {
    CellChain forward;
    CellChain backward;
  };

  std::vector<Layer> layers_;
  bool dead_ = false;
};

// Reads the code of a cell whose command is `kError`. INVALID_ARGUMENT unless
// the data is one byte and names an error.
absl::StatusOr<absl::StatusCode> ParseErrorCell(absl::string_view data);

}  // namespace messenger::routing

#endif  // ROUTING_ONION_CIRCUIT_H_
