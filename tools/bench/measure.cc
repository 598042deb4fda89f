#include "tools/bench/measure.h"

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace messenger::bench {
namespace {

double Seconds(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) * 1e-9;
}

// Calls per slice, found by doubling; warms the caches too.
int CallsFor(const Contender& contender, double slice) {
  for (int calls = 1;; calls *= 2) {
    const double start = ThreadCpuSeconds();
    for (int i = 0; i < calls; ++i) contender();
    const double taken = ThreadCpuSeconds() - start;
    if (taken >= slice / 4 || calls >= (1 << 28)) {
      return std::max(1, static_cast<int>(calls * slice / taken));
    }
  }
}

}  // namespace

double WallSeconds() { return Seconds(CLOCK_MONOTONIC); }
double ThreadCpuSeconds() { return Seconds(CLOCK_THREAD_CPUTIME_ID); }
double ProcessCpuSeconds() { return Seconds(CLOCK_PROCESS_CPUTIME_ID); }

double Percentile(std::vector<double> values, double share) {
  const auto rank = static_cast<size_t>(
      std::ceil(share * static_cast<double>(values.size())));
  const size_t index = rank == 0 ? 0 : std::min(rank, values.size()) - 1;
  std::nth_element(values.begin(),
                   values.begin() + static_cast<std::ptrdiff_t>(index),
                   values.end());
  return values[index];
}

double Median(std::vector<double> values) {
  return Percentile(std::move(values), 0.5);
}

std::vector<Rounds> Race(const std::vector<Contender>& contenders, int rounds,
                         absl::Duration slice) {
  std::vector<int> calls;
  for (const Contender& contender : contenders) {
    calls.push_back(CallsFor(contender, absl::ToDoubleSeconds(slice)));
  }
  std::vector<Rounds> taken(contenders.size());
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < contenders.size(); ++i) {
      const double start = ThreadCpuSeconds();
      for (int call = 0; call < calls[i]; ++call) contenders[i]();
      taken[i].push_back((ThreadCpuSeconds() - start) / calls[i]);
    }
  }
  return taken;
}

double MedianRatio(const Rounds& of, const Rounds& to) {
  std::vector<double> ratios;
  for (size_t i = 0; i < of.size(); ++i) ratios.push_back(of[i] / to[i]);
  return Median(std::move(ratios));
}

}  // namespace messenger::bench
