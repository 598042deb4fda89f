#include "routing/relay/router.h"

#include <sys/stat.h>

#include <cstdlib>
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
#include "routing/proto/directory.pb.h"
#include "routing/proto/relay.pb.h"
#include "routing/relay/testing/test_relays.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/files.h"
#include "routing/runtime/system_clock.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

constexpr absl::Duration kLimit = absl::Seconds(60);

// Stands for the authorities: takes descriptors, hands out what the test
// signed.
class FakeAuthority {
 public:
  FakeAuthority(Executor& executor, ConsensusHolder& holder,
                crypto::Random& random)
      : tls_(TlsIdentity::Generate(random).value()),
        mirror_(holder),
        server_(GrpcServer::Create({.listen_address = "127.0.0.1:0",
                                    .identity = tls_,
                                    .executor = executor})
                    .value()) {
    mirror_.Register(*server_);
    server_->HandleMethod(
        kPublishMethod, {.max_request_bytes = 16 * 1024},
        [this](const Peer&, const std::string& bytes, Reply reply) {
          v1::PublishRequest request;
          const auto descriptor =
              request.ParseFromString(bytes)
                  ? ParseDescriptor(request.signed_descriptor())
                  : absl::InvalidArgumentError("malformed");
          if (!descriptor.ok()) return reply(descriptor.status());
          published[descriptor->node_id] = *descriptor;
          reply(std::string());
        });
    EXPECT_THAT(server_->Start(), IsOk());
  }

  Endpoint endpoint() const {
    return {.address = server_->address(), .tls_key = tls_.key()};
  }

  std::map<NodeId, Descriptor> published;

 private:
  TlsIdentity tls_;
  DirectoryMirror mirror_;
  std::unique_ptr<GrpcServer> server_;
};

class RouterTest : public ::testing::Test {
 protected:
  static constexpr int kNodes = 3;

  RouterTest()
      : network_(kNodes, TestNetwork::SmallParams(), random_,
                 SystemClock().Now()),
        signed_(network_.trust(), SystemClock()),
        authority_(loop_, signed_, random_),
        client_transport_(GrpcTransport::Options{.executor = loop_}) {
    std::string root = absl::StrCat(::testing::TempDir(), "/routerXXXXXX");
    root_ = ::mkdtemp(root.data());
    config_.network_id = network_.trust().network_id;
    config_.allow_private_addresses = true;
    config_.params = NetworkConfig::Params::kSmall;
    for (const auto& key : network_.trust().authorities) {
      config_.authorities.push_back({.nickname = "authority",
                                     .key = key,
                                     .endpoint = authority_.endpoint()});
    }
  }

  // The data directory of node i, with the keys the test network gave it.
  std::string DirectoryOf(int i) {
    const std::string directory = absl::StrCat(root_, "/", i);
    if (::mkdir(directory.c_str(), 0700) == 0) {
      const TestNetwork::Node& node = network_.node(i);
      EXPECT_THAT(WriteFileAtomically(directory + "/identity.key",
                                      node.identity.seed().Expose()),
                  IsOk());
      EXPECT_THAT(WriteFileAtomically(directory + "/tls.key",
                                      node.link_tls_seed.Expose()),
                  IsOk());
    }
    return directory;
  }

  absl::StatusOr<std::unique_ptr<Router>> Create(
      const std::string& directory, std::string advertised_address = "") {
    return Router::Create({.data_directory = directory,
                           .listen_address = "127.0.0.1:0",
                           .advertised_address = std::move(advertised_address),
                           .nickname = "router",
                           .executor = loop_,
                           .clock = SystemClock(),
                           .random = random_});
  }

  absl::StatusOr<std::string> Call(const Endpoint& endpoint,
                                   absl::string_view method) {
    std::optional<absl::StatusOr<std::string>> answer;
    client_transport_.Call(
        endpoint, method, "", absl::Seconds(20),
        [&](absl::StatusOr<std::string> a) { answer = std::move(a); });
    EXPECT_TRUE(loop_.RunUntil([&] { return answer.has_value(); }, kLimit));
    return *std::move(answer);
  }

  // Signs a consensus of what the routers have published.
  void Sign() {
    network_.Reissue([&](TestNetwork::Draft& draft) {
      for (int i = 0; i < kNodes; ++i) {
        draft.nodes[i].descriptor =
            authority_.published.at(network_.node(i).id());
      }
    });
    EXPECT_THAT(signed_.Accept(network_.consensus()->wire()), IsOk());
  }

  EventLoop loop_{SystemClock()};
  crypto::SeededRandom random_{41};
  TestNetwork network_;
  ConsensusHolder signed_;
  FakeAuthority authority_;
  GrpcTransport client_transport_;
  NetworkConfig config_;
  std::string root_;
};

TEST_F(RouterTest, ItListensAndTellsItsKeysBeforeItKnowsANetwork) {
  const auto router = Create(DirectoryOf(0));
  ASSERT_THAT(router, IsOk());
  const auto text = ReadFile(DirectoryOf(0) + "/public.txtpb");
  ASSERT_THAT(text, IsOk());
  EXPECT_THAT(RouterPublicFile::Parse(*text),
              IsOkAndHolds((*router)->public_file()));
  EXPECT_EQ((*router)->public_file().node_id, network_.node(0).id());

  const Endpoint& link = (*router)->public_file().link;
  const auto pong = Call(link, "/messenger.routing.v1.Relay/Ping");
  ASSERT_THAT(pong, IsOk());
  v1::PingReply reply;
  ASSERT_TRUE(reply.ParseFromString(*pong));
  EXPECT_EQ(reply.node_id(), network_.node(0).id().bytes());
  EXPECT_THAT(Call(link, kGetConsensusMethod),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(RouterTest, ARestartedRouterIsTheSameNode) {
  const std::string directory = root_ + "/new";
  ASSERT_EQ(::mkdir(directory.c_str(), 0700), 0);
  auto router = Create(directory);
  ASSERT_THAT(router, IsOk());
  const RouterPublicFile before = (*router)->public_file();
  router->reset();
  router = Create(directory);
  ASSERT_THAT(router, IsOk());
  EXPECT_EQ((*router)->public_file().node_id, before.node_id);
  EXPECT_EQ((*router)->public_file().link.tls_key, before.link.tls_key);
}

TEST_F(RouterTest, ItTellsTheAddressThatOthersReachItBy) {
  const auto router = Create(DirectoryOf(0), "192.0.2.1:443");
  ASSERT_THAT(router, IsOk());
  EXPECT_EQ((*router)->public_file().link.address, "192.0.2.1:443");
  EXPECT_THAT(Create(DirectoryOf(1), "192.0.2.1").status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(RouterTest, ADamagedKeyIsNotReplacedByANewOne) {
  const std::string directory = DirectoryOf(0);
  ASSERT_THAT(WriteFileAtomically(directory + "/identity.key", "short"),
              IsOk());
  EXPECT_THAT(Create(directory), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ReadFile(directory + "/identity.key"), IsOkAndHolds("short"));
}

TEST_F(RouterTest, ItAnnouncesTheStorageProcessBesideIt) {
  const auto router = Create(DirectoryOf(0));
  ASSERT_THAT(router, IsOk());
  const StoragePublicFile storage = {
      .storage = {.address = "127.0.0.1:9", .tls_key = random_.Fixed<TlsKey>()},
      .storage_key = network_.node(0).storage_key.public_key(),
      .capacity_mib = 77};
  ASSERT_THAT((*router)->Join(config_, storage, absl::Seconds(1)), IsOk());
  ASSERT_TRUE(
      loop_.RunUntil([&] { return !authority_.published.empty(); }, kLimit));
  const Descriptor& published = authority_.published.begin()->second;
  EXPECT_EQ(published.node_id, network_.node(0).id());
  EXPECT_EQ(published.link, (*router)->public_file().link);
  EXPECT_TRUE(published.relay);
  EXPECT_TRUE(published.storage_role);
  EXPECT_EQ(published.storage, storage.storage);
  EXPECT_EQ(published.storage_key, storage.storage_key);
  EXPECT_EQ(published.capacity_mib, 77u);
}

TEST_F(RouterTest, WithoutStorageItOnlyRelays) {
  const auto router = Create(DirectoryOf(0));
  ASSERT_THAT(router, IsOk());
  ASSERT_THAT((*router)->Join(config_, std::nullopt, absl::Seconds(1)), IsOk());
  ASSERT_TRUE(
      loop_.RunUntil([&] { return !authority_.published.empty(); }, kLimit));
  EXPECT_FALSE(authority_.published.begin()->second.storage_role);
}

TEST_F(RouterTest, RoutersThatJoinedMirrorTheDirectoryAndCarryRequests) {
  std::vector<std::unique_ptr<Router>> routers;
  std::vector<std::unique_ptr<GrpcServer>> servers;
  std::vector<std::unique_ptr<ScriptedEndpoint>> endpoints;
  for (int i = 0; i < kNodes; ++i) {
    auto router = Create(DirectoryOf(i));
    ASSERT_THAT(router, IsOk());
    routers.push_back(*std::move(router));
    const auto tls =
        TlsIdentity::FromSeed(network_.node(i).storage_tls_seed).value();
    servers.push_back(GrpcServer::Create({.listen_address = "127.0.0.1:0",
                                          .identity = tls,
                                          .executor = loop_})
                          .value());
    endpoints.push_back(std::make_unique<ScriptedEndpoint>());
    ServeEndpoint(routers[i]->public_file().link.tls_key, *endpoints[i],
                  *servers[i]);
    ASSERT_THAT(servers[i]->Start(), IsOk());
    ASSERT_THAT(
        routers[i]->Join(
            config_,
            StoragePublicFile{
                .storage = {.address = servers[i]->address(),
                            .tls_key = tls.key()},
                .storage_key = network_.node(i).storage_key.public_key()},
            absl::Milliseconds(400)),
        IsOk());
  }
  ASSERT_TRUE(loop_.RunUntil(
      [&] { return authority_.published.size() == kNodes; }, kLimit));
  Sign();
  ASSERT_TRUE(loop_.RunUntil(
      [&] {
        for (const auto& router : routers) {
          if (router->consensus() == nullptr) return false;
        }
        return true;
      },
      kLimit));

  // A client that knows one router learns the rest from it.
  DirectoryClient directory(client_transport_, loop_, SystemClock(),
                            network_.trust(), {routers[0]->public_file().link},
                            random_);
  std::optional<absl::Status> refreshed;
  directory.Refresh([&](absl::Status status) { refreshed = status; });
  ASSERT_TRUE(loop_.RunUntil([&] { return refreshed.has_value(); }, kLimit));
  ASSERT_THAT(*refreshed, IsOk());

  PathSelector paths(random_, GuardState());
  OnionClient client(client_transport_, loop_, SystemClock(), random_,
                     directory.holder(), paths, RoutingMode::kProxy);
  std::optional<absl::StatusOr<std::string>> outcome;
  client.Send({.destination = network_.node(2).id(),
               .swarm = {network_.node(2).id()},
               .service = kSwarmStorageService,
               .bytes = "ping",
               .timeout = absl::Seconds(30)},
              [&](absl::StatusOr<std::string> reply, const RequestRoute&) {
                outcome = std::move(reply);
              });
  ASSERT_TRUE(loop_.RunUntil([&] { return outcome.has_value(); }, kLimit));
  EXPECT_THAT(*outcome, IsOkAndHolds("re:ping"));
  EXPECT_EQ(routers[2]->core()->counters().setups_delivered, 1u);
}

}  // namespace
}  // namespace messenger::routing
