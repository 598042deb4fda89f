// Does to a network what may happen to it: one fault after another, each
// healed before the next (tools/chaos/README.md lists them).
//
// The plan - which faults, of whom, for how long - follows from the seed. Not
// thread-safe; Run() is made for a thread of its own.

#ifndef TOOLS_CHAOS_NEMESIS_H_
#define TOOLS_CHAOS_NEMESIS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "crypto/random/testing/seeded_random.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/event_loop.h"
#include "tools/chaos/chaos_network.h"
#include "tools/chaos/store_audit.h"

namespace messenger::chaos {

struct NemesisOptions {
  uint64_t seed = 0;
  absl::Duration shortest_fault = absl::Seconds(1);
  absl::Duration longest_fault = absl::Seconds(15);
  absl::Duration pause = absl::Seconds(2);
  // Disks are emptied: only for networks that repair themselves.
  bool wipe = false;
  // Only kinds whose names contain this.
  std::string only;
  // When all storage nodes were last seen to hold all that they should; called
  // on the thread of Run(). Needed for `wipe`: a disk is emptied only when all
  // others have been filled, since two of three copies are more than a swarm
  // can lose.
  std::function<absl::Time()> all_held_at;
};

class Nemesis final {
 public:
  // All references must outlive it; `loop` is what it waits on.
  Nemesis(const NemesisOptions& options, ChaosNetwork& network,
          const routing::Clock& clock, routing::EventLoop& loop);

  // Faults until `go_on` is false, then heals everything.
  void Run(absl::FunctionRef<bool()> go_on);

  const std::map<std::string, int>& injected() const { return injected_; }
  // Kinds that could not be, how often, and why.
  struct Skipped {
    int times = 0;
    std::string reason;
  };
  const std::map<std::string, Skipped>& skipped() const { return skipped_; }
  // Disks that were not emptied because a node was still being filled.
  int put_off() const { return put_off_; }
  // Processes that ended without being told to, and what was going on.
  const std::map<std::string, int>& ended_by_themselves() const {
    return ended_by_themselves_;
  }
  // Why a process could not be started again; OK when all could.
  absl::Status first_failure() const { return first_failure_; }
  // Stores of processes that were killed, as they lay there before the next
  // start.
  const StoreAudit& killed_stores() const { return killed_stores_; }
  // For any thread: what is going on, and how many faults there were.
  std::string current() const;
  int total() const { return total_; }

 private:
  // Returns why it cannot be, or OK. CANCELLED: not now.
  using Fault = std::function<absl::Status()>;
  struct Kind {
    std::string name;
    int weight;
    Fault fault;
  };

  void MakeKinds();
  void Inject(const Kind& kind);
  void Mend(const std::string& during);
  void Wait(absl::Duration duration);
  absl::Duration Lasting();
  int AnyNode();
  std::vector<int> AnyNodes(int count);

  absl::Status KillFor(const std::vector<std::string>& names);
  absl::Status PauseFor(const std::string& name);
  // Cuts the nodes off from everybody else; both ways or one.
  enum class Cut { kBothWays, kWhatTheySay, kWhatTheyHear };
  absl::Status CutOff(const std::vector<int>& nodes, Cut cut);
  absl::Status Spoil(const LinkFaults& faults);
  absl::Status ResetLinks();
  absl::Status FillDisk();
  absl::Status LimitFiles();
  absl::Status Wipe();

  const NemesisOptions options_;
  ChaosNetwork& network_;
  const routing::Clock& clock_;
  routing::EventLoop& loop_;
  crypto::SeededRandom random_;
  std::vector<Kind> kinds_;
  std::map<std::string, int> injected_;
  std::map<std::string, Skipped> skipped_;
  std::map<std::string, int> ended_by_themselves_;
  absl::Status first_failure_;
  StoreAudit killed_stores_;
  int put_off_ = 0;
  std::atomic<int> total_ = 0;
  mutable absl::Mutex mutex_;
  std::string current_ ABSL_GUARDED_BY(mutex_) = "none";
};

}  // namespace messenger::chaos

#endif  // TOOLS_CHAOS_NEMESIS_H_
