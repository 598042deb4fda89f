// The clock of a device that is off.

#ifndef CLIENT_REMOTE_TESTING_SHIFTED_CLOCK_H_
#define CLIENT_REMOTE_TESTING_SHIFTED_CLOCK_H_

#include "absl/time/time.h"
#include "routing/runtime/clock.h"

namespace messenger::client {

class ShiftedClock final : public routing::Clock {
 public:
  // `right` must outlive this.
  explicit ShiftedClock(const routing::Clock& right,
                        absl::Duration the_shift = absl::ZeroDuration())
      : shift(the_shift), right_(right) {}

  absl::Time Now() const override { return right_.Now() + shift; }

  absl::Duration shift;

 private:
  const routing::Clock& right_;
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_TESTING_SHIFTED_CLOCK_H_
