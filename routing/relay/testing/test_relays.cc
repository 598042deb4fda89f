#include "routing/relay/testing/test_relays.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace messenger::routing {

void ScriptedEndpoint::Handle(uint8_t service, std::string request,
                              Reply reply) {
  ++requests_;
  if (service != kSwarmStorageService) {
    return reply(absl::UnimplementedError("no such service"));
  }
  if (script_) return script_(std::move(request), std::move(reply));
  reply("re:" + request);
}

void ScriptedEndpoint::HoldReplies() {
  script_ = [this](std::string request, Reply reply) {
    held_.emplace_back(std::move(request), std::move(reply));
  };
}

void ScriptedEndpoint::Release() {
  for (; !held_.empty(); held_.pop_back()) {
    held_.back().second("re:" + held_.back().first);
  }
}

TestRelays::TestRelays(int nodes, uint64_t seed, RelayLimits limits)
    : random(seed),
      executor(clock),
      links(random, executor),
      network(nodes, TestNetwork::SmallParams(), random, clock.Now()),
      directory(network.trust(), clock),
      client_host(links.AddHost("sim:client", std::nullopt)),
      paths(random, GuardState()),
      client(client_host.transport(), executor, clock, random, directory, paths,
             RoutingMode::kOnion),
      limits_(limits),
      nodes_(nodes) {
  PublishConsensus();
  for (int i = 0; i < nodes; ++i) {
    const Endpoint& link = directory.current()->Find(id(i))->link;
    nodes_[i].host = &links.AddHost(link.address, link.tls_key);
    nodes_[i].replay_cache = ReplayCache::InMemory();
    Start(i);
  }
}

TestRelays::~TestRelays() {
  for (int i = 0; i < size(); ++i) {
    if (nodes_[i].core != nullptr) Crash(i);
  }
}

void TestRelays::Start(int i) {
  Node& node = nodes_[i];
  node.core = std::make_unique<RelayCore>(
      RelayCore::Options{.node_id = id(i),
                         .transport = node.host->transport(),
                         .executor = executor,
                         .clock = clock,
                         .random = random,
                         .keys = *network.node(i).keys,
                         .directory = directory,
                         .replay_cache = *node.replay_cache,
                         .endpoint = &node.endpoint,
                         .limits = limits_});
  node.host->server().HandleLinks(*node.core);
}

void TestRelays::Crash(int i) {
  links.Crash(host(i));
  nodes_[i].endpoint.ForgetHeld();
  nodes_[i].core.reset();
}

void TestRelays::Restart(int i, const std::string& replay_directory,
                         const BootId& boot_id) {
  Crash(i);
  if (!replay_directory.empty()) {
    nodes_[i].replay_cache.reset();
    nodes_[i].replay_cache =
        ReplayCache::Open(replay_directory, boot_id, clock.Now()).value();
  }
  links.Restart(host(i));
  Start(i);
}

void TestRelays::PublishConsensus() {
  directory.Accept(network.consensus()->wire()).IgnoreError();
}

absl::StatusOr<std::string> TestRelays::Ask(OnionClient::Request request) {
  std::optional<absl::StatusOr<std::string>> outcome;
  client.Send(std::move(request), [&](absl::StatusOr<std::string> reply,
                                      const RequestRoute& route) {
    outcome = std::move(reply);
    last_route = route;
  });
  executor.RunUntil([&] { return outcome.has_value(); }, absl::Minutes(5));
  if (!outcome.has_value()) return absl::InternalError("nothing came back");
  return *std::move(outcome);
}

absl::StatusOr<std::string> TestRelays::Ask(const NodeId& destination,
                                            std::string request,
                                            int reply_cells) {
  return Ask({.destination = destination,
              .swarm = {destination},
              .service = kSwarmStorageService,
              .bytes = std::move(request),
              .reply_cells = reply_cells});
}

size_t TestRelays::open_circuits() const {
  size_t sum = 0;
  for (const Node& node : nodes_) {
    if (node.core != nullptr) sum += node.core->open_circuits();
  }
  return sum;
}

uint64_t TestRelays::Sum(uint64_t RelayCounters::*counter) const {
  uint64_t sum = 0;
  for (const Node& node : nodes_) {
    if (node.core != nullptr) sum += node.core->counters().*counter;
  }
  return sum;
}

}  // namespace messenger::routing
