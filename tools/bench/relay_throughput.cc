#include "tools/bench/relay_throughput.h"

#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "crypto/base/status_macros.h"
#include "crypto/random/system_random.h"
#include "crypto/random/testing/seeded_random.h"
#include "routing/directory/consensus.h"
#include "routing/directory/consensus_holder.h"
#include "routing/directory/testing/test_network.h"
#include "routing/onion/frame.h"
#include "routing/onion/geometry.h"
#include "routing/onion/setup.h"
#include "routing/relay/relay_core.h"
#include "routing/relay/relay_limits.h"
#include "routing/relay/replay_cache.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/grpc_server.h"
#include "routing/runtime/grpc_transport.h"
#include "routing/runtime/system_clock.h"
#include "routing/runtime/tls_identity.h"
#include "tools/bench/measure.h"

namespace messenger::bench {
namespace {

using ::messenger::routing::Endpoint;
using ::messenger::routing::EventLoop;
using ::messenger::routing::SystemClock;
using ::messenger::routing::TlsIdentity;

constexpr char kLoopback[] = "127.0.0.1:0";
constexpr int kRelay = 0;
constexpr int kNextHop = 1;
constexpr int kNodes = 2;

constexpr int kRounds = 5;
constexpr size_t kFramesPerRound = 10'000;
// Below what a link queues at most.
constexpr size_t kWindow = 256;
constexpr absl::Duration kPatience = absl::Minutes(2);

// The network both processes make for themselves.
class AgreedNetwork {
 public:
  AgreedNetwork(absl::Time now, const std::string& next_hop)
      : random_(1),
        network_(kNodes, routing::TestNetwork::SmallParams(), random_, now) {
    network_.Reissue([&](routing::TestNetwork::Draft& draft) {
      draft.nodes[kNextHop].descriptor.link = {.address = next_hop,
                                               .tls_key = Tls(kNextHop).key()};
    });
  }

  routing::TestNetwork* operator->() { return &network_; }
  TlsIdentity Tls(int node) {
    return TlsIdentity::FromSeed(network_.node(node).link_tls_seed).value();
  }

 private:
  crypto::SeededRandom random_;
  routing::TestNetwork network_;
};

// CPU time of a process that is still there.
double CpuSecondsOf(pid_t process) {
  clockid_t clock;
  timespec time = {};
  if (clock_getcpuclockid(process, &clock) != 0) return 0;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) +
         static_cast<double>(time.tv_nsec) * 1e-9;
}

// Takes links and counts what comes.
class NextHop final : public routing::LinkAcceptor,
                      public routing::FrameLinkEvents {
 public:
  routing::FrameLinkEvents* OnLink(
      const routing::Peer&, std::unique_ptr<routing::FrameLink> link) override {
    links_.push_back(std::move(link));
    return this;
  }
  void OnFrame(std::string) override {
    ++frames;
    if (on_frame) on_frame();
  }
  void OnClosed(absl::Status) override {}

  size_t frames = 0;
  std::function<void()> on_frame;

 private:
  std::vector<std::unique_ptr<routing::FrameLink>> links_;
};

// The client's end of a link.
class Sender final : public routing::FrameLinkEvents {
 public:
  Sender(routing::GrpcTransport& transport, const Endpoint& peer)
      : link_(transport.OpenLink(peer, *this)) {}

  void OnFrame(std::string) override {}
  void OnClosed(absl::Status status) override { closed = std::move(status); }
  void Send(std::string frame) { link_->Send(std::move(frame)); }

  absl::Status closed;  // OK: it is open

 private:
  std::unique_ptr<routing::FrameLink> link_;
};

// Sends `count` frames, a window at a time, and returns the seconds until the
// next hop had them all.
absl::StatusOr<double> Pump(EventLoop& loop, Sender& sender, NextHop& next_hop,
                            const std::string& frame, size_t count) {
  const size_t before = next_hop.frames;
  size_t sent = 0;
  const auto fill = [&] {
    while (sent < count && sent - (next_hop.frames - before) < kWindow) {
      sender.Send(frame);
      ++sent;
    }
  };
  next_hop.on_frame = fill;
  absl::Cleanup forget = [&] { next_hop.on_frame = nullptr; };
  const double start = WallSeconds();
  fill();
  const bool all = loop.RunUntil(
      [&] { return next_hop.frames - before == count || !sender.closed.ok(); },
      kPatience);
  RETURN_IF_ERROR(sender.closed);
  if (!all) return absl::UnavailableError("cells do not arrive");
  return WallSeconds() - start;
}

// A second process of this program. Ends with this object.
class RelayProcess {
 public:
  ~RelayProcess() {
    if (input_ >= 0) close(input_);  // tells it to end
    if (output_ != nullptr) std::fclose(output_);
    if (id_ > 0) waitpid(id_, nullptr, 0);
  }

  // Returns when it says where it listens.
  absl::StatusOr<std::string> Start(const std::string& program,
                                    const std::string& now_ms,
                                    const std::string& next_hop) {
    int input[2];
    int output[2];
    if (pipe(input) != 0 || pipe(output) != 0) {
      return absl::UnavailableError("no pipe");
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
    for (const int file : {input[0], input[1], output[0], output[1]}) {
      posix_spawn_file_actions_addclose(&actions, file);
    }
    std::vector<std::string> words = {program, kRelayRole, now_ms, next_hop};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const int failure = posix_spawn(&id_, program.c_str(), &actions, nullptr,
                                    arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(input[0]);
    close(output[1]);
    input_ = input[1];
    output_ = fdopen(output[0], "r");
    if (failure != 0) {
      id_ = 0;
      return absl::UnavailableError("the relay process does not start");
    }
    char address[64] = {};
    if (std::fscanf(output_, "%63s", address) != 1) {
      return absl::UnavailableError("the relay process ended");
    }
    return std::string(address);
  }

  pid_t id() const { return id_; }

 private:
  pid_t id_ = 0;
  int input_ = -1;
  FILE* output_ = nullptr;
};

absl::StatusOr<std::string> SetupFrame(const routing::Consensus& consensus,
                                       AgreedNetwork& network,
                                       uint64_t circuit_id, absl::Time now) {
  const routing::OnionEpochs epochs = consensus.EpochsAt(now);
  std::vector<routing::HopKeys> hops;
  for (const int node : {kRelay, kNextHop}) {
    std::optional<routing::HopKeys> keys =
        consensus.KeysFor(network->node(node).id(), epochs);
    if (!keys) return absl::InternalError("no keys");
    hops.push_back(*keys);
  }
  const auto minute =
      static_cast<uint32_t>(absl::ToUnixSeconds(now + absl::Minutes(2)) / 60);
  ASSIGN_OR_RETURN(
      const routing::BuiltSetup setup,
      routing::BuildSetup(hops, epochs, /*service=*/1, minute,
                          /*reply_budget=*/1, "", crypto::SystemRandom()));
  return routing::EncodeFrame(
      {.type = routing::FrameType::kSetup, .circuit_id = circuit_id},
      setup.body);
}

// Per gigabyte of frames.
struct Throughput {
  Rounds megabytes_per_second;
  Rounds cpu_seconds;
};

void Note(Throughput& throughput, double seconds, double cpu_seconds) {
  constexpr double kBytes =
      static_cast<double>(kFramesPerRound) * routing::kFrameSize;
  throughput.megabytes_per_second.push_back(kBytes / seconds / 1e6);
  throughput.cpu_seconds.push_back(cpu_seconds / (kBytes / 1e9));
}

void AddRows(const Throughput& relay, const Throughput& link, Report& report) {
  report.Add({.what = "one relay process, cells on one circuit",
              .measured = absl::StrFormat("%.0f MB/s",
                                          Median(relay.megabytes_per_second)),
              .limit = absl::StrFormat("%.0f MB/s (the link alone)",
                                       Median(link.megabytes_per_second)),
              .ratio = absl::StrFormat(
                  "%.2f", MedianRatio(relay.megabytes_per_second,
                                      link.megabytes_per_second))});
  const double cpu = Median(relay.cpu_seconds);
  report.Add({.what = "CPU of the relay process",
              .measured = absl::StrFormat("%.2f s per GB", cpu),
              .limit = absl::StrFormat("%.2f s per GB (both ends of the link)",
                                       Median(link.cpu_seconds)),
              .ratio = absl::StrFormat(
                  "%.2f", MedianRatio(relay.cpu_seconds, link.cpu_seconds)),
              .bar = "<= 5 s per GB",
              .met = IsMet(cpu <= 5)});
}

}  // namespace

absl::Status MeasureRelay(const std::string& program, Report& report) {
  // Both processes make the network of the same second.
  const absl::Time now = SystemClock().Now();
  const int64_t now_ms = absl::ToUnixMillis(now);
  EventLoop loop(SystemClock());
  NextHop next_hop;
  AgreedNetwork network(absl::FromUnixMillis(now_ms), kLoopback);
  const TlsIdentity next_hop_tls = network.Tls(kNextHop);
  ASSIGN_OR_RETURN(const std::unique_ptr<routing::GrpcServer> server,
                   routing::GrpcServer::Create({.listen_address = kLoopback,
                                                .identity = next_hop_tls,
                                                .executor = loop}));
  server->HandleLinks(next_hop);
  RETURN_IF_ERROR(server->Start());
  const Endpoint next_hop_endpoint = {.address = server->address(),
                                      .tls_key = next_hop_tls.key()};

  RelayProcess relay;
  ASSIGN_OR_RETURN(
      const std::string relay_address,
      relay.Start(program, absl::StrCat(now_ms), server->address()));

  routing::GrpcTransport transport({.executor = loop});
  Sender direct(transport, next_hop_endpoint);
  Sender relayed(transport, {.address = relay_address,
                             .tls_key = network.Tls(kRelay).key()});
  constexpr uint64_t kCircuit = 1;
  ASSIGN_OR_RETURN(const std::string setup,
                   SetupFrame(*network->consensus(), network, kCircuit, now));
  RETURN_IF_ERROR(Pump(loop, relayed, next_hop, setup, 1).status());

  // A relay cannot tell a good cell from any other bytes.
  const std::string cell = routing::EncodeFrame(
      {.type = routing::FrameType::kCell, .circuit_id = kCircuit},
      crypto::SystemRandom().String(routing::kFrameBodySize));
  for (Sender* sender : {&direct, &relayed}) {  // warm up
    RETURN_IF_ERROR(Pump(loop, *sender, next_hop, cell, kWindow).status());
  }
  Throughput through_relay;
  Throughput through_link;
  for (int round = 0; round < kRounds; ++round) {
    double cpu = ProcessCpuSeconds();
    ASSIGN_OR_RETURN(const double link_seconds,
                     Pump(loop, direct, next_hop, cell, kFramesPerRound));
    Note(through_link, link_seconds, ProcessCpuSeconds() - cpu);
    cpu = CpuSecondsOf(relay.id());
    ASSIGN_OR_RETURN(const double relay_seconds,
                     Pump(loop, relayed, next_hop, cell, kFramesPerRound));
    Note(through_relay, relay_seconds, CpuSecondsOf(relay.id()) - cpu);
  }
  AddRows(through_relay, through_link, report);
  return absl::OkStatus();
}

absl::Status RunRelay(absl::string_view now_ms, absl::string_view next_hop) {
  int64_t now = 0;
  if (!absl::SimpleAtoi(now_ms, &now)) {
    return absl::InvalidArgumentError("not a time");
  }
  AgreedNetwork network(absl::FromUnixMillis(now), std::string(next_hop));
  EventLoop loop(SystemClock());
  routing::ConsensusHolder directory(network->trust(), SystemClock());
  RETURN_IF_ERROR(directory.Accept(network->consensus()->wire()));
  const TlsIdentity tls = network.Tls(kRelay);
  routing::GrpcTransport transport({.executor = loop, .identity = &tls});
  const std::unique_ptr<routing::ReplayCache> replay_cache =
      routing::ReplayCache::InMemory();
  routing::RelayLimits limits;
  // Otherwise a circuit ends after the cells of two requests.
  limits.max_forward_cells = std::numeric_limits<int>::max();
  routing::RelayCore core({.node_id = network->node(kRelay).id(),
                           .transport = transport,
                           .executor = loop,
                           .clock = SystemClock(),
                           .random = crypto::SystemRandom(),
                           .keys = *network->node(kRelay).keys,
                           .directory = directory,
                           .replay_cache = *replay_cache,
                           .limits = limits});
  ASSIGN_OR_RETURN(
      const std::unique_ptr<routing::GrpcServer> server,
      routing::GrpcServer::Create(
          {.listen_address = kLoopback, .identity = tls, .executor = loop}));
  server->HandleLinks(core);
  RETURN_IF_ERROR(server->Start());
  std::printf("%s\n", server->address().c_str());
  std::fflush(stdout);
  std::thread watcher([&loop] {
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    loop.Stop();
  });
  loop.RunUntilStopped();
  watcher.join();
  return absl::OkStatus();
}

}  // namespace messenger::bench
