// From the authorities' votes to the consensus (routing/directory/SPEC.md,
// section 5.3). A pure function: authorities with the same votes and the same
// previous consensus compute the same bytes, in whatever order votes came.

#ifndef ROUTING_DIRECTORY_AUTHORITY_COMPUTE_CONSENSUS_H_
#define ROUTING_DIRECTORY_AUTHORITY_COMPUTE_CONSENSUS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "routing/directory/authority/vote.h"
#include "routing/directory/consensus.h"

namespace messenger::routing {

struct ComputedConsensus {
  std::string header;
  std::vector<std::string> entries;
};

// A node is listed, and is running, if more than half of `votes` say so, and
// its newest descriptor is taken. A node that stores messages, or is about to,
// stays listed with its storage role whatever votes say: only the rules of
// storage_membership.h take it out. `previous` is null for a network's first
// consensus.
//
// FAILED_PRECONDITION if the votes are not all of one epoch, one network,
// different authorities and about `previous`, or agree on no parameters.
absl::StatusOr<ComputedConsensus> ComputeConsensus(
    absl::Span<const Vote* const> votes, const Consensus* previous);

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_AUTHORITY_COMPUTE_CONSENSUS_H_
