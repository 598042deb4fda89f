// What an authority has heard in the vote on one epoch
// (routing/directory/SPEC.md, section 5.4): the votes, who gave two different
// ones, and whose copies of them it has compared with its own.
//
// State and rules only. Belongs to one executor.

#ifndef ROUTING_DIRECTORY_AUTHORITY_VOTING_ROUND_H_
#define ROUTING_DIRECTORY_AUTHORITY_VOTING_ROUND_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "routing/directory/authority/vote.h"
#include "routing/directory/consensus.h"

namespace messenger::routing {

class VotingRound final {
 public:
  // `trust` must outlive the round.
  VotingRound(const DirectoryTrust& trust, uint64_t epoch,
              absl::Time valid_after);

  // Adds a vote, by whoever it was brought. Codes of ParseVote;
  // PERMISSION_DENIED not of an authority; FAILED_PRECONDITION not of this
  // round. A second, different vote of an authority makes both void.
  absl::Status Add(absl::string_view bytes);

  // Whether every authority was heard.
  bool complete() const { return votes_.size() == trust_.authorities.size(); }

  // The votes that count, given the consensus they must build on.
  std::vector<const Vote*> Counted(const Consensus* previous) const;

  // The highest previous epoch in any vote.
  uint64_t NewestPrevious() const;

  // Bytes of all votes of which the hash is not in `known`, both of two
  // different ones, up to kMaxVoteBytes in all; and all hashes.
  std::vector<std::string> VotesExcept(
      const std::set<std::string>& known) const;
  std::vector<std::string> Hashes() const;

  int equivocations() const { return equivocations_; }

 private:
  struct Heard {
    Vote vote;
    // Hash to bytes: one, or two as the proof of an equivocation.
    std::map<std::string, std::string> bytes;
  };

  const DirectoryTrust& trust_;
  const uint64_t epoch_;
  const absl::Time valid_after_;
  std::map<crypto::Ed25519PublicKey, Heard> votes_;
  int equivocations_ = 0;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_AUTHORITY_VOTING_ROUND_H_
