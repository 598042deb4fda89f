#include "routing/directory/authority/voting_round.h"

#include <algorithm>
#include <utility>

#include "crypto/base/status_macros.h"

namespace messenger::routing {

VotingRound::VotingRound(const DirectoryTrust& trust, uint64_t epoch,
                         absl::Time valid_after)
    : trust_(trust), epoch_(epoch), valid_after_(valid_after) {}

absl::Status VotingRound::Add(absl::string_view bytes) {
  const std::string hash(VoteHash(bytes).bytes());
  for (const auto& [authority, heard] : votes_) {
    if (heard.bytes.contains(hash)) return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(Vote vote, ParseVote(bytes));
  if (std::find(trust_.authorities.begin(), trust_.authorities.end(),
                vote.authority) == trust_.authorities.end()) {
    return absl::PermissionDeniedError("vote of no authority");
  }
  if (vote.network_id != trust_.network_id || vote.epoch != epoch_ ||
      vote.valid_after != valid_after_) {
    return absl::FailedPreconditionError("vote of another round");
  }
  const auto it = votes_.find(vote.authority);
  if (it == votes_.end()) {
    Heard heard;
    heard.bytes.emplace(hash, std::string(bytes));
    const crypto::Ed25519PublicKey authority = vote.authority;
    heard.vote = std::move(vote);
    votes_.emplace(authority, std::move(heard));
    return absl::OkStatus();
  }
  // Two are proof enough; more would only take memory.
  if (it->second.bytes.size() == 1) {
    it->second.bytes.emplace(hash, std::string(bytes));
    ++equivocations_;
  }
  return absl::OkStatus();
}

std::vector<const Vote*> VotingRound::Counted(const Consensus* previous) const {
  const crypto::Digest256 hash =
      previous == nullptr ? crypto::Digest256() : previous->hash();
  std::vector<const Vote*> counted;
  for (const auto& [authority, heard] : votes_) {
    if (heard.bytes.size() == 1 && heard.vote.previous_hash == hash) {
      counted.push_back(&heard.vote);
    }
  }
  return counted;
}

uint64_t VotingRound::NewestPrevious() const {
  uint64_t newest = 0;
  for (const auto& [authority, heard] : votes_) {
    newest = std::max(newest, heard.vote.previous_epoch);
  }
  return newest;
}

std::vector<std::string> VotingRound::VotesExcept(
    const std::set<std::string>& known) const {
  std::vector<std::string> votes;
  size_t total = 0;
  for (const auto& [authority, heard] : votes_) {
    for (const auto& [hash, bytes] : heard.bytes) {
      if (known.contains(hash) || total + bytes.size() > kMaxVoteBytes) {
        continue;
      }
      total += bytes.size();
      votes.push_back(bytes);
    }
  }
  return votes;
}

std::vector<std::string> VotingRound::Hashes() const {
  std::vector<std::string> hashes;
  for (const auto& [authority, heard] : votes_) {
    for (const auto& [hash, bytes] : heard.bytes) hashes.push_back(hash);
  }
  return hashes;
}

}  // namespace messenger::routing
