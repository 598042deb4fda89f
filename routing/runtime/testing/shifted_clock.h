// The clock of a machine that is off.

#ifndef ROUTING_RUNTIME_TESTING_SHIFTED_CLOCK_H_
#define ROUTING_RUNTIME_TESTING_SHIFTED_CLOCK_H_

#include "absl/time/time.h"
#include "routing/runtime/clock.h"

namespace messenger::routing {

class ShiftedClock final : public Clock {
 public:
  // `right` must outlive this.
  explicit ShiftedClock(const Clock& right,
                        absl::Duration the_shift = absl::ZeroDuration())
      : shift(the_shift), right_(right) {}

  absl::Time Now() const override { return right_.Now() + shift; }

  absl::Duration shift;

 private:
  const Clock& right_;
};

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_TESTING_SHIFTED_CLOCK_H_
