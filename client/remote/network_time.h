// The time that the network agrees on, for a device whose clock is off
// (swarm/SPEC.md, section 7.4).
//
// Runs on the device's clock until somebody's request was refused for its time
// and Correct() has asked around: the median of what at least three storage
// nodes say, each over a circuit of its own, less half the round trip. One
// node, whatever it says, leaves the median among what honest ones said.
//
// Belongs to the executor. Kept in memory: the next start asks again. When it
// is destroyed, callbacks that are pending never run.

#ifndef CLIENT_REMOTE_NETWORK_TIME_H_
#define CLIENT_REMOTE_NETWORK_TIME_H_

#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "client/remote/member_caller.h"
#include "crypto/random/random.h"
#include "routing/directory/consensus_holder.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/executor.h"

namespace messenger::client {

class NetworkTime final {
 public:
  // Whether the clock is another than before.
  using Done = absl::AnyInvocable<void(bool changed)>;

  static constexpr size_t kNodesAsked = 5;
  static constexpr size_t kNodesNeeded = 3;
  static constexpr size_t kRoutesNeeded = 2;
  // What a clock may be off without harm, and with slow paths looks off.
  static constexpr absl::Duration kWorthCorrecting = absl::Seconds(10);
  // So that members who call every time wrong cost us little.
  static constexpr absl::Duration kInterval = absl::Seconds(60);

  // All references must outlive this.
  NetworkTime(MemberCaller& caller, const routing::ConsensusHolder& directory,
              const routing::Clock& clock, routing::Executor& executor,
              crypto::Random& random)
      : caller_(caller),
        directory_(directory),
        clock_(clock),
        executor_(executor),
        random_(random) {}

  NetworkTime(const NetworkTime&) = delete;
  NetworkTime& operator=(const NetworkTime&) = delete;

  absl::Time Now() const { return clock_.Now() + offset_; }
  absl::Duration offset() const { return offset_; }
  // Counts the corrections.
  uint64_t generation() const { return generation_; }

  // `done` never runs inside the call. False at once within kInterval of the
  // last measurement, and when too few nodes answer.
  void Correct(Done done);

 private:
  struct Measurement {
    std::vector<absl::Duration> offsets;
    std::set<std::vector<routing::NodeId>> routes;  // without destinations
    size_t waiting = 0;
  };

  void OnAnswer(absl::Time sent, const MemberAnswer& answer);
  void Finish();

  MemberCaller& caller_;
  const routing::ConsensusHolder& directory_;
  const routing::Clock& clock_;
  routing::Executor& executor_;
  crypto::Random& random_;

  absl::Duration offset_;
  uint64_t generation_ = 0;
  std::vector<Done> waiting_;  // for the measurement under way
  Measurement measurement_;
  bool measuring_ = false;
  // By the device's clock, which may be set meanwhile; a timer is not affected.
  bool resting_ = false;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_NETWORK_TIME_H_
