// What one server allows its peers, and what that guards against
// (routing/runtime/SPEC.md, section 5). Values only.
#ifndef ROUTING_RUNTIME_SERVER_LIMITS_H_
#define ROUTING_RUNTIME_SERVER_LIMITS_H_

#include <cstddef>

#include "absl/time/time.h"

namespace messenger::routing {

struct ServerLimits {
  // Bug guard: the largest reply a handler may give.
  size_t max_reply_bytes = 2 * 1024 * 1024;
  // Calls and links of one connection. Against opening and resetting streams
  // in quick succession.
  int max_concurrent_streams = 32;
  // All links at one time.
  int max_links = 4096;
  // A connection that has not finished its TLS handshake by then is dropped.
  absl::Duration handshake_timeout = absl::Seconds(8);
  // A connection without a call or link.
  absl::Duration max_connection_idle = absl::Seconds(120);
  // Any connection, give or take gRPC's 10% jitter. Long, because a link
  // between two relays takes the circuits of strangers with it.
  absl::Duration max_connection_age = absl::Hours(6);
  absl::Duration max_connection_age_grace = absl::Seconds(60);
  // How a dead peer is noticed.
  absl::Duration keepalive_time = absl::Seconds(60);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  // Against floods of pings. Not more than our clients' keepalive time.
  absl::Duration min_ping_interval = absl::Seconds(30);
  int max_ping_strikes = 2;
  // All metadata of one request.
  size_t max_metadata_bytes = 2 * 1024;
  // Of all connections together. Soft: beyond it gRPC stops reading.
  size_t max_memory_bytes = 256 * 1024 * 1024;
};

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_SERVER_LIMITS_H_
