// The machine's own clocks. Only `*_main.cc` files include this header; all
// other code is handed a Clock.
#ifndef ROUTING_RUNTIME_SYSTEM_CLOCK_H_
#define ROUTING_RUNTIME_SYSTEM_CLOCK_H_

#include "routing/runtime/clock.h"

namespace messenger::routing {

// Civil time: what a signature's validity or a message's age is measured on.
// Jumps when the operator or the network sets it.
const Clock& SystemClock();

// Starts at the civil time of the first call and then never jumps. What an
// EventLoop's timers should be measured on.
const Clock& SteadyClock();

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_SYSTEM_CLOCK_H_
