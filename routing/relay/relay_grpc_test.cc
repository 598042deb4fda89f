// One whole path over real TLS connections on loopback: everything between a
// client's request and a node's answer, except the processes around it.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/circuit/onion_client.h"
#include "routing/directory/testing/test_network.h"
#include "routing/endpoint/remote_endpoint_handler.h"
#include "routing/onion/frame.h"
#include "routing/onion/rpc_message.h"
#include "routing/relay/relay_core.h"
#include "routing/relay/testing/test_relays.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/grpc_server.h"
#include "routing/runtime/grpc_transport.h"
#include "routing/runtime/system_clock.h"
#include "routing/runtime/tls_identity.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

// The relay and the storage process of one node.
struct RealNode final : LinkAcceptor {
  explicit RealNode(TlsIdentity relay_tls_in, TlsIdentity storage_tls_in)
      : relay_tls(std::move(relay_tls_in)),
        storage_tls(std::move(storage_tls_in)) {}

  FrameLinkEvents* OnLink(const Peer& peer,
                          std::unique_ptr<FrameLink> link) override {
    return core->OnLink(peer, std::move(link));
  }
  Endpoint link() const {
    return {.address = server->address(), .tls_key = relay_tls.key()};
  }
  void Stop() {
    server->Shutdown();
    core.reset();
    transport.reset();
    storage_server->Shutdown();
  }

  TlsIdentity relay_tls;
  TlsIdentity storage_tls;
  ScriptedEndpoint storage;
  std::unique_ptr<ReplayCache> replay_cache = ReplayCache::InMemory();
  std::unique_ptr<GrpcServer> storage_server;
  std::unique_ptr<GrpcTransport> transport;
  std::unique_ptr<RemoteEndpointHandler> endpoint;
  std::unique_ptr<RelayCore> core;
  std::unique_ptr<GrpcServer> server;
};

class RelayGrpcTest : public ::testing::Test {
 protected:
  static constexpr int kNodes = 6;
  static constexpr absl::Duration kLimit = absl::Seconds(60);

  RelayGrpcTest()
      : network_(kNodes, TestNetwork::SmallParams(), random_,
                 SystemClock().Now()),
        directory_(network_.trust(), SystemClock()),
        paths_(random_, GuardState()) {
    for (int i = 0; i < kNodes; ++i) StartNode(i);
    network_.Reissue([&](TestNetwork::Draft& draft) {
      for (int i = 0; i < kNodes; ++i) {
        draft.nodes[i].descriptor.link = nodes_[i]->link();
      }
    });
    EXPECT_THAT(directory_.Accept(network_.consensus()->wire()), IsOk());
    client_transport_ = std::make_unique<GrpcTransport>(
        GrpcTransport::Options{.executor = loop_});
    client_ = std::make_unique<OnionClient>(*client_transport_, loop_,
                                            SystemClock(), random_, directory_,
                                            paths_, RoutingMode::kOnion);
  }

  ~RelayGrpcTest() override {
    client_.reset();
    client_transport_.reset();
    for (auto& node : nodes_) {
      if (node->core != nullptr) node->Stop();
    }
  }

  void StartNode(int i) {
    nodes_.push_back(std::make_unique<RealNode>(
        TlsIdentity::FromSeed(network_.node(i).link_tls_seed).value(),
        TlsIdentity::FromSeed(network_.node(i).storage_tls_seed).value()));
    RealNode& node = *nodes_.back();
    node.storage_server = GrpcServer::Create({.listen_address = "127.0.0.1:0",
                                              .identity = node.storage_tls,
                                              .executor = loop_})
                              .value();
    ServeEndpoint(node.relay_tls.key(), node.storage, *node.storage_server);
    EXPECT_THAT(node.storage_server->Start(), IsOk());
    node.transport = std::make_unique<GrpcTransport>(
        GrpcTransport::Options{.executor = loop_, .identity = &node.relay_tls});
    node.endpoint = std::make_unique<RemoteEndpointHandler>(
        *node.transport, Endpoint{.address = node.storage_server->address(),
                                  .tls_key = node.storage_tls.key()});
    node.core = std::make_unique<RelayCore>(
        RelayCore::Options{.node_id = network_.node(i).id(),
                           .transport = *node.transport,
                           .executor = loop_,
                           .clock = SystemClock(),
                           .random = random_,
                           .keys = *network_.node(i).keys,
                           .directory = directory_,
                           .replay_cache = *node.replay_cache,
                           .endpoint = node.endpoint.get()});
    node.server = GrpcServer::Create({.listen_address = "127.0.0.1:0",
                                      .identity = node.relay_tls,
                                      .executor = loop_})
                      .value();
    node.server->HandleLinks(node);
    EXPECT_THAT(node.server->Start(), IsOk());
  }

  NodeId Destination() { return network_.node(kNodes - 1).id(); }

  absl::StatusOr<std::string> Ask(std::string request, int reply_cells = 1) {
    std::optional<absl::StatusOr<std::string>> outcome;
    client_->Send(
        {.destination = Destination(),
         .swarm = {Destination()},
         .service = kSwarmStorageService,
         .bytes = std::move(request),
         .reply_cells = reply_cells,
         .timeout = absl::Seconds(30)},
        [&](absl::StatusOr<std::string> reply, const RequestRoute& route) {
          outcome = std::move(reply);
          route_ = route;
        });
    EXPECT_TRUE(loop_.RunUntil([&] { return outcome.has_value(); }, kLimit));
    return *std::move(outcome);
  }

  void ExpectNoCircuits() {
    EXPECT_TRUE(loop_.RunUntil(
        [&] {
          size_t open = 0;
          for (const auto& node : nodes_) {
            if (node->core != nullptr) open += node->core->open_circuits();
          }
          return open == 0;
        },
        kLimit));
  }

  EventLoop loop_{SystemClock()};
  crypto::SeededRandom random_{31};
  TestNetwork network_;
  ConsensusHolder directory_;
  PathSelector paths_;
  std::vector<std::unique_ptr<RealNode>> nodes_;
  std::unique_ptr<GrpcTransport> client_transport_;
  std::unique_ptr<OnionClient> client_;
  RequestRoute route_;
};

TEST_F(RelayGrpcTest, ARequestPassesThreeRelaysAndTheStorageProcess) {
  EXPECT_THAT(Ask("ping"), IsOkAndHolds("re:ping"));
  EXPECT_THAT(route_.hops, ::testing::SizeIs(4));
  ExpectNoCircuits();
}

TEST_F(RelayGrpcTest, ProxyModePassesOneRelay) {
  client_->set_mode(RoutingMode::kProxy);
  EXPECT_THAT(Ask("ping"), IsOkAndHolds("re:ping"));
  EXPECT_THAT(route_.hops, ::testing::SizeIs(2));
  ExpectNoCircuits();
}

TEST_F(RelayGrpcTest, LargeRequestsAndRepliesPassWhole) {
  const std::string request = random_.String(65'536);
  const auto reply = Ask(request, /*reply_cells=*/16);
  ASSERT_THAT(reply, IsOk());
  EXPECT_TRUE(*reply == "re:" + request);
  ExpectNoCircuits();
}

TEST_F(RelayGrpcTest, AHundredRequestsAtOnceAreAllAnswered) {
  int answered = 0;
  for (int i = 0; i < 100; ++i) {
    client_->Send(
        {.destination = Destination(),
         .swarm = {Destination()},
         .service = kSwarmStorageService,
         .bytes = absl::StrCat("request ", i),
         .timeout = absl::Seconds(30)},
        [&, i](absl::StatusOr<std::string> reply, const RequestRoute&) {
          EXPECT_THAT(reply, IsOkAndHolds(absl::StrCat("re:request ", i)));
          ++answered;
        });
  }
  EXPECT_TRUE(loop_.RunUntil([&] { return answered == 100; }, kLimit));
  ExpectNoCircuits();
}

TEST_F(RelayGrpcTest, ADeadDestinationIsToldByTheHopBeforeIt) {
  nodes_.back()->Stop();
  EXPECT_THAT(Ask("ping"), StatusIs(absl::StatusCode::kUnavailable,
                                    "a hop could not be reached"));
  ExpectNoCircuits();
}

TEST_F(RelayGrpcTest, ACrashDuringTheRequestIsToldBeforeTheTimeout) {
  nodes_.back()->storage.HoldReplies();
  std::optional<absl::StatusOr<std::string>> outcome;
  client_->Send({.destination = Destination(),
                 .swarm = {Destination()},
                 .service = kSwarmStorageService,
                 .bytes = "x",
                 .timeout = absl::Minutes(10)},
                [&](absl::StatusOr<std::string> reply, const RequestRoute&) {
                  outcome = std::move(reply);
                });
  ASSERT_TRUE(loop_.RunUntil([&] { return nodes_.back()->storage.held() == 1; },
                             kLimit));
  nodes_.back()->storage.ForgetHeld();
  nodes_.back()->Stop();
  EXPECT_TRUE(loop_.RunUntil([&] { return outcome.has_value(); }, kLimit));
  EXPECT_THAT(*outcome, StatusIs(absl::StatusCode::kUnavailable));
  ExpectNoCircuits();
}

}  // namespace
}  // namespace messenger::routing
