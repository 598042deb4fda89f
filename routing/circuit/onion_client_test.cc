#include "routing/circuit/onion_client.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/onion/frame.h"
#include "routing/onion/geometry.h"
#include "routing/onion/rpc_message.h"
#include "routing/relay/testing/test_relays.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::SizeIs;

constexpr auto kUnavailable = absl::StatusCode::kUnavailable;

class OnionClientTest : public ::testing::TestWithParam<RoutingMode> {
 protected:
  static constexpr int kNodes = 9;

  void StartNetwork(RelayLimits limits = {}, uint64_t seed = 21) {
    net_.emplace(kNodes, seed, limits);
    net_->client.set_mode(GetParam());
    net_->links.set_wiretap([this](const SimulatedNetwork::Observation& seen) {
      ++observations_;
      if (seen.kind != SimulatedNetwork::Observation::Kind::kFrame) return;
      if (seen.bytes.size() != kFrameSize) ++other_sizes_;
      ++frames_[absl::StrCat(seen.from, ">", seen.to)];
    });
  }
  NodeId Destination() { return net_->id(kNodes - 1); }
  ScriptedEndpoint& Answerer() { return net_->endpoint(kNodes - 1); }
  size_t PathLength() { return GetParam() == RoutingMode::kOnion ? 4 : 2; }

  // Frames per directed link since the last call, sorted.
  std::vector<int> FrameCounts() {
    std::vector<int> counts;
    for (const auto& [way, n] : frames_) counts.push_back(n);
    std::sort(counts.begin(), counts.end());
    frames_.clear();
    return counts;
  }
  void ExpectNothingLeft() {
    net_->Settle();
    EXPECT_EQ(net_->open_circuits(), 0u);
    EXPECT_EQ(net_->client.pending_requests(), 0u);
    EXPECT_EQ(other_sizes_, 0) << "a frame was not 8192 bytes";
  }

  std::optional<TestRelays> net_;
  int observations_ = 0;
  int other_sizes_ = 0;
  std::map<std::string, int> frames_;
};

INSTANTIATE_TEST_SUITE_P(BothModes, OnionClientTest,
                         ::testing::Values(RoutingMode::kOnion,
                                           RoutingMode::kProxy),
                         [](const auto& info) {
                           return info.param == RoutingMode::kOnion ? "Onion"
                                                                    : "Proxy";
                         });

TEST_P(OnionClientTest, ARequestIsAnsweredThroughDistinctNodes) {
  StartNetwork();
  EXPECT_THAT(net_->Ask(Destination(), "ping"), IsOkAndHolds("re:ping"));
  EXPECT_THAT(net_->last_route.hops, SizeIs(PathLength()));
  EXPECT_EQ(net_->last_route.hops.back(), Destination());
  const std::set<NodeId> distinct(net_->last_route.hops.begin(),
                                  net_->last_route.hops.end());
  EXPECT_THAT(distinct, SizeIs(PathLength()));
  ExpectNothingLeft();
}

TEST_P(OnionClientTest, RequestsOfAnySizeArriveWhole) {
  StartNetwork();
  for (const size_t size : {0, 1, 3'375, 3'376, 3'377, 3'376 + 8'148,
                            3'376 + 8'148 + 1, 65'536, 131'072}) {
    const std::string request = net_->random.String(size);
    std::string seen;
    Answerer().set_script([&](std::string bytes, Reply reply) {
      seen = std::move(bytes);
      reply(std::string("ok"));
    });
    EXPECT_THAT(net_->Ask(Destination(), request), IsOkAndHolds("ok")) << size;
    EXPECT_TRUE(seen == request) << size;
  }
  ExpectNothingLeft();
}

TEST_P(OnionClientTest, RepliesOfEverySizeComeBackWhole) {
  StartNetwork();
  for (const int cells : {1, 2, 4, 8, 16}) {
    for (const size_t size : {size_t{0}, MaxReplyBytes(cells)}) {
      const std::string text = net_->random.String(size);
      Answerer().set_script([&](std::string, Reply reply) { reply(text); });
      EXPECT_THAT(net_->Ask(Destination(), "get", cells), IsOkAndHolds(text));
    }
  }
  ExpectNothingLeft();
}

TEST_P(OnionClientTest, FramesOnEachLinkTellNothingOfTheOutcome) {
  StartNetwork();
  ASSERT_THAT(net_->Ask(Destination(), "warm up"), IsOk());
  FrameCounts();
  for (const int cells : {1, 2, 4, 8, 16}) {
    // Up one frame on each link, down the cells that were asked for.
    std::vector<int> expected(PathLength(), 1);
    expected.insert(expected.end(), PathLength(), cells);
    const std::vector<std::function<void(std::string, Reply)>> outcomes = {
        [](std::string, Reply reply) { reply(std::string()); },
        [&](std::string, Reply reply) {
          reply(std::string(MaxReplyBytes(cells), 'x'));
        },
        [&](std::string, Reply reply) {  // does not fit
          reply(std::string(MaxReplyBytes(cells) + 1, 'x'));
        },
        [](std::string, Reply reply) { reply(absl::NotFoundError("no")); }};
    for (const auto& outcome : outcomes) {
      Answerer().set_script(outcome);
      net_->Ask(Destination(), "get", cells).status().IgnoreError();
      net_->Settle();
      EXPECT_EQ(FrameCounts(), expected);
    }
  }
  ExpectNothingLeft();
}

TEST_P(OnionClientTest, AStoreOf64KiBIsOneSetupAndEightCellsUp) {
  StartNetwork();
  ASSERT_THAT(net_->Ask(Destination(), std::string(65'536, 'x')),
              StatusIs(absl::StatusCode::kResourceExhausted));  // echo too long
  net_->Settle();
  std::vector<int> expected(PathLength(), 1);
  expected.insert(expected.end(), PathLength(), 9);
  EXPECT_EQ(FrameCounts(), expected);
  ExpectNothingLeft();
}

TEST_P(OnionClientTest, TheServicesStatusReachesTheCaller) {
  StartNetwork();
  Answerer().set_script([](std::string, Reply reply) {
    reply(absl::FailedPreconditionError("belongs to another swarm"));
  });
  EXPECT_THAT(net_->Ask(Destination(), "x"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "belongs to another swarm"));
  ExpectNothingLeft();
}

TEST_P(OnionClientTest, ManyRequestsAtOnceEachGetTheirOwnReply) {
  StartNetwork();
  int answered = 0;
  for (int i = 0; i < 200; ++i) {
    const int to = i % kNodes;
    net_->client.Send(
        {.destination = net_->id(to),
         .swarm = {},
         .service = 1,
         .bytes = absl::StrCat("request ", i),
         .reply_cells = 1},
        [&, i, to](absl::StatusOr<std::string> reply,
                   const RequestRoute& route) {
          EXPECT_THAT(reply, IsOkAndHolds(absl::StrCat("re:request ", i)));
          EXPECT_EQ(route.hops.back(), net_->id(to));
          ++answered;
        });
  }
  net_->executor.RunUntil([&] { return answered == 200; }, absl::Minutes(1));
  EXPECT_EQ(answered, 200);
  ExpectNothingLeft();
}

TEST_P(OnionClientTest, ADeadDestinationIsReportedAndOthersStillWork) {
  StartNetwork();
  net_->Crash(kNodes - 1);
  EXPECT_THAT(net_->Ask(Destination(), "x"),
              StatusIs(kUnavailable, "a hop could not be reached"));
  EXPECT_EQ(net_->last_route.hops.back(), Destination());
  EXPECT_THAT(net_->Ask(net_->id(0), "ping"), IsOkAndHolds("re:ping"));
  ExpectNothingLeft();
}

TEST_P(OnionClientTest, ARelayThatIsDownCostsOneAttemptAtMost) {
  StartNetwork();
  // Every relay but the destination's neighbours of this moment fails in turn.
  for (int dead = 0; dead < 4; ++dead) net_->Crash(dead);
  int failures = 0;
  for (int i = 0; i < 20; ++i) {
    const auto reply = net_->Ask(Destination(), "ping");
    if (!reply.ok()) {
      EXPECT_THAT(reply, StatusIs(kUnavailable));
      ++failures;
    }
    net_->executor.RunFor(absl::Milliseconds(10));
  }
  EXPECT_LE(failures, 4) << "the path selector was not told";
  ExpectNothingLeft();
}

TEST_P(OnionClientTest, ACrashDuringTheRequestIsToldInTime) {
  StartNetwork();
  for (size_t hop = 0; hop < PathLength(); ++hop) {
    for (int i = 0; i < kNodes; ++i) net_->endpoint(i).HoldReplies();
    std::optional<absl::StatusOr<std::string>> outcome;
    RequestRoute route;
    // The route is known with the outcome only: find it in the relays.
    std::vector<uint64_t> before(kNodes);
    for (int i = 0; i < kNodes; ++i) {
      before[i] = net_->relay(i).open_circuits();
    }
    net_->client.Send(
        {.destination = Destination(),
         .swarm = {Destination()},
         .service = 1,
         .bytes = "x",
         .timeout = absl::Minutes(2)},
        [&](absl::StatusOr<std::string> reply, const RequestRoute& r) {
          outcome = std::move(reply);
          route = r;
        });
    net_->Settle();
    ASSERT_EQ(net_->open_circuits(), PathLength());
    std::vector<int> on_path;
    for (int i = 0; i < kNodes; ++i) {
      if (net_->relay(i).open_circuits() > 0) on_path.push_back(i);
    }
    const int dead = on_path[hop % on_path.size()];
    net_->Crash(dead);
    net_->executor.RunFor(absl::Seconds(1));
    ASSERT_TRUE(outcome.has_value()) << "hop " << hop;
    EXPECT_THAT(*outcome, StatusIs(kUnavailable));
    EXPECT_EQ(std::count(route.hops.begin(), route.hops.end(), net_->id(dead)),
              1);
    net_->Settle();
    EXPECT_EQ(net_->open_circuits(), 0u);
    net_->Restart(dead);
    net_->executor.RunFor(absl::Minutes(30));
  }
}

TEST_P(OnionClientTest, SilenceEndsWithTheDeadlineAndClearsThePath) {
  StartNetwork();
  Answerer().HoldReplies();
  const absl::Time start = net_->clock.Now();
  EXPECT_THAT(net_->Ask({.destination = Destination(),
                         .swarm = {},
                         .service = 1,
                         .bytes = "x",
                         .timeout = absl::Seconds(7)}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(net_->clock.Now() - start, absl::Seconds(7));
  ExpectNothingLeft();
}

TEST_P(OnionClientTest, AGuardThatFallsSilentIsGivenUpBeforeTheTimeout) {
  StartNetwork();
  ASSERT_THAT(net_->Ask(Destination(), "ping"), IsOk());
  const NodeId guard = net_->last_route.hops.front();
  net_->links.Partition({net_->client_host.endpoint().address});
  const absl::Time start = net_->clock.Now();
  EXPECT_THAT(net_->Ask(Destination(), "x"), StatusIs(kUnavailable));
  EXPECT_LE(net_->clock.Now() - start, absl::Milliseconds(4'100));
  net_->links.Heal();
  EXPECT_THAT(net_->Ask(Destination(), "ping"), IsOkAndHolds("re:ping"));
  EXPECT_NE(net_->last_route.hops.front(), guard);
}

TEST_P(OnionClientTest, AGuardThatWaitsLikeTheClientIsKept) {
  StartNetwork();
  Answerer().HoldReplies();
  std::optional<absl::StatusOr<std::string>> outcome;
  net_->client.Send({.destination = Destination(),
                     .swarm = {Destination()},
                     .service = 1,
                     .bytes = "x",
                     .timeout = absl::Minutes(1)},
                    [&](absl::StatusOr<std::string> reply,
                        const RequestRoute&) { outcome = std::move(reply); });
  net_->executor.RunFor(absl::Seconds(50));
  EXPECT_FALSE(outcome.has_value());
  Answerer().Release();
  net_->Settle();
  ASSERT_TRUE(outcome.has_value());
  EXPECT_THAT(*outcome, IsOkAndHolds("re:x"));
  ExpectNothingLeft();
}

TEST_P(OnionClientTest, ANextHopThatFallsSilentIsNamedBeforeTheTimeout) {
  StartNetwork();
  ASSERT_THAT(net_->Ask(Destination(), "ping"), IsOk());
  // Everything but the links of the destination works.
  net_->links.Partition({net_->host(kNodes - 1).endpoint().address});
  const absl::Time start = net_->clock.Now();
  EXPECT_THAT(net_->Ask({.destination = Destination(),
                         .swarm = {Destination()},
                         .service = 1,
                         .bytes = "x",
                         .timeout = absl::Minutes(1)}),
              StatusIs(kUnavailable, "a hop could not be reached"));
  EXPECT_LE(net_->clock.Now() - start, absl::Milliseconds(6'000));
  ExpectNothingLeft();
}

TEST_P(OnionClientTest, ADeadGuardIsReplacedByTheNext) {
  StartNetwork();
  ASSERT_THAT(net_->Ask(Destination(), "ping"), IsOk());
  const NodeId guard = net_->last_route.hops.front();
  net_->Crash(net_->network.IndexOf(guard));
  // The loss of an idle link is found at the next use, at the latest.
  if (!net_->Ask(Destination(), "ping").ok()) {
    EXPECT_THAT(net_->Ask(Destination(), "ping"), IsOkAndHolds("re:ping"));
  }
  EXPECT_NE(net_->last_route.hops.front(), guard);
  ExpectNothingLeft();
}

TEST_P(OnionClientTest, AGuardThatMovedIsFoundAtItsNewAddress) {
  StartNetwork();
  ASSERT_THAT(net_->Ask(Destination(), "ping"), IsOk());
  const NodeId guard = net_->last_route.hops.front();
  const int index = net_->network.IndexOf(guard);
  const std::string moved = "sim:moved";
  SimulatedNetwork::Host& host = net_->links.AddHost(
      moved, net_->directory.current()->Find(guard)->link.tls_key);
  host.server().HandleLinks(net_->relay(index));
  net_->network.Reissue([&](TestNetwork::Draft& draft) {
    draft.nodes[index].descriptor.link.address = moved;
  });
  net_->PublishConsensus();
  frames_.clear();
  EXPECT_THAT(net_->Ask(Destination(), "ping"), IsOkAndHolds("re:ping"));
  EXPECT_EQ(net_->last_route.hops.front(), guard);
  EXPECT_EQ(frames_["sim:client>sim:moved"], 1);
}

TEST_P(OnionClientTest, AnOverloadedGuardIsAvoidedNextTime) {
  StartNetwork({.max_circuits = 0});
  EXPECT_THAT(net_->Ask(Destination(), "x"),
              StatusIs(kUnavailable, "a hop refused the request"));
  const NodeId guard = net_->last_route.hops.front();
  EXPECT_THAT(net_->Ask(Destination(), "x"), StatusIs(kUnavailable));
  EXPECT_NE(net_->last_route.hops.front(), guard);
}

TEST_P(OnionClientTest, WithoutADirectoryNothingIsSent) {
  StartNetwork();
  ConsensusHolder empty(net_->network.trust(), net_->clock);
  OnionClient client(net_->client_host.transport(), net_->executor, net_->clock,
                     net_->random, empty, net_->paths, GetParam());
  std::optional<absl::StatusOr<std::string>> outcome;
  client.Send(
      {.destination = Destination(), .swarm = {}, .service = 1, .bytes = "x"},
      [&](absl::StatusOr<std::string> reply, const RequestRoute& route) {
        EXPECT_TRUE(route.hops.empty());
        outcome = std::move(reply);
      });
  EXPECT_FALSE(outcome.has_value()) << "called inside Send()";
  net_->executor.RunUntilIdle();
  ASSERT_TRUE(outcome.has_value());
  EXPECT_THAT(*outcome, StatusIs(kUnavailable));
  EXPECT_EQ(observations_, 0);
}

TEST_P(OnionClientTest, AnOldDirectoryIsNotUsed) {
  StartNetwork();
  net_->executor.RunFor(absl::Hours(25));
  EXPECT_THAT(net_->Ask(Destination(), "x"), StatusIs(kUnavailable));
  EXPECT_EQ(observations_, 0);
}

TEST_P(OnionClientTest, ARequestThatCannotBeSentIsRefused) {
  StartNetwork();
  EXPECT_THAT(net_->Ask(Destination(), "x", /*reply_cells=*/3),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(net_->Ask(net_->random.Fixed<NodeId>(), "x"),
              StatusIs(kUnavailable));
  EXPECT_EQ(observations_, 0);
}

TEST_P(OnionClientTest, ADestroyedClientIsForgottenByTheRelays) {
  StartNetwork();
  Answerer().HoldReplies();
  {
    OnionClient client(net_->client_host.transport(), net_->executor,
                       net_->clock, net_->random, net_->directory, net_->paths,
                       GetParam());
    client.Send({.destination = Destination(),
                 .swarm = {Destination()},
                 .service = 1,
                 .bytes = "x"},
                [](absl::StatusOr<std::string>, const RequestRoute&) {
                  ADD_FAILURE() << "called after the client's end";
                });
    net_->Settle();
    EXPECT_EQ(net_->open_circuits(), PathLength());
  }
  ExpectNothingLeft();
  net_->executor.RunFor(absl::Minutes(1));
}

TEST_P(OnionClientTest, NoRelayIsOfTheDestinationsSwarm) {
  StartNetwork();
  const std::vector<NodeId> swarm = {net_->id(8), net_->id(7), net_->id(6)};
  for (int i = 0; i < 30; ++i) {
    ASSERT_THAT(net_->Ask({.destination = Destination(),
                           .swarm = swarm,
                           .service = 1,
                           .bytes = "x"}),
                IsOk());
    for (size_t hop = 0; hop + 1 < PathLength(); ++hop) {
      EXPECT_EQ(
          std::count(swarm.begin(), swarm.end(), net_->last_route.hops[hop]),
          0);
    }
  }
}

TEST_P(OnionClientTest, RandomTrafficWithCrashesLeavesNoStateBehind) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    StartNetwork({}, seed);
    int finished = 0, succeeded = 0;
    constexpr int kRequests = 150;
    for (int i = 0; i < kRequests; ++i) {
      net_->client.Send(
          {.destination = net_->id(static_cast<int>(net_->random.Uniform(9))),
           .swarm = {},
           .service = 1,
           .bytes = net_->random.String(net_->random.Uniform(30'000)),
           .reply_cells = 4,
           .timeout = absl::Seconds(10)},
          [&](absl::StatusOr<std::string> reply, const RequestRoute&) {
            ++finished;
            succeeded += reply.ok();
          });
      net_->executor.RunFor(absl::Milliseconds(20));
      if (i % 30 == 10) net_->Crash(i % kNodes);
      if (i % 30 == 25) net_->Restart((i - 15) % kNodes);
    }
    net_->executor.RunFor(absl::Minutes(2));
    EXPECT_EQ(finished, kRequests) << "seed " << seed;
    EXPECT_GT(succeeded, kRequests / 3) << "seed " << seed;
    ExpectNothingLeft();
  }
}

}  // namespace
}  // namespace messenger::routing
