// The circuits a relay knows, found by either end or by link
// (routing/relay/SPEC.md, section 4).
//
// A circuit has an end towards the client and, unless it ends here, an onward
// end. An end is a link and an id on that link. Removing a circuit frees both
// ends; pointers to it are then invalid, serials are never used again.
//
// Not thread-safe.

#ifndef ROUTING_RELAY_CIRCUIT_TABLE_H_
#define ROUTING_RELAY_CIRCUIT_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "routing/endpoint/endpoint_session.h"
#include "routing/onion/circuit.h"

namespace messenger::routing {

// Counts the links of a relay. Zero is no link.
using LinkNumber = uint64_t;

struct CircuitEnd {
  LinkNumber link = 0;
  uint64_t id = 0;

  friend bool operator==(const CircuitEnd&, const CircuitEnd&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const CircuitEnd& end) {
    return H::combine(std::move(state), end.link, end.id);
  }
};

struct Circuit {
  explicit Circuit(RelayCircuit layers_in) : layers(std::move(layers_in)) {}

  uint64_t serial = 0;  // set by the table
  CircuitEnd client_end;
  std::optional<CircuitEnd> onward_end;
  RelayCircuit layers;
  std::unique_ptr<EndpointSession> session;  // a circuit that ends here
  uint8_t service = 0;                       // of the session
  int replies_left = 0;
  int forward_left = 0;
  absl::Time opened;
  absl::Time last_used;
  // Before this moment forward frames wait here, in order.
  absl::Time held_until = absl::InfinitePast();
  std::vector<std::string> held;
};

class CircuitTable final {
 public:
  explicit CircuitTable(size_t max_circuits) : max_circuits_(max_circuits) {}

  // Takes a circuit whose ends are set. ALREADY_EXISTS when an end is taken;
  // RESOURCE_EXHAUSTED when the table is full, or the client's link already
  // has `max_for_link`; the circuit is then left with the caller.
  absl::StatusOr<Circuit*> Add(std::unique_ptr<Circuit>& circuit,
                               size_t max_for_link);

  // The circuit with this end on either side, or null.
  Circuit* Find(const CircuitEnd& end) const;
  Circuit* FindSerial(uint64_t serial) const;

  std::unique_ptr<Circuit> Remove(Circuit& circuit);

  // Serials, rising, of all circuits with an end on `link`, of those that saw
  // no frame since `idle_since`, or were opened before `opened_before`.
  std::vector<uint64_t> OnLink(LinkNumber link) const;
  std::vector<uint64_t> Stale(absl::Time idle_since,
                              absl::Time opened_before) const;

  size_t size() const { return circuits_.size(); }
  size_t CountOnLink(LinkNumber link) const;

 private:
  void IndexEnd(const CircuitEnd& end, Circuit& circuit);
  void ForgetEnd(const CircuitEnd& end, const Circuit& circuit);

  const size_t max_circuits_;
  uint64_t last_serial_ = 0;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Circuit>> circuits_;
  absl::flat_hash_map<CircuitEnd, Circuit*> by_end_;
  absl::flat_hash_map<LinkNumber, absl::flat_hash_set<uint64_t>> by_link_;
};

}  // namespace messenger::routing

#endif  // ROUTING_RELAY_CIRCUIT_TABLE_H_
