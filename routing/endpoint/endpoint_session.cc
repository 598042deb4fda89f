#include "routing/endpoint/endpoint_session.h"

#include <algorithm>
#include <utility>

#include "routing/onion/geometry.h"

namespace messenger::routing {
namespace {

// Longer words are cut: they are a hint for a developer, not a channel.
constexpr size_t kMaxErrorWords = 200;

RpcReply RenderReply(const absl::StatusOr<std::string>& reply,
                     int reply_cells) {
  if (reply.ok()) {
    if (reply->size() <= MaxReplyBytes(reply_cells)) {
      return {.code = absl::StatusCode::kOk, .bytes = *reply};
    }
    return {.code = absl::StatusCode::kResourceExhausted,
            .bytes = "reply does not fit the cells that were asked for"};
  }
  return {
      .code = reply.status().code(),
      .bytes = std::string(reply.status().message().substr(0, kMaxErrorWords))};
}

}  // namespace

absl::StatusOr<EndpointSession> EndpointSession::Start(
    absl::string_view setup_data, int reply_cells, size_t max_request_bytes) {
  if (!IsReplySize(reply_cells)) {
    return absl::InvalidArgumentError("budget is not a reply size");
  }
  EndpointSession session(reply_cells);
  absl::StatusOr<RequestAssembler> assembler =
      RequestAssembler::Start(setup_data, max_request_bytes);
  if (!assembler.ok()) {
    session.error_ = assembler.status();
  } else if (assembler->reply_cells() != reply_cells) {
    session.error_ =
        absl::InvalidArgumentError("reply size and budget disagree");
  } else {
    session.assembler_ = *std::move(assembler);
    session.held_bytes_ = kSetupRequestSize;
  }
  return session;
}

void EndpointSession::Add(const OpenedCell& cell) {
  if (taken_ || ready()) return;
  error_ = assembler_->Add(cell);
  held_bytes_ += cell.data.size();
}

absl::StatusOr<std::string> EndpointSession::TakeRequest() {
  taken_ = true;
  held_bytes_ = 0;
  if (!error_.ok()) {
    assembler_.reset();
    return error_;
  }
  std::string request = std::move(*assembler_).Take();
  assembler_.reset();
  return request;
}

std::vector<std::string> EndpointSession::SealReply(
    const absl::StatusOr<std::string>& reply, RelayCircuit& circuit) const {
  // Cannot fail: the size was checked in Start() and the length just now.
  const std::vector<OpenedCell> cells =
      EncodeReply(RenderReply(reply, reply_cells_), reply_cells_).value();
  std::vector<std::string> bodies;
  bodies.reserve(cells.size());
  for (const OpenedCell& cell : cells) {
    bodies.push_back(circuit.SealBackward(cell.header, cell.data));
  }
  return bodies;
}

}  // namespace messenger::routing
