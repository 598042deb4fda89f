#include "routing/onion/circuit.h"

#include <cstdlib>
#include <utility>

#include "routing/onion/geometry.h"

namespace messenger::routing {
namespace {

absl::Status Unreadable() {
  return absl::UnauthenticatedError("cell is not readable");
}

}  // namespace

RelayCircuit::RelayCircuit(CircuitKeys keys)
    : forward_(keys.forward_key, std::move(keys.forward_iv)),
      backward_(keys.backward_key, std::move(keys.backward_iv)) {}

void RelayCircuit::ForwardLayer(absl::Span<char> body) {
  forward_.RemoveLayer(body);
}

void RelayCircuit::BackwardLayer(absl::Span<char> body) {
  backward_.AddLayer(body);
}

absl::StatusOr<OpenedCell> RelayCircuit::OpenForward(std::string body) {
  if (dead_ || body.size() != kFrameBodySize) {
    dead_ = true;
    return Unreadable();
  }
  forward_.RemoveLayer(absl::MakeSpan(body.data(), body.size()));
  absl::StatusOr<OpenedCell> cell = ParseCell(body);
  if (!cell.ok()) {
    dead_ = true;
    return Unreadable();
  }
  return cell;
}

std::string RelayCircuit::SealBackward(const CellHeader& header,
                                       absl::string_view data) {
  absl::StatusOr<std::string> body = EncodeCell(header, data);
  if (!body.ok()) std::abort();  // The caller's invariant.
  backward_.AddLayer(absl::MakeSpan(body->data(), body->size()));
  return *std::move(body);
}

std::string RelayCircuit::SealError(absl::StatusCode code) {
  const char data = static_cast<char>(code);
  return SealBackward({CellHeader::Command::kError, /*seq=*/0},
                      absl::string_view(&data, 1));
}

ClientCircuit::ClientCircuit(std::vector<CircuitKeys> hops) {
  if (hops.empty() || hops.size() > kMaxHops) std::abort();
  layers_.reserve(hops.size());
  for (CircuitKeys& keys : hops) {
    layers_.push_back(
        {CellChain(keys.forward_key, std::move(keys.forward_iv)),
         CellChain(keys.backward_key, std::move(keys.backward_iv))});
  }
}

absl::StatusOr<std::string> ClientCircuit::SealCell(const CellHeader& header,
                                                    absl::string_view data) {
  if (dead_) return absl::FailedPreconditionError("circuit is dead");
  absl::StatusOr<std::string> body = EncodeCell(header, data);
  if (!body.ok()) return body;
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
    layer->forward.AddLayer(absl::MakeSpan(body->data(), body->size()));
  }
  return body;
}

absl::StatusOr<ClientCircuit::Received> ClientCircuit::OpenCell(
    absl::string_view body) {
  if (dead_ || body.size() != kFrameBodySize) {
    dead_ = true;
    return Unreadable();
  }
  std::string bytes(body);
  for (int hop = 0; hop < hops(); ++hop) {
    layers_[hop].backward.RemoveLayer(
        absl::MakeSpan(bytes.data(), bytes.size()));
    if (!HasZeroTag(bytes)) continue;
    absl::StatusOr<OpenedCell> cell = ParseCell(bytes);
    if (!cell.ok()) break;
    return Received{hop, cell->header, std::move(cell->data)};
  }
  dead_ = true;
  return Unreadable();
}

absl::StatusOr<absl::StatusCode> ParseErrorCell(absl::string_view data) {
  constexpr int kLargestCode =
      static_cast<int>(absl::StatusCode::kUnauthenticated);
  if (data.size() != 1) {
    return absl::InvalidArgumentError("malformed error cell");
  }
  const int code = static_cast<unsigned char>(data.front());
  if (code == 0 || code > kLargestCode) {
    return absl::InvalidArgumentError("malformed error cell");
  }
  return static_cast<absl::StatusCode>(code);
}

}  // namespace messenger::routing
