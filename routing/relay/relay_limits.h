// Every bound of a relay, with its reason (routing/relay/SPEC.md, section 8).
// Limits of our implementation, not of the protocol. Values only.

#ifndef ROUTING_RELAY_RELAY_LIMITS_H_
#define ROUTING_RELAY_RELAY_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace messenger::routing {

struct RelayLimits {
  // Circuits at one time; some 10 KiB each.
  size_t max_circuits = 10'000;
  // Circuits of one link, so that one neighbour cannot take the table. A
  // client needs one per request under way.
  size_t max_circuits_per_relay_link = 1'000;
  size_t max_circuits_per_client_link = 256;
  // A circuit on which nothing moves, and any circuit.
  absl::Duration circuit_idle_timeout = absl::Seconds(60);
  absl::Duration circuit_life = absl::Minutes(60);
  absl::Duration sweep_interval = absl::Seconds(1);

  // Links that others opened.
  size_t max_inbound_links = 4'096;
  // SETUPs a client's link may send; a peel costs 0.1 ms of the core. Links
  // of relays are not limited: they carry the sum of many clients.
  double client_setups_per_second = 2'500;
  double client_setup_burst = 5'000;
  // Links we open to one neighbour; circuits take turns.
  size_t links_per_neighbour = 2;
  // A neighbour that could not be reached is not tried again for so long.
  absl::Duration reconnect_pause = absl::Seconds(1);
  // A next hop that has been silent for so long while circuits wait for it is
  // asked whether it is there, and given up if it does not answer in time.
  // Far below the keepalive of connections: a person is waiting.
  absl::Duration silence_before_probe = absl::Seconds(2);
  absl::Duration probe_timeout = absl::Seconds(2);
  // An outgoing link without circuits is closed.
  absl::Duration link_idle_timeout = absl::Minutes(10);

  // Frames queued on a link at which no new circuit is routed over it, and
  // those at which a client that does not read is cut off.
  size_t busy_link_frames = 512;
  size_t max_client_queue_frames = 256;

  // Forward cells of one circuit: a request of max_request_bytes, twice over.
  int max_forward_cells = 32;
  // One request, and all requests that are being gathered.
  size_t max_request_bytes = 128 * 1024;
  size_t max_gathered_bytes = 64 * 1024 * 1024;
  // The longest a SETUP may ask to be held, and frames held at one time.
  absl::Duration max_delay = absl::Seconds(2);
  size_t max_held_frames = 4'096;
};

}  // namespace messenger::routing

#endif  // ROUTING_RELAY_RELAY_LIMITS_H_
