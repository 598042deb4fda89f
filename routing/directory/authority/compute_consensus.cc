#include "routing/directory/authority/compute_consensus.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "crypto/base/status_macros.h"
#include "crypto/hash/hash.h"
#include "routing/directory/authority/storage_membership.h"
#include "routing/directory/consensus_encoding.h"
#include "routing/directory/descriptor.h"

namespace messenger::routing {
namespace {

// What the votes say about one node.
struct Tally {
  size_t listed = 0;
  size_t running = 0;
  size_t leaving = 0;
  std::vector<uint64_t> ready_epochs;
  std::set<absl::string_view> descriptors;
};

struct Choice {
  absl::string_view descriptor;
  bool storage_role = false;
};

// A node that is going to be listed.
struct Listed {
  absl::string_view descriptor;
  absl::Time since;
  StorageFacts storage;
};

// It stores messages, or is about to.
bool IsMember(const NodeRecord* node) {
  return node != nullptr && (node->serving() || node->target());
}

absl::Status CheckVotes(absl::Span<const Vote* const> votes,
                        const Consensus* previous) {
  const absl::Status unfit =
      absl::FailedPreconditionError("votes do not fit together");
  if (votes.empty()) return unfit;
  std::set<crypto::Ed25519PublicKey> authorities;
  for (const Vote* vote : votes) {
    if (vote->network_id != votes[0]->network_id ||
        vote->epoch != votes[0]->epoch ||
        vote->valid_after != votes[0]->valid_after ||
        !authorities.insert(vote->authority).second ||
        vote->previous_hash !=
            (previous == nullptr ? crypto::Digest256() : previous->hash())) {
      return unfit;
    }
  }
  if (previous != nullptr && (previous->epoch() >= votes[0]->epoch ||
                              previous->network_id() != votes[0]->network_id)) {
    return unfit;
  }
  return absl::OkStatus();
}

absl::StatusOr<NetworkParams> AgreedParams(
    absl::Span<const Vote* const> votes) {
  std::map<std::string, size_t> counts;
  for (const Vote* vote : votes) ++counts[vote->params.Encode()];
  for (const Vote* vote : votes) {
    if (2 * counts[vote->params.Encode()] > votes.size()) return vote->params;
  }
  return absl::FailedPreconditionError(
      "authorities are configured with different parameters");
}

absl::StatusOr<std::map<NodeId, Tally>> TallyUp(
    absl::Span<const Vote* const> votes, const Consensus* previous) {
  std::map<NodeId, Tally> tallies;
  for (const Vote* vote : votes) {
    for (const Vote::Entry& entry : vote->entries) {
      ASSIGN_OR_RETURN(const NodeId id, NodeIdOfDescriptor(entry.descriptor));
      Tally& tally = tallies[id];
      ++tally.listed;
      tally.running += entry.running;
      tally.leaving += entry.leaving;
      tally.ready_epochs.push_back(entry.ready_epoch);
      tally.descriptors.insert(entry.descriptor);
    }
  }
  if (previous == nullptr) return tallies;
  for (size_t i = 0; i < previous->nodes().size(); ++i) {
    const NodeRecord& node = previous->nodes()[i];
    if (!IsMember(&node)) continue;
    ASSIGN_OR_RETURN(const ConsensusEntry entry,
                     ParseEntry(previous->entries()[i]));
    tallies[node.id].descriptors.insert(entry.descriptor);
  }
  return tallies;
}

// The newest epoch for which more than half of all votes have the node ready.
uint64_t ReadyEpoch(const Tally& tally, size_t votes) {
  std::vector<uint64_t> epochs = tally.ready_epochs;
  if (2 * epochs.size() <= votes) return 0;
  std::sort(epochs.begin(), epochs.end(), std::greater<>());
  return epochs[votes / 2];
}

// The newest of the good descriptors; of two as new, the one with the smaller
// hash. Nothing if none is good.
absl::StatusOr<Choice> ChooseDescriptor(const Tally& tally,
                                        const NetworkId& network_id,
                                        bool must_store) {
  Choice best;
  std::pair<absl::Time, crypto::Digest256> best_rank;
  for (const absl::string_view bytes : tally.descriptors) {
    const absl::StatusOr<Descriptor> descriptor = ParseDescriptor(bytes);
    if (!descriptor.ok() || descriptor->network_id != network_id ||
        (must_store && !descriptor->storage_role)) {
      continue;
    }
    const crypto::Digest256 hash =
        crypto::Blake2b256("nm1-descriptor", {bytes});
    const bool better =
        best.descriptor.empty() || descriptor->published > best_rank.first ||
        (descriptor->published == best_rank.first && hash < best_rank.second);
    if (!better) continue;
    best = {bytes, descriptor->storage_role};
    best_rank = {descriptor->published, hash};
  }
  if (best.descriptor.empty()) {
    return absl::InvalidArgumentError("no good descriptor");
  }
  return best;
}

std::map<NodeId, Listed> ListNodes(const std::map<NodeId, Tally>& tallies,
                                   absl::Span<const Vote* const> votes,
                                   const Consensus* previous) {
  std::map<NodeId, Listed> nodes;
  size_t members = 0;
  for (const auto& [id, tally] : tallies) {
    const NodeRecord* old = previous == nullptr ? nullptr : previous->Find(id);
    const bool member = IsMember(old);
    if (2 * tally.listed <= votes.size() && !member) continue;
    const absl::StatusOr<Choice> choice =
        ChooseDescriptor(tally, votes[0]->network_id, /*must_store=*/member);
    if (!choice.ok()) continue;
    members += member;
    Listed& node = nodes[id];
    node.descriptor = choice->descriptor;
    node.since = old != nullptr ? old->since : votes[0]->valid_after;
    if (old != nullptr) node.storage.before = old->storage_state;
    node.storage.storage_role = choice->storage_role;
    if (2 * tally.running <= votes.size()) {
      node.storage.down_since = votes[0]->valid_after;
      if (old != nullptr && old->down_since.has_value()) {
        node.storage.down_since = old->down_since;
      }
    }
    node.storage.leaving = 2 * tally.leaving > votes.size();
    node.storage.ready_epoch = ReadyEpoch(tally, votes.size());
  }
  // Where there is not room for all, for those that store messages.
  size_t others = kMaxConsensusNodes - std::min(kMaxConsensusNodes, members);
  for (auto it = nodes.begin(); it != nodes.end();) {
    const StorageState before = it->second.storage.before;
    const bool member = IsServing(before) || IsTarget(before);
    if (!member && others == 0) {
      it = nodes.erase(it);
      continue;
    }
    if (!member) --others;
    ++it;
  }
  return nodes;
}

}  // namespace

absl::StatusOr<ComputedConsensus> ComputeConsensus(
    absl::Span<const Vote* const> votes, const Consensus* previous) {
  RETURN_IF_ERROR(CheckVotes(votes, previous));
  ASSIGN_OR_RETURN(const NetworkParams params, AgreedParams(votes));
  ASSIGN_OR_RETURN(const auto tallies, TallyUp(votes, previous));
  const std::map<NodeId, Listed> nodes = ListNodes(tallies, votes, previous);

  std::map<NodeId, StorageFacts> facts;
  for (const auto& [id, node] : nodes) {
    facts.emplace_hint(facts.end(), id, node.storage);
  }
  StorageTransition pending;
  if (previous != nullptr) {
    pending = {previous->transition_epoch(), previous->transition_since()};
  }
  const StorageMembership storage = NextStorageMembership(
      facts, pending, params, votes[0]->epoch, votes[0]->valid_after);

  ComputedConsensus computed;
  for (const auto& [id, node] : nodes) {
    computed.entries.push_back(
        EncodeEntry({storage.states.at(id), node.since, node.storage.down_since,
                     node.descriptor}));
  }
  ConsensusHeader header;
  header.network_id = votes[0]->network_id;
  header.epoch = votes[0]->epoch;
  if (previous != nullptr) header.previous_hash = previous->hash();
  header.valid_after = votes[0]->valid_after;
  header.valid_until = header.valid_after + kConsensusLifetime;
  header.params = params;
  header.transition_epoch = storage.transition.epoch;
  header.transition_since = storage.transition.since;
  header.node_count = static_cast<uint32_t>(computed.entries.size());
  header.nodes_root = NodesRoot(computed.entries);
  computed.header = EncodeHeader(header);
  return computed;
}

}  // namespace messenger::routing
