#include "swarm/repair/item_pusher.h"

#include <algorithm>
#include <string>

#include "swarm/proto/item_codec.h"
#include "swarm/proto/peer.pb.h"
#include "swarm/repair/stored_item.h"
#include "swarm/replication/peer_methods.h"

namespace messenger::swarm {

ItemPusher::ItemPusher(const MessageStore& store, PeerCaller& caller,
                       const routing::NodeId& peer, uint64_t epoch)
    : store_(store),
      caller_(caller),
      peer_(peer),
      epoch_(epoch),
      alive_(std::make_shared<bool>(true)) {}

ItemPusher::~ItemPusher() { *alive_ = false; }

void ItemPusher::Push(std::vector<ItemKey> items, Done done) {
  waiting_.assign(items.begin(), items.end());
  done_ = std::move(done);
  Next();
}

void ItemPusher::Next() {
  std::vector<ItemKey> batch;
  v1::ReplicateRequest request;
  request.set_epoch(epoch_);
  request.set_repair(true);
  size_t bytes = 0;
  while (!waiting_.empty() &&
         batch.size() < static_cast<size_t>(kMaxReplicateItems)) {
    // One at a time: what would not fit has not been read in vain.
    const ItemKey key = waiting_.front();
    absl::StatusOr<std::vector<StoreOp>> ops =
        store_.Load(absl::MakeConstSpan(&key, 1));
    if (!ops.ok()) return Finish(std::move(ops).status());
    v1::ReplicatedItem item;
    if (!ops->empty() && IsIntact(ops->front())) {
      item = ItemToProto(ops->front());
    }
    if (item.item_case() == v1::ReplicatedItem::ITEM_NOT_SET) {
      outcome_.gone.push_back(key);
      waiting_.pop_front();
      continue;
    }
    bytes += item.ByteSizeLong() + 8;
    if (bytes > kMaxBatchBytes && !batch.empty()) break;
    *request.add_items() = std::move(item);
    batch.push_back(key);
    waiting_.pop_front();
  }
  if (batch.empty()) return Finish(absl::OkStatus());
  std::string wire = request.SerializeAsString();
  ++outcome_.calls;
  outcome_.bytes_sent += wire.size();
  caller_.Call(peer_, kReplicateMethod, std::move(wire), kReplicateTimeout,
               [this, alive = alive_,
                batch = std::move(batch)](absl::StatusOr<std::string> reply) {
                 if (!*alive) return;
                 if (!reply.ok()) return Finish(std::move(reply).status());
                 outcome_.bytes_received += reply->size();
                 if (!TakeAnswer(batch, *reply)) {
                   return Finish(absl::InvalidArgumentError(
                       "a member answered nonsense"));
                 }
                 Next();
               });
}

bool ItemPusher::TakeAnswer(const std::vector<ItemKey>& batch,
                            const std::string& reply) {
  v1::ReplicateResponse response;
  if (!response.ParseFromString(reply) ||
      response.results_size() != static_cast<int>(batch.size())) {
    return false;
  }
  for (size_t i = 0; i < batch.size(); ++i) {
    const auto code = static_cast<absl::StatusCode>(
        response.results(static_cast<int>(i)).code());
    // ABORTED: a newer version is there, which is as good.
    if (code == absl::StatusCode::kOk || code == absl::StatusCode::kAborted) {
      outcome_.confirmed.push_back(batch[i]);
      continue;
    }
    ++outcome_.refused_count;
    if (outcome_.refused.size() < kMaxRefused) {
      outcome_.refused.emplace_back(batch[i], code);
    }
  }
  return true;
}

void ItemPusher::Finish(absl::Status status) {
  outcome_.status = std::move(status);
  Done done = std::move(done_);
  Outcome outcome = std::move(outcome_);
  done(std::move(outcome));
}

}  // namespace messenger::swarm
