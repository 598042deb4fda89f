#include "routing/runtime/grpc_bytes.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "grpcpp/support/slice.h"
#include "routing/runtime/grpc_hand_over.h"

namespace messenger::routing {
namespace {

// Field 1, length-delimited; 8192 as a varint.
constexpr char kFrameHeader[] = {0x0a, static_cast<char>(0x80), 0x40};
static_assert(sizeof(kFrameHeader) + kFrameBytes == kFrameMessageBytes);
static_assert(kFrameBytes == (0x00 | (0x40 << 7)), "the varint above");

constexpr size_t kMaxStatusWords = 200;

// Bytes that gRPC lets go of on a thread of its own.
struct HandedOver {
  const std::string bytes;
  GrpcHandOver hand_over;
};

grpc::Slice SliceOf(std::string bytes) {
  auto* const owned = new HandedOver{std::move(bytes), {}};
  char* const data = const_cast<char*>(owned->bytes.data());
  const size_t size = owned->bytes.size();
  owned->hand_over.Give();
  return grpc::Slice(
      data, size,
      [](void* user_data) {
        auto* const done = static_cast<HandedOver*>(user_data);
        done->hand_over.Take();
        delete done;
      },
      owned);
}

}  // namespace

grpc::ByteBuffer BufferOf(std::string bytes) {
  const grpc::Slice slice = SliceOf(std::move(bytes));
  return grpc::ByteBuffer(&slice, 1);
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

grpc::ByteBuffer FrameMessage(std::string frame) {
  const grpc::Slice slices[] = {
      grpc::Slice(kFrameHeader, sizeof(kFrameHeader),
                  grpc::Slice::STATIC_SLICE),
      SliceOf(std::move(frame)),
  };
  return grpc::ByteBuffer(slices, 2);
}

absl::StatusOr<std::string> FrameOfMessage(const grpc::ByteBuffer& message) {
  const absl::Status refusal =
      absl::InvalidArgumentError("frame of a wrong length");
  // The length first: nothing is looked at or copied of anything else.
  if (message.Length() != kFrameMessageBytes) return refusal;
  std::vector<grpc::Slice> slices;
  if (!message.Dump(&slices).ok()) return refusal;
  std::string frame;
  frame.reserve(kFrameBytes);
  size_t header_seen = 0;
  for (const grpc::Slice& slice : slices) {
    absl::string_view rest(reinterpret_cast<const char*>(slice.begin()),
                           slice.size());
    const size_t n = std::min(rest.size(), sizeof(kFrameHeader) - header_seen);
    if (n > 0 && std::memcmp(rest.data(), kFrameHeader + header_seen, n) != 0) {
      return refusal;
    }
    header_seen += n;
    rest.remove_prefix(n);
    frame.append(rest.data(), rest.size());
  }
  return frame;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(status.message().substr(0, kMaxStatusWords)));
}

}  // namespace messenger::routing
