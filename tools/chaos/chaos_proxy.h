// A TCP proxy that spoils connections between processes on loopback, as bad
// networks do (tools/chaos/README.md).
//
//   process A ---> listener of B ---> process B
//             <---    (faults)   <---
//
// There is one listener for each target; all others are given its address in
// place of the target's own. Who opened a connection is found out when it is
// accepted, so that faults can be said of pairs. Bytes are passed on
// untouched and in order: what TCP makes of loss is waiting.
//
// Runs on a thread of its own; all methods are thread-safe and return when
// they have taken effect.

#ifndef TOOLS_CHAOS_CHAOS_PROXY_H_
#define TOOLS_CHAOS_CHAOS_PROXY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "routing/runtime/clock.h"

namespace messenger::chaos {

// A process as the proxy knows it: any number its user likes.
using PeerId = int;
inline constexpr PeerId kAnyPeer = -1;
inline constexpr PeerId kUnknownPeer = -2;

// What happens to bytes on their way in one direction. Of several rules that
// concern a direction, the worst of each kind counts.
struct LinkFaults {
  // Each piece waits at least `min_delay`, and `mean_delay` on average
  // (exponentially above the least).
  absl::Duration min_delay = absl::ZeroDuration();
  absl::Duration mean_delay = absl::ZeroDuration();
  // This share of pieces is lost at first and comes after another
  // `retransmission`, with everything behind it.
  double loss = 0;
  absl::Duration retransmission = absl::Milliseconds(300);
  // 0: no limit.
  int64_t bytes_per_second = 0;
  // Nothing comes through until the rule is gone; then what was held does.
  bool blackhole = false;
  // New connections are reset at once. Counts for the side that opens.
  bool refuse = false;
};

struct ProxyCounters {
  uint64_t connections = 0;
  // The target did not accept; nothing of the proxy's doing.
  uint64_t unreachable = 0;
  // Whose opener could not be found out.
  uint64_t unidentified = 0;
  uint64_t bytes = 0;
  uint64_t delayed = 0;     // pieces
  uint64_t lost = 0;        // pieces that came later
  uint64_t throttled = 0;   // pieces that waited for the bandwidth
  uint64_t blackholed = 0;  // times a direction was cut
  uint64_t refused = 0;     // connections
  uint64_t reset = 0;       // connections
};

class ChaosProxy final {
 public:
  struct Options {
    uint64_t seed = 0;
    const routing::Clock& clock;  // steady; must outlive the proxy
    // Who opened the connection from this port to that port of loopback;
    // called on the proxy's thread. Null: never known.
    std::function<std::optional<PeerId>(uint16_t from_port, uint16_t to_port)>
        identify = nullptr;
  };

  // UNAVAILABLE when the system has no more descriptors.
  static absl::StatusOr<std::unique_ptr<ChaosProxy>> Create(Options options);
  // Ends all connections.
  ~ChaosProxy();

  ChaosProxy(const ChaosProxy&) = delete;
  ChaosProxy& operator=(const ChaosProxy&) = delete;

  // The address in front of `address` ("127.0.0.1:4001"), which `target`
  // listens on, now or later. INVALID_ARGUMENT, UNAVAILABLE.
  absl::StatusOr<std::string> Listen(PeerId target, const std::string& address);

  using RuleId = uint64_t;
  // Faults of what flows from one peer to another, whoever opened the
  // connection; either may be kAnyPeer. They last until removed.
  RuleId AddRule(PeerId from, PeerId to, const LinkFaults& faults);
  // The same faults for many directions at one moment.
  void AddRules(const std::vector<std::pair<PeerId, PeerId>>& from_to,
                const LinkFaults& faults);
  void RemoveRule(RuleId rule);
  void RemoveAllRules();

  // Resets the connections between the two, in either direction; returns how
  // many.
  int Reset(PeerId one, PeerId other);

  ProxyCounters counters();

  // A direction holds this much; then its sender has to wait.
  static constexpr size_t kMaxHeldBytes = 256 * 1024;
  static constexpr size_t kMaxConnections = 4096;

 private:
  class Core;
  explicit ChaosProxy(std::unique_ptr<Core> core);

  const std::unique_ptr<Core> core_;
};

}  // namespace messenger::chaos

#endif  // TOOLS_CHAOS_CHAOS_PROXY_H_
