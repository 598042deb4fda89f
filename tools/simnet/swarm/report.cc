#include "tools/simnet/swarm/report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace messenger::simnet {
namespace {

std::string Percentiles(std::vector<absl::Duration> values) {
  if (values.empty()) return "-";
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return absl::ToDoubleSeconds(
        values[static_cast<size_t>(share * (values.size() - 1))]);
  };
  return absl::StrFormat("p50 %.1f s, p99 %.1f s, max %.1f s", at(0.5),
                         at(0.99), at(1));
}

template <typename T>
void Append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

void Report::Add(const RunResult& run) {
  Report one;
  one.runs_ = 1;
  one.failed_runs_ = !run.violations.empty();
  one.begun_ = run.ledger.begun;
  one.sent_ = run.ledger.sent;
  one.expired_unsent_ = run.traffic.expired_unsent;
  one.readings_ = run.ledger.readings;
  one.complete_readings_ = run.ledger.complete_readings;
  one.read_ = run.ledger.messages_read;
  one.repeats_ = run.ledger.repeats;
  one.deleted_ = run.ledger.deleted;
  one.read_after_deletion_ = run.ledger.read_after_deletion;
  one.missed_by_hiding_ = run.ledger.missed_by_hiding;
  one.false_sent_checked_ = run.traffic.false_sent_checked;
  one.replays_ = run.traffic.replays;
  one.transitions_ = run.transitions;
  one.hints_ = run.repair.hints_delivered;
  one.fetched_ = run.repair.fetched;
  one.pushed_ = run.repair.pushed;
  for (const Violation& violation : run.violations) {
    ++one.violations_[violation.check];
    one.failures_[violation.check] = 1;
  }
  one.faults_ = run.faults;
  one.probes_ = run.probes;
  one.simulated_ = run.simulated;
  one.time_to_sent_ = run.traffic.time_to_sent;
  one.recovery_ = {run.recovery};
  Add(one);
}

void Report::Add(const Report& other) {
  runs_ += other.runs_;
  failed_runs_ += other.failed_runs_;
  begun_ += other.begun_;
  sent_ += other.sent_;
  expired_unsent_ += other.expired_unsent_;
  readings_ += other.readings_;
  complete_readings_ += other.complete_readings_;
  read_ += other.read_;
  repeats_ += other.repeats_;
  deleted_ += other.deleted_;
  read_after_deletion_ += other.read_after_deletion_;
  missed_by_hiding_ += other.missed_by_hiding_;
  false_sent_checked_ += other.false_sent_checked_;
  replays_ += other.replays_;
  transitions_ += other.transitions_;
  hints_ += other.hints_;
  fetched_ += other.fetched_;
  pushed_ += other.pushed_;
  for (const auto& [check, count] : other.failures_) failures_[check] += count;
  for (const auto& [check, count] : other.violations_) {
    violations_[check] += count;
  }
  for (size_t i = 0; i < kFaults; ++i) faults_[i] += other.faults_[i];
  probes_.Add(other.probes_);
  simulated_ += other.simulated_;
  Append(time_to_sent_, other.time_to_sent_);
  Append(recovery_, other.recovery_);
}

std::string Report::ToString() const {
  const auto count = [this](const char* check) {
    const auto it = violations_.find(check);
    return it == violations_.end() ? uint64_t{0} : it->second;
  };
  std::string out;
  absl::StrAppendFormat(&out, "seeds %d (failed %d), simulated %.1f h\n", runs_,
                        failed_runs_, absl::ToDoubleHours(simulated_));
  absl::StrAppendFormat(
      &out,
      "messages: begun %d, acked %d, expired unsent %d; read %d\n"
      "lost %d, vanished %d, duplicated to the user %d, resurrected %d, "
      "phantom %d, false sent %d (of %d looked at)\n"
      "late %d, record %d, under-replicated %d, diverged %d, unreadable %d, "
      "stuck %d, quota %d, digest %d, unswept %d, foreign %d, erased early %d, "
      "damage %d, replay %d, "
      "trace %d\n",
      begun_, sent_, expired_unsent_, read_, count("lost"), count("vanished"),
      count("duplicate"), count("resurrected"), count("phantom"),
      count("false_sent"), false_sent_checked_, count("late"), count("record"),
      count("under_replicated"), count("diverged"), count("unreadable"),
      count("stuck"), count("quota"), count("digest"), count("unswept"),
      count("foreign"), count("erased_early"), count("damage"), count("replay"),
      count("trace"));
  absl::StrAppendFormat(
      &out,
      "readings %d (complete %d); repeats hidden from users %d; deletions %d, "
      "read before members agreed %d; missed because members hid %d\n",
      readings_, complete_readings_, repeats_, deleted_, read_after_deletion_,
      missed_by_hiding_);
  absl::StrAppendFormat(
      &out, "hints %d, fetched %d, pushed %d, transitions %d, replays %d\n",
      hints_, fetched_, pushed_, transitions_, replays_);
  absl::StrAppend(&out, "begun to acked: ", Percentiles(time_to_sent_),
                  "\nquiet to equal: ", Percentiles(recovery_), "\nfaults:");
  for (size_t i = 0; i < kFaults; ++i) {
    absl::StrAppend(&out, " ", FaultName(static_cast<Fault>(i)), "=",
                    faults_[i]);
  }
  absl::StrAppendFormat(&out, "\nprobes hit: %d of %d\n",
                        kProbes - probes_.Missed().size(), kProbes);
  for (const Probe probe : probes_.Missed()) {
    absl::StrAppend(&out, "  never: ", ProbeName(probe), " (", ProbeText(probe),
                    ")\n");
  }
  return out;
}

}  // namespace messenger::simnet
