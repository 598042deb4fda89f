#include "routing/onion/rpc_message.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "routing/onion/big_endian.h"

namespace messenger::routing {
namespace {

constexpr uint8_t kRpcVersion = 1;
constexpr size_t kFlagsOffset = 1;
constexpr size_t kReplyCellsOffset = 2;
constexpr size_t kReservedOffset = 3;
constexpr size_t kRequestLengthOffset = 4;
constexpr size_t kPaddingOffset = 8;
constexpr int kReplySizes[] = {1, 2, 4, 8, 16};
constexpr int kLargestCode =
    static_cast<int>(absl::StatusCode::kUnauthenticated);

absl::Status Malformed() {
  return absl::InvalidArgumentError("malformed rpc message");
}

bool AllZero(absl::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](char byte) { return byte == 0; });
}

CellHeader::Command CommandFor(bool last) {
  return last ? CellHeader::Command::kEnd : CellHeader::Command::kData;
}

}  // namespace

bool IsReplySize(int reply_cells) {
  return std::find(std::begin(kReplySizes), std::end(kReplySizes),
                   reply_cells) != std::end(kReplySizes);
}

absl::StatusOr<int> ReplyCellsFor(size_t reply_bytes) {
  for (int cells : kReplySizes) {
    if (reply_bytes <= MaxReplyBytes(cells)) return cells;
  }
  return absl::InvalidArgumentError("no reply is that long");
}

absl::StatusOr<SplitRequest> EncodeRequest(absl::string_view request,
                                           int reply_cells) {
  if (!IsReplySize(reply_cells)) {
    return absl::InvalidArgumentError("not a reply size");
  }
  if (request.size() > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError("request is too long");
  }
  SplitRequest split;
  split.setup_data.assign(kRpcHeaderSize, '\0');
  split.setup_data[0] = static_cast<char>(kRpcVersion);
  split.setup_data[kReplyCellsOffset] = static_cast<char>(reply_cells);
  StoreBigEndian<uint32_t>(static_cast<uint32_t>(request.size()),
                           &split.setup_data[kRequestLengthOffset]);
  const absl::string_view first = request.substr(0, kSetupRequestSize);
  split.setup_data.append(first.data(), first.size());
  split.setup_data.resize(kSetupDataSize, '\0');
  request.remove_prefix(first.size());
  for (uint32_t seq = 0; !request.empty(); ++seq) {
    const absl::string_view part = request.substr(0, kCellDataSize);
    request.remove_prefix(part.size());
    split.cells.push_back(
        {{CommandFor(request.empty()), seq}, std::string(part)});
  }
  return split;
}

absl::StatusOr<RequestAssembler> RequestAssembler::Start(
    absl::string_view setup_data, size_t max_request_bytes) {
  if (setup_data.size() != kSetupDataSize ||
      static_cast<uint8_t>(setup_data[0]) != kRpcVersion ||
      setup_data[kFlagsOffset] != 0 || setup_data[kReservedOffset] != 0 ||
      !AllZero(
          setup_data.substr(kPaddingOffset, kRpcHeaderSize - kPaddingOffset))) {
    return Malformed();
  }
  const int reply_cells = static_cast<uint8_t>(setup_data[kReplyCellsOffset]);
  if (!IsReplySize(reply_cells)) return Malformed();
  const size_t request_bytes =
      LoadBigEndian<uint32_t>(&setup_data[kRequestLengthOffset]);
  if (request_bytes > max_request_bytes) {
    return absl::ResourceExhaustedError("request is too long");
  }
  RequestAssembler assembler(reply_cells, request_bytes);
  const absl::string_view body = setup_data.substr(kRpcHeaderSize);
  const size_t here = std::min(request_bytes, kSetupRequestSize);
  if (!AllZero(body.substr(here))) return Malformed();
  assembler.request_ = std::string(body.substr(0, here));
  return assembler;
}

absl::Status RequestAssembler::Add(const OpenedCell& cell) {
  const size_t missing = request_bytes_ - request_.size();
  const size_t expected = std::min(missing, kCellDataSize);
  if (missing == 0 || cell.header.seq != next_seq_ ||
      cell.data.size() != expected ||
      cell.header.command != CommandFor(missing == expected)) {
    return Malformed();
  }
  request_.append(cell.data);
  ++next_seq_;
  return absl::OkStatus();
}

std::string RequestAssembler::Take() && { return std::move(request_); }

absl::StatusOr<std::vector<OpenedCell>> EncodeReply(const RpcReply& reply,
                                                    int reply_cells) {
  if (!IsReplySize(reply_cells)) {
    return absl::InvalidArgumentError("not a reply size");
  }
  if (reply.bytes.size() > MaxReplyBytes(reply_cells)) {
    return absl::InvalidArgumentError("reply does not fit its cells");
  }
  std::string bytes(kReplyHeaderSize, '\0');
  bytes[0] = static_cast<char>(reply.code);
  StoreBigEndian<uint32_t>(static_cast<uint32_t>(reply.bytes.size()),
                           &bytes[1]);
  bytes.append(reply.bytes);
  bytes.resize(static_cast<size_t>(reply_cells) * kCellDataSize, '\0');
  std::vector<OpenedCell> cells;
  cells.reserve(reply_cells);
  for (int i = 0; i < reply_cells; ++i) {
    cells.push_back(
        {{CommandFor(i + 1 == reply_cells), static_cast<uint32_t>(i)},
         bytes.substr(static_cast<size_t>(i) * kCellDataSize, kCellDataSize)});
  }
  return cells;
}

absl::Status ReplyAssembler::Add(const OpenedCell& cell) {
  if (complete() || cell.header.seq != static_cast<uint32_t>(cells_seen_) ||
      cell.data.size() != kCellDataSize ||
      cell.header.command != CommandFor(cells_seen_ + 1 == reply_cells_)) {
    return Malformed();
  }
  bytes_.append(cell.data);
  ++cells_seen_;
  return absl::OkStatus();
}

absl::StatusOr<RpcReply> ReplyAssembler::Take() && {
  if (!complete() || bytes_.size() < kReplyHeaderSize) return Malformed();
  const int code = static_cast<unsigned char>(bytes_[0]);
  const size_t length = LoadBigEndian<uint32_t>(&bytes_[1]);
  if (code > kLargestCode || length > bytes_.size() - kReplyHeaderSize ||
      !AllZero(absl::string_view(bytes_).substr(kReplyHeaderSize + length))) {
    return Malformed();
  }
  return RpcReply{static_cast<absl::StatusCode>(code),
                  bytes_.substr(kReplyHeaderSize, length)};
}

}  // namespace messenger::routing
