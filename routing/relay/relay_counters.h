// What a relay counts. Sums over all circuits: no ids, no peers. Values only.

#ifndef ROUTING_RELAY_RELAY_COUNTERS_H_
#define ROUTING_RELAY_RELAY_COUNTERS_H_

#include <cstdint>

namespace messenger::routing {

struct RelayCounters {
  // SETUPs acted on.
  uint64_t setups_forwarded = 0;
  uint64_t setups_delivered = 0;

  // Frames dropped without a word, by the first check that failed.
  uint64_t dropped_malformed = 0;  // header, type, or id in use
  uint64_t dropped_rate = 0;       // a client's SETUPs over its rate
  uint64_t dropped_epoch = 0;      // no such keys
  uint64_t dropped_refused = 0;    // layer does not open
  uint64_t dropped_expiry = 0;
  uint64_t dropped_replay = 0;
  uint64_t dropped_replay_log = 0;  // replay cache full or not writable
  uint64_t dropped_stray = 0;       // cell or destroy of no circuit
  uint64_t dropped_unreadable = 0;  // cell that broke a circuit ending here
  uint64_t dropped_over_budget = 0;

  uint64_t cells_forward = 0;
  uint64_t cells_backward = 0;
  uint64_t replies_sealed = 0;

  uint64_t errors_sent = 0;
  uint64_t circuits_destroyed = 0;  // by a neighbour
  uint64_t circuits_expired = 0;
  uint64_t circuits_of_lost_links = 0;
  uint64_t clients_cut_off = 0;
  uint64_t neighbours_given_up = 0;  // silent, and no answer to a ping
};

}  // namespace messenger::routing

#endif  // ROUTING_RELAY_RELAY_COUNTERS_H_
