// The newest consensus a process has accepted (routing/directory/SPEC.md,
// section 4.3). It never goes back: an older list would bring back nodes and
// keys that are gone.
//
// `current()` is thread-safe. Everything else belongs to one executor.

#ifndef ROUTING_DIRECTORY_CONSENSUS_HOLDER_H_
#define ROUTING_DIRECTORY_CONSENSUS_HOLDER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "routing/directory/consensus.h"
#include "routing/runtime/clock.h"

namespace messenger::routing {

class ConsensusHolder final {
 public:
  using Observer = std::function<void(const std::shared_ptr<const Consensus>&)>;

  // `clock` must outlive the holder.
  ConsensusHolder(DirectoryTrust trust, const Clock& clock);

  ConsensusHolder(const ConsensusHolder&) = delete;
  ConsensusHolder& operator=(const ConsensusHolder&) = delete;

  // Verifies and keeps `wire`. The very document that is held already is OK.
  // FAILED_PRECONDITION if its epoch is below the newest, or another document
  // of the same epoch; else the codes of `Consensus::Verify`.
  absl::Status Accept(absl::string_view wire);

  // Null until the first was accepted.
  std::shared_ptr<const Consensus> current() const;

  // Refuses epochs below `epoch` even while nothing is held: for a client that
  // remembers only how far it was.
  void SetFloor(uint64_t epoch);

  // Called, in Accept(), with each newly accepted consensus. For the life of
  // the holder.
  void AddObserver(Observer observer);

  const DirectoryTrust& trust() const { return trust_; }

 private:
  const DirectoryTrust trust_;
  const Clock& clock_;
  uint64_t floor_ = 0;
  std::vector<Observer> observers_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<const Consensus> current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_CONSENSUS_HOLDER_H_
