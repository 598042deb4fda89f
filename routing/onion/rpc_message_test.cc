#include "routing/onion/rpc_message.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr size_t kMax = 1 << 20;

class RpcMessageTest : public ::testing::Test {
 protected:
  SplitRequest Split(size_t bytes, int reply_cells = 1) {
    request_ = random_.String(bytes);
    auto split = EncodeRequest(request_, reply_cells);
    EXPECT_THAT(split, IsOk());
    return *std::move(split);
  }

  crypto::SeededRandom random_{1};
  std::string request_;
};

TEST_F(RpcMessageTest, RpcHeaderHasTheSpecifiedBytes) {
  const SplitRequest split = Split(0x0102, 16);
  EXPECT_EQ(split.setup_data.substr(0, kRpcHeaderSize),
            std::string("\x01\x00\x10\x00\x00\x00\x01\x02", 8) +
                std::string(8, '\0'));
  EXPECT_EQ(split.setup_data.size(), kSetupDataSize);
}

TEST_F(RpcMessageTest, RequestsOfEverySizeComeBack) {
  for (size_t bytes :
       {size_t{0}, size_t{1}, kSetupRequestSize - 1, kSetupRequestSize,
        kSetupRequestSize + 1, kSetupRequestSize + kCellDataSize,
        kSetupRequestSize + kCellDataSize + 1, size_t{300000}}) {
    const SplitRequest split = Split(bytes, 4);
    auto assembler = RequestAssembler::Start(split.setup_data, kMax);
    ASSERT_THAT(assembler, IsOk());
    EXPECT_EQ(assembler->reply_cells(), 4);
    for (const OpenedCell& cell : split.cells) {
      EXPECT_FALSE(assembler->complete());
      ASSERT_THAT(assembler->Add(cell), IsOk());
    }
    ASSERT_TRUE(assembler->complete()) << bytes;
    EXPECT_EQ(std::move(*assembler).Take(), request_);
  }
}

TEST_F(RpcMessageTest, TextOfOneSetupNeedsNoCells) {
  EXPECT_THAT(Split(kSetupRequestSize).cells, IsEmpty());
  EXPECT_THAT(Split(kSetupRequestSize + 1).cells, SizeIs(1));
}

TEST_F(RpcMessageTest, OnlyTheLastRequestCellSaysEnd) {
  const SplitRequest split = Split(kSetupRequestSize + 2 * kCellDataSize);
  ASSERT_THAT(split.cells, SizeIs(2));
  EXPECT_EQ(split.cells[0].header.command, CellHeader::Command::kData);
  EXPECT_EQ(split.cells[1].header.command, CellHeader::Command::kEnd);
}

TEST_F(RpcMessageTest, RequestOverTheLimitIsRefusedBeforeAnythingIsKept) {
  const SplitRequest split = Split(5000);
  EXPECT_THAT(RequestAssembler::Start(split.setup_data, 4999),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(RequestAssembler::Start(split.setup_data, 5000), IsOk());
}

TEST_F(RpcMessageTest, EveryReservedBitOfTheRpcHeaderMustBeZero) {
  const SplitRequest split = Split(10);
  for (size_t byte : {1, 3, 8, 9, 10, 11, 12, 13, 14, 15}) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string edited = split.setup_data;
      edited[byte] = static_cast<char>(1 << bit);
      EXPECT_THAT(RequestAssembler::Start(edited, kMax),
                  StatusIs(absl::StatusCode::kInvalidArgument));
    }
  }
}

TEST_F(RpcMessageTest, VersionLengthAndPaddingAreChecked) {
  const SplitRequest split = Split(10);
  std::string edited = split.setup_data;
  edited[0] = 2;
  EXPECT_THAT(RequestAssembler::Start(edited, kMax),
              StatusIs(absl::StatusCode::kInvalidArgument));
  edited = split.setup_data;
  edited.back() = 1;
  EXPECT_THAT(RequestAssembler::Start(edited, kMax),
              StatusIs(absl::StatusCode::kInvalidArgument));
  edited = split.setup_data;
  edited.pop_back();
  EXPECT_THAT(RequestAssembler::Start(edited, kMax),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(RpcMessageTest, OnlyFiveReplySizesExist) {
  std::string setup = Split(10).setup_data;
  for (int cells = 0; cells < 256; ++cells) {
    const bool allowed =
        cells == 1 || cells == 2 || cells == 4 || cells == 8 || cells == 16;
    setup[2] = static_cast<char>(cells);
    EXPECT_EQ(IsReplySize(cells), allowed);
    EXPECT_EQ(RequestAssembler::Start(setup, kMax).ok(), allowed);
    EXPECT_EQ(EncodeRequest("", cells).ok(), allowed);
    EXPECT_EQ(EncodeReply({}, cells).ok(), allowed);
  }
}

TEST_F(RpcMessageTest, CellsOutOfPlaceAreRefused) {
  const SplitRequest split = Split(kSetupRequestSize + 2 * kCellDataSize + 1);
  ASSERT_THAT(split.cells, SizeIs(3));
  auto assembler = RequestAssembler::Start(split.setup_data, kMax);
  ASSERT_THAT(assembler, IsOk());
  const auto refuses = [&](OpenedCell cell) {
    EXPECT_THAT(assembler->Add(cell),
                StatusIs(absl::StatusCode::kInvalidArgument));
  };
  refuses(split.cells[1]);
  refuses(split.cells[2]);
  OpenedCell edited = split.cells[0];
  edited.data.pop_back();
  refuses(edited);
  edited = split.cells[0];
  edited.header.command = CellHeader::Command::kEnd;
  refuses(edited);
  edited.header.command = CellHeader::Command::kError;
  refuses(edited);
  for (const OpenedCell& cell : split.cells) {
    ASSERT_THAT(assembler->Add(cell), IsOk());
  }
  refuses(split.cells[2]);
  EXPECT_EQ(std::move(*assembler).Take(), request_);
}

TEST_F(RpcMessageTest, RepliesOfEverySizeComeBackInTheCellsAskedFor) {
  for (int cells : {1, 2, 4, 8, 16}) {
    for (size_t bytes : {size_t{0}, size_t{1}, MaxReplyBytes(cells) - 1,
                         MaxReplyBytes(cells)}) {
      const std::string reply = random_.String(bytes);
      const auto encoded = EncodeReply({absl::StatusCode::kOk, reply}, cells);
      ASSERT_THAT(encoded, IsOkAndHolds(SizeIs(cells)));
      ReplyAssembler assembler(cells);
      for (const OpenedCell& cell : *encoded) {
        EXPECT_FALSE(assembler.complete());
        EXPECT_EQ(cell.data.size(), kCellDataSize);
        ASSERT_THAT(assembler.Add(cell), IsOk());
      }
      ASSERT_TRUE(assembler.complete());
      const auto taken = std::move(assembler).Take();
      ASSERT_THAT(taken, IsOk());
      EXPECT_EQ(taken->code, absl::StatusCode::kOk);
      EXPECT_EQ(taken->bytes, reply);
    }
    EXPECT_THAT(EncodeReply({absl::StatusCode::kOk,
                             std::string(MaxReplyBytes(cells) + 1, 'x')},
                            cells),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST_F(RpcMessageTest, ErrorsAreAsLongAsResults) {
  const auto result =
      EncodeReply({absl::StatusCode::kOk, std::string(9000, 'x')}, 2);
  const auto error =
      EncodeReply({absl::StatusCode::kNotFound, "no such thing"}, 2);
  ASSERT_THAT(result, IsOk());
  ASSERT_THAT(error, IsOk());
  ASSERT_EQ(result->size(), error->size());
  ReplyAssembler assembler(2);
  for (size_t i = 0; i < error->size(); ++i) {
    EXPECT_EQ((*error)[i].header, (*result)[i].header);
    EXPECT_EQ((*error)[i].data.size(), (*result)[i].data.size());
    ASSERT_THAT(assembler.Add((*error)[i]), IsOk());
  }
  const auto taken = std::move(assembler).Take();
  ASSERT_THAT(taken, IsOk());
  EXPECT_EQ(taken->code, absl::StatusCode::kNotFound);
  EXPECT_EQ(taken->bytes, "no such thing");
}

TEST_F(RpcMessageTest, ReplyCellsOutOfPlaceAreRefused) {
  const auto encoded = EncodeReply({absl::StatusCode::kOk, "x"}, 2);
  ASSERT_THAT(encoded, IsOk());
  ReplyAssembler assembler(2);
  EXPECT_THAT(assembler.Add((*encoded)[1]),
              StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_THAT(assembler.Add((*encoded)[0]), IsOk());
  EXPECT_THAT(assembler.Add((*encoded)[0]),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ReplyAssembler(assembler).Take(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_THAT(assembler.Add((*encoded)[1]), IsOk());
  EXPECT_THAT(assembler.Add((*encoded)[1]),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(RpcMessageTest, MalformedReplyIsRefused) {
  const auto encoded = EncodeReply({absl::StatusCode::kOk, "abc"}, 1);
  ASSERT_THAT(encoded, IsOk());
  const auto take = [&](size_t byte, char value) {
    OpenedCell cell = encoded->front();
    cell.data[byte] = value;
    ReplyAssembler assembler(1);
    EXPECT_THAT(assembler.Add(cell), IsOk());
    return std::move(assembler).Take();
  };
  EXPECT_THAT(take(0, 16), IsOk());
  EXPECT_THAT(take(0, 17), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(take(1, 1), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(take(4, 2), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(take(8, 1), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(RpcMessageTest, SmallestReplySizeIsChosen) {
  EXPECT_THAT(ReplyCellsFor(0), IsOkAndHolds(1));
  EXPECT_THAT(ReplyCellsFor(MaxReplyBytes(1)), IsOkAndHolds(1));
  EXPECT_THAT(ReplyCellsFor(MaxReplyBytes(1) + 1), IsOkAndHolds(2));
  EXPECT_THAT(ReplyCellsFor(MaxReplyBytes(16)), IsOkAndHolds(16));
  EXPECT_THAT(ReplyCellsFor(MaxReplyBytes(16) + 1),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace messenger::routing
