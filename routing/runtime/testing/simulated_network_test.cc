#include "routing/runtime/testing/simulated_network.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "routing/runtime/testing/transport_contract.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;

TlsKey KeyNumber(char n) {
  TlsKey key;
  key.data()[0] = n;
  return key;
}

class SimulatedWorld final : public ContractWorld {
 public:
  Executor& executor() override { return executor_; }
  bool RunUntil(absl::FunctionRef<bool()> done) override {
    return executor_.RunUntil(done, absl::Minutes(10));
  }
  void Settle() override { executor_.RunFor(absl::Minutes(10)); }
  Server& server() override { return server_.server(); }
  Endpoint Start() override { return server_.endpoint(); }
  void StopServer() override { network_.Crash(server_); }
  Transport& node() override { return node_.transport(); }
  const TlsKey& node_key() override { return node_.endpoint().tls_key; }
  Transport& person() override { return person_.transport(); }
  void StopPerson() override { network_.Crash(person_); }
  void set_server_recorder(Recorder* recorder) override {
    server_.set_recorder(recorder);
  }

 private:
  crypto::SeededRandom random_{1};
  SimulatedClock clock_;
  SimulatedExecutor executor_{clock_};
  SimulatedNetwork network_{random_, executor_};
  SimulatedNetwork::Host& server_ = network_.AddHost("sim:1", KeyNumber(1));
  SimulatedNetwork::Host& node_ = network_.AddHost("sim:2", KeyNumber(2));
  SimulatedNetwork::Host& person_ = network_.AddHost("sim:3", std::nullopt);
};

std::unique_ptr<ContractWorld> MakeSimulatedWorld() {
  return std::make_unique<SimulatedWorld>();
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Simulated, TransportCallTest,
                         ::testing::Values(&MakeSimulatedWorld));
INSTANTIATE_TEST_SUITE_P(Simulated, TransportLinkTest,
                         ::testing::Values(&MakeSimulatedWorld));

namespace {

constexpr char kEcho[] = "/test.v1.Test/Echo";
constexpr absl::Duration kTimeout = absl::Seconds(5);

struct LinkEnd final : FrameLinkEvents, LinkAcceptor {
  std::unique_ptr<FrameLink> link;
  std::vector<std::string> frames;
  std::vector<absl::Status> closed;

  void OnFrame(std::string frame) override {
    frames.push_back(std::move(frame));
  }
  void OnClosed(absl::Status status) override {
    closed.push_back(std::move(status));
  }
  FrameLinkEvents* OnLink(const Peer&,
                          std::unique_ptr<FrameLink> opened) override {
    link = std::move(opened);
    return this;
  }
};

class SimulatedNetworkTest : public ::testing::Test {
 protected:
  crypto::SeededRandom random_{7};
  SimulatedClock clock_;
  SimulatedExecutor executor_{clock_};
  SimulatedNetwork network_{random_, executor_};
  SimulatedNetwork::Host& a_ = network_.AddHost("sim:a", KeyNumber(1));
  SimulatedNetwork::Host& b_ = network_.AddHost("sim:b", KeyNumber(2));
  LinkEnd a_end_;
  LinkEnd b_end_;
  int handled_ = 0;

  void HandleEcho(SimulatedNetwork::Host& host) {
    host.server().HandleMethod(
        kEcho, {.max_request_bytes = 100},
        [this](const Peer&, std::string request, Reply reply) {
          ++handled_;
          reply(std::move(request));
        });
  }
  absl::StatusOr<std::string> CallB() {
    absl::StatusOr<std::string> result = absl::UnknownError("never ended");
    bool ended = false;
    a_.transport().Call(b_.endpoint(), kEcho, "x", kTimeout,
                        [&](absl::StatusOr<std::string> r) {
                          result = std::move(r);
                          ended = true;
                        });
    EXPECT_TRUE(executor_.RunUntil([&] { return ended; }, 2 * kTimeout));
    return result;
  }
  void Link() {
    b_.server().HandleLinks(b_end_);
    a_end_.link = a_.transport().OpenLink(b_.endpoint(), a_end_);
    executor_.RunFor(absl::Seconds(1));
    ASSERT_NE(b_end_.link, nullptr);
  }
  static std::string Frame(int n) {
    return std::string(kFrameBytes, static_cast<char>(n));
  }
};

TEST_F(SimulatedNetworkTest, CallTakesTheDelayOfBothWays) {
  HandleEcho(b_);
  network_.SetDelay(absl::Milliseconds(30), absl::Milliseconds(30));
  const absl::Time start = clock_.Now();
  EXPECT_THAT(CallB(), IsOkAndHolds("x"));
  EXPECT_EQ(clock_.Now() - start, absl::Milliseconds(60));
}

TEST_F(SimulatedNetworkTest, DelayHasTheMeanItWasGiven) {
  HandleEcho(b_);
  network_.SetDelay(absl::Milliseconds(5), absl::Milliseconds(50));
  const absl::Time start = clock_.Now();
  constexpr int kCalls = 2000;
  for (int i = 0; i < kCalls; ++i) ASSERT_THAT(CallB(), IsOkAndHolds("x"));
  const double mean = absl::ToDoubleMilliseconds(clock_.Now() - start) / kCalls;
  EXPECT_NEAR(mean, 100, 6);
}

TEST_F(SimulatedNetworkTest, SameSeedGivesTheSameRun) {
  const auto run = [](uint64_t seed) {
    crypto::SeededRandom random(seed);
    SimulatedClock clock;
    SimulatedExecutor executor(clock);
    SimulatedNetwork network(random, executor);
    network.SetLoss(0.3);
    SimulatedNetwork::Host& a = network.AddHost("sim:a", KeyNumber(1));
    SimulatedNetwork::Host& b = network.AddHost("sim:b", KeyNumber(2));
    b.server().HandleMethod(kEcho, {.max_request_bytes = 100},
                            [](const Peer&, std::string, Reply r) { r(""); });
    std::string log;
    for (int i = 0; i < 50; ++i) {
      a.transport().Call(b.endpoint(), kEcho, "", kTimeout,
                         [&, i](absl::StatusOr<std::string> result) {
                           absl::StrAppend(&log, i, " ",
                                           absl::ToUnixMicros(clock.Now()), " ",
                                           result.status().ToString(), "\n");
                         });
    }
    executor.RunFor(absl::Minutes(1));
    return log;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

TEST_F(SimulatedNetworkTest, LostCallsLoseTheirRequestOrTheirReply) {
  HandleEcho(b_);
  network_.SetLoss(0.5);
  int ok = 0, unavailable = 0, late = 0;
  constexpr int kCalls = 1000;
  for (int i = 0; i < kCalls; ++i) {
    const absl::StatusOr<std::string> result = CallB();
    ok += result.ok();
    unavailable += absl::IsUnavailable(result.status());
    late += absl::IsDeadlineExceeded(result.status());
  }
  EXPECT_EQ(ok + unavailable + late, kCalls);
  EXPECT_NEAR(ok, 500, 60);
  EXPECT_NEAR(unavailable, 250, 60);
  // A lost reply was work done all the same.
  EXPECT_EQ(handled_, ok + late);
}

TEST_F(SimulatedNetworkTest, PartitionedHostsDoNotReachEachOther) {
  HandleEcho(b_);
  network_.Partition({"sim:b"});
  EXPECT_THAT(CallB(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(handled_, 0);
  network_.Heal();
  EXPECT_THAT(CallB(), IsOkAndHolds("x"));
}

TEST_F(SimulatedNetworkTest, HostsOnTheSameSideOfAPartitionReachEachOther) {
  HandleEcho(b_);
  network_.Partition({"sim:a", "sim:b"});
  EXPECT_THAT(CallB(), IsOkAndHolds("x"));
}

TEST_F(SimulatedNetworkTest, DuplicatedRequestIsHandledTwiceAndAnsweredOnce) {
  HandleEcho(b_);
  network_.SetDuplication(1);
  EXPECT_THAT(CallB(), IsOkAndHolds("x"));
  executor_.RunFor(absl::Seconds(5));
  EXPECT_EQ(handled_, 2);
}

TEST_F(SimulatedNetworkTest, BlockedRequestIsNeverHandled) {
  HandleEcho(b_);
  network_.Block({"sim:a"}, {"sim:b"});
  EXPECT_THAT(CallB(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(handled_, 0);
  network_.Heal();
  EXPECT_THAT(CallB(), IsOkAndHolds("x"));
}

TEST_F(SimulatedNetworkTest, BlockedReplyIsLostAfterTheWorkIsDone) {
  HandleEcho(b_);
  network_.Block({"sim:b"}, {"sim:a"});
  EXPECT_THAT(CallB(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(handled_, 1);
}

TEST_F(SimulatedNetworkTest, LinkBreaksWhereOneDirectionIsBlocked) {
  Link();
  network_.Block({"sim:b"}, {"sim:a"});
  executor_.RunFor(2 * SimulatedNetwork::kPartitionNotice);
  EXPECT_EQ(a_end_.closed.size(), 1u);
  EXPECT_EQ(b_end_.closed.size(), 1u);
}

TEST_F(SimulatedNetworkTest, CloggedCallArrivesAtTheEndOfTheClog) {
  HandleEcho(b_);
  network_.SetDelay(absl::Milliseconds(30), absl::Milliseconds(30));
  network_.Clog("sim:a", "sim:b", absl::Seconds(2));
  const absl::Time start = clock_.Now();
  EXPECT_THAT(CallB(), IsOkAndHolds("x"));
  EXPECT_EQ(clock_.Now() - start, absl::Seconds(2) + absl::Milliseconds(30));
  EXPECT_THAT(CallB(), IsOkAndHolds("x"));
  EXPECT_EQ(clock_.Now() - start, absl::Seconds(2) + absl::Milliseconds(90));
}

TEST_F(SimulatedNetworkTest, PausedHostDoesItsWorkWhenItResumes) {
  HandleEcho(b_);
  network_.Pause(b_);
  EXPECT_THAT(CallB(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(handled_, 0);
  network_.Resume(b_);
  executor_.RunFor(absl::Seconds(1));
  EXPECT_EQ(handled_, 1);
  EXPECT_THAT(CallB(), IsOkAndHolds("x"));
}

TEST_F(SimulatedNetworkTest, PausedCallerHearsWhatEndedMeanwhileWhenItResumes) {
  HandleEcho(b_);
  int ended = 0;
  a_.transport().Call(b_.endpoint(), kEcho, "x", kTimeout,
                      [&](absl::StatusOr<std::string>) { ++ended; });
  network_.Pause(a_);
  executor_.RunFor(absl::Minutes(1));
  EXPECT_EQ(ended, 0);
  network_.Resume(a_);
  executor_.RunUntilIdle();
  EXPECT_EQ(ended, 1);
}

TEST_F(SimulatedNetworkTest, CrashWhilePausedDropsWhatWasHeld) {
  HandleEcho(b_);
  network_.Pause(b_);
  EXPECT_THAT(CallB(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  network_.Restart(b_);
  HandleEcho(b_);
  executor_.RunFor(absl::Minutes(1));
  EXPECT_EQ(handled_, 0);
  EXPECT_THAT(CallB(), IsOkAndHolds("x"));
}

TEST_F(SimulatedNetworkTest, LinkAcrossAPartitionBreaksOnBothSides) {
  Link();
  network_.Partition({"sim:b"});
  a_end_.link->Send(Frame(1));
  executor_.RunFor(SimulatedNetwork::kPartitionNotice / 2);
  EXPECT_TRUE(a_end_.closed.empty());
  network_.Heal();
  a_end_.link->Send(Frame(2));
  executor_.RunFor(SimulatedNetwork::kPartitionNotice);
  EXPECT_THAT(a_end_.closed,
              ElementsAre(StatusIs(absl::StatusCode::kUnavailable)));
  EXPECT_THAT(b_end_.closed,
              ElementsAre(StatusIs(absl::StatusCode::kUnavailable)));
  EXPECT_TRUE(b_end_.frames.empty()) << "a frame arrived behind a gap";
}

TEST_F(SimulatedNetworkTest, CrashedHostHearsNothingMore) {
  HandleEcho(b_);
  Link();
  bool called_back = false;
  b_.transport().Call(a_.endpoint(), kEcho, "", kTimeout,
                      [&](absl::StatusOr<std::string>) { called_back = true; });
  a_end_.link->Send(Frame(1));
  network_.Crash(b_);
  executor_.RunFor(absl::Minutes(1));
  EXPECT_FALSE(called_back);
  EXPECT_TRUE(b_end_.frames.empty());
  EXPECT_TRUE(b_end_.closed.empty());
  EXPECT_THAT(a_end_.closed,
              ElementsAre(StatusIs(absl::StatusCode::kUnavailable)));
  EXPECT_THAT(CallB(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(SimulatedNetworkTest, RestartedHostKnowsNothingOfItsEarlierLife) {
  HandleEcho(b_);
  network_.Crash(b_);
  network_.Restart(b_);
  EXPECT_FALSE(b_.crashed());
  EXPECT_THAT(CallB(), StatusIs(absl::StatusCode::kUnimplemented));
  HandleEcho(b_);
  EXPECT_THAT(CallB(), IsOkAndHolds("x"));
}

TEST_F(SimulatedNetworkTest, BrokenLinksCloseOnBothSides) {
  Link();
  network_.BreakLinks(a_, b_);
  executor_.RunFor(absl::Seconds(1));
  EXPECT_EQ(a_end_.closed.size(), 1u);
  EXPECT_EQ(b_end_.closed.size(), 1u);
}

TEST_F(SimulatedNetworkTest, WiretapSeesCallsAndFrames) {
  std::vector<std::string> seen;
  network_.set_wiretap([&](const SimulatedNetwork::Observation& o) {
    seen.push_back(absl::StrCat(static_cast<int>(o.kind), " ", o.from, " ",
                                o.to, " ", o.bytes.size()));
  });
  HandleEcho(b_);
  ASSERT_THAT(CallB(), IsOkAndHolds("x"));
  Link();
  b_end_.link->Send(Frame(1));
  EXPECT_THAT(seen, ElementsAre("0 sim:a sim:b 1", "1 sim:b sim:a 1",
                                "2 sim:b sim:a 8192"));
}

TEST_F(SimulatedNetworkTest, CountsWhatItCarries) {
  HandleEcho(b_);
  ASSERT_THAT(CallB(), IsOkAndHolds("x"));
  Link();
  for (int i = 0; i < 3; ++i) a_end_.link->Send(Frame(i));
  executor_.RunFor(absl::Seconds(1));
  EXPECT_EQ(network_.calls_made(), 1u);
  EXPECT_EQ(network_.frames_delivered(), 3u);
}

TEST_F(SimulatedNetworkTest, LinkMayOutliveTheNetwork) {
  LinkEnd end;
  {
    SimulatedNetwork network(random_, executor_);
    SimulatedNetwork::Host& host = network.AddHost("sim:x", KeyNumber(3));
    end.link = host.transport().OpenLink(b_.endpoint(), end);
  }
  end.link->Send(Frame(1));
  end.link->Close();
  executor_.RunFor(absl::Minutes(1));
  EXPECT_TRUE(end.closed.empty());
}

}  // namespace
}  // namespace messenger::routing
