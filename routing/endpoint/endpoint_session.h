// The destination's end of one circuit: gathers the request, pads the reply
// (routing/relay/SPEC.md, section 5; formats in routing/SPEC.md, section 4).
//
//   SETUP data -> Start -> [cells -> Add] -> TakeRequest -> SealReply -> cells
//
// Whatever happens to the request, the reply is the same number of cells:
// neither its size nor its outcome shows. Move-only, not thread-safe.

#ifndef ROUTING_ENDPOINT_ENDPOINT_SESSION_H_
#define ROUTING_ENDPOINT_ENDPOINT_SESSION_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "routing/onion/circuit.h"
#include "routing/onion/rpc_message.h"

namespace messenger::routing {

class EndpointSession final {
 public:
  // `reply_cells` is the budget that the SETUP's command grants and must be a
  // reply size (INVALID_ARGUMENT: no reply could be padded right). Anything
  // wrong with `setup_data` itself is the client's to hear: it makes a session
  // that is ready with an error.
  static absl::StatusOr<EndpointSession> Start(absl::string_view setup_data,
                                               int reply_cells,
                                               size_t max_request_bytes);

  EndpointSession(EndpointSession&&) = default;
  EndpointSession& operator=(EndpointSession&&) = default;

  // Whether TakeRequest() has something to say. True once at most: afterwards
  // the session waits for its reply and takes no more cells.
  bool ready() const { return !taken_ && (!error_.ok() || request_complete()); }

  // Bytes held for a request that is not complete.
  size_t held_bytes() const { return held_bytes_; }

  // The next forward cell. Ignored once `ready()` or taken.
  void Add(const OpenedCell& cell);

  // The request, or what to answer instead. Only when `ready()`.
  absl::StatusOr<std::string> TakeRequest();

  // The bodies of exactly `reply_cells` backward cells. A reply too long for
  // them becomes RESOURCE_EXHAUSTED.
  std::vector<std::string> SealReply(const absl::StatusOr<std::string>& reply,
                                     RelayCircuit& circuit) const;

 private:
  explicit EndpointSession(int reply_cells) : reply_cells_(reply_cells) {}

  bool request_complete() const {
    return assembler_.has_value() && assembler_->complete();
  }

  int reply_cells_;
  std::optional<RequestAssembler> assembler_;
  absl::Status error_;
  size_t held_bytes_ = 0;
  bool taken_ = false;
};

}  // namespace messenger::routing

#endif  // ROUTING_ENDPOINT_ENDPOINT_SESSION_H_
