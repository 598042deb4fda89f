#include "routing/directory/authority/compute_consensus.h"

#include <map>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "crypto/base/status_macros.h"
#include "crypto/hash/hash.h"
#include "routing/directory/consensus_encoding.h"
#include "routing/directory/descriptor.h"

namespace messenger::routing {
namespace {

// What the votes say about one node.
struct Tally {
  size_t listed = 0;
  size_t running = 0;
  std::set<absl::string_view> descriptors;
};

struct Choice {
  absl::string_view descriptor;
  bool storage_role = false;
};

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

// The newest of the good descriptors; of two as new, the one with the smaller
// hash. Nothing if none is good.
absl::StatusOr<Choice> ChooseDescriptor(const Tally& tally,
                                        const NetworkId& network_id) {
  Choice best;
  std::pair<absl::Time, crypto::Digest256> best_rank;
  for (const absl::string_view bytes : tally.descriptors) {
    const absl::StatusOr<Descriptor> descriptor = ParseDescriptor(bytes);
    if (!descriptor.ok() || descriptor->network_id != network_id) continue;
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

}  // namespace

absl::StatusOr<ComputedConsensus> ComputeConsensus(
    absl::Span<const Vote* const> votes, const Consensus* previous) {
  RETURN_IF_ERROR(CheckVotes(votes, previous));
  ASSIGN_OR_RETURN(const NetworkParams params, AgreedParams(votes));

  std::map<NodeId, Tally> tallies;
  for (const Vote* vote : votes) {
    for (const Vote::Entry& entry : vote->entries) {
      ASSIGN_OR_RETURN(const NodeId id, NodeIdOfDescriptor(entry.descriptor));
      Tally& tally = tallies[id];
      ++tally.listed;
      if (entry.running) ++tally.running;
      tally.descriptors.insert(entry.descriptor);
    }
  }

  ComputedConsensus computed;
  for (const auto& [id, tally] : tallies) {
    if (2 * tally.listed <= votes.size()) continue;
    const absl::StatusOr<Choice> choice =
        ChooseDescriptor(tally, votes[0]->network_id);
    if (!choice.ok()) continue;
    const NodeRecord* old = previous == nullptr ? nullptr : previous->Find(id);
    ConsensusEntry entry;
    entry.running = 2 * tally.running > votes.size();
    entry.active = choice->storage_role &&
                   (entry.running || (old != nullptr && old->active));
    entry.since = old != nullptr ? old->since : votes[0]->valid_after;
    entry.descriptor = choice->descriptor;
    if (computed.entries.size() == kMaxConsensusNodes) break;
    computed.entries.push_back(EncodeEntry(entry));
  }

  ConsensusHeader header;
  header.network_id = votes[0]->network_id;
  header.epoch = votes[0]->epoch;
  if (previous != nullptr) header.previous_hash = previous->hash();
  header.valid_after = votes[0]->valid_after;
  header.valid_until = header.valid_after + kConsensusLifetime;
  header.params = params;
  header.node_count = static_cast<uint32_t>(computed.entries.size());
  header.nodes_root = NodesRoot(computed.entries);
  computed.header = EncodeHeader(header);
  return computed;
}

}  // namespace messenger::routing
