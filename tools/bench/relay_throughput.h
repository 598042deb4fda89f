// One relay on loopback: this process is the client and the next hop, a second
// process of the same program is the relay, so that its CPU time is its own.
//
//   client --TLS--> relay process --TLS--> next hop
//
// SETUP once, then cells, never more than a window of them under way. The
// limit beside it is the same link without a relay in it.
//
// The two processes agree on all keys by making the same network from one
// seed: nothing here is secret.

#ifndef TOOLS_BENCH_RELAY_THROUGHPUT_H_
#define TOOLS_BENCH_RELAY_THROUGHPUT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "tools/bench/report.h"

namespace messenger::bench {

// The first argument with which this program becomes the relay process.
inline constexpr char kRelayRole[] = "--as-relay";

// Starts `program` (this one) as the relay, measures, ends it. UNAVAILABLE if
// the processes cannot reach one another.
absl::Status MeasureRelay(const std::string& program, Report& report);

// The relay process: prints its address, relays until its standard input
// closes. `now_ms` and `next_hop` as MeasureRelay() gave them.
absl::Status RunRelay(absl::string_view now_ms, absl::string_view next_hop);

}  // namespace messenger::bench

#endif  // TOOLS_BENCH_RELAY_THROUGHPUT_H_
