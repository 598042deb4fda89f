#include "swarm/repair/repair_engine.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"

namespace messenger::swarm {

class RepairEngine::DirectoryCaller final : public PeerCaller {
 public:
  DirectoryCaller(routing::Transport& transport, routing::Executor& executor,
                  ShardMapSource maps)
      : transport_(transport), executor_(executor), maps_(std::move(maps)) {}

  void Call(const routing::NodeId& peer, absl::string_view method,
            std::string request, absl::Duration timeout,
            routing::Transport::CallDone done) override {
    const auto map = maps_();
    const std::optional<routing::Endpoint> endpoint =
        map == nullptr ? std::nullopt : map->EndpointOf(peer);
    if (!endpoint.has_value()) {
      executor_.Run([done = std::move(done)]() mutable {
        done(absl::NotFoundError("no such member"));
      });
      return;
    }
    transport_.Call(*endpoint, method, std::move(request), timeout,
                    std::move(done));
  }

 private:
  routing::Transport& transport_;
  routing::Executor& executor_;
  const ShardMapSource maps_;
};

RepairEngine::RepairEngine(Options options)
    : options_(std::move(options)),
      caller_(std::make_unique<DirectoryCaller>(
          options_.transport, options_.executor, options_.maps)),
      paced_(*caller_, options_.clock, options_.executor),
      cluster_clock_(options_.clock, options_.bug),
      health_(options_.clock),
      filler_(options_.store, options_.commit, options_.bug),
      responder_({.store = options_.store,
                  .executor = options_.executor,
                  .clock = options_.clock,
                  .maps = options_.maps,
                  .holds = [this](Shard shard) { return Holds(shard); }}),
      hints_({.store = options_.store,
              .caller = *caller_,
              .executor = options_.executor,
              .random = options_.random,
              .health = health_,
              .maps = options_.maps,
              .commit = options_.commit,
              .bug = options_.bug}),
      scrubber_({.store = options_.store,
                 .caller = *caller_,
                 .executor = options_.executor,
                 .clock = options_.clock,
                 .cluster_clock = cluster_clock_,
                 .random = options_.random,
                 .maps = options_.maps,
                 .commit = options_.commit,
                 .period = options_.scrub_period,
                 .on_damage =
                     [this] {
                       next_turn_ = options_.clock.Now();
                       ArmTimer();
                     }}),
      foreign_({.store = options_.store,
                .executor = options_.executor,
                .clock = options_.clock,
                .maps = options_.maps,
                .erase = options_.erase,
                .kept = options_.foreign_kept,
                .bug = options_.bug}),
      schedule_(options_.random) {}

RepairEngine::~RepairEngine() { Stop(); }

void RepairEngine::Serve(routing::Server& server) { responder_.Serve(server); }

void RepairEngine::Start() {
  running_ = true;
  next_turn_ = options_.clock.Now() + schedule_.NextDelay();
  hints_.Start();
  scrubber_.Start();
  foreign_.Start();
  LookAtMap();
}

void RepairEngine::Stop() {
  running_ = false;
  run_.reset();
  run_peer_.reset();
  options_.executor.Cancel(timer_);
  options_.executor.Cancel(map_timer_);
  hints_.Stop();
  scrubber_.Stop();
  foreign_.Stop();
}

void RepairEngine::LookAtMap() {
  MapChanged();
  map_timer_ = options_.executor.RunAfter(kLookAtMap, [this] { LookAtMap(); });
}

void RepairEngine::MapChanged() {
  const auto map = options_.maps();
  if (map == nullptr || !running_) return;
  if (map_ == nullptr || map_->epoch() != map->epoch()) {
    map_ = map;
    schedule_.SetPeers(map->Peers());
    absl::erase_if(faults_, [&map](const auto& entry) {
      const auto peers = map->Peers();
      return std::find(peers.begin(), peers.end(), entry.first) == peers.end();
    });
    filler_.SetMap(map);
  }
  ArmTimer();
}

void RepairEngine::ArmTimer() {
  options_.executor.Cancel(timer_);
  timer_ = 0;
  if (!running_ || map_ == nullptr || run_ != nullptr) return;
  const absl::Time now = options_.clock.Now();
  // The clock has been set back.
  if (next_turn_ > now + RepairSchedule::kLongestDelay) {
    next_turn_ = now + schedule_.NextDelay();
  }
  absl::Time at = next_turn_;
  const std::vector<routing::NodeId> able = filler_.Able();
  if (!able.empty()) {
    const auto fill_at = schedule_.NextFillAt(able);
    if (fill_at.has_value()) at = std::min(at, *fill_at);
  }
  timer_ = options_.executor.RunAfter(std::max(at - now, absl::ZeroDuration()),
                                      [this] { Next(); });
}

void RepairEngine::Next() {
  timer_ = 0;
  if (run_ != nullptr) return;
  const absl::Time now = options_.clock.Now();
  const std::vector<routing::NodeId> able = filler_.Able();
  const std::optional<routing::NodeId> fill = schedule_.NextFill(able, now);
  if (fill.has_value()) return StartRun(*fill, /*is_fill=*/true);
  if (now < next_turn_) return ArmTimer();
  next_turn_ = now + schedule_.NextDelay();
  const std::optional<routing::NodeId> peer = schedule_.NextPeer();
  if (!peer.has_value()) return ArmTimer();
  StartRun(*peer, /*is_fill=*/false);
}

void RepairEngine::StartRun(const routing::NodeId& peer, bool is_fill) {
  ++counters_.runs;
  run_peer_ = peer;
  run_layout_ = map_->layout();
  run_ = std::make_unique<Reconciler>(
      Reconciler::Options{.store = options_.store,
                          .caller = paced_,
                          .clock = options_.clock,
                          .validate = options_.validate,
                          .commit = options_.commit,
                          .bug = options_.bug},
      peer, run_layout_, map_->SharedWith(peer), cluster_clock_.Now());
  run_->Start([this, is_fill](Reconciler::Outcome outcome) {
    EndRun(is_fill, std::move(outcome));
  });
}

void RepairEngine::EndRun(bool is_fill, Reconciler::Outcome outcome) {
  const routing::NodeId peer = *run_peer_;
  run_peer_.reset();
  // The run's `done` is on the stack: it goes once this task has ended.
  options_.executor.Run(
      [run = std::shared_ptr<Reconciler>(std::move(run_))] {});
  Count(outcome);
  const bool reached = outcome.end == Reconciler::End::kComplete ||
                       outcome.end == Reconciler::End::kBounded;
  if (reached) {
    health_.Succeeded(peer);
  } else if (outcome.end == Reconciler::End::kFailed) {
    health_.Failed(peer);
  } else {
    ++faults_[peer];
  }
  if (outcome.clock_offset.has_value() &&
      outcome.end != Reconciler::End::kPeerFault) {
    cluster_clock_.Heard(peer, *outcome.clock_offset);
  }
  if (reached && run_layout_ == map_->layout()) {
    filler_.Reconciled(peer, outcome.completed, outcome.peer_filling);
  }
  if (is_fill) {
    // With a peer that is still filling itself there is no hurry.
    const bool moved_on = outcome.end == Reconciler::End::kBounded ||
                          (outcome.end == Reconciler::End::kComplete &&
                           outcome.peer_filling.empty());
    schedule_.FillEnded(peer, moved_on, options_.clock.Now());
  }
  ArmTimer();
}

void RepairEngine::Count(const Reconciler::Outcome& outcome) {
  switch (outcome.end) {
    case Reconciler::End::kComplete:
      ++(outcome.equal ? counters_.equal : counters_.complete);
      break;
    case Reconciler::End::kBounded:
      ++counters_.bounded;
      break;
    case Reconciler::End::kFailed:
      ++counters_.failed;
      break;
    case Reconciler::End::kPeerFault:
      ++counters_.peer_faults;
      break;
  }
  counters_.fetched += outcome.fetched;
  counters_.pushed += outcome.pushed;
  counters_.not_needed += outcome.not_needed;
  counters_.refused_here += outcome.refused_here;
  counters_.refused_there += outcome.refused_there;
  counters_.not_given += outcome.not_given;
  counters_.bytes_sent += outcome.bytes_sent;
  counters_.bytes_received += outcome.bytes_received;
}

uint64_t RepairEngine::FaultsOf(const routing::NodeId& peer) const {
  const auto faults = faults_.find(peer);
  return faults == faults_.end() ? 0 : faults->second;
}

}  // namespace messenger::swarm
