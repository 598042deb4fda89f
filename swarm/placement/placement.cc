#include "swarm/placement/placement.h"

#include <algorithm>
#include <utility>

namespace messenger::swarm {

Placement::Placement(std::shared_ptr<const routing::Consensus> consensus)
    : consensus_(std::move(consensus)) {
  for (const routing::NodeRecord& node : consensus_->nodes()) {
    if (!node.serving()) continue;
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

bool Placement::IsMember(const MailboxAddress& mailbox,
                         const routing::NodeId& node) const {
  const std::vector<routing::NodeId> members = Members(mailbox);
  return std::find(members.begin(), members.end(), node) != members.end();
}

}  // namespace messenger::swarm
