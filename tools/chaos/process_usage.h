// What processes take of memory and of the processors, from /proc (proc(5)).
//
// Thread-safe. Zeros for a process that is gone.

#ifndef TOOLS_CHAOS_PROCESS_USAGE_H_
#define TOOLS_CHAOS_PROCESS_USAGE_H_

#include <sys/types.h>

#include <cstdint>

#include "absl/time/time.h"

namespace messenger::chaos {

uint64_t ResidentBytes(pid_t pid);
// Since its start, in the system and outside of it.
absl::Duration ProcessorTime(pid_t pid);
// Of everything on this machine, since its start.
absl::Duration MachineProcessorTime();

}  // namespace messenger::chaos

#endif  // TOOLS_CHAOS_PROCESS_USAGE_H_
