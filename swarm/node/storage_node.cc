#include "swarm/node/storage_node.h"

#include <utility>

#include "absl/status/statusor.h"
#include "routing/endpoint/remote_endpoint_handler.h"

namespace messenger::swarm {

StorageNode::StorageNode(const Options& options)
    : executor_(options.core),
      clock_(options.clock),
      placement_(options.directory),
      committer_(options.store, options.core, options.disk),
      local_(options.id, options.storage_key, options.clock, committer_),
      coordinator_(local_, options.transport, options.core),
      replicas_(local_, placement_, options.clock),
      service_(options.id, placement_, options.store, coordinator_,
               options.clock) {}

StorageNode::~StorageNode() { executor_.Cancel(expire_timer_); }

void StorageNode::Serve(const routing::TlsKey& router_key,
                        routing::Server& server) {
  routing::ServeEndpoint(router_key, service_, server);
  replicas_.Serve(server);
}

void StorageNode::Start(std::function<void(absl::Status)> on_damage) {
  on_damage_ = std::move(on_damage);
  ScheduleExpire(kExpireInterval);
}

void StorageNode::ScheduleExpire(absl::Duration delay) {
  expire_timer_ = executor_.RunAfter(delay, [this] {
    const auto now_ms = static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now()));
    committer_.Expire(
        now_ms, kExpireRows, [this](absl::StatusOr<size_t> removed) {
          if (absl::IsDataLoss(removed.status()) && on_damage_ != nullptr) {
            // The node can no longer keep what it promises.
            std::exchange(on_damage_, nullptr)(removed.status());
            return;
          }
          const bool backlog = removed.ok() && *removed >= kExpireRows;
          ScheduleExpire(backlog ? absl::Milliseconds(50) : kExpireInterval);
        });
  });
}

}  // namespace messenger::swarm
