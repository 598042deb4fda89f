// A clock that is wrong: off by something, running too fast or too slow, and
// set forward or back now and then. Not thread-safe.

#ifndef TOOLS_SIMNET_SWARM_SKEWED_CLOCK_H_
#define TOOLS_SIMNET_SWARM_SKEWED_CLOCK_H_

#include "absl/time/time.h"
#include "routing/runtime/clock.h"

namespace messenger::simnet {

class SkewedClock final : public routing::Clock {
 public:
  // `truth` must outlive the clock. `drift_ppm`: microseconds gained a second.
  explicit SkewedClock(const routing::Clock& truth,
                       absl::Duration offset = absl::ZeroDuration(),
                       double drift_ppm = 0)
      : truth_(truth),
        start_(truth.Now()),
        offset_(offset),
        drift_ppm_(drift_ppm) {}

  absl::Time Now() const override { return truth_.Now() + error(); }

  // What is wrong with it just now.
  absl::Duration error() const {
    return offset_ + (truth_.Now() - start_) * (drift_ppm_ / 1e6);
  }

  void Jump(absl::Duration step) { offset_ += step; }
  // Right, and right from now on.
  void Correct() {
    offset_ = absl::ZeroDuration();
    drift_ppm_ = 0;
  }

 private:
  const routing::Clock& truth_;
  const absl::Time start_;
  absl::Duration offset_;
  double drift_ppm_;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SWARM_SKEWED_CLOCK_H_
