#include "tools/localnet/readiness.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "routing/circuit/onion_client.h"
#include "routing/directory/consensus.h"
#include "routing/directory/directory_client.h"
#include "routing/endpoint/endpoint_handler.h"
#include "routing/path/path_selector.h"
#include "routing/runtime/grpc_transport.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::localnet {
namespace {

using ::messenger::routing::Consensus;
using ::messenger::routing::NodeId;
using ::messenger::routing::NodeRecord;

constexpr absl::Duration kPollInterval = absl::Milliseconds(200);
constexpr absl::Duration kRequestTimeout = absl::Seconds(5);

// Asks the directory and the storage nodes again and again.
class Prober {
 public:
  Prober(const routing::NetworkConfig& config, const routing::Clock& clock,
         crypto::Random& random, routing::EventLoop& loop)
      : loop_(loop),
        transport_({loop}),
        directory_(transport_, loop, clock,
                   routing::DirectoryTrust::For(config), config.seeds, random),
        paths_(random, routing::GuardState()),
        onion_(transport_, loop, clock, random, directory_.holder(), paths_,
               routing::RoutingMode::kOnion) {
    Look();
  }
  // The loop may go on after this.
  ~Prober() { loop_.Cancel(timer_); }

  const Readiness& readiness() const { return readiness_; }

 private:
  void Look() {
    directory_.Refresh([this](absl::Status) {
      ReadDirectory();
      timer_ = loop_.RunAfter(kPollInterval, [this] { Look(); });
    });
  }

  void ReadDirectory() {
    const std::shared_ptr<const Consensus> consensus =
        directory_.holder().current();
    if (consensus == nullptr) return;
    readiness_.directory = true;
    readiness_.epoch = consensus->epoch();
    readiness_.running_relays = 0;
    readiness_.running_storage_nodes = 0;
    readiness_.active_storage_nodes = 0;
    for (const NodeRecord& node : consensus->nodes()) {
      if (!node.running) continue;
      if (node.relay) ++readiness_.running_relays;
      if (!node.storage_role) continue;
      ++readiness_.running_storage_nodes;
      if (node.serving() && node.target()) ++readiness_.active_storage_nodes;
      if (asking_.insert(node.id).second) Ask(node.id);
    }
  }

  void Ask(const NodeId& node) {
    swarm::v1::ClientRequest request;
    request.mutable_time();
    onion_.Send({node,
                 {node},
                 routing::kSwarmStorageService,
                 request.SerializeAsString(),
                 1,
                 kRequestTimeout},
                [this, node](absl::StatusOr<std::string> reply,
                             const routing::RequestRoute&) {
                  swarm::v1::ClientResponse response;
                  if (reply.ok() && response.ParseFromString(*reply) &&
                      response.has_time() && !response.time().filling()) {
                    ++readiness_.answering_storage_nodes;
                  } else {
                    asking_.erase(node);
                  }
                });
  }

  routing::EventLoop& loop_;
  routing::GrpcTransport transport_;
  routing::DirectoryClient directory_;
  routing::PathSelector paths_;
  routing::OnionClient onion_;
  Readiness readiness_;
  routing::TimerId timer_ = 0;
  // Asked, and not failed since.
  std::set<NodeId> asking_;
};

}  // namespace

absl::Status WaitUntilReady(
    const routing::NetworkConfig& config, int nodes, absl::Duration limit,
    const routing::Clock& clock, crypto::Random& random,
    routing::EventLoop& loop,
    const std::function<void(const Readiness&)>& on_change) {
  Prober prober(config, clock, random, loop);
  const absl::Time deadline = clock.Now() + limit;
  std::string last;
  auto ready = [&] {
    const Readiness& now = prober.readiness();
    // One line for the first answer and one for the last, not one for each.
    const int answers = now.answering_storage_nodes;
    const std::string words = absl::StrCat(
        now.directory, " ", now.running_relays, " ", now.running_storage_nodes,
        " ", now.active_storage_nodes, " ",
        answers == 0 ? "none" : (answers < nodes ? "some" : "all"));
    if (words != last) {
      last = words;
      on_change(now);
    }
    return now.running_relays >= nodes && now.running_storage_nodes >= nodes &&
           now.active_storage_nodes >= nodes &&
           now.answering_storage_nodes >= nodes;
  };
  if (loop.RunUntil(ready, limit)) return absl::OkStatus();
  if (clock.Now() < deadline) return absl::CancelledError("interrupted");
  const Readiness& now = prober.readiness();
  return absl::DeadlineExceededError(absl::StrCat(
      now.directory ? "" : "no consensus was signed; ", now.running_relays,
      " of ", nodes, " relays and ", now.running_storage_nodes, " of ", nodes,
      " storage nodes are running, ", now.active_storage_nodes,
      " have a place in swarms, ", now.answering_storage_nodes,
      " answered through a path"));
}

}  // namespace messenger::localnet
