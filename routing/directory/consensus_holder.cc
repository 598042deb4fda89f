#include "routing/directory/consensus_holder.h"

#include <utility>

#include "crypto/base/status_macros.h"

namespace messenger::routing {

ConsensusHolder::ConsensusHolder(DirectoryTrust trust, const Clock& clock)
    : trust_(std::move(trust)), clock_(clock) {}

absl::Status ConsensusHolder::Accept(absl::string_view wire) {
  const std::shared_ptr<const Consensus> held = current();
  if (held != nullptr && wire == held->wire()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::shared_ptr<const Consensus> consensus,
                   Consensus::Verify(wire, trust_, clock_.Now(), held.get()));
  if (held != nullptr && consensus->hash() == held->hash()) {
    return absl::OkStatus();
  }
  // An older list would bring back what is gone; a second list of the same
  // epoch shows that a majority of authorities signed twice.
  if (consensus->epoch() < floor_ ||
      (held != nullptr && consensus->epoch() <= held->epoch())) {
    return absl::FailedPreconditionError(
        "consensus is not newer than the one held");
  }
  {
    absl::MutexLock lock(&mutex_);
    current_ = consensus;
  }
  floor_ = consensus->epoch();
  for (const Observer& observer : observers_) observer(consensus);
  return absl::OkStatus();
}

std::shared_ptr<const Consensus> ConsensusHolder::current() const {
  absl::MutexLock lock(&mutex_);
  return current_;
}

void ConsensusHolder::SetFloor(uint64_t epoch) {
  if (epoch > floor_) floor_ = epoch;
}

void ConsensusHolder::AddObserver(Observer observer) {
  observers_.push_back(std::move(observer));
}

}  // namespace messenger::routing
