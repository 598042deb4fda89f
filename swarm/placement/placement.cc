#include "swarm/placement/placement.h"

#include <algorithm>
#include <utility>

namespace messenger::swarm {
namespace {

int CountIn(const std::vector<routing::NodeId>& members,
            const std::set<routing::NodeId>& nodes) {
  return static_cast<int>(std::count_if(
      members.begin(), members.end(),
      [&](const routing::NodeId& member) { return nodes.contains(member); }));
}

}  // namespace

Placement::Placement(std::shared_ptr<const routing::Consensus> consensus)
    : consensus_(std::move(consensus)) {
  for (const routing::NodeRecord& node : consensus_->nodes()) {
    if (!node.storage_role || !node.active) continue;
    candidates_.push_back(
        {.id = node.id,
         .operator_key = *OperatorKey::FromBytes(node.operator_key.bytes()),
         .address_block = AddressBlock(node.storage.address)});
  }
}

std::vector<routing::NodeId> Placement::Members(
    const MailboxAddress& mailbox) const {
  const Shard shard = ShardOf(mailbox);
  absl::MutexLock lock(&mutex_);
  const auto found = shards_.find(shard);
  if (found != shards_.end()) return found->second;
  std::vector<routing::NodeId> members;
  for (const size_t index :
       ChooseMembers(shard, candidates_,
                     static_cast<size_t>(consensus_->params().swarm_size))) {
    members.push_back(candidates_[index].id);
  }
  shards_.emplace(shard, members);
  return members;
}

ShardMembers Placement::MembersOf(const MailboxAddress& mailbox) const {
  const std::vector<routing::NodeId> members = Members(mailbox);
  return {.serving = members, .target = members, .all = members};
}

bool Placement::HasWriteQuorum(
    const ShardMembers& members,
    const std::set<routing::NodeId>& confirmed) const {
  return CountIn(members.serving, confirmed) >= write_quorum() &&
         CountIn(members.target, confirmed) >= write_quorum();
}

bool Placement::HasReadQuorum(const ShardMembers& members,
                              const std::set<routing::NodeId>& answered) const {
  return CountIn(members.serving, answered) >= read_quorum();
}

bool Placement::IsMember(const MailboxAddress& mailbox,
                         const routing::NodeId& node) const {
  const std::vector<routing::NodeId> members = Members(mailbox);
  return std::find(members.begin(), members.end(), node) != members.end();
}

}  // namespace messenger::swarm
