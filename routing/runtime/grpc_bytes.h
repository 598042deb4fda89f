// Our bytes in gRPC's buffers, without a copy where it can be helped
// (routing/runtime/SPEC.md, sections 2 and 3). Pure functions.
#ifndef ROUTING_RUNTIME_GRPC_BYTES_H_
#define ROUTING_RUNTIME_GRPC_BYTES_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/status.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

// Length of a `Frame` message: field 1, length 8192, the frame.
inline constexpr size_t kFrameMessageBytes = 3 + kFrameBytes;

grpc::ByteBuffer BufferOf(std::string bytes);
std::string BytesOf(const grpc::ByteBuffer& buffer);

// `frame` has kFrameBytes.
grpc::ByteBuffer FrameMessage(std::string frame);

// INVALID_ARGUMENT unless `message` is exactly what FrameMessage() makes.
absl::StatusOr<std::string> FrameOfMessage(const grpc::ByteBuffer& message);

// Codes are the same on both sides. Words of a status are cut to 200
// characters, so that they always fit into the peer's metadata limit.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_GRPC_BYTES_H_
