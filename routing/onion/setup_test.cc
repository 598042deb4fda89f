#include "routing/onion/setup.h"

#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "crypto/agreement/x25519.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/kem/mlkem768.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/onion/circuit.h"
#include "routing/onion/command.h"
#include "routing/onion/geometry.h"
#include "routing/onion/testing/test_path.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::SizeIs;

static_assert(!std::is_copy_constructible_v<BuiltSetup>);
static_assert(!std::is_copy_constructible_v<Peeled>);
static_assert(std::is_move_constructible_v<Peeled>);

constexpr OnionEpochs kEpochs{7, 3};
constexpr uint8_t kService = 5;
constexpr uint32_t kExpiry = 29000000;
constexpr uint8_t kBudget = 16;

// One answer for everything, down to the words.
auto Refused() {
  return StatusIs(absl::StatusCode::kUnauthenticated, "refused");
}

class SetupTest : public ::testing::Test {
 protected:
  absl::StatusOr<BuiltSetup> TryBuild(int hops, absl::string_view data) {
    return BuildSetup(path_.Keys(hops), kEpochs, kService, kExpiry, kBudget,
                      data, random_);
  }
  BuiltSetup Build(int hops, absl::string_view data = "hello") {
    auto built = TryBuild(hops, data);
    EXPECT_THAT(built, IsOk());
    return *std::move(built);
  }
  absl::StatusOr<Peeled> Peel(int hop, absl::string_view body) {
    return PeelSetup(path_.Secrets(hop), body);
  }

  crypto::SeededRandom random_{1};
  TestPath path_{4, random_};
};

TEST_F(SetupTest, DataReachesTheLastOfOneToFourHops) {
  for (int seed = 0; seed < 25; ++seed) {
    for (int hops = 1; hops <= 4; ++hops) {
      const std::string data =
          random_.String(random_.Uniform(kSetupDataSize + 1));
      std::string body = Build(hops, data).body;
      for (int i = 0; i < hops; ++i) {
        ASSERT_THAT(body, SizeIs(kFrameBodySize));
        ASSERT_THAT(SetupEpochs(body), IsOkAndHolds(kEpochs));
        auto peeled = Peel(i, body);
        ASSERT_THAT(peeled, IsOk()) << hops << " hops, at hop " << i;
        EXPECT_EQ(peeled->command.expiry_minute, kExpiry);
        EXPECT_EQ(peeled->command.reply_budget, kBudget);
        EXPECT_EQ(peeled->command.delay_ms, 0);
        if (i + 1 < hops) {
          ASSERT_EQ(peeled->command.type, HopCommand::Type::kForward);
          EXPECT_EQ(peeled->command.next, path_.Secrets(i + 1).node_id);
          EXPECT_EQ(peeled->data, "");
          body = std::move(peeled->next_body);
        } else {
          ASSERT_EQ(peeled->command.type, HopCommand::Type::kDeliver);
          EXPECT_EQ(peeled->command.service, kService);
          EXPECT_EQ(peeled->next_body, "");
          ASSERT_THAT(peeled->data, SizeIs(kSetupDataSize));
          EXPECT_EQ(peeled->data.substr(0, data.size()), data);
          EXPECT_EQ(peeled->data.find_first_not_of('\0', data.size()),
                    std::string::npos);
        }
      }
    }
  }
}

TEST_F(SetupTest, BothEndsOfTheCircuitHaveTheSameKeys) {
  for (int hops = 1; hops <= 4; ++hops) {
    BuiltSetup built = Build(hops);
    std::vector<RelayCircuit> relays;
    std::string body = built.body;
    for (int i = 0; i < hops; ++i) {
      auto peeled = Peel(i, body);
      ASSERT_THAT(peeled, IsOk());
      relays.push_back(std::move(peeled->circuit));
      body = std::move(peeled->next_body);
    }
    auto forward = built.circuit.SealCell({CellHeader::Command::kEnd, 0}, "up");
    ASSERT_THAT(forward, IsOk());
    for (int i = 0; i + 1 < hops; ++i) {
      relays[i].ForwardLayer(absl::MakeSpan(forward->data(), forward->size()));
    }
    const auto opened = relays.back().OpenForward(*forward);
    ASSERT_THAT(opened, IsOk());
    EXPECT_EQ(opened->data, "up");
    for (int from = 0; from < hops; ++from) {
      std::string backward =
          relays[from].SealBackward({CellHeader::Command::kEnd, 0}, "down");
      for (int i = from - 1; i >= 0; --i) {
        relays[i].BackwardLayer(
            absl::MakeSpan(backward.data(), backward.size()));
      }
      const auto received = built.circuit.OpenCell(backward);
      ASSERT_THAT(received, IsOk());
      EXPECT_EQ(received->hop, from);
    }
  }
}

TEST_F(SetupTest, SetupOfOneHopIsRefusedByEveryOther) {
  const std::string body = Build(4).body;
  for (int hop = 1; hop < 4; ++hop) EXPECT_THAT(Peel(hop, body), Refused());
}

TEST_F(SetupTest, NodeWithTheKeysButAnotherIdRefuses) {
  const std::string body = Build(2).body;
  const HopSecrets& secrets = path_.Secrets(0);
  const HopSecrets renamed(random_.Fixed<NodeId>(), secrets.onion_key,
                           secrets.kem_key);
  EXPECT_THAT(PeelSetup(renamed, body), Refused());
}

TEST_F(SetupTest, EitherWrongPrivateKeyAloneRefuses) {
  const std::string body = Build(2).body;
  const HopSecrets& right = path_.Secrets(0);
  const HopSecrets& wrong = path_.Secrets(1);
  EXPECT_THAT(PeelSetup({right.node_id, right.onion_key, wrong.kem_key}, body),
              Refused());
  EXPECT_THAT(PeelSetup({right.node_id, wrong.onion_key, right.kem_key}, body),
              Refused());
  EXPECT_THAT(PeelSetup({right.node_id, right.onion_key, right.kem_key}, body),
              IsOk());
}

TEST_F(SetupTest, AnotherEpochIsRefusedEvenWithTheSameKeys) {
  for (size_t byte : {4, 5, 6, 7, 8, 9, 10, 11}) {
    std::string body = Build(2).body;
    body[byte] = static_cast<char>(body[byte] ^ 1);
    const auto epochs = SetupEpochs(body);
    ASSERT_THAT(epochs, IsOk());
    EXPECT_FALSE(*epochs == kEpochs);
    EXPECT_THAT(Peel(0, body), Refused());
  }
}

TEST_F(SetupTest, AnotherSuiteOrReservedBitsAreRefusedAtOnce) {
  for (size_t byte : {0, 1, 2, 3, 12, 13, 14, 15}) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string body = Build(1).body;
      body[byte] = static_cast<char>(body[byte] ^ (1 << bit));
      EXPECT_THAT(SetupEpochs(body), Refused());
      EXPECT_THAT(Peel(0, body), Refused());
    }
  }
}

TEST_F(SetupTest, TheBitThatX25519IgnoresIsNotIgnored) {
  std::string body = Build(1).body;
  body[kCiphertextOffset + 31] =
      static_cast<char>(body[kCiphertextOffset + 31] ^ 0x80);
  EXPECT_THAT(Peel(0, body), Refused());
}

TEST_F(SetupTest, LowOrderEphemeralIsRefused) {
  std::string body = Build(1).body;
  for (char first : {'\0', '\1'}) {
    body.replace(kCiphertextOffset, kX25519Size, kX25519Size, '\0');
    body[kCiphertextOffset] = first;
    EXPECT_THAT(Peel(0, body), Refused());
  }
}

TEST_F(SetupTest, EveryTruncationIsRefused) {
  const std::string body = Build(1).body;
  for (size_t size = 0; size < kFrameBodySize; ++size) {
    const absl::string_view part = absl::string_view(body).substr(0, size);
    ASSERT_THAT(SetupEpochs(part), Refused()) << size;
    ASSERT_THAT(Peel(0, part), Refused()) << size;
  }
  EXPECT_THAT(Peel(0, body + '\0'), Refused());
}

TEST_F(SetupTest, RandomBytesAreRefused) {
  for (int i = 0; i < 200; ++i) {
    std::string body = random_.String(kFrameBodySize);
    EXPECT_THAT(Peel(0, body), Refused());
    body.replace(0, kAdSize, Build(1).body.substr(0, kAdSize));
    EXPECT_THAT(Peel(0, body), Refused());
  }
}

TEST_F(SetupTest, ReplayTagsRepeatOnlyForTheSameSetup) {
  std::set<std::string> tags;
  for (int i = 0; i < 20; ++i) {
    std::string body = Build(4).body;
    for (int hop = 0; hop < 4; ++hop) {
      const auto first = Peel(hop, body);
      auto again = Peel(hop, body);
      ASSERT_THAT(first, IsOk());
      ASSERT_THAT(again, IsOk());
      EXPECT_EQ(first->replay_tag, again->replay_tag);
      tags.insert(first->replay_tag.ToHex());
      body = std::move(again->next_body);
    }
  }
  EXPECT_THAT(tags, SizeIs(80));
}

TEST_F(SetupTest, PathsOfNoneOrFiveHopsAreNotBuilt) {
  EXPECT_THAT(TryBuild(0, ""), StatusIs(absl::StatusCode::kInvalidArgument));
  auto keys = path_.Keys();
  keys.push_back(keys.front());
  EXPECT_THAT(
      BuildSetup(keys, kEpochs, kService, kExpiry, kBudget, "", random_),
      StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(SetupTest, DataThatDoesNotFitIsNotBuilt) {
  EXPECT_THAT(TryBuild(2, std::string(kSetupDataSize, 'x')), IsOk());
  EXPECT_THAT(TryBuild(2, std::string(kSetupDataSize + 1, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(SetupTest, BudgetOutsideItsRangeIsNotBuilt) {
  for (int budget : {0, 65, 255}) {
    EXPECT_THAT(BuildSetup(path_.Keys(2), kEpochs, kService, kExpiry,
                           static_cast<uint8_t>(budget), "", random_),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST_F(SetupTest, InvalidPublicKeysOfAnyHopAreNotUsed) {
  for (int hop = 0; hop < 4; ++hop) {
    auto keys = path_.Keys();
    keys[hop].onion_key = crypto::X25519PublicKey();
    EXPECT_THAT(
        BuildSetup(keys, kEpochs, kService, kExpiry, kBudget, "", random_),
        StatusIs(absl::StatusCode::kInvalidArgument));
    keys = path_.Keys();
    keys[hop].kem_key.data()[0] = '\xff';  // A coefficient of 4095 or so: not
    keys[hop].kem_key.data()[1] = '\xff';  // below the modulus.
    EXPECT_THAT(
        BuildSetup(keys, kEpochs, kService, kExpiry, kBudget, "", random_),
        StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST_F(SetupTest, PathToANodeWithoutAnIdIsNotBuilt) {
  auto keys = path_.Keys();
  keys[2].node_id = NodeId();
  EXPECT_THAT(
      BuildSetup(keys, kEpochs, kService, kExpiry, kBudget, "", random_),
      StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace messenger::routing
