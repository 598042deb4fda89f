#include "routing/onion/frame.h"

#include <string>

#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

class FrameTest : public ::testing::Test {
 protected:
  std::string ValidFrame() {
    return EncodeFrame({FrameType::kCell, 0x0102030405060708},
                       random_.String(kFrameBodySize));
  }

  crypto::SeededRandom random_{1};
};

TEST_F(FrameTest, HeaderHasTheSpecifiedBytes) {
  EXPECT_EQ(ValidFrame().substr(0, kFrameHeaderSize),
            std::string("\x01\x03\x00\x00\x01\x02\x03\x04"
                        "\x05\x06\x07\x08\x00\x00\x00\x00",
                        16));
}

TEST_F(FrameTest, EveryTypeComesBack) {
  for (FrameType type : {FrameType::kSetup, FrameType::kCell,
                         FrameType::kDestroy, FrameType::kPad}) {
    const FrameHeader header{type, random_.U64()};
    const std::string body = random_.String(kFrameBodySize);
    const std::string frame = EncodeFrame(header, body);
    EXPECT_EQ(frame.size(), kFrameSize);
    EXPECT_THAT(ParseFrameHeader(frame), IsOkAndHolds(header));
    EXPECT_EQ(FrameBody(absl::string_view(frame)), body);
  }
}

TEST_F(FrameTest, RelayRewritesTheHeaderAndLeavesTheBody) {
  std::string frame = ValidFrame();
  const std::string body(FrameBody(absl::string_view(frame)));
  const FrameHeader header{FrameType::kSetup, 42};
  WriteFrameHeader(header, frame);
  EXPECT_THAT(ParseFrameHeader(frame), IsOkAndHolds(header));
  EXPECT_EQ(FrameBody(absl::string_view(frame)), body);
}

TEST_F(FrameTest, DestroyAndPadSayNothingInTheirBodies) {
  const std::string destroy = EncodeDestroy(7, random_);
  const std::string pad = EncodePad(random_);
  EXPECT_THAT(ParseFrameHeader(destroy),
              IsOkAndHolds(FrameHeader{FrameType::kDestroy, 7}));
  EXPECT_THAT(ParseFrameHeader(pad),
              IsOkAndHolds(FrameHeader{FrameType::kPad, 0}));
  EXPECT_NE(FrameBody(absl::string_view(destroy)),
            FrameBody(absl::string_view(EncodeDestroy(7, random_))));
  EXPECT_NE(FrameBody(absl::string_view(pad)),
            FrameBody(absl::string_view(EncodePad(random_))));
}

TEST_F(FrameTest, EveryOtherLengthIsRefused) {
  const std::string frame = ValidFrame();
  for (size_t size = 0; size < kFrameSize; ++size) {
    ASSERT_THAT(ParseFrameHeader(absl::string_view(frame).substr(0, size)),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << size;
  }
  EXPECT_THAT(ParseFrameHeader(frame + '\0'),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(FrameTest, EveryFlippedBitOutsideTheCircuitIdIsRefusedOrAnotherType) {
  const std::string frame = ValidFrame();
  for (size_t bit = 0; bit < 8 * kFrameHeaderSize; ++bit) {
    std::string edited = frame;
    edited[bit / 8] = static_cast<char>(edited[bit / 8] ^ (1 << (bit % 8)));
    const auto header = ParseFrameHeader(edited);
    const size_t byte = bit / 8;
    if (byte >= 4 && byte < 12) {
      ASSERT_TRUE(header.ok()) << bit;
      EXPECT_NE(header->circuit_id, 0x0102030405060708u) << bit;
    } else if (bit == 9) {  // CELL becomes SETUP.
      EXPECT_THAT(header, IsOkAndHolds(FrameHeader{FrameType::kSetup,
                                                   0x0102030405060708}));
    } else {
      EXPECT_THAT(header, StatusIs(absl::StatusCode::kInvalidArgument)) << bit;
    }
  }
}

TEST_F(FrameTest, OnlyTheFourTypesInUseAreAccepted) {
  std::string frame = ValidFrame();
  for (int type = 0; type < 256; ++type) {
    frame[1] = static_cast<char>(type);
    EXPECT_EQ(ParseFrameHeader(frame).ok(),
              type == 1 || type == 3 || type == 4 || type == 5)
        << type;
  }
}

}  // namespace
}  // namespace messenger::routing
