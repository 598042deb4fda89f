// Requests and replies inside a circuit (routing/SPEC.md, section 4).
//
// A request starts in the SETUP's data and goes on in forward cells. A reply
// fills exactly as many backward cells as the request asked for, so neither its
// size nor its outcome shows. These functions cut and join; sealing is
// `ClientCircuit`'s and `RelayCircuit`'s business.
//
// Not thread-safe; the free functions are.

#ifndef ROUTING_ONION_RPC_MESSAGE_H_
#define ROUTING_ONION_RPC_MESSAGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "routing/onion/cell.h"
#include "routing/onion/geometry.h"

namespace messenger::routing {

// 1, 2, 4, 8 or 16: the sizes a reply may be padded to.
bool IsReplySize(int reply_cells);

// The longest reply that fits `reply_cells` cells.
constexpr size_t MaxReplyBytes(int reply_cells) {
  return static_cast<size_t>(reply_cells) * kCellDataSize - kReplyHeaderSize;
}

// The smallest reply size that holds `reply_bytes`; INVALID_ARGUMENT when 16
// cells do not.
absl::StatusOr<int> ReplyCellsFor(size_t reply_bytes);

// A request cut for the wire: `setup_data` is `kSetupDataSize` long; each of
// `cells` goes into one forward cell, in order.
struct SplitRequest {
  std::string setup_data;
  std::vector<OpenedCell> cells;
};

// INVALID_ARGUMENT when `reply_cells` is not a reply size or the request is not
// shorter than 4 GiB.
absl::StatusOr<SplitRequest> EncodeRequest(absl::string_view request,
                                           int reply_cells);

// The destination's side: joins what `EncodeRequest` cut.
class RequestAssembler final {
 public:
  // Takes the data of a SETUP. INVALID_ARGUMENT on a malformed rpc header or on
  // padding that is not zero, RESOURCE_EXHAUSTED when the request announces
  // more than `max_request_bytes`.
  static absl::StatusOr<RequestAssembler> Start(absl::string_view setup_data,
                                                size_t max_request_bytes);

  int reply_cells() const { return reply_cells_; }
  bool complete() const { return request_.size() == request_bytes_; }

  // The next forward cell. INVALID_ARGUMENT on a cell out of order, of another
  // length than announced, or after the end.
  absl::Status Add(const OpenedCell& cell);

  // The request; once `complete()`.
  std::string Take() &&;

 private:
  RequestAssembler(int reply_cells, size_t request_bytes)
      : reply_cells_(reply_cells), request_bytes_(request_bytes) {}

  int reply_cells_;
  size_t request_bytes_;
  uint32_t next_seq_ = 0;
  std::string request_;
};

struct RpcReply {
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string bytes;  // The reply; with an error code, words for a developer.
};

// Exactly `reply_cells` backward cells, each of `kCellDataSize`.
// INVALID_ARGUMENT when `reply_cells` is not a reply size or the bytes are more
// than `MaxReplyBytes(reply_cells)`.
absl::StatusOr<std::vector<OpenedCell>> EncodeReply(const RpcReply& reply,
                                                    int reply_cells);

// The client's side: joins what `EncodeReply` cut.
class ReplyAssembler final {
 public:
  explicit ReplyAssembler(int reply_cells) : reply_cells_(reply_cells) {}

  bool complete() const { return cells_seen_ == reply_cells_; }

  // The next backward cell. INVALID_ARGUMENT on a cell out of order, of another
  // length, or after the end.
  absl::Status Add(const OpenedCell& cell);

  // The reply; once `complete()`. INVALID_ARGUMENT when its header does not fit
  // its cells.
  absl::StatusOr<RpcReply> Take() &&;

 private:
  int reply_cells_;
  int cells_seen_ = 0;
  std::string bytes_;
};

}  // namespace messenger::routing

#endif  // ROUTING_ONION_RPC_MESSAGE_H_
