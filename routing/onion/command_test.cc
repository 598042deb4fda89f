#include "routing/onion/command.h"

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

std::string Encode(const HopCommand& command) {
  std::string bytes(kCommandSize, '\xff');
  EXPECT_THAT(
      EncodeCommand(command, absl::MakeSpan(bytes.data(), bytes.size())),
      IsOk());
  return bytes;
}

absl::Status TryEncode(const HopCommand& command) {
  std::string bytes(kCommandSize, '\xff');
  return EncodeCommand(command, absl::MakeSpan(bytes.data(), bytes.size()));
}

class CommandTest : public ::testing::Test {
 protected:
  HopCommand Forward() {
    HopCommand command;
    command.type = HopCommand::Type::kForward;
    command.next = random_.Fixed<NodeId>();
    command.expiry_minute = 0x01020304;
    command.delay_ms = 0x0506;
    command.reply_budget = 16;
    return command;
  }
  HopCommand Deliver() {
    HopCommand command = Forward();
    command.type = HopCommand::Type::kDeliver;
    command.next = NodeId();
    command.service = 9;
    return command;
  }

  crypto::SeededRandom random_{1};
};

TEST_F(CommandTest, ForwardHasTheSpecifiedBytes) {
  const HopCommand command = Forward();
  EXPECT_EQ(Encode(command),
            std::string(1, '\x01') + std::string(command.next.bytes()) +
                std::string("\x01\x02\x03\x04\x05\x06\x10", 7) +
                std::string(8, '\0'));
}

TEST_F(CommandTest, DeliverHasTheSpecifiedBytes) {
  EXPECT_EQ(Encode(Deliver()),
            std::string("\x02\x09", 2) + std::string(31, '\0') +
                std::string("\x01\x02\x03\x04\x05\x06\x10", 7) +
                std::string(8, '\0'));
}

TEST_F(CommandTest, WhatIsEncodedComesBack) {
  for (int seed = 0; seed < 1000; ++seed) {
    HopCommand command = random_.Uniform(2) == 0 ? Forward() : Deliver();
    if (command.type == HopCommand::Type::kDeliver) {
      command.service = static_cast<uint8_t>(random_.U64());
    }
    command.expiry_minute = static_cast<uint32_t>(random_.U64());
    command.delay_ms = static_cast<uint16_t>(random_.U64());
    command.reply_budget = static_cast<uint8_t>(1 + random_.Uniform(64));
    ASSERT_THAT(ParseCommand(Encode(command)), IsOkAndHolds(command)) << seed;
  }
}

TEST_F(CommandTest, OnlyForwardAndDeliverAreAccepted) {
  for (int type = 0; type < 256; ++type) {
    std::string forward = Encode(Forward());
    forward[0] = static_cast<char>(type);
    EXPECT_EQ(ParseCommand(forward).ok(), type == 1) << type;
    std::string deliver = Encode(Deliver());
    deliver[0] = static_cast<char>(type);
    // Read as FORWARD, the service and its padding are an id like any other.
    EXPECT_EQ(ParseCommand(deliver).ok(), type == 1 || type == 2) << type;
  }
}

TEST_F(CommandTest, EveryBitOfPaddingAndFlagsMustBeZero) {
  for (const HopCommand& command : {Forward(), Deliver()}) {
    const std::string valid = Encode(command);
    std::set<size_t> reserved;
    for (size_t i = 40; i < 48; ++i) reserved.insert(i);
    if (command.type == HopCommand::Type::kDeliver) {
      for (size_t i = 2; i < 33; ++i) reserved.insert(i);
    }
    for (size_t byte : reserved) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string edited = valid;
        edited[byte] = static_cast<char>(1 << bit);
        EXPECT_THAT(ParseCommand(edited),
                    StatusIs(absl::StatusCode::kInvalidArgument))
            << byte << ":" << bit;
      }
    }
  }
}

TEST_F(CommandTest, BudgetIsBetweenOneAndSixtyFour) {
  std::string bytes = Encode(Deliver());
  for (int budget = 0; budget < 256; ++budget) {
    bytes[39] = static_cast<char>(budget);
    EXPECT_EQ(ParseCommand(bytes).ok(), budget >= 1 && budget <= 64) << budget;
  }
}

TEST_F(CommandTest, EveryTruncationIsRefused) {
  const std::string bytes = Encode(Forward());
  for (size_t size = 0; size < kCommandSize; ++size) {
    EXPECT_THAT(ParseCommand(absl::string_view(bytes).substr(0, size)),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(ParseCommand(bytes + '\0'),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(CommandTest, WhatWouldBeRefusedIsNotEncoded) {
  HopCommand command = Forward();
  command.reply_budget = 0;
  EXPECT_THAT(TryEncode(command), StatusIs(absl::StatusCode::kInvalidArgument));
  command = Forward();
  command.next = NodeId();
  EXPECT_THAT(TryEncode(command), StatusIs(absl::StatusCode::kInvalidArgument));
  command = Forward();
  command.service = 1;
  EXPECT_THAT(TryEncode(command), StatusIs(absl::StatusCode::kInvalidArgument));
  command = Deliver();
  command.next = random_.Fixed<NodeId>();
  EXPECT_THAT(TryEncode(command), StatusIs(absl::StatusCode::kInvalidArgument));
  command = Deliver();
  command.type = HopCommand::Type::kExit;
  EXPECT_THAT(TryEncode(command), StatusIs(absl::StatusCode::kInvalidArgument));
  std::string short_bytes(kCommandSize - 1, '\0');
  EXPECT_THAT(EncodeCommand(Forward(), absl::MakeSpan(short_bytes.data(),
                                                      short_bytes.size())),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace messenger::routing
