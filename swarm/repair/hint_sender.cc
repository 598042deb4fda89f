#include "swarm/repair/hint_sender.h"

#include <algorithm>
#include <utility>

namespace messenger::swarm {
namespace {

// No repetition makes a peer take it.
bool IsForGood(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return true;
    default:
      return false;
  }
}

}  // namespace

HintSender::HintSender(Options options)
    : options_(std::move(options)), alive_(std::make_shared<bool>(true)) {}

HintSender::~HintSender() { Stop(); }

void HintSender::Start() {
  running_ = true;
  Look();
}

void HintSender::Stop() {
  running_ = false;
  *std::exchange(alive_, std::make_shared<bool>(true)) = false;
  options_.executor.Cancel(look_timer_);
  for (const auto& [id, peer] : peers_) options_.executor.Cancel(peer->timer);
  peers_.clear();
}

void HintSender::Look() {
  const auto peers = options_.store.PeersWithHints();
  if (peers.ok()) {
    for (const routing::NodeId& peer : *peers) Wake(peer);
  }
  look_timer_ = options_.executor.RunAfter(kLook, [this] { Look(); });
}

void HintSender::Wake(const routing::NodeId& id) {
  if (!running_) return;
  const auto [found, fresh] = peers_.try_emplace(id);
  // Under way, or waiting for its turn.
  if (!fresh) return;
  found->second = std::make_unique<Peer>();
  found->second->timer = options_.executor.RunAfter(absl::ZeroDuration(),
                                                    [this, id] { Send(id); });
}

void HintSender::Send(const routing::NodeId& id) {
  Peer& peer = *peers_.at(id);
  peer.timer = 0;
  absl::StatusOr<std::vector<ItemKey>> batch = options_.store.Hints(id, kBatch);
  if (!batch.ok()) return RetryLater(id);
  const auto map = options_.maps();
  if (batch->empty()) {
    peers_.erase(id);
    return;
  }
  if (map == nullptr) return RetryLater(id);
  // Whoever shares nothing any more needs nothing.
  std::vector<ItemKey> foreign;
  std::vector<ItemKey> mine;
  const std::vector<Shard> shared = map->SharedWith(id);
  for (const ItemKey& item : *batch) {
    (std::binary_search(shared.begin(), shared.end(), item.shard) ? mine
                                                                  : foreign)
        .push_back(item);
  }
  if (mine.empty()) {
    counters_.dropped += foreign.size();
    return Drop(id, std::move(foreign), /*go_on=*/true);
  }
  peer.pusher = std::make_unique<ItemPusher>(options_.store, options_.caller,
                                             id, map->epoch());
  peer.pusher->Push(
      mine, [this, id, batch = mine, foreign = std::move(foreign)](
                ItemPusher::Outcome outcome) mutable {
        outcome.gone.insert(outcome.gone.end(), foreign.begin(), foreign.end());
        Pushed(id, std::move(outcome), batch);
      });
}

void HintSender::Pushed(const routing::NodeId& id, ItemPusher::Outcome outcome,
                        const std::vector<ItemKey>& batch) {
  if (outcome.calls > 0) {
    if (outcome.status.ok()) {
      options_.health.Succeeded(id);
    } else {
      options_.health.Failed(id);
      ++counters_.failures;
    }
  }
  counters_.delivered += outcome.confirmed.size();
  std::vector<ItemKey> settled = std::move(outcome.confirmed);
  counters_.dropped += outcome.gone.size();
  settled.insert(settled.end(), outcome.gone.begin(), outcome.gone.end());
  bool refused = false;
  for (const auto& [item, code] : outcome.refused) {
    if (IsForGood(code)) {
      ++counters_.dropped;
      settled.push_back(item);
    } else {
      refused = true;
    }
  }
  if (options_.bug == PlantedBug::kHintDropped) settled = batch;
  const bool go_on = outcome.status.ok() && !refused;
  if (settled.empty()) return RetryLater(id);
  Drop(id, std::move(settled), go_on);
}

void HintSender::Drop(const routing::NodeId& id, std::vector<ItemKey> items,
                      bool go_on) {
  options_.commit(
      DropHints{.peer = id, .items = std::move(items)},
      [this, alive = alive_, id, go_on](absl::StatusOr<OpResult> result) {
        if (!*alive) return;
        if (!result.ok() || !go_on) return RetryLater(id);
        peers_.at(id)->retry = kFirstRetry;
        Send(id);
      });
}

void HintSender::RetryLater(const routing::NodeId& id) {
  Peer& peer = *peers_.at(id);
  // Between half and all of it, so that peers of one that returns do not all
  // come at once.
  const absl::Duration delay =
      peer.retry * (0.5 + options_.random.UnitDouble() / 2);
  peer.retry = std::min(2 * peer.retry, kLastRetry);
  peer.timer = options_.executor.RunAfter(delay, [this, id] { Send(id); });
}

}  // namespace messenger::swarm
