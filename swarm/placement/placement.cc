#include "swarm/placement/placement.h"

#include <algorithm>
#include <iterator>
#include <utility>

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

}  // namespace

bool ShardMembers::Has(const routing::NodeId& node) const {
  return Contains(all, node);
}

Placement::Placement(std::shared_ptr<const routing::Consensus> consensus)
    : consensus_(std::move(consensus)) {
  for (const routing::NodeRecord& node : consensus_->nodes()) {
    if (!node.storage_role) continue;
    const Candidate candidate{
        .id = node.id,
        .operator_key = *OperatorKey::FromBytes(node.operator_key.bytes()),
        .address_block = AddressBlock(node.storage.address)};
    if (node.serving()) serving_.push_back(candidate);
    if (node.target()) target_.push_back(candidate);
    in_transition_ = in_transition_ || node.serving() != node.target();
  }
}

std::vector<routing::NodeId> Placement::Rank(
    Shard shard, const std::vector<Candidate>& candidates) const {
  std::vector<routing::NodeId> members;
  for (const size_t index :
       ChooseMembers(shard, candidates,
                     static_cast<size_t>(consensus_->params().swarm_size))) {
    members.push_back(candidates[index].id);
  }
  return members;
}

const ShardMembers& Placement::Find(Shard shard) const {
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

ShardMembers Placement::MembersOf(Shard shard) const {
  absl::MutexLock lock(&mutex_);
  return Find(shard);
}

std::vector<routing::NodeId> Placement::Members(
    const MailboxAddress& mailbox) const {
  return MembersOf(mailbox).all;
}

bool Placement::IsMember(const MailboxAddress& mailbox,
                         const routing::NodeId& node) const {
  absl::MutexLock lock(&mutex_);
  return Find(ShardOf(mailbox)).Has(node);
}

std::vector<Shard> Placement::ShardsOf(const routing::NodeId& node) const {
  absl::MutexLock lock(&mutex_);
  if (shards_of_.empty()) {
    for (int shard = 0; shard < kShards; ++shard) {
      for (const routing::NodeId& member :
           Find(static_cast<Shard>(shard)).all) {
        shards_of_[member].push_back(static_cast<Shard>(shard));
      }
    }
  }
  const auto found = shards_of_.find(node);
  return found == shards_of_.end() ? std::vector<Shard>() : found->second;
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
