#include "swarm/placement/placement.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "crypto/base/bytes.h"
#include "crypto/hash/hash.h"

namespace messenger::swarm {
namespace {

bool Contains(const std::vector<routing::NodeId>& nodes,
              const routing::NodeId& node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

int CountOf(const std::vector<routing::NodeId>& members,
            const std::set<routing::NodeId>& nodes) {
  return static_cast<int>(std::count_if(
      members.begin(), members.end(),
      [&](const auto& member) { return nodes.contains(member); }));
}

// Whatever the ranking looks at, unambiguously (section 2.4).
void AddTo(crypto::ByteWriter& key, const std::vector<Candidate>& candidates) {
  key.U32(static_cast<uint32_t>(candidates.size()));
  for (const Candidate& candidate : candidates) {
    key.Bytes(candidate.id.bytes())
        .Bytes(candidate.operator_key.bytes())
        .Var16(candidate.address_block);
  }
}

std::string KeyOf(const std::vector<Candidate>& serving,
                  const std::vector<Candidate>& target, size_t swarm_size) {
  crypto::ByteWriter key;
  key.U8(static_cast<uint8_t>(swarm_size));
  AddTo(key, serving);
  AddTo(key, target);
  return key.Take();
}

}  // namespace

bool ShardMembers::Has(const routing::NodeId& node) const {
  return Contains(all, node);
}

// Thread-safe.
class Placement::Table final {
 public:
  Table(std::vector<Candidate> serving, std::vector<Candidate> target,
        bool in_transition, size_t swarm_size, uint64_t layout)
      : layout_(layout),
        serving_(std::move(serving)),
        target_(std::move(target)),
        in_transition_(in_transition),
        swarm_size_(swarm_size) {}

  // The one table of these candidates, as long as anybody holds it.
  static std::shared_ptr<const Table> Of(std::vector<Candidate> serving,
                                         std::vector<Candidate> target,
                                         bool in_transition, size_t swarm_size);

  uint64_t layout() const { return layout_; }

  ShardMembers Find(Shard shard) const {
    absl::MutexLock lock(&mutex_);
    return FindLocked(shard);
  }

  bool Has(Shard shard, const routing::NodeId& node) const {
    absl::MutexLock lock(&mutex_);
    return FindLocked(shard).Has(node);
  }

  std::vector<Shard> ShardsOf(const routing::NodeId& node) const {
    absl::MutexLock lock(&mutex_);
    if (shards_of_.empty()) {
      for (int shard = 0; shard < kShards; ++shard) {
        for (const routing::NodeId& member :
             FindLocked(static_cast<Shard>(shard)).all) {
          shards_of_[member].push_back(static_cast<Shard>(shard));
        }
      }
    }
    const auto found = shards_of_.find(node);
    return found == shards_of_.end() ? std::vector<Shard>() : found->second;
  }

 private:
  std::vector<routing::NodeId> Rank(
      Shard shard, const std::vector<Candidate>& candidates) const {
    std::vector<routing::NodeId> members;
    for (const size_t index : ChooseMembers(shard, candidates, swarm_size_)) {
      members.push_back(candidates[index].id);
    }
    return members;
  }

  const ShardMembers& FindLocked(Shard shard) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto found = shards_.find(shard);
    if (found != shards_.end()) return found->second;
    ShardMembers members;
    members.serving = Rank(shard, serving_);
    members.target = in_transition_ ? Rank(shard, target_) : members.serving;
    members.all = members.serving;
    for (const routing::NodeId& node : members.target) {
      if (!Contains(members.serving, node)) members.all.push_back(node);
    }
    return shards_.emplace(shard, std::move(members)).first->second;
  }

  const uint64_t layout_;
  const std::vector<Candidate> serving_;
  const std::vector<Candidate> target_;
  const bool in_transition_;
  const size_t swarm_size_;
  mutable absl::Mutex mutex_;
  mutable absl::flat_hash_map<Shard, ShardMembers> shards_
      ABSL_GUARDED_BY(mutex_);
  // Empty until ShardsOf() is first asked.
  mutable absl::flat_hash_map<routing::NodeId, std::vector<Shard>> shards_of_
      ABSL_GUARDED_BY(mutex_);
};

std::shared_ptr<const Placement::Table> Placement::Table::Of(
    std::vector<Candidate> serving, std::vector<Candidate> target,
    bool in_transition, size_t swarm_size) {
  static absl::Mutex& mutex = *new absl::Mutex;
  static auto& tables = *new std::map<std::string, std::weak_ptr<const Table>>;
  const std::string key = KeyOf(serving, target, swarm_size);
  absl::MutexLock lock(&mutex);
  if (std::shared_ptr<const Table> known = tables[key].lock()) return known;
  for (auto it = tables.begin(); it != tables.end();) {
    it = it->second.expired() ? tables.erase(it) : std::next(it);
  }
  auto table = std::make_shared<const Table>(
      std::move(serving), std::move(target), in_transition, swarm_size,
      crypto::ByteReader(crypto::Blake2b256("nm1-layout", {key}).bytes())
          .U64());
  tables[key] = table;
  return table;
}

Placement::Placement(std::shared_ptr<const routing::Consensus> consensus)
    : consensus_(std::move(consensus)) {
  std::vector<Candidate> serving;
  std::vector<Candidate> target;
  bool in_transition = false;
  for (const routing::NodeRecord& node : consensus_->nodes()) {
    if (!node.storage_role) continue;
    const Candidate candidate{
        .id = node.id,
        .operator_key = *OperatorKey::FromBytes(node.operator_key.bytes()),
        .address_block = AddressBlock(node.storage.address)};
    if (node.serving()) serving.push_back(candidate);
    if (node.target()) target.push_back(candidate);
    in_transition = in_transition || node.serving() != node.target();
  }
  table_ = Table::Of(std::move(serving), std::move(target), in_transition,
                     static_cast<size_t>(consensus_->params().swarm_size));
}

uint64_t Placement::layout() const { return table_->layout(); }

ShardMembers Placement::MembersOf(Shard shard) const {
  return table_->Find(shard);
}

std::vector<routing::NodeId> Placement::Members(
    const MailboxAddress& mailbox) const {
  return MembersOf(mailbox).all;
}

bool Placement::IsMember(const MailboxAddress& mailbox,
                         const routing::NodeId& node) const {
  return table_->Has(ShardOf(mailbox), node);
}

std::vector<Shard> Placement::ShardsOf(const routing::NodeId& node) const {
  return table_->ShardsOf(node);
}

std::vector<Shard> Placement::SharedShards(const routing::NodeId& a,
                                           const routing::NodeId& b) const {
  const std::vector<Shard> of_a = ShardsOf(a);
  const std::vector<Shard> of_b = ShardsOf(b);
  std::vector<Shard> shared;
  std::set_intersection(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(),
                        std::back_inserter(shared));
  return shared;
}

bool Placement::HasWriteQuorum(
    const ShardMembers& members,
    const std::set<routing::NodeId>& confirmed) const {
  return CountOf(members.serving, confirmed) >= write_quorum() &&
         CountOf(members.target, confirmed) >= write_quorum();
}

bool Placement::HasReadQuorum(const ShardMembers& members,
                              const std::set<routing::NodeId>& answered) const {
  return CountOf(members.serving, answered) >= read_quorum();
}

}  // namespace messenger::swarm
