// How the benchmarks measure: several contenders in turn, round after round,
// so that a busy moment of the machine falls on all of them; medians count.
//
// Free functions, thread-safe.

#ifndef TOOLS_BENCH_MEASURE_H_
#define TOOLS_BENCH_MEASURE_H_

#include <functional>
#include <vector>

#include "absl/time/time.h"

namespace messenger::bench {

// Seconds since some moment.
double WallSeconds();
// Seconds this thread has been computing: what others do on the machine hardly
// shows in them.
double ThreadCpuSeconds();
// The same for all threads of this process.
double ProcessCpuSeconds();

// `values` must not be empty. A `share` of 0.5 is the median, 0.99 leaves one
// value of a hundred above.
double Percentile(std::vector<double> values, double share);
double Median(std::vector<double> values);

// One way to do something. Every call does it once.
using Contender = std::function<void()>;

// What one contender took per call: one figure for each round.
using Rounds = std::vector<double>;

// Calls each contender for about `slice` of CPU time in turn, `rounds` times.
std::vector<Rounds> Race(const std::vector<Contender>& contenders, int rounds,
                         absl::Duration slice);

// The median of the quotients round by round: both sides of each were measured
// within moments. Equally many of both.
double MedianRatio(const Rounds& of, const Rounds& to);

}  // namespace messenger::bench

#endif  // TOOLS_BENCH_MEASURE_H_
