#include "tools/chaos/chaos_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/system_clock.h"
#include "tools/chaos/connection_owner.h"

namespace messenger::chaos {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

constexpr PeerId kAda = 1;
constexpr PeerId kBen = 2;
constexpr PeerId kServer = 10;
// What must happen happens within this; what must not is given kMoment.
constexpr int kLimitMs = 20'000;
constexpr int kMomentMs = 150;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

uint16_t OwnPort(int fd) {
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

// A socket that closes itself.
class Socket {
 public:
  Socket() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Socket() { Close(); }

  int fd() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  void Bind() {
    const sockaddr_in any = Loopback(0);
    ASSERT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&any), sizeof(any)),
              0);
  }
  bool ReadableWithin(int milliseconds) const {
    pollfd wait = {.fd = fd_, .events = POLLIN, .revents = 0};
    return poll(&wait, 1, milliseconds) == 1;
  }
  // As much as comes until `size` bytes, the end or the limit.
  std::string Read(size_t size) const {
    std::string bytes;
    std::string piece(64 * 1024, 0);
    while (bytes.size() < size && ReadableWithin(kLimitMs)) {
      const ssize_t got = recv(fd_, piece.data(),
                               std::min(piece.size(), size - bytes.size()), 0);
      if (got <= 0) break;
      bytes.append(piece.data(), static_cast<size_t>(got));
    }
    return bytes;
  }
  void Write(const std::string& bytes) const {
    size_t written = 0;
    while (written < bytes.size()) {
      const ssize_t size = send(fd_, bytes.data() + written,
                                bytes.size() - written, MSG_NOSIGNAL);
      ASSERT_GT(size, 0);
      written += static_cast<size_t>(size);
    }
  }
  // Whether the next thing that is heard is a reset.
  bool IsReset() const {
    char byte;
    return ReadableWithin(kLimitMs) && recv(fd_, &byte, 1, 0) < 0 &&
           errno == ECONNRESET;
  }

 private:
  int fd_;
};

class ChaosProxyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.Bind();
    ASSERT_EQ(listen(server_.fd(), 16), 0);
    auto proxy = ChaosProxy::Create(
        {.seed = 7,
         .clock = routing::SteadyClock(),
         .identify = [this](uint16_t from, uint16_t) -> std::optional<PeerId> {
           absl::MutexLock lock(&mutex_);
           if (ada_.contains(from)) return kAda;
           if (ben_.contains(from)) return kBen;
           return std::nullopt;
         }});
    ASSERT_THAT(proxy, IsOk());
    proxy_ = *std::move(proxy);
    auto address = proxy_->Listen(
        kServer, absl::StrCat("127.0.0.1:", OwnPort(server_.fd())));
    ASSERT_THAT(address, IsOk());
    ASSERT_TRUE(
        absl::SimpleAtoi(address->substr(address->rfind(':') + 1), &port_));
  }

  // Connects as one of the peers.
  Socket Connect(PeerId who) {
    Socket socket;
    socket.Bind();
    {
      absl::MutexLock lock(&mutex_);
      if (who == kAda) ada_.insert(OwnPort(socket.fd()));
      if (who == kBen) ben_.insert(OwnPort(socket.fd()));
    }
    const sockaddr_in to = Loopback(static_cast<uint16_t>(port_));
    EXPECT_EQ(connect(socket.fd(), reinterpret_cast<const sockaddr*>(&to),
                      sizeof(to)),
              0);
    return socket;
  }
  Socket Accept() {
    EXPECT_TRUE(server_.ReadableWithin(kLimitMs));
    return Socket(accept(server_.fd(), nullptr, nullptr));
  }

  static absl::Time Now() { return routing::SteadyClock().Now(); }

  Socket server_;
  absl::Mutex mutex_;
  std::set<uint16_t> ada_;
  std::set<uint16_t> ben_;
  uint32_t port_ = 0;
  std::unique_ptr<ChaosProxy> proxy_;
};

TEST_F(ChaosProxyTest, PassesBytesUntouchedBothWaysToTheEnd) {
  crypto::SeededRandom random(1);
  const std::string there = random.String(3'000'000);
  const std::string back = random.String(2'000'000);
  const Socket client = Connect(kAda);
  const Socket server = Accept();
  std::thread writer([&] {
    client.Write(there);
    shutdown(client.fd(), SHUT_WR);
  });
  std::thread answerer([&] { server.Write(back); });
  std::string came_back;
  std::thread reader([&] { came_back = client.Read(back.size()); });
  EXPECT_TRUE(server.Read(there.size()) == there);
  // The end comes through too.
  EXPECT_EQ(server.Read(1), "");
  writer.join();
  answerer.join();
  reader.join();
  EXPECT_TRUE(came_back == back);
  EXPECT_EQ(proxy_->counters().bytes, there.size() + back.size());
}

TEST_F(ChaosProxyTest, DelaysOneDirectionOnly) {
  const Socket client = Connect(kAda);
  const Socket server = Accept();
  proxy_->AddRule(kServer, kAda,
                  {.min_delay = absl::Milliseconds(200),
                   .mean_delay = absl::Milliseconds(200)});
  client.Write("ping");
  EXPECT_EQ(server.Read(4), "ping");
  EXPECT_EQ(proxy_->counters().delayed, 0u);
  const absl::Time start = Now();
  server.Write("pong");
  EXPECT_EQ(client.Read(4), "pong");
  EXPECT_GE(Now() - start, absl::Milliseconds(200));
  EXPECT_EQ(proxy_->counters().delayed, 1u);
}

TEST_F(ChaosProxyTest, LossIsWaitingAndKeepsTheOrder) {
  const Socket client = Connect(kAda);
  const Socket server = Accept();
  proxy_->AddRule(kAnyPeer, kServer,
                  {.loss = 0.5, .retransmission = absl::Milliseconds(20)});
  std::string all;
  for (int i = 0; i < 40; ++i) {
    const std::string piece = absl::StrCat(i, ";");
    client.Write(piece);
    all += piece;
    // One piece at a time reaches the proxy.
    if (i % 4 == 0) {
      EXPECT_EQ(server.Read(all.size()), all);
      all.clear();
    }
  }
  EXPECT_EQ(server.Read(all.size()), all);
  EXPECT_GT(proxy_->counters().lost, 0u);
}

TEST_F(ChaosProxyTest, CapsTheBandwidth) {
  const Socket client = Connect(kAda);
  const Socket server = Accept();
  proxy_->AddRule(kAda, kServer, {.bytes_per_second = 400'000});
  const std::string bytes(100'000, 'x');
  const absl::Time start = Now();
  client.Write(bytes);
  EXPECT_TRUE(server.Read(bytes.size()) == bytes);
  EXPECT_GE(Now() - start, absl::Milliseconds(240));
}

TEST_F(ChaosProxyTest, ABlackHoleCutsOneDirectionUntilItIsHealed) {
  const Socket client = Connect(kAda);
  const Socket server = Accept();
  const ChaosProxy::RuleId rule =
      proxy_->AddRule(kAda, kServer, {.blackhole = true});
  client.Write("lost?");
  server.Write("heard");
  EXPECT_EQ(client.Read(5), "heard");
  EXPECT_FALSE(server.ReadableWithin(kMomentMs));
  proxy_->RemoveRule(rule);
  EXPECT_EQ(server.Read(5), "lost?");
  EXPECT_EQ(proxy_->counters().blackholed, 1u);
}

TEST_F(ChaosProxyTest, TheEndOfAConnectionDoesNotCrossABlackHole) {
  Socket client = Connect(kAda);
  const Socket server = Accept();
  client.Write("a");
  EXPECT_EQ(server.Read(1), "a");
  proxy_->AddRule(kAnyPeer, kAnyPeer, {.blackhole = true});
  client.Close();
  EXPECT_FALSE(server.ReadableWithin(kMomentMs));
  proxy_->RemoveAllRules();
  char byte;
  ASSERT_TRUE(server.ReadableWithin(kLimitMs));
  EXPECT_LE(recv(server.fd(), &byte, 1, 0), 0);
}

TEST_F(ChaosProxyTest, ASenderIntoABlackHoleHasToWait) {
  const Socket client = Connect(kAda);
  const Socket server = Accept();
  proxy_->AddRule(kAda, kServer, {.blackhole = true});
  const std::string bytes(1 << 20, 'x');
  // Far more than the proxy and all buffers of the system hold.
  constexpr size_t kFarMore = 64u << 20;
  size_t taken = 0;
  pollfd wait = {.fd = client.fd(), .events = POLLOUT, .revents = 0};
  while (taken < kFarMore && poll(&wait, 1, kMomentMs) == 1) {
    const ssize_t size = send(client.fd(), bytes.data(), bytes.size(),
                              MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size > 0) taken += static_cast<size_t>(size);
  }
  EXPECT_LT(taken, kFarMore);
}

TEST_F(ChaosProxyTest, RefusesOneOpenerAndServesTheOther) {
  const ChaosProxy::RuleId rule =
      proxy_->AddRule(kAda, kServer, {.refuse = true});
  const Socket refused = Connect(kAda);
  EXPECT_TRUE(refused.IsReset());
  const Socket served = Connect(kBen);
  const Socket server = Accept();
  served.Write("x");
  EXPECT_EQ(server.Read(1), "x");
  EXPECT_EQ(proxy_->counters().refused, 1u);
  proxy_->RemoveRule(rule);
  const Socket again = Connect(kAda);
  again.Write("y");
  EXPECT_EQ(Accept().Read(1), "y");
}

TEST_F(ChaosProxyTest, ResetsTheConnectionsOfAPairOnly) {
  const Socket ada = Connect(kAda);
  const Socket for_ada = Accept();
  const Socket ben = Connect(kBen);
  const Socket for_ben = Accept();
  ada.Write("a");
  EXPECT_EQ(for_ada.Read(1), "a");
  EXPECT_EQ(proxy_->Reset(kServer, kAda), 1);
  EXPECT_TRUE(ada.IsReset());
  EXPECT_TRUE(for_ada.IsReset());
  ben.Write("b");
  EXPECT_EQ(for_ben.Read(1), "b");
}

TEST_F(ChaosProxyTest, WhoCannotBeToldIsCountedAndMetByRulesForAnybody) {
  const Socket stranger = Connect(/*who=*/0);
  const Socket server = Accept();
  stranger.Write("x");
  EXPECT_EQ(server.Read(1), "x");
  EXPECT_EQ(proxy_->counters().unidentified, 1u);
  EXPECT_EQ(proxy_->Reset(kAda, kServer), 0);
  EXPECT_EQ(proxy_->Reset(kAnyPeer, kServer), 1);
}

TEST_F(ChaosProxyTest, ADeadTargetLooksDead) {
  server_.Close();
  const Socket client = Connect(kAda);
  EXPECT_TRUE(client.IsReset());
  EXPECT_EQ(proxy_->counters().unreachable, 1u);
}

TEST_F(ChaosProxyTest, StaysOnLoopback) {
  EXPECT_THAT(proxy_->Listen(kServer, "192.0.2.1:80").status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(proxy_->Listen(kServer, "localhost:80").status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ConnectionOwnerTest, FindsWhoOpenedAConnection) {
  Socket server;
  server.Bind();
  ASSERT_EQ(listen(server.fd(), 4), 0);
  const Socket client;
  const sockaddr_in to = Loopback(OwnPort(server.fd()));
  ASSERT_EQ(
      connect(client.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)),
      0);
  const ConnectionOwner owner([] { return std::vector<pid_t>{getpid()}; });
  EXPECT_TRUE(ConnectionOwner::CanLookInto(getpid()));
  EXPECT_EQ(owner.Find(OwnPort(client.fd()), OwnPort(server.fd())), getpid());
  // Nobody opened it the other way round to a port nobody has.
  EXPECT_EQ(owner.Find(OwnPort(server.fd()), 1), std::nullopt);
  // A socket that speaks IPv6 too stands in another table.
  const Socket both(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (both.fd() >= 0) {
    sockaddr_in6 mapped = {};
    mapped.sin6_family = AF_INET6;
    mapped.sin6_port = to.sin_port;
    ASSERT_EQ(inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr), 1);
    ASSERT_EQ(connect(both.fd(), reinterpret_cast<const sockaddr*>(&mapped),
                      sizeof(mapped)),
              0);
    sockaddr_in6 own = {};
    socklen_t size = sizeof(own);
    getsockname(both.fd(), reinterpret_cast<sockaddr*>(&own), &size);
    EXPECT_EQ(owner.Find(ntohs(own.sin6_port), OwnPort(server.fd())), getpid());
  }
  const ConnectionOwner nobody([] { return std::vector<pid_t>{}; });
  EXPECT_EQ(nobody.Find(OwnPort(client.fd()), OwnPort(server.fd())),
            std::nullopt);
}

}  // namespace
}  // namespace messenger::chaos
