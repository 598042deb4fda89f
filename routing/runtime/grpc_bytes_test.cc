#include "routing/runtime/grpc_bytes.h"

#include <string>
#include <vector>

#include "crypto/base/testing/status_matchers.h"
#include "grpcpp/support/slice.h"
#include "gtest/gtest.h"
#include "routing/proto/link.pb.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

std::string Frame() {
  std::string frame(kFrameBytes, '\0');
  for (size_t i = 0; i < frame.size(); ++i) frame[i] = static_cast<char>(i);
  return frame;
}

std::string Serialized(const std::string& data) {
  v1::Frame message;
  message.set_data(data);
  return message.SerializeAsString();
}

TEST(GrpcBytesTest, FrameMessageIsWhatGeneratedCodeWrites) {
  EXPECT_EQ(BytesOf(FrameMessage(Frame())), Serialized(Frame()));
}

TEST(GrpcBytesTest, FrameOfGeneratedCodeIsRead) {
  EXPECT_THAT(FrameOfMessage(BufferOf(Serialized(Frame()))),
              IsOkAndHolds(Frame()));
}

TEST(GrpcBytesTest, FrameIsReadHoweverItsMessageIsSliced) {
  const std::string message = Serialized(Frame());
  for (size_t cut : {0u, 1u, 2u, 3u, 4u, 4096u, 8194u, 8195u}) {
    const grpc::Slice slices[] = {grpc::Slice(message.substr(0, cut)),
                                  grpc::Slice(message.substr(cut))};
    EXPECT_THAT(FrameOfMessage(grpc::ByteBuffer(slices, 2)),
                IsOkAndHolds(Frame()))
        << cut;
  }
}

TEST(GrpcBytesTest, FrameOfAnotherLengthIsRefused) {
  for (size_t size : {0u, 1u, 8191u, 8193u, 16384u}) {
    EXPECT_THAT(FrameOfMessage(BufferOf(Serialized(std::string(size, 'x')))),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << size;
  }
}

TEST(GrpcBytesTest, MessageWithAnotherHeaderIsRefused) {
  for (size_t i = 0; i < 3; ++i) {
    std::string message = Serialized(Frame());
    message[i] ^= 1;
    EXPECT_THAT(FrameOfMessage(BufferOf(message)),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << i;
  }
}

TEST(GrpcBytesTest, BytesSurviveTheBuffer) {
  for (const std::string& bytes : {std::string(), Frame() + Frame()}) {
    EXPECT_EQ(BytesOf(BufferOf(bytes)), bytes);
  }
}

TEST(GrpcBytesTest, StatusKeepsItsCodeAndTheStartOfItsWords) {
  const grpc::Status status =
      ToGrpcStatus(absl::NotFoundError(std::string(1000, 'x')));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), std::string(200, 'x'));
}

}  // namespace
}  // namespace messenger::routing
