#include "routing/onion/cell.h"

#include <string>

#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

std::string Encode(const CellHeader& header, absl::string_view data) {
  const auto body = EncodeCell(header, data);
  EXPECT_THAT(body, IsOk());
  return *body;
}

TEST(CellTest, HasTheSpecifiedBytes) {
  const std::string body =
      Encode({CellHeader::Command::kEnd, 0x01020304}, "abc");
  EXPECT_EQ(body.size(), kFrameBodySize);
  EXPECT_EQ(body.substr(0, 32),
            std::string(16, '\0') + std::string("\x02\x00\x00\x00\x00\x03"
                                                "\x01\x02\x03\x04\x00\x00"
                                                "abc\x00",
                                                16));
  EXPECT_EQ(body.find_first_not_of('\0', 31), std::string::npos);
}

TEST(CellTest, EveryCommandAndLengthComesBack) {
  for (auto command : {CellHeader::Command::kData, CellHeader::Command::kEnd,
                       CellHeader::Command::kError}) {
    for (size_t size : {size_t{0}, size_t{1}, size_t{255}, size_t{256},
                        kCellDataSize - 1, kCellDataSize}) {
      const CellHeader header{command, static_cast<uint32_t>(size * 3)};
      const std::string data(size, 'x');
      const auto cell = ParseCell(Encode(header, data));
      ASSERT_THAT(cell, IsOk());
      EXPECT_EQ(cell->header, header);
      EXPECT_EQ(cell->data, data);
    }
  }
}

TEST(CellTest, DataThatDoesNotFitIsRefused) {
  EXPECT_THAT(EncodeCell({}, std::string(kCellDataSize + 1, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CellTest, EveryReservedBitMustBeZero) {
  const std::string valid = Encode({CellHeader::Command::kData, 1}, "abc");
  for (size_t byte = 0; byte < kFrameBodySize; ++byte) {
    const bool reserved = byte < 16 || (byte >= 17 && byte < 20) ||
                          (byte >= 26 && byte < 28) || byte >= 31;
    if (!reserved) continue;
    std::string edited = valid;
    edited[byte] = static_cast<char>(1 << (byte % 8));
    ASSERT_THAT(ParseCell(edited), StatusIs(absl::StatusCode::kInvalidArgument))
        << byte;
  }
}

TEST(CellTest, UnknownCommandsAreRefused) {
  std::string body = Encode({CellHeader::Command::kData, 1}, "abc");
  for (int command = 0; command < 256; ++command) {
    body[16] = static_cast<char>(command);
    EXPECT_EQ(ParseCell(body).ok(), command >= 1 && command <= 3) << command;
  }
}

TEST(CellTest, LengthBeyondTheCellIsRefused) {
  std::string body =
      Encode({CellHeader::Command::kData, 1}, std::string(kCellDataSize, 'x'));
  body[21] = static_cast<char>((kCellDataSize + 1) & 0xff);
  EXPECT_THAT(ParseCell(body), StatusIs(absl::StatusCode::kInvalidArgument));
  body[20] = '\xff';
  EXPECT_THAT(ParseCell(body), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CellTest, EveryTruncationIsRefused) {
  const std::string body = Encode({CellHeader::Command::kData, 1}, "abc");
  for (size_t size = 0; size < kFrameBodySize; ++size) {
    ASSERT_THAT(ParseCell(absl::string_view(body).substr(0, size)),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << size;
  }
}

TEST(CellTest, ZeroTagIsSixteenZeroBytes) {
  EXPECT_TRUE(HasZeroTag(std::string(16, '\0')));
  EXPECT_FALSE(HasZeroTag(std::string(15, '\0')));
  for (int bit = 0; bit < 128; ++bit) {
    std::string tag(16, '\0');
    tag[bit / 8] = static_cast<char>(1 << (bit % 8));
    EXPECT_FALSE(HasZeroTag(tag)) << bit;
  }
}

}  // namespace
}  // namespace messenger::routing
