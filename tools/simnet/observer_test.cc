// That the observer sees what it is there to see.

#include "tools/simnet/observer.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/onion/frame.h"
#include "routing/onion/geometry.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "routing/runtime/testing/simulated_network.h"
#include "routing/runtime/transport.h"

namespace messenger::simnet {
namespace {

using ::messenger::routing::FrameType;
using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::HasSubstr;
using Kind = ::messenger::routing::SimulatedNetwork::Observation::Kind;

constexpr char kHandle[] = "/messenger.routing.v1.Endpoint/Handle";

// Frames go nowhere.
class DeafTransport final : public routing::Transport {
 public:
  void Call(const routing::Endpoint&, absl::string_view, std::string,
            absl::Duration, CallDone) override {}
  std::unique_ptr<routing::FrameLink> OpenLink(
      const routing::Endpoint&, routing::FrameLinkEvents&) override {
    class DeafLink final : public routing::FrameLink {
     public:
      void Send(std::string) override {}
      size_t queued_frames() const override { return 0; }
      void Close() override {}
    };
    return std::make_unique<DeafLink>();
  }
};

class NoEvents final : public routing::FrameLinkEvents {
 public:
  void OnFrame(std::string) override {}
  void OnClosed(absl::Status) override {}
};

class ObserverTest : public ::testing::Test {
 protected:
  ObserverTest() {
    observer_.AddHost("client", Observer::Role::kClient, -1);
    for (int i = 0; i < 5; ++i) {
      observer_.AddHost(Relay(i), Observer::Role::kRelay, i);
      observer_.AddHost(Storage(i), Observer::Role::kStorage, i);
    }
    observer_.set_path_length("client", 4);
    observer_.set_members_known_to([this](absl::string_view) {
      return [this](absl::string_view) { return members_; };
    });
    observer_.AddAccount(kAccount, kSigningKey);
    observer_.AddText("nobody else's business");
  }

  static std::string Relay(int i) { return "relay-" + std::to_string(i); }
  static std::string Storage(int i) { return "storage-" + std::to_string(i); }

  static std::string Setup(uint64_t circuit, absl::string_view content = "") {
    std::string body(routing::kFrameBodySize, '\0');
    body.replace(0, content.size(), std::string(content));
    return routing::EncodeFrame(
        {.type = FrameType::kSetup, .circuit_id = circuit}, body);
  }

  void See(Kind kind, absl::string_view from, absl::string_view to,
           absl::string_view bytes, absl::string_view method = "") {
    observer_.OnObservation({kind, from, to, method, bytes});
  }

  // A circuit over these relays; the last delivers `request`.
  void Travel(const std::vector<int>& path, absl::string_view request) {
    uint64_t circuit = ++last_circuit_;
    See(Kind::kFrame, "client", Relay(path[0]), Setup(circuit));
    for (size_t i = 0; i + 1 < path.size(); ++i) {
      observer_.RecorderOf(Relay(path[i])).Record("frame-in", Setup(circuit));
      circuit = ++last_circuit_;
      observer_.Watch(Relay(path[i]), transport_)
          ->OpenLink({Relay(path[i + 1]), {}}, events_)
          ->Send(Setup(circuit));
    }
    const std::string& last = Relay(path.back());
    observer_.RecorderOf(last).Record("frame-in", Setup(circuit));
    observer_.RecorderOf(last).Record("deliver", request);
  }

  void ExpectViolation(absl::string_view words) {
    EXPECT_THAT(observer_.status(), StatusIs(absl::StatusCode::kInternal,
                                             HasSubstr(std::string(words))));
  }

  const std::string kAccount = "\x05" + std::string(32, 'a');
  const std::string kSigningKey = std::string(32, 'A');
  routing::SimulatedClock clock_;
  Observer observer_{clock_};
  DeafTransport transport_;
  NoEvents events_;
  std::vector<int> members_ = {3, 4};
  uint64_t last_circuit_ = 0;
};

TEST_F(ObserverTest, ARequestOverThreeRelaysIsAsItShouldBe) {
  Travel({0, 1, 2, 3}, kAccount);
  See(Kind::kRequest, Relay(3), Storage(3), kAccount, kHandle);
  EXPECT_THAT(observer_.status(), IsOk());
  EXPECT_EQ(observer_.requests_delivered(), 1u);
  ASSERT_EQ(observer_.CircuitsOf("client").size(), 1u);
  EXPECT_EQ(observer_.CircuitsOf("client")[0]->hops.size(), 4u);
}

TEST_F(ObserverTest, AShortPathIsSeen) {
  Travel({0, 3}, kAccount);
  ExpectViolation("a path of 2 nodes");
}

TEST_F(ObserverTest, APathThroughAMemberIsSeen) {
  Travel({4, 1, 2, 3}, kAccount);
  ExpectViolation("a relay of a path stores the mailbox");
}

TEST_F(ObserverTest, ANodeThatIsTwiceOnAPathIsSeen) {
  Travel({0, 1, 0, 3}, kAccount);
  ExpectViolation("twice on one path");
}

TEST_F(ObserverTest, ARequestDeliveredTwiceIsSeen) {
  Travel({0, 1, 2, 3}, kAccount);
  observer_.RecorderOf(Relay(3)).Record("deliver", kAccount);
  ExpectViolation("delivered one request twice");
}

TEST_F(ObserverTest, AClientThatAsksStorageItselfIsSeen) {
  See(Kind::kRequest, "client", Storage(3), "", kHandle);
  ExpectViolation("client and storage-3 spoke of");
}

TEST_F(ObserverTest, ARelayThatAsksTheStorageOfAnotherIsSeen) {
  See(Kind::kRequest, Relay(2), Storage(3), "", kHandle);
  ExpectViolation("spoke of");
}

TEST_F(ObserverTest, OnlyStorageReportsWhatItHoldsAndOnlyToAuthorities) {
  constexpr char kReport[] = "/messenger.routing.v1.Directory/ReportStorage";
  observer_.AddHost("authority", Observer::Role::kAuthority, -1);
  See(Kind::kRequest, Storage(3), "authority", "", kReport);
  EXPECT_THAT(observer_.status(), IsOk());
  See(Kind::kRequest, "client", "authority", "", kReport);
  ExpectViolation("client and authority spoke of");
}

TEST_F(ObserverTest, OnlyStorageSpeaksToStorageAsAPeer) {
  for (const char* method : {"/messenger.swarm.v1.Peer/Replicate",
                             "/messenger.swarm.v1.Peer/Reconcile",
                             "/messenger.swarm.v1.Peer/Fetch"}) {
    See(Kind::kRequest, Storage(3), Storage(4), kAccount, method);
  }
  EXPECT_THAT(observer_.status(), IsOk());
  See(Kind::kRequest, Relay(3), Storage(3), kAccount,
      "/messenger.swarm.v1.Peer/Fetch");
  ExpectViolation("spoke of");
}

TEST_F(ObserverTest, MembersMayBringEachOtherItemsOfSeveralAccounts) {
  const std::string other = "\x05" + std::string(32, 'b');
  observer_.AddAccount(other, std::string(32, 'B'));
  See(Kind::kRequest, Storage(3), Storage(4), kAccount + other,
      "/messenger.swarm.v1.Peer/Replicate");
  EXPECT_THAT(observer_.status(), IsOk());
  See(Kind::kRequest, Relay(3), Storage(3), kAccount + other, kHandle);
  ExpectViolation("names two accounts");
}

TEST_F(ObserverTest, AReadableTextIsSeenWhereverItIs) {
  See(Kind::kRequest, Relay(3), Storage(3), "here: nobody else's business",
      kHandle);
  ExpectViolation("a text was readable");
}

TEST_F(ObserverTest, AnAccountInAFrameIsSeen) {
  See(Kind::kFrame, "client", Relay(0), Setup(7, kAccount));
  ExpectViolation("names a mailbox or an account");
}

TEST_F(ObserverTest, AnAccountKeyInACallBetweenRelaysIsSeen) {
  See(Kind::kRequest, Relay(0), Relay(1), kSigningKey,
      "/messenger.routing.v1.Relay/Ping");
  ExpectViolation("names a mailbox or an account");
}

TEST_F(ObserverTest, TwoAccountsInOneRequestAreSeen) {
  const std::string other = "\x05" + std::string(32, 'b');
  observer_.AddAccount(other, std::string(32, 'B'));
  See(Kind::kRequest, Relay(3), Storage(3), kAccount, kHandle);
  EXPECT_THAT(observer_.status(), IsOk());
  See(Kind::kRequest, Relay(3), Storage(3), kAccount + other, kHandle);
  ExpectViolation("names two accounts");
}

TEST_F(ObserverTest, TheAddressOfAClientInAnyBytesIsSeen) {
  See(Kind::kRequest, Relay(3), Storage(3), "by client!", kHandle);
  ExpectViolation("the address of a client");
}

TEST_F(ObserverTest, AFrameOfAnotherLengthIsSeen) {
  See(Kind::kFrame, "client", Relay(0), Setup(7).substr(1));
  ExpectViolation("a frame of 8191 bytes");
}

TEST_F(ObserverTest, TheTraceDependsOnEveryByteAndOnTheTime) {
  const auto trace = [&](absl::string_view bytes, absl::Duration later) {
    routing::SimulatedClock clock;
    clock.Advance(later);
    Observer observer(clock);
    observer.AddHost(Relay(3), Observer::Role::kRelay, 3);
    observer.AddHost(Storage(3), Observer::Role::kStorage, 3);
    observer.OnObservation(
        {Kind::kRequest, "relay-3", "storage-3", kHandle, bytes});
    return observer.trace();
  };
  EXPECT_EQ(trace("a", absl::ZeroDuration()), trace("a", absl::ZeroDuration()));
  EXPECT_NE(trace("a", absl::ZeroDuration()), trace("b", absl::ZeroDuration()));
  EXPECT_NE(trace("a", absl::ZeroDuration()), trace("a", absl::Nanoseconds(1)));
}

}  // namespace
}  // namespace messenger::simnet
