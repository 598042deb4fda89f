// What a storage node's store lies on, and what can happen to it.
//
// Not thread-safe.

#ifndef TOOLS_SIMNET_SWARM_NODE_DISK_H_
#define TOOLS_SIMNET_SWARM_NODE_DISK_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/random/random.h"
#include "routing/runtime/clock.h"
#include "swarm/store/message_store.h"

namespace messenger::simnet {

class NodeDisk {
 public:
  virtual ~NodeDisk() = default;

  // Opens what is there, or begins anew on an empty disk. Once per process;
  // the store lives until the next Crash() or Wipe(). DATA_LOSS: it is damaged.
  virtual absl::StatusOr<swarm::MessageStore*> Open() = 0;
  // The store that is open; null if none is.
  virtual swarm::MessageStore* store() = 0;

  // The process ends; with `power_loss` un-synced writes may be gone. Faults
  // that were set end, too.
  virtual void Crash(bool power_loss) = 0;
  virtual void Wipe() = 0;

  // False: this kind of disk cannot.
  virtual bool SetErrorRate(double rate) = 0;
  virtual bool SetFull(bool full) = 0;
  // In any of its files.
  virtual bool FlipBit() = 0;

  struct Counters {
    uint64_t errors = 0;
    uint64_t full = 0;
    uint64_t unsynced_lost = 0;
    uint64_t torn = 0;
    uint64_t flips = 0;
  };
  virtual Counters counters() const = 0;
};

// `keep_incarnation` plants a bug: a wiped store counts as the old one.
//
// A disk that never forgets what it was told: logic alone, and quick.
std::unique_ptr<NodeDisk> MakeMemoryDisk(crypto::Random& random,
                                         bool keep_incarnation);

// The real SQLite on a SimulatedDisk.
std::unique_ptr<NodeDisk> MakeSqliteDisk(crypto::Random& random,
                                         const routing::Clock& clock,
                                         bool keep_incarnation);

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SWARM_NODE_DISK_H_
