#include "swarm/replication/replica_service.h"

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "crypto/base/status_macros.h"
#include "swarm/proto/peer.pb.h"
#include "swarm/proto/refusal.h"
#include "swarm/proto/storage_codec.h"
#include "swarm/replication/peer_methods.h"
#include "swarm/store/fair_queue.h"

namespace messenger::swarm {
namespace {

// The active storage node whose TLS key this is; null if there is none.
const routing::NodeRecord* StorageNode(const routing::Consensus& consensus,
                                       const routing::Peer& peer) {
  if (!peer.tls_key.has_value()) return nullptr;
  for (const routing::NodeRecord& node : consensus.nodes()) {
    // Whoever gets or got messages of a mailbox may bring them.
    if ((node.serving() || node.target()) &&
        node.storage.tls_key == *peer.tls_key) {
      return &node;
    }
  }
  return nullptr;
}

void SetStatus(const absl::Status& status, v1::ItemResult& result) {
  result.set_code(static_cast<uint32_t>(status.code()));
  if (const std::optional<v1::Refusal> refusal = RefusalOf(status)) {
    *result.mutable_refusal() = *refusal;
  }
}

}  // namespace

// One Replicate call, answered when its last item is.
struct ReplicaService::Call {
  v1::ReplicateResponse response;
  int outstanding = 0;
  routing::Reply reply;

  void FinishOne() {
    if (--outstanding == 0) reply(response.SerializeAsString());
  }
};

ReplicaService::ReplicaService(LocalReplica& local, CurrentPlacement& placement,
                               const routing::Clock& clock, PlantedBug bug)
    : local_(local), placement_(placement), clock_(clock), bug_(bug) {}

void ReplicaService::Serve(routing::Server& server) {
  server.HandleMethod(std::string(kReplicateMethod),
                      {.max_request_bytes = kMaxReplicateBytes,
                       .max_concurrent = kMaxConcurrentReplications},
                      [this](const routing::Peer& peer, std::string request,
                             routing::Reply reply) {
                        Replicate(peer, request, std::move(reply));
                      });
}

absl::StatusOr<ValidWrite> ReplicaService::Check(const v1::ReplicatedItem& item,
                                                 const Placement& placement,
                                                 const routing::NodeId& caller,
                                                 absl::Time now) const {
  ASSIGN_OR_RETURN(
      ValidWrite write,
      ValidateItem(item, placement.consensus().params().registration_bits, now,
                   bug_ == PlantedBug::kRepairChecksFreshness ? Origin::kClient
                                                              : Origin::kPeer));
  if (!placement.IsMember(write.subject.mailbox, local_.node()) ||
      !placement.IsMember(write.subject.mailbox, caller)) {
    return absl::FailedPreconditionError("not of one swarm");
  }
  return write;
}

void ReplicaService::Replicate(const routing::Peer& peer,
                               const std::string& request,
                               routing::Reply reply) {
  const std::shared_ptr<const Placement> placement = placement_.Get();
  if (placement == nullptr) {
    return reply(absl::UnavailableError("no directory yet"));
  }
  const routing::NodeRecord* caller = StorageNode(placement->consensus(), peer);
  if (caller == nullptr) {
    ++counters_.strangers;
    return reply(absl::PermissionDeniedError("for storage nodes only"));
  }
  v1::ReplicateRequest parsed;
  if (!parsed.ParseFromString(request) || parsed.items_size() == 0 ||
      parsed.items_size() > kMaxReplicateItems) {
    ++counters_.refused;
    return reply(absl::InvalidArgumentError("malformed replication"));
  }
  // A coordinator that does not know of the change under way gathers receipts
  // of the old members only. Those that the new ones fill from must not add to
  // them: what they would acknowledge might be missing after the change.
  if (!parsed.repair() && bug_ != PlantedBug::kOutdatedCoordinators &&
      parsed.epoch() < placement->consensus().transition_epoch()) {
    ++counters_.outdated;
    return reply(absl::FailedPreconditionError("members are changing"));
  }
  const absl::Time now = clock_.Now();
  const uint64_t epoch = placement->consensus().epoch();
  const FairQueue::Brought brought = parsed.repair()
                                         ? FairQueue::Brought::kForRepair
                                         : FairQueue::Brought::kForClient;
  auto call = std::make_shared<Call>();
  call->reply = std::move(reply);
  call->response.set_epoch(epoch);
  // One for this function, so that the call is not answered before all items
  // have been looked at.
  call->outstanding = parsed.items_size() + 1;
  for (const v1::ReplicatedItem& item : parsed.items()) {
    const int index = call->response.results_size();
    call->response.add_results();
    absl::StatusOr<ValidWrite> write = Check(item, *placement, caller->id, now);
    if (!write.ok()) {
      ++counters_.refused;
      SetStatus(write.status(), *call->response.mutable_results(index));
      call->FinishOne();
      continue;
    }
    local_.Commit(
        *std::move(write), epoch,
        [this, call, index](absl::StatusOr<Receipt> receipt) {
          v1::ItemResult& result = *call->response.mutable_results(index);
          SetStatus(receipt.status(), result);
          if (receipt.ok()) {
            ++counters_.committed;
            ReceiptToProto(*receipt, *result.mutable_receipt());
          } else {
            ++counters_.refused;
          }
          call->FinishOne();
        },
        brought);
  }
  call->FinishOne();
}

}  // namespace messenger::swarm
