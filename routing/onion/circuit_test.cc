#include "routing/onion/circuit.h"

#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/onion/geometry.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

static_assert(!std::is_copy_constructible_v<CircuitKeys>);
static_assert(!std::is_copy_constructible_v<ClientCircuit>);
static_assert(!std::is_copy_constructible_v<RelayCircuit>);
static_assert(std::is_nothrow_move_constructible_v<RelayCircuit>);
static_assert(std::is_move_assignable_v<ClientCircuit>);

constexpr CellHeader kData{CellHeader::Command::kData, 0};

// A client and its relays, and a way to carry cells between them that allows
// for an accident on each link: link i is the one on the client's side of
// relay i.
class Circuit {
 public:
  Circuit(int hops, crypto::Random& random) {
    std::vector<CircuitKeys> keys;
    for (int i = 0; i < hops; ++i) {
      CircuitKeys hop{random.Secret<32>(), random.Secret<32>(),
                      random.Secret<32>(), random.Secret<32>()};
      relays_.emplace_back(
          CircuitKeys{hop.forward_key.Clone(), hop.backward_key.Clone(),
                      hop.forward_iv.Clone(), hop.backward_iv.Clone()});
      keys.push_back(std::move(hop));
    }
    client_.emplace_back(std::move(keys));
  }

  using Accident = std::function<void(int link, std::string& body)>;

  absl::StatusOr<OpenedCell> SendForward(
      absl::string_view data, const Accident& accident = [](int, auto&) {}) {
    auto body = client().SealCell(kData, data);
    if (!body.ok()) return body.status();
    return CarryForward(*std::move(body), accident);
  }

  absl::StatusOr<OpenedCell> CarryForward(std::string body,
                                          const Accident& accident) {
    for (int i = 0; i + 1 < hops(); ++i) {
      accident(i, body);
      relays_[i].ForwardLayer(absl::MakeSpan(body.data(), body.size()));
    }
    accident(hops() - 1, body);
    return relays_.back().OpenForward(std::move(body));
  }

  absl::StatusOr<ClientCircuit::Received> SendBackward(
      int from, absl::string_view data,
      const Accident& accident = [](int, auto&) {}) {
    return CarryBackward(from, relays_[from].SealBackward(kData, data),
                         accident);
  }

  absl::StatusOr<ClientCircuit::Received> CarryBackward(
      int from, std::string body, const Accident& accident) {
    accident(from, body);
    for (int i = from - 1; i >= 0; --i) {
      relays_[i].BackwardLayer(absl::MakeSpan(body.data(), body.size()));
      accident(i, body);
    }
    return client().OpenCell(body);
  }

  int hops() const { return static_cast<int>(relays_.size()); }
  ClientCircuit& client() { return client_.front(); }
  RelayCircuit& relay(int i) { return relays_[i]; }

 private:
  std::vector<ClientCircuit> client_;  // One; it has no empty state.
  std::vector<RelayCircuit> relays_;
};

class CircuitTest : public ::testing::TestWithParam<int> {
 protected:
  int hops() const { return GetParam(); }

  crypto::SeededRandom random_{static_cast<uint64_t>(GetParam())};
  Circuit circuit_{GetParam(), random_};
};

TEST_P(CircuitTest, CellsTravelBothWays) {
  for (int round = 0; round < 20; ++round) {
    const std::string request = random_.String(random_.Uniform(kCellDataSize));
    const auto opened = circuit_.SendForward(request);
    ASSERT_THAT(opened, IsOk());
    EXPECT_EQ(opened->data, request);
    const std::string reply = random_.String(random_.Uniform(kCellDataSize));
    const auto received = circuit_.SendBackward(hops() - 1, reply);
    ASSERT_THAT(received, IsOk());
    EXPECT_EQ(received->hop, hops() - 1);
    EXPECT_EQ(received->data, reply);
  }
}

TEST_P(CircuitTest, HeaderArrivesAsSent) {
  const CellHeader header{CellHeader::Command::kEnd, 0xfffffffe};
  auto body = circuit_.client().SealCell(header, "x");
  ASSERT_THAT(body, IsOk());
  const auto opened =
      circuit_.CarryForward(*std::move(body), [](int, auto&) {});
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ(opened->header, header);
}

TEST_P(CircuitTest, ErrorIsRecognisedAtTheHopThatSentIt) {
  // From the far end inwards, each after ordinary traffic.
  for (int from = hops() - 1; from >= 0; --from) {
    ASSERT_THAT(circuit_.SendBackward(from, "before"), IsOk());
    const auto received = circuit_.CarryBackward(
        from, circuit_.relay(from).SealError(absl::StatusCode::kUnavailable),
        [](int, auto&) {});
    ASSERT_THAT(received, IsOk());
    EXPECT_EQ(received->hop, from);
    EXPECT_EQ(received->header.command, CellHeader::Command::kError);
    EXPECT_THAT(ParseErrorCell(received->data),
                IsOkAndHolds(absl::StatusCode::kUnavailable));
  }
}

TEST_P(CircuitTest, CellOfAnEarlierHopLeavesTheLaterHopsInStep) {
  for (int round = 0; round < 3; ++round) {
    for (int from = 0; from < hops(); ++from) {
      const auto received = circuit_.SendBackward(from, "x");
      ASSERT_THAT(received, IsOk()) << from;
      EXPECT_EQ(received->hop, from);
    }
  }
}

TEST_P(CircuitTest, FlippedBitOnAnyLinkKillsTheForwardDirection) {
  for (int link = 0; link < hops(); ++link) {
    for (size_t byte = 0; byte < kFrameBodySize; byte += 511) {
      Circuit circuit(hops(), random_);
      ASSERT_THAT(circuit.SendForward("good"), IsOk());
      ASSERT_THAT(circuit.SendForward("bad",
                                      [&](int at, std::string& body) {
                                        if (at == link) body[byte] ^= 1;
                                      }),
                  StatusIs(absl::StatusCode::kUnauthenticated));
      ASSERT_THAT(circuit.SendForward("later"),
                  StatusIs(absl::StatusCode::kUnauthenticated));
    }
  }
}

TEST_P(CircuitTest, FlippedBitOnAnyLinkKillsTheBackwardDirection) {
  for (int link = 0; link < hops(); ++link) {
    for (size_t byte = 0; byte < kFrameBodySize; byte += 511) {
      Circuit circuit(hops(), random_);
      ASSERT_THAT(circuit.SendBackward(hops() - 1, "good"), IsOk());
      ASSERT_THAT(circuit.SendBackward(hops() - 1, "bad",
                                       [&](int at, std::string& body) {
                                         if (at == link) body[byte] ^= 1;
                                       }),
                  StatusIs(absl::StatusCode::kUnauthenticated));
      EXPECT_TRUE(circuit.client().dead());
      ASSERT_THAT(circuit.SendBackward(hops() - 1, "later"),
                  StatusIs(absl::StatusCode::kUnauthenticated));
    }
  }
}

TEST_P(CircuitTest, DroppedForwardCellKillsTheCircuit) {
  ASSERT_THAT(circuit_.client().SealCell(kData, "lost"), IsOk());
  EXPECT_THAT(circuit_.SendForward("next"),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_P(CircuitTest, SwappedForwardCellsKillTheCircuit) {
  auto first = circuit_.client().SealCell(kData, "1");
  auto second = circuit_.client().SealCell(kData, "2");
  EXPECT_THAT(circuit_.CarryForward(*second, [](int, auto&) {}),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(circuit_.CarryForward(*first, [](int, auto&) {}),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_P(CircuitTest, ReplayedForwardCellKillsTheCircuit) {
  auto body = circuit_.client().SealCell(kData, "once");
  ASSERT_THAT(circuit_.CarryForward(*body, [](int, auto&) {}), IsOk());
  EXPECT_THAT(circuit_.CarryForward(*body, [](int, auto&) {}),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_P(CircuitTest, DroppedReplayedOrSwappedBackwardCellKillsTheCircuit) {
  const int last = hops() - 1;
  Circuit dropped(hops(), random_);
  dropped.relay(last).SealBackward(kData, "lost");
  EXPECT_THAT(dropped.SendBackward(last, "next"),
              StatusIs(absl::StatusCode::kUnauthenticated));

  Circuit replayed(hops(), random_);
  const std::string once = replayed.relay(last).SealBackward(kData, "once");
  ASSERT_THAT(replayed.CarryBackward(last, once, [](int, auto&) {}), IsOk());
  EXPECT_THAT(replayed.CarryBackward(last, once, [](int, auto&) {}),
              StatusIs(absl::StatusCode::kUnauthenticated));

  Circuit swapped(hops(), random_);
  const std::string first = swapped.relay(last).SealBackward(kData, "1");
  const std::string second = swapped.relay(last).SealBackward(kData, "2");
  EXPECT_THAT(swapped.CarryBackward(last, second, [](int, auto&) {}),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(swapped.CarryBackward(last, first, [](int, auto&) {}),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_P(CircuitTest, CellCannotBeReflected) {
  auto body = circuit_.client().SealCell(kData, "forward");
  ASSERT_THAT(body, IsOk());
  EXPECT_THAT(circuit_.client().OpenCell(*body),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_P(CircuitTest, CellOfAnyOtherSizeKillsTheCircuit) {
  for (size_t size : {size_t{0}, size_t{15}, size_t{16}, kFrameBodySize - 1,
                      kFrameBodySize + 1}) {
    Circuit circuit(hops(), random_);
    EXPECT_THAT(circuit.client().OpenCell(std::string(size, '\0')),
                StatusIs(absl::StatusCode::kUnauthenticated));
    EXPECT_THAT(circuit.client().SealCell(kData, "x"),
                StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(circuit.relay(hops() - 1).OpenForward(std::string(size, '\0')),
                StatusIs(absl::StatusCode::kUnauthenticated));
    EXPECT_THAT(circuit.SendForward("x"), ::testing::Not(IsOk()));
  }
}

TEST_P(CircuitTest, DataThatDoesNotFitIsRefusedAndTheCircuitLives) {
  EXPECT_THAT(
      circuit_.client().SealCell(kData, std::string(kCellDataSize + 1, 'x')),
      StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(circuit_.SendForward("x"), IsOk());
}

TEST_P(CircuitTest, NoLinkShowsTheSameBytesAsAnother) {
  std::vector<std::string> seen;
  ASSERT_THAT(circuit_.SendForward(
                  "x", [&](int, std::string& body) { seen.push_back(body); }),
              IsOk());
  ASSERT_THAT(circuit_.SendBackward(
                  hops() - 1, "x",
                  [&](int, std::string& body) { seen.push_back(body); }),
              IsOk());
  ASSERT_THAT(seen, ::testing::SizeIs(2 * hops()));
  for (size_t i = 0; i < seen.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      int equal = 0;
      for (size_t at = 0; at < kFrameBodySize; ++at) {
        equal += seen[i][at] == seen[j][at];
      }
      EXPECT_LT(equal, 100);  // 32 expected of 8,176 random bytes.
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Hops, CircuitTest, ::testing::Range(1, 5));

TEST(ErrorCellTest, OnlyOneByteThatNamesAnErrorIsACode) {
  for (int code = 0; code < 256; ++code) {
    EXPECT_EQ(ParseErrorCell(std::string(1, static_cast<char>(code))).ok(),
              code >= 1 && code <= 16)
        << code;
  }
  EXPECT_FALSE(ParseErrorCell("").ok());
  EXPECT_FALSE(ParseErrorCell(std::string(2, '\x01')).ok());
}

}  // namespace
}  // namespace messenger::routing
