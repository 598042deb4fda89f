// Asks a node whether it is there, on each address it announced
// (routing/directory/SPEC.md, section 5.1). TLS proves that the answer comes
// from the key in the descriptor.
//
// Belongs to one executor. May be destroyed at any time; no callback follows.

#ifndef ROUTING_DIRECTORY_AUTHORITY_REACHABILITY_PROBER_H_
#define ROUTING_DIRECTORY_AUTHORITY_REACHABILITY_PROBER_H_

#include <deque>
#include <functional>
#include <memory>
#include <set>

#include "absl/time/time.h"
#include "routing/directory/descriptor.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

class ReachabilityProber final {
 public:
  using Done =
      std::function<void(const NodeId&, absl::Time published, bool reachable)>;

  // `transport` must outlive the prober. `done` is called for each probe.
  ReachabilityProber(Transport& transport, absl::Duration timeout, Done done);
  ~ReachabilityProber();

  ReachabilityProber(const ReachabilityProber&) = delete;
  ReachabilityProber& operator=(const ReachabilityProber&) = delete;

  // A node that is being probed, or waits for it, is not queued again.
  void Probe(const Descriptor& descriptor);

  // Probes at one time; the others wait for their turn.
  static constexpr size_t kMaxConcurrent = 64;

 private:
  struct Job;

  void StartNext();
  void Ask(const std::shared_ptr<Job>& job, const Endpoint& endpoint,
           bool must_know_method);
  void Finish(const Job& job);

  Transport& transport_;
  const absl::Duration timeout_;
  const Done done_;
  size_t running_ = 0;
  std::deque<std::shared_ptr<Job>> waiting_;
  std::set<std::pair<NodeId, absl::Time>> pending_;
  std::shared_ptr<ReachabilityProber*> self_;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_AUTHORITY_REACHABILITY_PROBER_H_
