#include "swarm/repair/scrubber.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "swarm/repair/reconciler.h"
#include "swarm/repair/set_view.h"
#include "swarm/repair/stored_item.h"

namespace messenger::swarm {
namespace {

uint64_t FromMs(absl::Time now) {
  return static_cast<uint64_t>(
      absl::ToUnixMillis(now + Reconciler::kExpiryMargin));
}

}  // namespace

Scrubber::Scrubber(Options options)
    : options_(std::move(options)), alive_(std::make_shared<bool>(true)) {}

Scrubber::~Scrubber() { Stop(); }

void Scrubber::Stop() {
  *std::exchange(alive_, std::make_shared<bool>(true)) = false;
  options_.executor.Cancel(timer_);
  pusher_.reset();
  round_.reset();
}

void Scrubber::Start() { LookLater(); }

void Scrubber::LookLater() {
  After(std::min(kLook, options_.period / 60), &Scrubber::Look);
}

void Scrubber::After(absl::Duration delay, void (Scrubber::*next)()) {
  timer_ = options_.executor.RunAfter(delay, [this, next] { (this->*next)(); });
}

void Scrubber::Look() {
  const auto map = options_.maps();
  const absl::Time now = options_.clock.Now();
  if (map == nullptr) return LookLater();
  const std::vector<routing::NodeId> peers = map->Peers();
  absl::flat_hash_map<routing::NodeId, absl::Time> due;
  std::optional<routing::NodeId> next;
  for (const routing::NodeId& peer : peers) {
    const auto known = due_.find(peer);
    // The first time at an instant of its own, so that a swarm that starts
    // together does not scrub together.
    due[peer] = known != due_.end()
                    ? std::min(known->second, now + options_.period)
                    : now + options_.random.UnitDouble() * options_.period;
    if (due[peer] <= now && (!next.has_value() || due[peer] < due[*next])) {
      next = peer;
    }
  }
  due_ = std::move(due);
  if (!next.has_value()) return LookLater();
  due_[*next] = now + options_.period;
  round_ = std::make_unique<Round>();
  round_->peer = *next;
  // What only the peer has is for comparisons.
  const std::vector<Shard> shared = map->SharedWith(*next);
  const std::vector<Shard> filled = options_.store.Shards();
  std::set_intersection(shared.begin(), shared.end(), filled.begin(),
                        filled.end(), std::back_inserter(round_->shards));
  round_->pause =
      options_.period / 6 /
      std::max<int64_t>(static_cast<int64_t>(round_->shards.size()), 1);
  Step();
}

void Scrubber::Step() {
  const auto map = options_.maps();
  if (map == nullptr) return EndRound();
  Round& round = *round_;
  const uint64_t from_ms = FromMs(options_.cluster_clock.Now());
  const SetView view(options_.store, map->SharedWith(round.peer), from_ms);
  if (round.windows.empty()) {
    if (round.next_shard == round.shards.size()) {
      ++counters_.rounds;
      return EndRound();
    }
    const auto windows = view.Windows(round.shards[round.next_shard++]);
    if (!windows.ok()) return EndRound();
    for (const WindowSummary& window : *windows) {
      round.windows.push_back(window.window);
    }
    round.after = ObjectId();
    return After(round.pause, &Scrubber::Step);
  }
  const Shard shard = round.shards[round.next_shard - 1];
  const Window window = round.windows.front();
  options_.random.Fill(absl::MakeSpan(round.salt.data(), ScrubSalt::kSize));
  ++counters_.steps;
  options_.caller.Call(
      round.peer, kReconcileMethod,
      RenderReconcileAsk(
          {.layout = map->layout(),
           .from_ms = from_ms,
           .level = AskScrub{shard, window, round.salt, round.after}}),
      kReconcileTimeout,
      [this, alive = alive_, shard, window](absl::StatusOr<std::string> reply) {
        if (*alive) TakeAnswer(shard, window, std::move(reply));
      });
}

void Scrubber::TakeAnswer(Shard shard, Window window,
                          absl::StatusOr<std::string> reply) {
  // A peer that cannot be reached today is gone through tomorrow.
  if (!reply.ok()) return EndRound();
  const absl::StatusOr<ReconcileAnswer> answer = ParseReconcileAnswer(*reply);
  const auto* leaves =
      answer.ok() ? std::get_if<ScrubAnswer>(&answer->level) : nullptr;
  // Leaves that lead nowhere would be asked for again and again.
  if (leaves == nullptr ||
      (!leaves->leaves.empty() && !round_->after.IsZero() &&
       !(round_->after < leaves->leaves.front().id))) {
    return EndRound();
  }
  if (!Compare(shard, window, *leaves)) return EndRound();
  if (leaves->more) {
    round_->after = leaves->leaves.back().id;
  } else {
    round_->after = ObjectId();
    round_->windows.pop_front();
  }
  PushThen();
}

bool Scrubber::Compare(Shard shard, Window window, const ScrubAnswer& answer) {
  const auto map = options_.maps();
  if (map == nullptr) return false;
  const SetView view(options_.store, map->SharedWith(round_->peer),
                     FromMs(options_.cluster_clock.Now()));
  const auto entries = view.Entries({shard, window, ""});
  if (!entries.ok()) return false;
  std::vector<ItemKey> keys;
  for (const ItemEntry& entry : *entries) {
    if (!round_->after.IsZero() && !(round_->after < entry.id)) continue;
    if (answer.more && answer.leaves.back().id < entry.id) break;
    if (entry.kind == ItemKind::kMessage || entry.kind == ItemKind::kRecord) {
      keys.push_back({entry.kind, shard, entry.id});
    }
  }
  std::vector<ItemKey> damaged;
  for (size_t i = 0; i < keys.size(); i += kLoadStep) {
    const size_t count = std::min(kLoadStep, keys.size() - i);
    const auto ops =
        options_.store.Load(absl::MakeConstSpan(keys).subspan(i, count));
    if (!ops.ok()) return false;
    for (const StoreOp& op : *ops) {
      const auto key = KeyOf(op);
      const auto content = ScrubbedContent(op);
      if (!key.has_value() || !content.has_value()) continue;
      const auto leaf = std::lower_bound(
          answer.leaves.begin(), answer.leaves.end(), key->id,
          [](const ScrubLeaf& a, const ObjectId& id) { return a.id < id; });
      const bool theirs = leaf != answer.leaves.end() && leaf->id == key->id;
      if (theirs) ++counters_.leaves;
      if (theirs &&
          leaf->hash == ComputeScrubHash(round_->salt, key->id, *content)) {
        continue;
      }
      if (!IsIntact(op)) {
        damaged.push_back(*key);
        continue;
      }
      if (theirs) {
        ++counters_.peers_lying;
        if (marks_.size() < kMaxMarks || marks_.contains(round_->peer)) {
          ++marks_[round_->peer];
        }
      }
      if (pushes_.size() < kMaxPushed) pushes_.push_back(*key);
    }
  }
  for (const ItemKey& key : damaged) {
    ++counters_.damaged_here;
    options_.commit(DropDamaged{key},
                    [this, alive = alive_](absl::StatusOr<OpResult> result) {
                      if (*alive && result.ok()) options_.on_damage();
                    });
  }
  return true;
}

void Scrubber::PushThen() {
  const auto map = options_.maps();
  if (pushes_.empty() || map == nullptr) {
    return After(absl::ZeroDuration(), &Scrubber::Step);
  }
  pusher_ = std::make_unique<ItemPusher>(options_.store, options_.caller,
                                         round_->peer, map->epoch());
  pusher_->Push(std::exchange(pushes_, {}),
                [this](ItemPusher::Outcome outcome) {
                  counters_.pushed += outcome.confirmed.size();
                  After(absl::ZeroDuration(), &Scrubber::Step);
                });
}

void Scrubber::EndRound() {
  round_.reset();
  LookLater();
}

uint64_t Scrubber::MarksOf(const routing::NodeId& peer) const {
  const auto marks = marks_.find(peer);
  return marks == marks_.end() ? 0 : marks->second;
}

}  // namespace messenger::swarm
