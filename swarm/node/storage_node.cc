#include "swarm/node/storage_node.h"

#include <utility>

#include "absl/status/statusor.h"
#include "crypto/base/status_macros.h"
#include "routing/endpoint/remote_endpoint_handler.h"
#include "swarm/node/placement_shard_map.h"
#include "swarm/validation/request_validator.h"

namespace messenger::swarm {

StorageNode::StorageNode(const Options& options)
    : options_(options),
      placement_(options.directory),
      committer_(options.store, options.clock, options.core, options.disk),
      local_(options.id, options.storage_key, options.clock, committer_,
             [this](Shard shard) { return Holds(shard); }),
      repair_(
          {.store = options.store,
           .transport = options.transport,
           .executor = options.core,
           .clock = options.clock,
           .random = options.random,
           .maps = [this] { return NewestMap(); },
           .validate = [this](const v1::ReplicatedItem& item, absl::Time now,
                              Origin origin) -> absl::StatusOr<StoreOp> {
             const std::shared_ptr<const Placement> placement =
                 placement_.Get();
             if (placement == nullptr) {
               return absl::UnavailableError("no directory yet");
             }
             ASSIGN_OR_RETURN(
                 ValidWrite write,
                 ValidateItem(item,
                              placement->consensus().params().registration_bits,
                              now, origin));
             return std::move(write.op);
           },
           .commit =
               [this](StoreOp op,
                      absl::AnyInvocable<void(absl::StatusOr<OpResult>)> done) {
                 committer_.Submit(std::move(op), std::move(done));
               },
           .erase =
               [this](Shard shard, size_t limit_rows,
                      absl::AnyInvocable<void(absl::StatusOr<size_t>)> done) {
                 committer_.EraseShard(shard, limit_rows, std::move(done));
               },
           .foreign_kept = options.foreign_kept,
           .scrub_period = options.scrub_period,
           .bug = options.bug}),
      clock_(repair_),
      waiters_(options.core),
      coordinator_(local_, options.transport, options.core,
                   [this](const routing::NodeId& peer, const ItemKey& item) {
                     NoteHint(peer, item);
                   }),
      replicas_(local_, placement_, clock_, options.bug),
      service_(
          {.self = options.id,
           .placement = placement_,
           .store = options.store,
           .local = local_,
           .coordinator = coordinator_,
           .waiters = waiters_,
           .clock = clock_,
           .random = options.random,
           .health = {
               .holds = [this](Shard shard) { return Holds(shard); },
               .filling =
                   [this] {
                     return !options_.without_repair &&
                            repair_.ReadyEpoch() == 0;
                   },
               .clock_fit = [this] { return !repair_.cluster_clock().unfit(); },
               .on_damaged_item =
                   [this](const ItemKey& item) {
                     committer_.Submit(DropDamaged{item}, [](const auto&) {});
                   }},
           .bug = options.bug}) {
  committer_.set_on_message(
      [this](const MailboxAddress& mailbox) { waiters_.Notify(mailbox); });
}

StorageNode::~StorageNode() {
  options_.core.Cancel(expire_timer_);
  options_.core.Cancel(look_timer_);
}

void StorageNode::Serve(const routing::TlsKey& router_key,
                        routing::Server& server) {
  routing::ServeEndpoint(router_key, service_, server);
  replicas_.Serve(server);
  repair_.Serve(server);
}

void StorageNode::Start(std::function<void(absl::Status)> on_damage) {
  on_damage_ = std::move(on_damage);
  ScheduleExpire(kExpireInterval);
  if (!options_.without_repair) repair_.Start();
  Look();
}

std::shared_ptr<const ShardMap> StorageNode::NewestMap() {
  std::shared_ptr<const Placement> newest = placement_.Get();
  if (newest != mapped_) {
    map_ = std::make_shared<const PlacementShardMap>(options_.id, newest);
    mapped_ = std::move(newest);
  }
  return map_;
}

bool StorageNode::Holds(Shard shard) const {
  return options_.without_repair ||
         options_.bug == PlantedBug::kFillingAnswersReads ||
         repair_.Holds(shard);
}

void StorageNode::Look() {
  if (placement_.Get() != mapped_ && !options_.without_repair) {
    repair_.MapChanged();
  }
  const uint64_t ready = repair_.ReadyEpoch();
  if (ready != ready_epoch_) {
    ready_epoch_ = ready;
    if (options_.on_ready != nullptr) options_.on_ready(ready);
  }
  look_timer_ = options_.core.RunAfter(kLookInterval, [this] { Look(); });
}

void StorageNode::NoteHint(const routing::NodeId& peer, const ItemKey& item) {
  if (options_.without_repair) return;
  const auto until_ms = static_cast<uint64_t>(
      absl::ToUnixMillis(options_.clock.Now() + kHintLife));
  committer_.Submit(
      PutHints{.peer = peer, .items = {item}, .until_ms = until_ms},
      [this, peer](absl::StatusOr<OpResult> result) {
        // What could not be noted is left to reconciliation.
        if (result.ok()) repair_.HintsAdded(peer);
      });
}

void StorageNode::DropDamagedItem(const ItemKey& item) {
  // What is not done now is found again.
  committer_.Submit(DropDamaged{item}, [](const auto&) {});
}

void StorageNode::ScheduleExpire(absl::Duration delay) {
  expire_timer_ = options_.core.RunAfter(delay, [this] {
    // By a clock that is off, nothing is forgotten.
    if (repair_.cluster_clock().unfit()) return ScheduleExpire(kExpireInterval);
    const auto now_ms = static_cast<uint64_t>(
        absl::ToUnixMillis(repair_.cluster_clock().GcNow()));
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
