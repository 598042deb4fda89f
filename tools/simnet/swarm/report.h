// The figures of many runs, as a table (README.md).

#ifndef TOOLS_SIMNET_SWARM_REPORT_H_
#define TOOLS_SIMNET_SWARM_REPORT_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tools/simnet/swarm/plan.h"
#include "tools/simnet/swarm/probes.h"
#include "tools/simnet/swarm/simulation.h"

namespace messenger::simnet {

class Report final {
 public:
  void Add(const RunResult& run);
  void Add(const Report& other);

  uint64_t runs() const { return runs_; }
  uint64_t failed_runs() const { return failed_runs_; }
  uint64_t sent() const { return sent_; }
  const Probes& probes() const { return probes_; }
  // With the check's name: runs in which it failed.
  const std::map<std::string, uint64_t>& failures() const { return failures_; }

  std::string ToString() const;

 private:
  uint64_t runs_ = 0;
  uint64_t failed_runs_ = 0;
  uint64_t begun_ = 0;
  uint64_t sent_ = 0;
  uint64_t expired_unsent_ = 0;
  uint64_t readings_ = 0;
  uint64_t complete_readings_ = 0;
  uint64_t read_ = 0;
  uint64_t repeats_ = 0;
  uint64_t deleted_ = 0;
  uint64_t read_after_deletion_ = 0;
  uint64_t missed_by_hiding_ = 0;
  uint64_t false_sent_checked_ = 0;
  uint64_t replays_ = 0;
  uint64_t transitions_ = 0;
  uint64_t hints_ = 0;
  uint64_t fetched_ = 0;
  uint64_t pushed_ = 0;
  std::map<std::string, uint64_t> failures_;
  std::map<std::string, uint64_t> violations_;
  std::array<uint64_t, kFaults> faults_ = {};
  Probes probes_;
  absl::Duration simulated_;
  std::vector<absl::Duration> time_to_sent_;
  std::vector<absl::Duration> recovery_;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SWARM_REPORT_H_
