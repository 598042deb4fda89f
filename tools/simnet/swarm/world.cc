#include "tools/simnet/swarm/world.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "routing/directory/authority/compute_consensus.h"
#include "routing/directory/authority/vote.h"
#include "routing/directory/descriptor.h"
#include "routing/endpoint/endpoint_handler.h"
#include "routing/proto/directory.pb.h"
#include "swarm/auth/limits.h"

namespace messenger::simnet {
namespace {

constexpr int kAuthorities = 3;

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::cerr << "World: " << value.status() << std::endl;
    std::abort();
  }
  return *std::move(value);
}

routing::NetworkParams ParamsOf(const Plan& plan) {
  routing::NetworkParams params = routing::TestNetwork::SmallParams();
  params.swarm_size = plan.swarm_size;
  params.registration_bits = 4;
  params.evict_after = absl::Seconds(absl::ToInt64Seconds(plan.evict_after));
  params.min_overlap = absl::Seconds(absl::ToInt64Seconds(plan.min_overlap));
  return params;
}

}  // namespace

World::World(const Plan& plan, Probes& probes)
    : plan_(plan),
      probes_(probes),
      random_(plan.seed * 8 + 1),
      disk_random_(plan.seed * 8 + 2),
      directory_random_(plan.seed * 8 + 3),
      executor_(clock_),
      network_(random_, executor_),
      paper_(plan.nodes, ParamsOf(plan), random_, clock_.Now()),
      consensus_(paper_.consensus()),
      placement_(std::make_unique<swarm::Placement>(consensus_)),
      last_change_(clock_.Now()) {
  network_.SetDelay(plan.min_delay, plan.mean_delay);
  network_.SetLoss(plan.loss);
  network_.SetDuplication(plan.duplication);
  network_.set_wiretap(
      [this](const routing::SimulatedNetwork::Observation& o) { Hash(o); });
  for (int i = 0; i < plan.nodes; ++i) AddNode(/*known=*/true);
  for (int i = 0; i < plan.nodes; ++i) Start(i);
  executor_.RunAfter(plan_.voting_interval, [this] { Vote(); });
}

World::~World() {
  for (const auto& node : nodes_) {
    if (node->running()) Crash(node->index, /*power_loss=*/false);
  }
}

void World::Hash(const routing::SimulatedNetwork::Observation& observation) {
  const auto mix = [this](uint64_t word) {
    trace_hash_ = (trace_hash_ ^ word) * 1099511628211u;
    trace_hash_ ^= trace_hash_ >> 29;
  };
  mix(static_cast<uint64_t>(absl::ToUnixNanos(clock_.Now())));
  for (const absl::string_view part : {observation.from, observation.to,
                                       observation.method, observation.bytes}) {
    mix(part.size());
    uint64_t word = 0;
    for (size_t i = 0; i < part.size(); ++i) {
      word = word << 8 | static_cast<uint8_t>(part[i]);
      if (i % 8 == 7) mix(word);
    }
    mix(word);
  }
  bytes_sent_ += observation.bytes.size();
}

void World::AddNode(bool known) {
  const int i = nodes();
  auto node = std::make_unique<Node>();
  node->index = i;
  node->id = paper_.node(i).id();
  node->known = known;
  if (i < static_cast<int>(plan_.liars.size())) node->liar = plan_.liars[i];
  const routing::Descriptor& descriptor = paper_.draft().nodes[i].descriptor;
  node->address = descriptor.storage.address;
  node->host = &network_.AddHost(node->address, descriptor.storage.tls_key);
  // Nobody is there until the process starts.
  network_.Crash(*node->host);
  const bool keep = plan_.options.store_bug == StoreBug::kIncarnationKept;
  node->disk = plan_.options.sqlite ? MakeSqliteDisk(disk_random_, clock_, keep)
                                    : MakeMemoryDisk(disk_random_, keep);
  const auto symmetric = [&](double largest) {
    return largest * (2 * disk_random_.UnitDouble() - 1);
  };
  absl::Duration offset =
      absl::Seconds(symmetric(absl::ToDoubleSeconds(plan_.clock_skew)));
  if (node->liar == Liar::kTime) {
    offset += absl::Hours(symmetric(1) < 0 ? -24 : 24);
  }
  node->clock =
      std::make_unique<SkewedClock>(clock_, offset, symmetric(plan_.drift_ppm));
  descriptors_[i] = Must(routing::SignDescriptor(
      paper_.draft().nodes[i].descriptor, paper_.node(i).identity));
  nodes_.push_back(std::move(node));
}

int World::Join() {
  const int i = paper_.AddNode();
  AddNode(/*known=*/true);
  Start(i);
  return i;
}

void World::Start(int i) {
  Node& node = *nodes_[i];
  if (node.running() || node.lost) return;
  const absl::StatusOr<swarm::MessageStore*> store = node.disk->Open();
  if (!store.ok()) {
    node.disk->Crash(/*power_loss=*/false);
    if (absl::IsDataLoss(store.status())) {
      node.damaged = true;
      node.last_destroyed = clock_.Now();
      probes_.Hit(Probe::kDamageNoticed);
    }
    return;
  }
  node.started_at = clock_.Now();
  network_.Restart(*node.host);
  node.random = std::make_unique<crypto::SeededRandom>(
      (plan_.seed * 1000 + ++processes_) * 8 + 4);
  node.executor = std::make_unique<ProcessExecutor>(executor_);
  node.disk_executor = std::make_unique<ProcessExecutor>(executor_);
  if (plan_.disk_latency > absl::ZeroDuration()) {
    node.disk_executor->set_latency([this] {
      return plan_.disk_latency * (2 * disk_random_.UnitDouble());
    });
  }
  node.directory =
      std::make_unique<routing::ConsensusHolder>(paper_.trust(), *node.clock);
  if (!node.directory_wire.empty()) {
    // Too old, or too new for its clock: then it waits for the next.
    node.directory->Accept(node.directory_wire).IgnoreError();
  }
  swarm::MessageStore* used = *store;
  const StoreBug bug = plan_.options.store_bug;
  const bool lies = node.liar == Liar::kDrops || node.liar == Liar::kHides ||
                    node.liar == Liar::kStale || node.liar == Liar::kCorrupts;
  if (lies || bug == StoreBug::kAckBeforeDisk ||
      bug == StoreBug::kDeletionsForgotten) {
    node.dishonest = std::make_unique<DishonestStore>(
        **store, node.liar, lies ? StoreBug::kNone : bug,
        [this, liar = node.liar] {
          if (liar == Liar::kHonest) return;
          probes_.Hit(liar == Liar::kDrops      ? Probe::kLiarDropped
                      : liar == Liar::kCorrupts ? Probe::kLiarCorrupted
                                                : Probe::kLiarHid);
        });
    used = node.dishonest.get();
  }
  node.process = std::make_unique<swarm::StorageNode>(
      swarm::StorageNode::Options{.id = node.id,
                                  .storage_key = paper_.node(i).storage_key,
                                  .directory = *node.directory,
                                  .store = *used,
                                  .transport = node.host->transport(),
                                  .core = *node.executor,
                                  .disk = *node.disk_executor,
                                  .clock = *node.clock,
                                  .random = *node.random,
                                  .on_ready = nullptr,
                                  .foreign_kept = kForeignKept,
                                  .scrub_period = kScrubPeriod,
                                  .bug = plan_.options.bug,
                                  .without_repair = plan_.options.baseline});
  node.process->Serve(paper_.draft().nodes[i].descriptor.link.tls_key,
                      node.host->server());
  node.host->server().HandleMethod(
      kClientMethod, {.max_request_bytes = 1 << 20, .max_concurrent = 1000},
      [this, &node](const routing::Peer&, std::string request,
                    routing::Reply reply) {
        node.process->endpoint().Handle(
            routing::kSwarmStorageService, std::move(request),
            [this, &node, reply = std::move(reply)](
                absl::StatusOr<std::string> answer) mutable {
              if (answer.ok() && reply_filter_ != nullptr) {
                reply_filter_(node, *answer);
              }
              reply(std::move(answer));
            });
      });
  node.process->Start([this, i](absl::Status) {
    // The process ends itself, in a task of the world's own.
    nodes_[i]->damaged = true;
    nodes_[i]->last_destroyed = clock_.Now();
    probes_.Hit(Probe::kDamageNoticed);
    executor_.Run([this, i] { Crash(i, /*power_loss=*/false); });
  });
  FetchDirectory(i);
}

void World::Crash(int i, bool power_loss) {
  Node& node = *nodes_[i];
  if (!node.running()) return;
  CollectProbes(node);
  network_.Crash(*node.host);
  node.executor->Kill();
  node.disk_executor->Kill();
  node.process.reset();
  node.dishonest.reset();
  node.directory.reset();
  node.executor.reset();
  node.disk_executor.reset();
  node.random.reset();
  node.paused = false;
  const NodeDisk::Counters before = node.disk->counters();
  node.disk->Crash(power_loss);
  const NodeDisk::Counters after = node.disk->counters();
  if (after.unsynced_lost > before.unsynced_lost) {
    probes_.Hit(Probe::kCrashWithUnsyncedWrites);
  }
  if (after.torn > before.torn) probes_.Hit(Probe::kTornWrite);
}

void World::Wipe(int i) {
  Crash(i, /*power_loss=*/false);
  nodes_[i]->disk->Wipe();
  nodes_[i]->damaged = false;
  nodes_[i]->last_destroyed = clock_.Now();
}

void World::Pause(int i) {
  Node& node = *nodes_[i];
  if (!node.running() || node.paused) return;
  node.paused = true;
  network_.Pause(*node.host);
  node.executor->Pause();
  node.disk_executor->Pause();
}

void World::Resume(int i) {
  Node& node = *nodes_[i];
  if (!node.paused) return;
  node.paused = false;
  node.executor->Resume();
  node.disk_executor->Resume();
  network_.Resume(*node.host);
}

uint64_t World::ReadyEpoch(const Node& node) const {
  if (!node.running() || node.paused) return 0;
  // One that signs for what it drops says that it has everything.
  if (node.liar != Liar::kHonest) return consensus_->epoch();
  return node.process->repair().ReadyEpoch();
}

void World::Vote() {
  executor_.RunAfter(plan_.voting_interval, [this] { Vote(); });
  std::vector<routing::Vote> votes(kAuthorities);
  for (int a = 0; a < kAuthorities; ++a) {
    routing::Vote& vote = votes[a];
    vote.network_id = paper_.trust().network_id;
    vote.authority = paper_.authority(a).public_key();
    vote.epoch = consensus_->epoch() + 1;
    vote.valid_after = absl::FromUnixSeconds(absl::ToUnixSeconds(clock_.Now()));
    vote.previous_epoch = consensus_->epoch();
    vote.previous_hash = consensus_->hash();
    vote.params = consensus_->params();
    std::map<routing::NodeId, routing::Vote::Entry> entries;
    for (const auto& node : nodes_) {
      if (!node->known || node->lost) continue;
      const bool reached = node->running() && !node->paused && !node->cut_off;
      entries[node->id] = {.running = reached,
                           .descriptor = descriptors_[node->index],
                           .ready_epoch = reached ? ReadyEpoch(*node) : 0,
                           .leaving = node->leaving};
    }
    for (auto& [id, entry] : entries) vote.entries.push_back(std::move(entry));
  }
  std::vector<const routing::Vote*> pointers;
  for (const routing::Vote& vote : votes) pointers.push_back(&vote);
  const routing::ComputedConsensus computed =
      Must(routing::ComputeConsensus(pointers, consensus_.get()));
  routing::v1::SignedConsensus document;
  document.set_header(computed.header);
  for (const std::string& entry : computed.entries) {
    document.add_entries(entry);
  }
  for (int a = 0; a < kAuthorities; ++a) {
    routing::v1::Signature* signature = document.add_signatures();
    signature->set_authority_key(
        std::string(paper_.authority(a).public_key().bytes()));
    signature->set_signature(std::string(
        paper_.authority(a)
            .Sign(crypto::SigningDomain::kConsensus, document.header())
            .bytes()));
  }
  const std::shared_ptr<const routing::Consensus> before = consensus_;
  consensus_ = Must(routing::Consensus::Verify(document.SerializeAsString(),
                                               paper_.trust(), clock_.Now()));
  placement_ = std::make_unique<swarm::Placement>(consensus_);
  if (before->transition_epoch() == 0 && in_transition()) {
    probes_.Hit(Probe::kTransitionBegun);
  }
  if (before->transition_epoch() != 0 && !in_transition()) {
    probes_.Hit(Probe::kTransitionCompleted);
    ++transitions_completed_;
  }
  for (const routing::NodeRecord& record : consensus_->nodes()) {
    const routing::NodeRecord* old = before->Find(record.id);
    const routing::StorageState was =
        old == nullptr ? routing::StorageState::kWaiting : old->storage_state;
    if (was == record.storage_state) continue;
    last_change_ = clock_.Now();
    Node& node = *nodes_[IndexOf(record.id)];
    if (record.storage_state == routing::StorageState::kActive &&
        was == routing::StorageState::kJoining) {
      probes_.Hit(node.was_evicted ? Probe::kNodeReturned : Probe::kNodeJoined);
    }
    if (was == routing::StorageState::kLeaving && !record.serving()) {
      probes_.Hit(Probe::kNodeEvicted);
      node.was_evicted = true;
    }
  }
  for (const auto& node : nodes_) {
    executor_.RunAfter(plan_.directory_delay * directory_random_.UnitDouble(),
                       [this, i = node->index] { FetchDirectory(i); });
  }
}

void World::FetchDirectory(int i) {
  Node& node = *nodes_[i];
  if (!node.running() || node.paused || node.cut_off) {
    if (node.running()) probes_.Hit(Probe::kStaleDirectory);
    return;
  }
  if (node.directory->Accept(newest_wire()).ok()) {
    node.directory_wire = newest_wire();
  }
}

bool World::Holds(int i, const swarm::ItemKey& key) const {
  swarm::MessageStore* const store = nodes_[i]->disk->store();
  if (store == nullptr) return false;
  const absl::StatusOr<std::vector<swarm::StoreOp>> items =
      store->Load(absl::MakeConstSpan(&key, 1));
  // A disk that fails just now says nothing about what is on it.
  if (!items.ok()) return true;
  if (items->empty()) return false;
  const auto* message = std::get_if<swarm::PutMessage>(&items->front());
  return message == nullptr ||
         swarm::ComputeMessageId(message->mailbox, message->ns,
                                 message->payload) == key.id;
}

bool World::Shows(int i, const swarm::ItemKey& key) const {
  const std::vector<swarm::ItemEntry> alive = Entries(
      i, key.shard, static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now())));
  return std::any_of(alive.begin(), alive.end(),
                     [&key](const swarm::ItemEntry& entry) {
                       return entry.kind == key.kind && entry.id == key.id;
                     });
}

std::string World::Describe(swarm::Shard shard) const {
  std::string text =
      absl::StrCat("newest epoch ", consensus_->epoch(), ", transition ",
                   consensus_->transition_epoch());
  const swarm::ShardMembers members = placement_->MembersOf(shard);
  const auto has = [](const std::vector<routing::NodeId>& set,
                      const routing::NodeId& id) {
    return std::find(set.begin(), set.end(), id) != set.end();
  };
  for (const auto& node : nodes_) {
    absl::StrAppend(&text, "; node ", node->index,
                    has(members.serving, node->id) ? " S" : "",
                    has(members.target, node->id) ? " T" : "");
    if (!node->running()) {
      absl::StrAppend(&text, " down");
      continue;
    }
    absl::StrAppend(&text, " epoch ",
                    node->directory->current() == nullptr
                        ? 0
                        : node->directory->current()->epoch(),
                    " filled in ", node->disk->store()->FilledIn(shard),
                    node->process->repair().Holds(shard) ? "" : " filling",
                    " items ", Entries(node->index, shard, 0).size());
  }
  return text;
}

std::vector<swarm::ItemEntry> World::Entries(int i, swarm::Shard shard,
                                             uint64_t from_ms) const {
  std::vector<swarm::ItemEntry> entries;
  swarm::MessageStore* const store = nodes_[i]->disk->store();
  if (store == nullptr) return entries;
  for (const swarm::WindowSummary& window : store->Windows(shard, from_ms)) {
    const absl::StatusOr<std::vector<swarm::ItemEntry>> some =
        store->Entries(shard, window.window);
    if (!some.ok()) continue;
    for (const swarm::ItemEntry& entry : *some) {
      if (entry.expiry_ms > from_ms) entries.push_back(entry);
    }
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

void World::CollectProbes(Node& node) {
  if (!node.running()) return;
  const swarm::StorageNode& process = *node.process;
  const auto& service = process.service().counters();
  probes_.Hit(Probe::kWrongSwarm, service.wrong_swarm);
  probes_.Hit(Probe::kReadRefusedFilling, service.filling);
  probes_.Hit(Probe::kClockQuarantine, service.clock_skew);
  probes_.Hit(Probe::kWriteRefusedNotRegistered, service.not_registered);
  probes_.Hit(Probe::kWriteRefusedFull,
              service.mailbox_full + service.node_full);
  probes_.Hit(Probe::kClientReadRepair, service.repaired);
  probes_.Hit(Probe::kDamagedRefetched, service.damaged_payloads);
  probes_.Hit(Probe::kHintWritten, process.coordinator().counters().hinted);
  const swarm::RepairEngine& repair = process.repair();
  probes_.Hit(Probe::kHintReplayed, repair.hints().counters().delivered);
  probes_.Hit(Probe::kReconciledEqual, repair.counters().equal);
  probes_.Hit(Probe::kReconcileFetched, repair.counters().fetched);
  probes_.Hit(Probe::kReconcilePushed, repair.counters().pushed);
  probes_.Hit(Probe::kTombstoneMetLateCopy, repair.counters().not_needed);
  probes_.Hit(Probe::kScrubEqual, repair.scrubber().counters().rounds);
  probes_.Hit(Probe::kScrubMismatch,
              repair.scrubber().counters().damaged_here +
                  repair.scrubber().counters().peers_lying);
  probes_.Hit(Probe::kShardFilled, repair.filler().counters().filled);
  probes_.Hit(Probe::kForeignErased, repair.foreign().counters().rows_erased);
  totals_.hints_delivered += repair.hints().counters().delivered;
  totals_.reconciliations += repair.counters().runs;
  totals_.fetched += repair.counters().fetched;
  totals_.pushed += repair.counters().pushed;
  totals_.peer_faults += repair.counters().peer_faults;
  totals_.fetched_bytes += repair.counters().bytes_received;
}

void World::CollectProbes() {
  for (const auto& node : nodes_) CollectProbes(*node);
}

}  // namespace messenger::simnet
