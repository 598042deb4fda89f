// The time, as a parameter (routing/runtime/SPEC.md, section 1).
//
// Thread-safe: every implementation may be read from any thread.
#ifndef ROUTING_RUNTIME_CLOCK_H_
#define ROUTING_RUNTIME_CLOCK_H_

#include "absl/time/time.h"

namespace messenger::routing {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;
};

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_CLOCK_H_
