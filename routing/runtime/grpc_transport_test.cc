// The contract of transports on gRPC, and what only gRPC can get wrong: TLS
// versions, foreign clients, limits of connections, throughput.
#include "routing/runtime/grpc_transport.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "routing/proto/link.grpc.pb.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/grpc_credentials.h"
#include "routing/runtime/grpc_server.h"
#include "routing/runtime/system_clock.h"
#include "routing/runtime/testing/transport_contract.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

// Long enough that only a bug gets there, also under a sanitizer.
constexpr absl::Duration kLong = absl::Seconds(60);

constexpr char kEcho[] = "/test.v1.Test/Echo";

TlsIdentity MakeIdentity(uint64_t seed) {
  crypto::SeededRandom random(seed);
  absl::StatusOr<TlsIdentity> identity = TlsIdentity::Generate(random);
  EXPECT_THAT(identity, IsOk());
  return *std::move(identity);
}

class ForwardingRecorder final : public Recorder {
 public:
  void Record(absl::string_view what, absl::string_view bytes) override {
    if (target != nullptr) target->Record(what, bytes);
  }
  Recorder* target = nullptr;
};

class GrpcWorld final : public ContractWorld {
 public:
  explicit GrpcWorld(ServerLimits limits = {}) {
    absl::StatusOr<std::unique_ptr<GrpcServer>> server =
        GrpcServer::Create({.listen_address = "127.0.0.1:0",
                            .identity = server_identity_,
                            .executor = loop_,
                            .recorder = &recorder_,
                            .limits = limits});
    EXPECT_THAT(server, IsOk());
    server_ = *std::move(server);
  }

  Executor& executor() override { return loop_; }
  bool RunUntil(absl::FunctionRef<bool()> done) override {
    return loop_.RunUntil(done, kLong);
  }
  // There is no telling when a real network is done; what follows a finished
  // exchange on loopback takes a fraction of this.
  void Settle() override {
    loop_.RunUntil([] { return false; }, absl::Milliseconds(50));
  }
  Server& server() override { return *server_; }
  Endpoint Start() override {
    EXPECT_THAT(server_->Start(), IsOk());
    return {server_->address(), server_identity_.key()};
  }
  void StopServer() override { server_ = nullptr; }
  Transport& node() override { return *node_; }
  const TlsKey& node_key() override { return node_identity_.key(); }
  Transport& person() override { return *person_; }
  void StopPerson() override { person_ = nullptr; }
  void set_server_recorder(Recorder* recorder) override {
    recorder_.target = recorder;
  }

 private:
  EventLoop loop_{SteadyClock()};
  ForwardingRecorder recorder_;
  const TlsIdentity server_identity_ = MakeIdentity(1);
  const TlsIdentity node_identity_ = MakeIdentity(2);
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<Transport> node_ = std::make_unique<GrpcTransport>(
      GrpcTransport::Options{.executor = loop_, .identity = &node_identity_});
  std::unique_ptr<Transport> person_ = std::make_unique<GrpcTransport>(
      GrpcTransport::Options{.executor = loop_});
};

std::unique_ptr<ContractWorld> MakeGrpcWorld() {
  return std::make_unique<GrpcWorld>();
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Grpc, TransportCallTest,
                         ::testing::Values(&MakeGrpcWorld));
INSTANTIATE_TEST_SUITE_P(Grpc, TransportLinkTest,
                         ::testing::Values(&MakeGrpcWorld));

namespace {

// A wire between a client and the server at `port`, which can be cut so that
// neither end notices: both connections stay open, nothing comes through.
class Wire {
 public:
  explicit Wire(int port) : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = Loopback(0);
    EXPECT_EQ(
        bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
        0);
    EXPECT_EQ(listen(listener_, 1), 0);
    socklen_t size = sizeof(address);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    EXPECT_EQ(pipe(wake_), 0);
    thread_ = std::thread([this, port] { Forward(port); });
  }
  ~Wire() {
    Cut();
    thread_.join();
    for (int fd : {ends_[0], ends_[1], listener_, wake_[0], wake_[1]}) {
      close(fd);
    }
  }

  int port() const { return port_; }
  void Cut() { EXPECT_EQ(write(wake_[1], "x", 1), 1); }

  static sockaddr_in Loopback(int port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

 private:
  // Until it is cut, or an end closes.
  void Forward(int port) {
    pollfd first[] = {{listener_, POLLIN, 0}, {wake_[0], POLLIN, 0}};
    poll(first, 2, -1);
    if (first[1].revents != 0) return;
    ends_[0] = accept(listener_, nullptr, nullptr);
    ends_[1] = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to = Loopback(port);
    if (connect(ends_[1], reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) {
      return;
    }
    while (true) {
      pollfd fds[] = {
          {ends_[0], POLLIN, 0}, {ends_[1], POLLIN, 0}, {wake_[0], POLLIN, 0}};
      poll(fds, 3, -1);
      if (fds[2].revents != 0) return;
      for (int i = 0; i < 2; ++i) {
        if (fds[i].revents == 0) continue;
        char buffer[4096];
        const ssize_t n = recv(ends_[i], buffer, sizeof(buffer), 0);
        if (n <= 0 || send(ends_[1 - i], buffer, n, MSG_NOSIGNAL) != n) return;
      }
    }
  }

  const int listener_;
  int port_ = 0;
  int wake_[2] = {-1, -1};
  int ends_[2] = {-1, -1};  // the thread's, then the destructor's
  std::thread thread_;
};

// A server with an echo method and echoing links.
class GrpcServerTest : public ::testing::Test {
 protected:
  ~GrpcServerTest() override {
    for (ContractEnd& end : acceptor_.ends) end.link = nullptr;
  }

  void StartServer(ServerLimits limits = {}) {
    world_ = std::make_unique<GrpcWorld>(limits);
    acceptor_.echo = true;
    world_->server().HandleLinks(acceptor_);
    world_->server().HandleMethod(
        kEcho, {.max_request_bytes = 100'000},
        [this](const Peer&, std::string request, Reply reply) {
          largest_request_ = std::max(largest_request_, request.size());
          reply(std::move(request));
        });
    endpoint_ = world_->Start();
  }

  int Port() const {
    int port = 0;
    EXPECT_TRUE(absl::SimpleAtoi(
        endpoint_.address.substr(endpoint_.address.rfind(':') + 1), &port));
    return port;
  }

  // A connection of somebody who does not use our code.
  int ConnectSocket() {
    sockaddr_in to = Wire::Loopback(Port());
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    return fd;
  }

  // Whether a TLS handshake of exactly this version succeeds.
  bool Handshake(int version) {
    SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    // Everything there is, to be as easy to please as can be.
    EXPECT_EQ(SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0"), 1);
    const unsigned char kAlpn[] = "\x02h2";
    EXPECT_EQ(SSL_CTX_set_alpn_protos(context, kAlpn, 3), 0);
    SSL* const ssl = SSL_new(context);
    const int fd = ConnectSocket();
    SSL_set_fd(ssl, fd);
    const bool ok = SSL_connect(ssl) == 1;
    SSL_free(ssl);
    close(fd);
    SSL_CTX_free(context);
    return ok;
  }

  std::shared_ptr<grpc::Channel> ForeignChannel(
      const grpc::ChannelArguments& arguments = {}) {
    return grpc::CreateCustomChannel(
        endpoint_.address,
        PinnedChannelCredentials(endpoint_.tls_key, /*identity=*/nullptr),
        arguments);
  }

  // One call with gRPC as it comes.
  grpc::Status ForeignCall(
      const std::shared_ptr<grpc::Channel>& channel,
      const std::function<void(grpc::ClientContext&)>& edit,
      std::string request = "x") {
    grpc::ClientContext context;
    context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                      gpr_time_from_seconds(20, GPR_TIMESPAN)));
    edit(context);
    const grpc::Slice slice(request);
    const grpc::ByteBuffer message(&slice, 1);
    grpc::ByteBuffer reply;
    std::vector<grpc::Status> result;
    grpc::GenericStub stub(channel);
    stub.UnaryCall(&context, kEcho, {}, &message, &reply,
                   [&](grpc::Status status) {
                     world_->executor().Run(
                         [&result, status] { result.push_back(status); });
                   });
    EXPECT_TRUE(world_->RunUntil([&] { return !result.empty(); }));
    return result.front();
  }

  ContractAcceptor acceptor_;
  std::unique_ptr<GrpcWorld> world_;
  Endpoint endpoint_;
  size_t largest_request_ = 0;
};

TEST_F(GrpcServerTest, Tls13IsSpokenAndTls12IsRefused) {
  StartServer();
  EXPECT_TRUE(Handshake(TLS1_3_VERSION));
  EXPECT_FALSE(Handshake(TLS1_2_VERSION));
}

TEST_F(GrpcServerTest, GeneratedStubExchangesFrames) {
  StartServer();
  const auto stub = v1::Link::NewStub(ForeignChannel());
  struct Reactor final : grpc::ClientBidiReactor<v1::Frame, v1::Frame> {
    void OnReadDone(bool ok) override {
      if (ok) executor->Run([this] { got = in.data(); });
    }
    void OnDone(const grpc::Status& status) override {
      executor->Run([this, status] {
        done = true;
        code = status.error_code();
      });
    }
    Executor* executor;
    v1::Frame in;
    std::string got;
    bool done = false;
    grpc::StatusCode code = grpc::StatusCode::OK;
  } reactor;
  reactor.executor = &world_->executor();
  grpc::ClientContext context;
  stub->async()->Frames(&context, &reactor);
  v1::Frame frame;
  frame.set_data(std::string(kFrameBytes, 'f'));
  reactor.StartRead(&reactor.in);
  reactor.StartWrite(&frame);
  reactor.StartCall();
  EXPECT_TRUE(world_->RunUntil([&] { return !reactor.got.empty(); }));
  EXPECT_EQ(reactor.got, frame.data());
  context.TryCancel();
  EXPECT_TRUE(world_->RunUntil([&] { return reactor.done; }));
}

TEST_F(GrpcServerTest, FrameOfAnotherLengthEndsTheStream) {
  StartServer();
  for (size_t size : {size_t{0}, size_t{1}, kFrameBytes - 1, kFrameBytes + 1,
                      2 * kFrameBytes}) {
    SCOPED_TRACE(size);
    const size_t links_before = acceptor_.ends.size();
    const auto stub = v1::Link::NewStub(ForeignChannel());
    struct Reactor final : grpc::ClientBidiReactor<v1::Frame, v1::Frame> {
      void OnDone(const grpc::Status& status) override {
        executor->Run([this, status] {
          done = true;
          code = status.error_code();
        });
      }
      Executor* executor;
      v1::Frame in;
      bool done = false;
      grpc::StatusCode code = grpc::StatusCode::OK;
    } reactor;
    reactor.executor = &world_->executor();
    grpc::ClientContext context;
    stub->async()->Frames(&context, &reactor);
    v1::Frame frame;
    frame.set_data(std::string(size, 'f'));
    reactor.StartRead(&reactor.in);
    reactor.StartWrite(&frame);
    reactor.StartCall();
    ASSERT_TRUE(world_->RunUntil([&] { return reactor.done; }));
    EXPECT_EQ(reactor.code, grpc::StatusCode::INVALID_ARGUMENT);
    ASSERT_TRUE(world_->RunUntil([&] {
      return acceptor_.ends.size() > links_before &&
             !acceptor_.ends.back().closed.empty();
    }));
    EXPECT_THAT(acceptor_.ends.back().status(),
                StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_TRUE(acceptor_.ends.back().frames.empty());
  }
}

TEST_F(GrpcServerTest, CallWithoutANearDeadlineIsRefused) {
  StartServer();
  const auto channel = ForeignChannel();
  EXPECT_TRUE(ForeignCall(channel, [](grpc::ClientContext&) {}).ok());
  EXPECT_EQ(
      ForeignCall(channel,
                  [](grpc::ClientContext& context) {
                    context.set_deadline(gpr_inf_future(GPR_CLOCK_MONOTONIC));
                  })
          .error_code(),
      grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ForeignCall(channel,
                        [](grpc::ClientContext& context) {
                          context.set_deadline(gpr_time_add(
                              gpr_now(GPR_CLOCK_MONOTONIC),
                              gpr_time_from_seconds(200, GPR_TIMESPAN)));
                        })
                .error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(GrpcServerTest, LongMetadataIsRefused) {
  StartServer();
  const auto channel = ForeignChannel();
  const auto with_metadata = [&](size_t size) {
    return ForeignCall(channel, [size](grpc::ClientContext& context) {
      context.AddMetadata("x", std::string(size, 'x'));
    });
  };
  EXPECT_TRUE(with_metadata(1000).ok());
  EXPECT_EQ(with_metadata(5000).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(GrpcServerTest, CompressedRequestIsNotUnpacked) {
  StartServer();
  for (bool compressed : {false, true}) {
    SCOPED_TRACE(compressed);
    ASSERT_TRUE(ForeignCall(
                    ForeignChannel(),
                    [compressed](grpc::ClientContext& context) {
                      if (!compressed) return;
                      context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
                    },
                    std::string(90'000, 'x'))
                    .ok());
    // What was a bomb stays as small as it came.
    EXPECT_EQ(largest_request_ == 90'000, !compressed) << largest_request_;
    largest_request_ = 0;
  }
}

TEST_F(GrpcServerTest, ConnectionThatDoesNotFinishItsHandshakeIsDropped) {
  ServerLimits limits;
  limits.handshake_timeout = absl::Milliseconds(100);
  StartServer(limits);
  const int fd = ConnectSocket();
  pollfd readable = {fd, POLLIN, 0};
  // The peer's end of the connection shows as readable.
  ASSERT_EQ(poll(&readable, 1, absl::ToInt64Milliseconds(kLong)), 1);
  char byte;
  EXPECT_LE(recv(fd, &byte, 1, 0), 0);
  close(fd);
}

TEST_F(GrpcServerTest, IdleConnectionIsClosed) {
  ServerLimits limits;
  limits.max_connection_idle = absl::Milliseconds(100);
  StartServer(limits);
  const auto channel = ForeignChannel();
  ASSERT_TRUE(ForeignCall(channel, [](grpc::ClientContext&) {}).ok());
  ASSERT_EQ(channel->GetState(false), GRPC_CHANNEL_READY);
  EXPECT_TRUE(world_->RunUntil(
      [&] { return channel->GetState(false) != GRPC_CHANNEL_READY; }));
}

TEST_F(GrpcServerTest, OldConnectionIsClosed) {
  ServerLimits limits;
  limits.max_connection_age = absl::Milliseconds(100);
  limits.max_connection_age_grace = absl::Milliseconds(100);
  StartServer(limits);
  ContractEnd end;
  end.link = world_->person().OpenLink(endpoint_, end);
  ASSERT_TRUE(world_->RunUntil([&] { return !end.closed.empty(); }));
  EXPECT_THAT(end.status(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(GrpcServerTest, PeerThatFellSilentIsFoundDead) {
  ServerLimits limits;
  limits.keepalive_time = absl::Milliseconds(200);
  limits.keepalive_timeout = absl::Milliseconds(200);
  StartServer(limits);
  Wire wire(Port());
  ContractEnd end;
  end.link = world_->person().OpenLink(
      {absl::StrCat("127.0.0.1:", wire.port()), endpoint_.tls_key}, end);
  end.link->Send(std::string(kFrameBytes, 'x'));
  ASSERT_TRUE(world_->RunUntil([&] { return end.frames.size() == 1; }));
  wire.Cut();
  ContractEnd& server_end = acceptor_.ends.front();
  ASSERT_TRUE(world_->RunUntil([&] { return !server_end.closed.empty(); }));
  EXPECT_THAT(server_end.status(), StatusIs(absl::StatusCode::kUnavailable));
  end.link = nullptr;
}

TEST_F(GrpcServerTest, StreamsOfOneConnectionAreBounded) {
  ServerLimits limits;
  limits.max_concurrent_streams = 3;
  StartServer(limits);
  std::deque<ContractEnd> ends(5);
  for (ContractEnd& end : ends) {
    end.link = world_->person().OpenLink(endpoint_, end);
  }
  ASSERT_TRUE(world_->RunUntil([&] { return acceptor_.ends.size() == 3; }));
  world_->Settle();
  EXPECT_EQ(acceptor_.ends.size(), 3u);
  // The others wait their turn.
  for (ContractEnd& end : acceptor_.ends) end.link->Close();
  EXPECT_TRUE(world_->RunUntil([&] { return acceptor_.ends.size() == 5; }));
}

TEST_F(GrpcServerTest, LinksOfAllConnectionsAreBounded) {
  ServerLimits limits;
  limits.max_links = 2;
  StartServer(limits);
  std::deque<ContractEnd> ends(3);
  for (ContractEnd& end : ends) {
    end.link = world_->person().OpenLink(endpoint_, end);
  }
  int closed = 0;
  ASSERT_TRUE(world_->RunUntil([&] {
    closed = 0;
    for (ContractEnd& end : ends) closed += !end.closed.empty();
    return closed == 1 && acceptor_.ends.size() == 2;
  }));
  for (ContractEnd& end : ends) {
    if (!end.closed.empty()) {
      EXPECT_THAT(end.status(), StatusIs(absl::StatusCode::kResourceExhausted));
    }
  }
}

TEST_F(GrpcServerTest, OversizedReplyIsNotSent) {
  ServerLimits limits;
  limits.max_reply_bytes = 100;
  StartServer(limits);
  EXPECT_EQ(
      ForeignCall(
          ForeignChannel(), [](grpc::ClientContext&) {}, std::string(101, 'x'))
          .error_code(),
      grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(GrpcServerTest, PortThatIsTakenIsUnavailable) {
  StartServer();
  EventLoop loop(SteadyClock());
  const TlsIdentity identity = MakeIdentity(9);
  absl::StatusOr<std::unique_ptr<GrpcServer>> second =
      GrpcServer::Create({.listen_address = endpoint_.address,
                          .identity = identity,
                          .executor = loop});
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT((*second)->Start(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(GrpcServerTest, NameIsNoListenAddress) {
  EventLoop loop(SteadyClock());
  const TlsIdentity identity = MakeIdentity(9);
  EXPECT_THAT(GrpcServer::Create({.listen_address = "localhost:0",
                                  .identity = identity,
                                  .executor = loop}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(GrpcServerTest, ServerComesBackAtTheSameEndpoint) {
  StartServer();
  EventLoop& loop = static_cast<EventLoop&>(world_->executor());
  const auto call = [&]() -> absl::Status {
    std::vector<absl::Status> result;
    world_->person().Call(endpoint_, kEcho, "x", absl::Seconds(20),
                          [&](absl::StatusOr<std::string> reply) {
                            result.push_back(reply.status());
                          });
    EXPECT_TRUE(world_->RunUntil([&] { return !result.empty(); }));
    return result.front();
  };
  ASSERT_THAT(call(), IsOk());
  world_->StopServer();
  EXPECT_THAT(call(), StatusIs(absl::StatusCode::kUnavailable));
  const TlsIdentity identity = MakeIdentity(1);
  absl::StatusOr<std::unique_ptr<GrpcServer>> again =
      GrpcServer::Create({.listen_address = endpoint_.address,
                          .identity = identity,
                          .executor = loop});
  ASSERT_THAT(again, IsOk());
  (*again)->HandleMethod(kEcho, {.max_request_bytes = 10},
                         [](const Peer&, std::string, Reply r) { r(""); });
  ASSERT_THAT((*again)->Start(), IsOk());
  // Connecting is tried again after a pause; until then calls fail at once.
  bool back = false;
  for (int i = 0; i < 1000 && !back; ++i) {
    back = call().ok();
    if (!back) world_->Settle();
  }
  EXPECT_TRUE(back);
}

TEST_F(GrpcServerTest, NamesAreNeverResolved) {
  StartServer();
  std::vector<absl::Status> result;
  Endpoint named = endpoint_;
  named.address = absl::StrCat(
      "localhost:", named.address.substr(named.address.rfind(':') + 1));
  world_->person().Call(
      named, kEcho, "x", absl::Seconds(5),
      [&](absl::StatusOr<std::string> r) { result.push_back(r.status()); });
  ContractEnd end;
  end.link = world_->person().OpenLink(named, end);
  ASSERT_TRUE(
      world_->RunUntil([&] { return !result.empty() && !end.closed.empty(); }));
  EXPECT_THAT(result[0], StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(end.status(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(acceptor_.ends.empty());
}

TEST_F(GrpcServerTest, StatusOfAnUnreachablePeerTellsNoAddress) {
  StartServer();
  world_->StopServer();
  std::vector<absl::Status> result;
  world_->person().Call(
      endpoint_, kEcho, "x", absl::Seconds(5),
      [&](absl::StatusOr<std::string> r) { result.push_back(r.status()); });
  ASSERT_TRUE(world_->RunUntil([&] { return !result.empty(); }));
  EXPECT_THAT(std::string(result[0].message()),
              ::testing::Not(::testing::HasSubstr("127.0.0.1")));
}

TEST_F(GrpcServerTest, PeerThatTakesNothingIsCutOffWithABoundedQueue) {
  StartServer();
  acceptor_.echo = false;
  // A client that opens the stream and never reads.
  const auto stub = v1::Link::NewStub(ForeignChannel());
  struct Reactor final : grpc::ClientBidiReactor<v1::Frame, v1::Frame> {
    void OnDone(const grpc::Status&) override {
      executor->Run([this] { done = true; });
    }
    Executor* executor;
    bool done = false;
  } reactor;
  reactor.executor = &world_->executor();
  grpc::ClientContext context;
  stub->async()->Frames(&context, &reactor);
  reactor.AddHold();
  reactor.StartCall();
  ASSERT_TRUE(world_->RunUntil([&] { return !acceptor_.ends.empty(); }));
  ContractEnd& end = acceptor_.ends.front();
  // Far more than sockets and windows can hold.
  size_t most = 0;
  for (int i = 0; i < 20'000 && end.closed.empty(); ++i) {
    end.link->Send(std::string(kFrameBytes, 'x'));
    most = std::max(most, end.link->queued_frames());
    bool ran = false;
    world_->executor().Run([&] { ran = true; });
    world_->RunUntil([&] { return ran; });
  }
  EXPECT_LE(most, kMaxQueuedFrames);
  ASSERT_TRUE(world_->RunUntil([&] { return !end.closed.empty(); }));
  EXPECT_THAT(end.status(), StatusIs(absl::StatusCode::kResourceExhausted));
  context.TryCancel();
  reactor.RemoveHold();
  EXPECT_TRUE(world_->RunUntil([&] { return reactor.done; }));
}

// Frames both ways at once, as fast as they go, printed for the reader; the
// bar is far below what is measured so that a busy machine passes.
TEST_F(GrpcServerTest, LinkCarriesThousandsOfFramesPerSecondEachWay) {
  constexpr size_t kFrames = 4000;
  StartServer();
  ContractEnd end;
  end.link = world_->person().OpenLink(endpoint_, end);
  const absl::Time start = SteadyClock().Now();
  size_t sent = 0;
  ASSERT_TRUE(world_->RunUntil([&] {
    while (sent < kFrames && sent - end.frames.size() < kMaxQueuedFrames / 2) {
      end.link->Send(std::string(kFrameBytes, 'x'));
      ++sent;
    }
    return end.frames.size() == kFrames;
  }));
  const double seconds = absl::ToDoubleSeconds(SteadyClock().Now() - start);
  std::printf("%.0f frames/s each way\n", kFrames / seconds);
  RecordProperty("frames_per_second", static_cast<int>(kFrames / seconds));
  EXPECT_TRUE(end.closed.empty());
  EXPECT_GT(kFrames / seconds, 100);
}

}  // namespace
}  // namespace messenger::routing
