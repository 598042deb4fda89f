// Does to a network what may happen to it: one fault after another, each
// healed before the next (tools/chaos/README.md lists them).
//
// The plan - which faults, of whom, for how long - follows from the seed. Not
// thread-safe; Run() is made for a thread of its own.

#ifndef TOOLS_CHAOS_NEMESIS_H_
#define TOOLS_CHAOS_NEMESIS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "crypto/random/testing/seeded_random.h"
#include "routing/runtime/event_loop.h"
#include "tools/chaos/chaos_network.h"

namespace messenger::chaos {

struct NemesisOptions {
  uint64_t seed = 0;
  absl::Duration shortest_fault = absl::Seconds(1);
  absl::Duration longest_fault = absl::Seconds(15);
  absl::Duration pause = absl::Seconds(2);
  // Disks are emptied: only for networks that repair themselves.
  bool wipe = false;
};

class Nemesis final {
 public:
  // All references must outlive it; `loop` is what it waits on.
  Nemesis(const NemesisOptions& options, ChaosNetwork& network,
          routing::EventLoop& loop);

  // Faults until `go_on` is false, then heals everything.
  void Run(absl::FunctionRef<bool()> go_on);

  const std::map<std::string, int>& injected() const { return injected_; }
  // Kinds that could not be, how often, and why.
  struct Skipped {
    int times = 0;
    std::string reason;
  };
  const std::map<std::string, Skipped>& skipped() const { return skipped_; }
  // Processes that ended without being told to, and what was going on.
  const std::map<std::string, int>& ended_by_themselves() const {
    return ended_by_themselves_;
  }
  // Why a process could not be started again; OK when all could.
  absl::Status first_failure() const { return first_failure_; }

 private:
  // Returns why it cannot be, or OK.
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
  routing::EventLoop& loop_;
  crypto::SeededRandom random_;
  std::vector<Kind> kinds_;
  std::map<std::string, int> injected_;
  std::map<std::string, Skipped> skipped_;
  std::map<std::string, int> ended_by_themselves_;
  absl::Status first_failure_;
};

}  // namespace messenger::chaos

#endif  // TOOLS_CHAOS_NEMESIS_H_
