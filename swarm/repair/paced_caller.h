// Calls of one node's comparisons, at a bounded rate of bytes (swarm/SPEC.md,
// section 5.5): a node that fetches a whole disk leaves its peers, and its own
// clients, most of their links.
//
//   PacedCaller paced(caller, clock, executor);
//   paced.Call(...);  // at once, or as soon as what went before is paid for
//
// Requests and replies count alike, whatever the peer. A call that must wait
// keeps its time-out for when it is made. Belongs to the executor; calls that
// wait when it is destroyed are never made.

#ifndef SWARM_REPAIR_PACED_CALLER_H_
#define SWARM_REPAIR_PACED_CALLER_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"
#include "swarm/repair/peer_caller.h"

namespace messenger::swarm {

class PacedCaller final : public PeerCaller {
 public:
  static constexpr double kBytesPerSecond = 20'000'000;
  // What may come at once after a pause. A reply's size is known only when it
  // is there, so those under way may exceed it by as much as they bring.
  static constexpr double kBurstBytes = 2'000'000;

  // All must outlive this.
  PacedCaller(PeerCaller& caller, const routing::Clock& clock,
              routing::Executor& executor);
  ~PacedCaller() override;

  PacedCaller(const PacedCaller&) = delete;
  PacedCaller& operator=(const PacedCaller&) = delete;

  void Call(const routing::NodeId& peer, absl::string_view method,
            std::string request, absl::Duration timeout,
            routing::Transport::CallDone done) override;

 private:
  void Refill();
  void Charge(size_t bytes);
  void MakeNext();

  PeerCaller& caller_;
  const routing::Clock& clock_;
  routing::Executor& executor_;
  double credit_ = kBurstBytes;  // bytes; below 0: paid off first
  absl::Time refilled_;
  std::deque<absl::AnyInvocable<void()>> waiting_;
  routing::TimerId timer_ = 0;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_PACED_CALLER_H_
