#include "tools/simnet/swarm/nemesis.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "swarm/placement/placement.h"
#include "swarm/replication/peer_methods.h"

namespace messenger::simnet {
namespace {

constexpr absl::Duration kLookForRepairs = absl::Seconds(10);
// What ends this soon is not brought to anybody any more.
constexpr absl::Duration kExpiryEdge = absl::Seconds(300);
constexpr int kMostJoining = 3;
constexpr absl::Duration kLongestStart = absl::Seconds(90);

}  // namespace

Nemesis::Nemesis(World& world, Traffic& traffic, Ledger& ledger)
    : world_(world),
      traffic_(traffic),
      ledger_(ledger),
      random_(world.plan().seed * 8 + 7) {}

void Nemesis::Start() {
  active_ = true;
  StartWhenReady(world_.Now() + kLongestStart);
}

void Nemesis::StartWhenReady(absl::Time latest) {
  bool ready = true;
  for (int i = 0; i < world_.nodes(); ++i) {
    const World::Node& node = world_.node(i);
    // One with such a clock has no directory.
    ready &= node.liar == Liar::kTime || !node.running() || HoldsItsShards(i);
  }
  if (!ready && world_.Now() < latest && !world_.plan().options.baseline) {
    world_.executor().RunAfter(absl::Seconds(1),
                               [this, latest] { StartWhenReady(latest); });
    return;
  }
  Later(world_.plan().mean_time_between_faults, [this] { Strike(); });
  world_.executor().RunAfter(kLookForRepairs, [this] { LookForRepairs(); });
  for (const Liar liar : world_.plan().liars) {
    if (liar == Liar::kFloods) {
      world_.executor().RunAfter(absl::Seconds(1), [this] { Flood(); });
      break;
    }
  }
}

void Nemesis::Later(absl::Duration mean, std::function<void()> task) {
  const absl::Duration delay = mean * -std::log(1 - random_.UnitDouble());
  world_.executor().RunAfter(std::min(delay, 10 * mean), std::move(task));
}

void Nemesis::Strike() {
  if (!active_) return;
  Later(world_.plan().mean_time_between_faults, [this] { Strike(); });
  uint64_t total = 0;
  for (size_t i = 0; i < kFaults; ++i) {
    if (world_.plan().faults[i]) {
      total += static_cast<uint64_t>(FaultWeight(static_cast<Fault>(i)));
    }
  }
  if (total == 0) return;
  uint64_t draw = random_.Uniform(total);
  for (size_t i = 0; i < kFaults; ++i) {
    if (!world_.plan().faults[i]) continue;
    const uint64_t weight =
        static_cast<uint64_t>(FaultWeight(static_cast<Fault>(i)));
    if (draw < weight) {
      injected_[i] += Inject(static_cast<Fault>(i));
      return;
    }
    draw -= weight;
  }
}

int Nemesis::AnyNode() {
  return static_cast<int>(
      random_.Uniform(static_cast<uint64_t>(world_.nodes())));
}

int Nemesis::AnyRunningNode() {
  for (int tries = 0; tries < 20; ++tries) {
    const int i = AnyNode();
    if (world_.node(i).running() && !world_.node(i).paused) return i;
  }
  return -1;
}

void Nemesis::RestartLater(int i, absl::Duration mean) {
  if (!restarting_.insert(i).second) return;
  Later(mean, [this, i] {
    restarting_.erase(i);
    if (!active_) return;
    World::Node& node = world_.node(i);
    if (node.damaged) {
      // Its operator gives it an empty disk; when that is allowed.
      if (!MayDestroy(i)) return RestartLater(i, absl::Seconds(20));
      Destroyed(i);
      world_.Wipe(i);
    }
    world_.Start(i);
    if (!world_.node(i).running()) RestartLater(i, absl::Seconds(20));
  });
}

bool Nemesis::MayDestroy(int i) const {
  if (destroyed_.count(i) > 0) return true;
  if (world_.node(i).liar != Liar::kHonest) return true;
  size_t gone = 1 + destroyed_.size();
  for (int j = 0; j < world_.nodes(); ++j) {
    gone += world_.node(j).liar != Liar::kHonest;
  }
  return gone < static_cast<size_t>(world_.plan().write_quorum());
}

bool Nemesis::HoldsItsShards(int i) const {
  const World::Node& node = world_.node(i);
  for (const swarm::MailboxAddress& mailbox : traffic_.mailboxes()) {
    const swarm::Shard shard = swarm::ShardOf(mailbox);
    if (world_.placement().MembersOf(shard).Has(node.id) &&
        !node.process->repair().Holds(shard)) {
      return false;
    }
  }
  return true;
}

Nemesis::Items Nemesis::HeldByOthers(int i) const {
  Items items;
  const uint64_t from_ms =
      static_cast<uint64_t>(absl::ToUnixMillis(world_.Now() + kExpiryEdge));
  for (int j = 0; j < world_.nodes(); ++j) {
    const World::Node& other = world_.node(j);
    if (j == i || other.liar != Liar::kHonest ||
        other.disk->store() == nullptr) {
      continue;
    }
    for (const swarm::Shard shard : other.disk->store()->Shards()) {
      if (!world_.placement().MembersOf(shard).Has(world_.node(i).id)) continue;
      for (const swarm::ItemEntry& entry : world_.Entries(j, shard, from_ms)) {
        items.emplace(shard, entry);
      }
    }
  }
  return items;
}

void Nemesis::Destroyed(int i) {
  if (world_.node(i).liar != Liar::kHonest) return;
  Items& items = destroyed_[i];
  items.merge(HeldByOthers(i));
}

// A destroyed disk is made good once the node has all that others held then and
// still hold: what was deleted or replaced meanwhile they no longer do. A node
// that is lost is made good by the others having it all.
void Nemesis::LookForRepairs() {
  if (!active_) return;
  world_.executor().RunAfter(kLookForRepairs, [this] { LookForRepairs(); });
  for (int i = 0; i < world_.nodes(); ++i) {
    World::Node& node = world_.node(i);
    if (node.running() || node.lost) continue;
    if (node.damaged && node.disk->counters().flips == 0) {
      ledger_.Violate("damage", "a disk is damaged though no bit flipped");
    }
    RestartLater(i, absl::Seconds(20));
  }
  const uint64_t from_ms =
      static_cast<uint64_t>(absl::ToUnixMillis(world_.Now() + kExpiryEdge));
  for (auto it = destroyed_.begin(); it != destroyed_.end();) {
    const int i = it->first;
    const World::Node& node = world_.node(i);
    bool repaired = false;
    if (node.lost) {
      // Replaced, and what it held is with the members there are now.
      const routing::NodeRecord* record = world_.consensus()->Find(node.id);
      repaired = record == nullptr || (!record->serving() && !record->target());
    } else if (node.running()) {
      const Items others = HeldByOthers(i);
      Items own;
      for (const swarm::Shard shard : node.disk->store()->Shards()) {
        for (const swarm::ItemEntry& entry :
             world_.Entries(i, shard, from_ms)) {
          own.emplace(shard, entry);
        }
      }
      const auto flipped = flipped_.find(i);
      const bool looked_at =
          flipped == flipped_.end() || node.started_at > flipped->second;
      repaired = looked_at && HoldsItsShards(i) &&
                 std::all_of(it->second.begin(), it->second.end(),
                             [&](const auto& item) {
                               return item.second.expiry_ms <= from_ms ||
                                      others.count(item) == 0 ||
                                      own.count(item) > 0;
                             });
      if (repaired) world_.probes().Hit(Probe::kRepairAfterWipe);
    }
    it = repaired ? destroyed_.erase(it) : std::next(it);
  }
}

bool Nemesis::Inject(Fault fault) {
  Probes& probes = world_.probes();
  routing::SimulatedNetwork& network = world_.network();
  switch (fault) {
    case Fault::kCrash: {
      const int i = AnyRunningNode();
      if (i < 0) return false;
      world_.Crash(i, /*power_loss=*/random_.Uniform(2) == 0);
      probes.Hit(Probe::kCrash);
      RestartLater(
          i, random_.Uniform(4) == 0 ? absl::Minutes(6) : absl::Seconds(20));
      return true;
    }
    case Fault::kPowerCut: {
      for (int i = 0; i < world_.nodes(); ++i) {
        if (!world_.node(i).running()) continue;
        world_.Crash(i, /*power_loss=*/true);
        RestartLater(i, absl::Seconds(10));
      }
      probes.Hit(Probe::kPowerCut);
      return true;
    }
    case Fault::kPause: {
      const int i = AnyRunningNode();
      if (i < 0) return false;
      world_.Pause(i);
      probes.Hit(Probe::kPause);
      Later(absl::Seconds(20), [this, i] { world_.Resume(i); });
      return true;
    }
    case Fault::kWipe: {
      const int i = AnyNode();
      if (world_.node(i).lost || !MayDestroy(i)) return false;
      Destroyed(i);
      world_.Wipe(i);
      probes.Hit(Probe::kWipe);
      RestartLater(i, absl::Seconds(20));
      return true;
    }
    case Fault::kLoseForGood: {
      const int i = AnyNode();
      World::Node& node = world_.node(i);
      // One, and only where a spare can take its place.
      if (node.lost || lost_ > 0 || !MayDestroy(i) ||
          world_.nodes() <= world_.plan().swarm_size) {
        return false;
      }
      Destroyed(i);
      world_.Wipe(i);
      node.lost = true;
      ++lost_;
      probes.Hit(Probe::kLostForGood);
      return true;
    }
    case Fault::kDiskErrors: {
      const int i = AnyRunningNode();
      if (i < 0) return false;
      if (!world_.node(i).disk->SetErrorRate(0.1 * random_.UnitDouble())) {
        return false;
      }
      probes.Hit(Probe::kDiskError);
      Later(absl::Seconds(30),
            [this, i] { world_.node(i).disk->SetErrorRate(0); });
      return true;
    }
    case Fault::kDiskFull: {
      const int i = AnyRunningNode();
      if (i < 0) return false;
      if (!world_.node(i).disk->SetFull(true)) return false;
      probes.Hit(Probe::kDiskFull);
      Later(absl::Seconds(60),
            [this, i] { world_.node(i).disk->SetFull(false); });
      return true;
    }
    case Fault::kBitFlip: {
      const int i = AnyNode();
      if (world_.node(i).lost || !MayDestroy(i)) return false;
      Destroyed(i);
      if (!world_.node(i).disk->FlipBit()) {
        return false;
      }
      world_.node(i).last_destroyed = flipped_[i] = world_.Now();
      probes.Hit(Probe::kBitFlip);
      Later(absl::Seconds(30), [this, i] {
        if (!active_) return;
        world_.Crash(i, /*power_loss=*/false);
        RestartLater(i, absl::Seconds(10));
      });
      return true;
    }
    case Fault::kPartition:
    case Fault::kIsolate: {
      std::set<std::string> island;
      const uint64_t number = ++partition_;
      const int only = fault == Fault::kIsolate ? AnyNode() : -1;
      const double share = random_.UnitDouble();
      for (int i = 0; i < world_.nodes(); ++i) {
        const bool in = only < 0 ? random_.UnitDouble() < share : i == only;
        world_.node(i).cut_off = in;
        if (in) island.insert(world_.node(i).address);
      }
      for (int c = 0; only < 0 && c < traffic_.clients(); ++c) {
        if (random_.UnitDouble() < share) island.insert(traffic_.address(c));
      }
      network.Partition(island);
      probes.Hit(Probe::kPartition);
      if (world_.in_transition()) {
        probes.Hit(Probe::kTransitionDuringPartition);
      }
      HealLater(number, absl::Seconds(60));
      return true;
    }
    case Fault::kOneWay: {
      std::set<std::string> from, to;
      const uint64_t number = ++partition_;
      for (int i = 0; i < world_.nodes(); ++i) {
        (random_.Uniform(2) == 0 ? from : to).insert(world_.node(i).address);
      }
      network.Block(from, to);
      probes.Hit(Probe::kOneWayPartition);
      HealLater(number, absl::Seconds(60));
      return true;
    }
    case Fault::kClog: {
      for (int times = 0; times < 4; ++times) {
        network.Clog(world_.node(AnyNode()).address,
                     world_.node(AnyNode()).address,
                     absl::Seconds(10 * random_.UnitDouble()));
      }
      probes.Hit(Probe::kClog);
      return true;
    }
    case Fault::kClockJump:
    case Fault::kClockStrobe: {
      const int i = AnyNode();
      SkewedClock& clock = *world_.node(i).clock;
      // A clock that is off already is set right.
      if (absl::AbsDuration(clock.error()) > world_.plan().clock_skew * 2) {
        clock.Jump(-clock.error());
        return false;
      }
      const absl::Duration jump =
          world_.plan().largest_jump * (2 * random_.UnitDouble() - 1);
      clock.Jump(jump);
      probes.Hit(Probe::kClockJump);
      if (fault == Fault::kClockStrobe) {
        for (int times = 1; times < 10; ++times) {
          const absl::Duration step = times % 2 == 1 ? -jump : jump;
          world_.executor().RunAfter(absl::Seconds(3 * times), [this, i, step] {
            if (active_) world_.node(i).clock->Jump(step);
          });
        }
      }
      return true;
    }
    case Fault::kJoin: {
      if (joined_ >= kMostJoining) return false;
      ++joined_;
      world_.Join();
      return true;
    }
    case Fault::kLeave: {
      const int i = AnyNode();
      int able = 0;
      for (int j = 0; j < world_.nodes(); ++j) {
        able += !world_.node(j).lost && !world_.node(j).leaving;
      }
      if (world_.node(i).lost || able <= world_.plan().swarm_size) return false;
      world_.node(i).leaving = true;
      Later(absl::Minutes(10), [this, i] { world_.node(i).leaving = false; });
      return true;
    }
    case Fault::kFlap: {
      const int i = AnyRunningNode();
      if (i < 0) return false;
      for (int times = 0; times < 5; ++times) {
        world_.executor().RunAfter(absl::Seconds(8 * times), [this, i] {
          if (active_) world_.Crash(i, /*power_loss=*/true);
        });
        world_.executor().RunAfter(absl::Seconds(8 * times + 4), [this, i] {
          if (active_ && !world_.node(i).damaged) world_.Start(i);
        });
      }
      RestartLater(i, absl::Seconds(60));
      return true;
    }
    case Fault::kClientCrash: {
      traffic_.CrashClient(static_cast<int>(
          random_.Uniform(static_cast<uint64_t>(traffic_.clients()))));
      return true;
    }
    case Fault::kClientClock: {
      traffic_.JumpClock(static_cast<int>(random_.Uniform(
                             static_cast<uint64_t>(traffic_.clients()))),
                         absl::Hours(48) * (2 * random_.UnitDouble() - 1));
      return true;
    }
    case Fault::kReplay: {
      traffic_.Replay();
      return true;
    }
    case Fault::kSwap:
      return Swap();
    case Fault::kStaleClient: {
      traffic_.StopDirectories(static_cast<int>(random_.Uniform(
                                   static_cast<uint64_t>(traffic_.clients()))),
                               absl::Minutes(1 + random_.Uniform(8)));
      return true;
    }
    case Fault::kCount:
      break;
  }
  return false;
}

void Nemesis::HealLater(uint64_t number, absl::Duration mean) {
  Later(mean, [this, number] {
    if (partition_ != number) return;
    world_.network().Heal();
    for (int i = 0; i < world_.nodes(); ++i) world_.node(i).cut_off = false;
  });
}

std::set<std::string> Nemesis::AddressesOf(const std::set<int>& nodes) const {
  std::set<std::string> addresses;
  for (const int i : nodes) addresses.insert(world_.node(i).address);
  return addresses;
}

bool Nemesis::Swap() {
  const int mailbox = traffic_.AnyRegisteredMailbox();
  if (mailbox < 0) return false;
  std::vector<routing::NodeId> members =
      world_.placement().MembersOf(traffic_.mailboxes()[mailbox]).serving;
  const size_t missing =
      members.size() - static_cast<size_t>(world_.plan().write_quorum());
  std::set<int> away;
  while (away.size() < missing) {
    away.insert(world_.IndexOf(members[random_.Uniform(members.size())]));
  }
  const uint64_t number = ++partition_;
  world_.network().Heal();
  world_.network().Partition(AddressesOf(away));
  for (int times = 0; times < 3; ++times) {
    world_.executor().RunAfter(absl::Seconds(1 + 3 * times), [this, mailbox] {
      if (active_) traffic_.SendTo(mailbox);
    });
  }
  world_.executor().RunAfter(absl::Seconds(20), [this, mailbox, away, number] {
    EndSwap(mailbox, away, number);
  });
  return true;
}

void Nemesis::EndSwap(int mailbox, const std::set<int>& away, uint64_t number) {
  if (!active_ || partition_ != number) return;
  std::vector<int> others;
  for (const routing::NodeId& id :
       world_.placement().MembersOf(traffic_.mailboxes()[mailbox]).serving) {
    const int i = world_.IndexOf(id);
    if (away.count(i) == 0) others.push_back(i);
  }
  // Members have changed meanwhile, perhaps.
  if (others.size() < 2) return HealLater(number, absl::Seconds(5));
  const uint64_t kind = random_.Uniform(3);
  const int kept = others[random_.Uniform(others.size())];
  if (kind == 0 && MayDestroy(kept)) {
    Destroyed(kept);
    world_.Wipe(kept);
    world_.Start(kept);
  }
  std::set<int> cut(others.begin(), others.end());
  if (kind <= 1) cut.erase(kept);
  world_.network().Heal();
  world_.network().Partition(AddressesOf(cut));
  world_.probes().Hit(Probe::kQuorumSwapped);
  for (const int delay : {0, 3, 8, 15}) {
    world_.executor().RunAfter(absl::Seconds(delay), [this, mailbox] {
      if (active_) traffic_.PollAll(mailbox);
    });
  }
  HealLater(number, absl::Seconds(25));
}

void Nemesis::Flood() {
  if (!active_) return;
  world_.executor().RunAfter(absl::Seconds(1), [this] { Flood(); });
  for (int i = 0; i < static_cast<int>(world_.plan().liars.size()); ++i) {
    World::Node& node = world_.node(i);
    if (node.liar != Liar::kFloods || !node.running()) continue;
    for (int times = 0; times < 5; ++times) {
      node.host->transport().Call(
          world_.node(AnyNode()).host->endpoint(), swarm::kReplicateMethod,
          random_.String(random_.Uniform(2000)), absl::Seconds(4),
          [](absl::StatusOr<std::string>) {});
    }
    world_.probes().Hit(Probe::kLiarFlooded);
  }
}

void Nemesis::HealAll() {
  active_ = false;
  ++partition_;
  world_.network().Heal();
  world_.network().SetLoss(0);
  world_.network().SetDuplication(0);
  for (int i = 0; i < world_.nodes(); ++i) {
    World::Node& node = world_.node(i);
    node.cut_off = false;
    node.leaving = false;
    if (node.liar != Liar::kTime) node.clock->Correct();
    if (node.lost) continue;
    world_.Resume(i);
    node.disk->SetErrorRate(0);
    node.disk->SetFull(false);
    if (node.damaged) world_.Wipe(i);
    world_.Start(i);
    if (node.damaged) {
      world_.Wipe(i);
      world_.Start(i);
    }
  }
}

}  // namespace messenger::simnet
