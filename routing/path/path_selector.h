// Chooses the relays of a circuit (routing/path/SPEC.md).
//
// The first relay learns the client's address, so it is one of a few guards
// kept for months; the others are drawn afresh for every circuit, all equally
// likely. Relays are never members of the swarm the request goes to, and
// differ in operator and address block while that can be had. Belongs to one
// executor.

#ifndef ROUTING_PATH_PATH_SELECTOR_H_
#define ROUTING_PATH_PATH_SELECTOR_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "crypto/random/random.h"
#include "routing/directory/consensus.h"
#include "routing/onion/node_id.h"

namespace messenger::routing {

enum class RoutingMode {
  kOnion,  // 3 relays, then the destination.
  kProxy,  // 1 relay, then the destination: faster, and it knows both ends.
};

struct Guard {
  NodeId node;
  absl::Time chosen;
  absl::Time expires;

  friend bool operator==(const Guard&, const Guard&) = default;
};

// A client's guards in order of preference; kept in its database.
struct GuardState {
  std::vector<Guard> guards;

  // Own encoding, read back by Parse. INVALID_ARGUMENT if malformed.
  std::string Serialize() const;
  static absl::StatusOr<GuardState> Parse(absl::string_view bytes);

  friend bool operator==(const GuardState&, const GuardState&) = default;
};

class PathSelector final {
 public:
  // `random` must outlive the selector.
  PathSelector(crypto::Random& random, GuardState state);

  PathSelector(const PathSelector&) = delete;
  PathSelector& operator=(const PathSelector&) = delete;

  // The relays in order, without the destination. Never the destination nor a
  // member of `destination_swarm`. UNAVAILABLE, in words fit for the user,
  // when the network has too few usable nodes. May sample guards: save
  // `guards()` when it changed.
  absl::StatusOr<std::vector<NodeId>> Choose(
      const Consensus& consensus, RoutingMode mode, const NodeId& destination,
      const std::vector<NodeId>& destination_swarm, absl::Time now);

  // `hop` did not do its part. It is avoided for kFailureMemory, doubled with
  // each failure in a row up to kLongestFailureMemory; a guard keeps its
  // place and is used again afterwards.
  void ReportFailure(const NodeId& hop, absl::Time now);
  // A reply came back through these.
  void ReportSuccess(absl::Span<const NodeId> path);

  const GuardState& guards() const { return state_; }

  static constexpr size_t kGuards = 3;
  // While fewer than this many guards may serve a request at all, one is added
  // behind the others: a guard that just died must not stop everything.
  static constexpr size_t kUsableGuards = 2;
  static constexpr size_t kMaxGuards = 12;
  static constexpr absl::Duration kShortestGuardLife = absl::Hours(24 * 60);
  static constexpr absl::Duration kLongestGuardLife = absl::Hours(24 * 120);
  static constexpr absl::Duration kFailureMemory = absl::Seconds(10);
  static constexpr absl::Duration kLongestFailureMemory = absl::Minutes(10);

 private:
  struct Failure {
    int in_a_row = 0;
    absl::Time until;
  };
  // The relays of one consensus that may be used for one request.
  using Candidates = std::vector<const NodeRecord*>;

  bool Failed(const NodeId& id, absl::Time now) const;
  // Drops guards that expired or left the network, and fills up to kGuards.
  void RefreshGuards(const Consensus& consensus, const Candidates& running,
                     absl::Time now);
  // Draws a guard from `from` unlike the ones there are; false if there is none
  // left to draw.
  bool AddGuard(const Consensus& consensus, const Candidates& from,
                absl::Time now);
  // Null if there are no candidates.
  const NodeRecord* ChooseGuard(const Consensus& consensus,
                                const Candidates& candidates,
                                const NodeRecord* destination, absl::Time now);
  // Appends relays to `path` until it has `count`.
  bool Complete(std::vector<const NodeRecord*>& path, size_t count,
                const Candidates& candidates, const NodeRecord* destination,
                absl::Time now);

  crypto::Random& random_;
  GuardState state_;
  absl::flat_hash_map<NodeId, Failure> failures_;
};

}  // namespace messenger::routing

#endif  // ROUTING_PATH_PATH_SELECTOR_H_
