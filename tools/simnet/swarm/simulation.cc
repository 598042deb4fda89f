#include "tools/simnet/swarm/simulation.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "swarm/auth/item.h"
#include "swarm/auth/limits.h"
#include "tools/simnet/swarm/history_writer.h"
#include "tools/simnet/swarm/nemesis.h"

namespace messenger::simnet {
namespace {

constexpr absl::Duration kSample = absl::Seconds(30);
constexpr absl::Duration kDrain = absl::Minutes(10);
// With evictions and changes of members before.
constexpr absl::Duration kLongestHealing = absl::Minutes(40);
constexpr absl::Duration kSweep = absl::Minutes(3);
constexpr absl::Duration kFinalReading = absl::Minutes(10);
// Of what ends sooner members may think differently.
constexpr absl::Duration kExpiryEdge = absl::Seconds(300);

class Simulation {
 public:
  Simulation(uint64_t seed, const SimulationOptions& options,
             std::ostream* history)
      : plan_(Plan::Draw(seed, options)),
        world_(plan_, probes_),
        history_(history == nullptr
                     ? nullptr
                     : std::make_unique<HistoryWriter>(*history, world_.Now())),
        ledger_(RulesOf(plan_), history_.get()),
        traffic_(world_, ledger_),
        nemesis_(world_, traffic_, ledger_) {
    for (const swarm::MailboxAddress& mailbox : traffic_.mailboxes()) {
      shards_.insert(swarm::ShardOf(mailbox));
    }
    world_.set_reply_filter([this](World::Node& node, std::string& reply) {
      traffic_.Lie(node, reply);
    });
  }

  RunResult Run() {
    const absl::Time start = world_.Now();
    world_.executor().RunAfter(kSample, [this] { Sample(); });
    nemesis_.Start();
    world_.executor().RunFor(plan_.options.span);
    working_ = false;
    Heal();
    RunResult result;
    result.simulated = world_.Now() - start;
    world_.CollectProbes();
    result.seed = plan_.seed;
    result.plan = plan_.ToString();
    result.violations = ledger_.violations();
    result.ledger = ledger_.figures();
    result.traffic = traffic_.figures();
    result.repair = world_.totals();
    result.faults = nemesis_.injected();
    result.probes = probes_;
    result.recovery = recovery_;
    result.transitions = world_.transitions_completed();
    result.calls = world_.network().calls_made();
    result.bytes = world_.bytes_sent();
    result.trace_hash = world_.trace_hash();
    return result;
  }

 private:
  static Ledger::Rules RulesOf(const Plan& plan) {
    Ledger::Rules rules;
    rules.clock_error = 2 * plan.clock_skew + plan.largest_jump +
                        plan.options.span * (2 * plan.drift_ppm / 1e6);
    for (const Liar liar : plan.liars) {
      rules.hiding_members |= liar == Liar::kDrops || liar == Liar::kHides ||
                              liar == Liar::kStale || liar == Liar::kCorrupts;
      if (liar == Liar::kTime) rules.late_error = absl::Hours(25);
    }
    return rules;
  }

  uint64_t EdgeMs() const {
    return static_cast<uint64_t>(
        absl::ToUnixMillis(world_.Now() + kExpiryEdge));
  }
  std::string Name(const swarm::ObjectId& id) const {
    return absl::BytesToHexString(id.bytes().substr(0, 4));
  }
  bool Honest(int i) const { return world_.node(i).liar == Liar::kHonest; }

  // What must hold at every instant.
  void Sample() {
    if (!working_) return;
    world_.executor().RunAfter(kSample, [this] { Sample(); });
    bool all_run = true;
    for (int i = 0; i < world_.nodes(); ++i) {
      all_run &= world_.node(i).running() || world_.node(i).lost;
    }
    LookForForeignRows();
    const std::vector<swarm::MailboxAddress> mailboxes = traffic_.mailboxes();
    // I1: what was sent is on a disk. A disk without a process cannot be read.
    for (const swarm::MessageId& id :
         all_run ? ledger_.MessagesThatMustExist(world_.Now())
                 : std::vector<swarm::MessageId>()) {
      const swarm::ItemKey key{
          .kind = swarm::ItemKind::kMessage,
          .shard = swarm::ShardOf(mailboxes[ledger_.Find(id)->mailbox]),
          .id = id};
      bool held = false;
      for (int i = 0; i < world_.nodes() && !held; ++i) {
        held = Honest(i) && world_.Holds(i, key);
      }
      if (!held) {
        const Ledger::Message& message = *ledger_.Find(id);
        ledger_.Violate(
            "vanished",
            absl::StrCat(Name(id), " of mailbox ", message.mailbox,
                         " is on no disk ",
                         absl::FormatDuration(world_.Now() - message.sent),
                         " after it was sent, ",
                         absl::FormatDuration(message.expiry - world_.Now()),
                         " before its end"));
      }
    }
    // I8: no mailbox takes more than its share, whoever brings it.
    for (int i = 0; i < world_.nodes(); ++i) {
      const swarm::MessageStore* store = world_.node(i).disk->store();
      if (store == nullptr || !Honest(i)) continue;
      for (size_t m = 0; m < mailboxes.size(); m += 2) {
        const swarm::MailboxUsage usage = store->Usage(mailboxes[m]);
        if (usage.messages > swarm::WithPeerSlack(swarm::kStrangerMessages) ||
            usage.bytes > swarm::WithPeerSlack(swarm::kStrangerBytes)) {
          ledger_.Violate(
              "quota", absl::StrCat(usage.messages, " messages in an inbox"));
        }
      }
    }
  }

  // Shards of others leave disks in time, and not before.
  bool KnowsTheDirectory(const World::Node& node) const {
    if (!node.running() || node.cut_off) return false;
    const auto known = node.directory->current();
    return known != nullptr &&
           known->epoch() + 1 >= world_.consensus()->epoch();
  }
  void LookForForeignRows() {
    if (plan_.options.baseline) return;
    for (int i = 0; i < world_.nodes(); ++i) {
      const World::Node& node = world_.node(i);
      if (node.disk->store() == nullptr || !Honest(i)) continue;
      const std::vector<swarm::Shard> has = node.disk->store()->Shards();
      for (const swarm::Shard shard : shards_) {
        Owned& owned = owned_[{i, shard}];
        const bool is_member =
            world_.placement().MembersOf(shard).Has(node.id) &&
            KnowsTheDirectory(node);
        owned.samples = is_member ? owned.samples + 1 : 0;
        // By then it knows, too.
        if (owned.samples >= 3) owned.member_at = world_.Now();
        if (std::binary_search(has.begin(), has.end(), shard)) {
          owned.had_at = world_.Now();
        } else if (node.disk->counters().flips == 0 &&
                   owned.had_at > node.last_destroyed &&
                   owned.had_at + kSample >= world_.Now() &&
                   world_.Now() - owned.member_at < kForeignKept - kSample) {
          ledger_.Violate(
              "erased_early",
              absl::StrCat("node ", i, " shard ", shard, " ",
                           absl::FormatDuration(world_.Now() - owned.member_at),
                           " after it left"));
        }
      }
    }
  }

  void CheckForeignRows() {
    const auto foreign = [this] {
      std::string nodes;
      for (int i = 0; i < world_.nodes(); ++i) {
        const World::Node& node = world_.node(i);
        if (node.disk->store() == nullptr || !Honest(i)) continue;
        for (const swarm::Shard shard : node.disk->store()->Shards()) {
          if (!world_.placement().MembersOf(shard).Has(node.id)) {
            absl::StrAppend(&nodes, " ", i);
            break;
          }
        }
      }
      return nodes;
    };
    const auto gone = [&] { return foreign().empty(); };
    // Nodes look twice as often as they keep; then it goes on by slices.
    if (!world_.executor().RunUntil(gone, 2 * kForeignKept + kSweep) &&
        !world_.in_transition()) {
      ledger_.Violate("foreign", absl::StrCat("nodes", foreign()));
    }
  }

  void Heal() {
    const absl::Time healed = world_.Now();
    nemesis_.HealAll();
    traffic_.EndOfWork();
    routing::SimulatedExecutor& executor = world_.executor();
    if (!executor.RunUntil([&] { return traffic_.waiting() == 0; }, kDrain)) {
      ledger_.Violate("stuck", absl::StrCat(traffic_.waiting(),
                                            " messages wait in outboxes"));
    }
    // I3: equal within two minutes of quiet.
    const absl::Time limit = world_.Now() + kLongestHealing;
    absl::Time quiet = healed;
    std::string difference;
    while (true) {
      executor.RunFor(absl::Seconds(2));
      quiet = std::max(
          {healed, traffic_.last_confirmed(), world_.last_membership_change()});
      difference = Difference();
      if (difference.empty()) break;
      const bool patient = world_.in_transition() && world_.Now() < limit;
      if (!patient && world_.Now() > quiet + kConvergence) {
        ledger_.Violate("diverged",
                        absl::StrCat(difference, " ",
                                     absl::FormatDuration(world_.Now() - quiet),
                                     " after everything was quiet"));
        break;
      }
    }
    recovery_ = world_.Now() - quiet;
    // Each sees who runs.
    executor.RunFor(plan_.voting_interval + plan_.directory_delay +
                    absl::Seconds(20));
    traffic_.ReadAllAfresh();
    if (!executor.RunUntil([&] { return traffic_.all_read(); },
                           kFinalReading)) {
      ledger_.Violate("unreadable",
                      absl::StrCat("mailboxes ", traffic_.Unread()));
    }
    if (difference.empty()) CheckDisks();
    if (!plan_.options.baseline) CheckForeignRows();
  }

  // One of its mailboxes is full at a member, also for what others bring.
  bool IsFull(swarm::Shard shard) const {
    for (const swarm::MailboxAddress& mailbox : traffic_.mailboxes()) {
      if (swarm::ShardOf(mailbox) != shard) continue;
      for (int i = 0; i < world_.nodes(); ++i) {
        const swarm::MessageStore* store = world_.node(i).disk->store();
        if (store != nullptr &&
            store->Usage(mailbox).messages >=
                swarm::WithPeerSlack(swarm::kStrangerMessages)) {
          return true;
        }
      }
    }
    return false;
  }

  // Why the members are not equal yet; empty: they are.
  std::string Difference() const {
    if (world_.in_transition()) return "a change of members is under way";
    const uint64_t from_ms = EdgeMs();
    for (const swarm::Shard shard : shards_) {
      // Two that are full to the last have no room for what the other has.
      if (IsFull(shard)) continue;
      const std::vector<swarm::ItemEntry>* first = nullptr;
      std::vector<swarm::ItemEntry> entries, others;
      for (const routing::NodeId& id :
           world_.placement().MembersOf(shard).all) {
        const int i = world_.IndexOf(id);
        if (!Honest(i) || world_.node(i).lost) continue;
        if (!world_.node(i).running()) {
          return absl::StrCat("node ", i, " does not run");
        }
        if (!plan_.options.baseline &&
            !world_.node(i).process->repair().Holds(shard)) {
          return absl::StrCat("node ", i, " is filling shard ", shard);
        }
        if (first == nullptr) {
          entries = world_.Entries(i, shard, from_ms);
          first = &entries;
          continue;
        }
        others = world_.Entries(i, shard, from_ms);
        if (others != entries) {
          return absl::StrCat("node ", i, " differs in shard ", shard, ": ",
                              others.size(), " items, another has ",
                              entries.size(), ",");
        }
      }
    }
    return "";
  }

  // What must be on the disks of members that are equal.
  void CheckDisks() {
    const std::vector<swarm::MailboxAddress> mailboxes = traffic_.mailboxes();
    const absl::Time now = world_.Now();
    const size_t quorum = static_cast<size_t>(plan_.write_quorum());
    std::vector<swarm::MessageId> ids;
    for (const auto& [id, message] : ledger_.messages()) ids.push_back(id);
    std::sort(ids.begin(), ids.end());
    for (const swarm::MessageId& id : ids) {
      const Ledger::Message& message = *ledger_.Find(id);
      const swarm::ItemKey key{
          .kind = swarm::ItemKind::kMessage,
          .shard = swarm::ShardOf(mailboxes[message.mailbox]),
          .id = id};
      size_t holding = 0, liars = 0;
      std::string where, showing;
      for (const routing::NodeId& node :
           world_.placement().MembersOf(key.shard).serving) {
        const int i = world_.IndexOf(node);
        liars += !Honest(i);
        const bool has = Honest(i) && world_.Holds(i, key);
        holding += has;
        if (has) absl::StrAppend(&where, " ", i);
        if (has && world_.Shows(i, key)) absl::StrAppend(&showing, " ", i);
      }
      if (ledger_.MustExist(message, now + kExpiryEdge) &&
          holding + liars < quorum && !IsFull(key.shard)) {
        ledger_.Violate("under_replicated",
                        absl::StrCat(Name(id), " is on the disks of", where));
      }
      if (!showing.empty() &&
          message.must_end + absl::Minutes(3) + RulesOf(plan_).clock_error <
              now) {
        ledger_.Violate(
            "resurrected",
            absl::StrCat(Name(id), " is shown by", showing, " ",
                         absl::FormatDuration(now - message.must_end),
                         " after its deletion, ",
                         absl::FormatDuration(message.expiry - now),
                         " before its expiry; ", world_.Describe(key.shard)));
      }
    }
    CheckSwept();
    // I12: digests are what the items add up to.
    for (int i = 0; i < world_.nodes(); ++i) {
      const swarm::MessageStore* store = world_.node(i).disk->store();
      // What a flipped bit has changed on a disk is found by a check or scrub.
      if (store == nullptr || world_.node(i).disk->counters().flips > 0) {
        continue;
      }
      for (const swarm::Shard shard : store->Shards()) {
        for (const swarm::WindowSummary& window : store->Windows(shard, 0)) {
          swarm::SetDigest digest;
          const auto entries = store->Entries(shard, window.window);
          if (!entries.ok()) continue;
          for (const swarm::ItemEntry& entry : *entries) digest.Add(entry);
          if (digest != window.digest || entries->size() != window.count) {
            ledger_.Violate("digest",
                            absl::StrCat("node ", i, " shard ", shard));
          }
        }
      }
    }
  }

  // What has ended leaves the disks.
  void CheckSwept() {
    const auto dirty = [this](uint64_t before_ms) {
      std::string nodes;
      for (int i = 0; i < world_.nodes(); ++i) {
        const swarm::MessageStore* store = world_.node(i).disk->store();
        if (store == nullptr || !Honest(i)) continue;
        for (const swarm::Shard shard : store->Shards()) {
          // One that has left compares clocks with nobody any more.
          if (!world_.placement().MembersOf(shard).Has(world_.node(i).id)) {
            continue;
          }
          const std::vector<swarm::ItemEntry> entries =
              world_.Entries(i, shard, 0);
          if (std::any_of(entries.begin(), entries.end(),
                          [before_ms](const swarm::ItemEntry& entry) {
                            return entry.kind == swarm::ItemKind::kMessage &&
                                   entry.expiry_ms < before_ms;
                          })) {
            absl::StrAppend(&nodes, " ", i);
            break;
          }
        }
      }
      return nodes;
    };
    const auto now_ms = static_cast<uint64_t>(absl::ToUnixMillis(world_.Now()));
    const auto swept = [&] { return dirty(now_ms).empty(); };
    if (!world_.executor().RunUntil(swept, kSweep)) {
      ledger_.Violate("unswept", absl::StrCat("nodes", dirty(now_ms)));
      return;
    }
    for (const auto& [id, message] : ledger_.messages()) {
      if (message.sent < world_.Now() && message.expiry < world_.Now()) {
        probes_.Hit(Probe::kExpired);
      }
    }
  }

  const Plan plan_;
  Probes probes_;
  World world_;
  const std::unique_ptr<HistoryWriter> history_;  // null: nobody wants one
  Ledger ledger_;
  Traffic traffic_;
  Nemesis nemesis_;
  struct Owned {
    int samples = 0;  // running, in which it was a member
    absl::Time member_at = absl::InfinitePast();
    absl::Time had_at = absl::InfinitePast();
  };
  std::set<swarm::Shard> shards_;  // of mailboxes
  std::map<std::pair<int, swarm::Shard>, Owned> owned_;
  bool working_ = true;
  absl::Duration recovery_;
};

}  // namespace

RunResult Simulate(uint64_t seed, const SimulationOptions& options,
                   std::ostream* history) {
  // Large, and what hangs in it points to it.
  const auto simulation = std::make_unique<Simulation>(seed, options, history);
  return simulation->Run();
}

}  // namespace messenger::simnet
