#include "routing/runtime/system_clock.h"

#include <chrono>

#include "absl/time/clock.h"

namespace messenger::routing {
namespace {

class CivilClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

class AnchoredClock final : public Clock {
 public:
  AnchoredClock()
      : civil_start_(absl::Now()), start_(std::chrono::steady_clock::now()) {}

  absl::Time Now() const override {
    return civil_start_ +
           absl::FromChrono(std::chrono::steady_clock::now() - start_);
  }

 private:
  const absl::Time civil_start_;
  const std::chrono::steady_clock::time_point start_;
};

}  // namespace

const Clock& SystemClock() {
  static const CivilClock* const clock = new CivilClock;
  return *clock;
}

const Clock& SteadyClock() {
  static const AnchoredClock* const clock = new AnchoredClock;
  return *clock;
}

}  // namespace messenger::routing
