// What a person feels: texts stored and mailboxes polled through three relays
// of a running network, one at a time and 16 at once.
//
// The limit beside it is a request that asks a storage node for the time: the
// same relays, nothing stored.

#ifndef TOOLS_BENCH_MAIL_SPEED_H_
#define TOOLS_BENCH_MAIL_SPEED_H_

#include "absl/status/status.h"
#include "routing/runtime/network_config.h"
#include "tools/bench/report.h"

namespace messenger::bench {

// UNAVAILABLE if the network does not answer; the first error of any request.
absl::Status MeasureMail(const routing::NetworkConfig& config, Report& report);

}  // namespace messenger::bench

#endif  // TOOLS_BENCH_MAIL_SPEED_H_
