// Whatever a parser accepts, the encoder writes back byte for byte: no two
// encodings of one thing, and nothing read past the end.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "routing/onion/cell.h"
#include "routing/onion/command.h"
#include "routing/onion/frame.h"
#include "routing/onion/geometry.h"
#include "routing/onion/rpc_message.h"

namespace messenger::routing {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void Frames(absl::string_view input) {
  const auto header = ParseFrameHeader(input);
  if (header.ok()) Require(EncodeFrame(*header, FrameBody(input)) == input);
}

void Commands(absl::string_view input) {
  const auto command = ParseCommand(input);
  if (!command.ok()) return;
  std::string bytes(kCommandSize, '\0');
  Require(
      EncodeCommand(*command, absl::MakeSpan(bytes.data(), bytes.size())).ok());
  Require(bytes == input);
}

void Cells(absl::string_view input) {
  const auto cell = ParseCell(input);
  if (!cell.ok()) return;
  const auto bytes = EncodeCell(cell->header, cell->data);
  Require(bytes.ok() && *bytes == input);
  RequestAssembler assembler =
      RequestAssembler::Start(
          EncodeRequest(std::string(5000, 'x'), 1)->setup_data,
          /*max_request_bytes=*/5000)
          .value();
  if (assembler.Add(*cell).ok()) Require(assembler.complete());
  ReplyAssembler reply(1);
  if (reply.Add(*cell).ok()) (void)std::move(reply).Take();
}

void Requests(absl::string_view input) {
  auto assembler =
      RequestAssembler::Start(input, /*max_request_bytes=*/kSetupRequestSize);
  if (!assembler.ok()) return;
  Require(assembler->complete());
  const int reply_cells = assembler->reply_cells();
  const auto split = EncodeRequest(std::move(*assembler).Take(), reply_cells);
  Require(split.ok() && split->setup_data == input && split->cells.empty());
}

}  // namespace
}  // namespace messenger::routing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  messenger::routing::Frames(input);
  messenger::routing::Commands(input);
  messenger::routing::Cells(input);
  messenger::routing::Requests(input);
  return 0;
}
