#include "client/remote/network_time.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "routing/directory/consensus.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::client {
namespace {

constexpr int kReplyCells = 1;
constexpr absl::Duration kTimeout = absl::Seconds(10);
// Year 9999; what lies beyond is nonsense.
constexpr uint64_t kLatestMs = 253'402'300'799'999;

}  // namespace

void NetworkTime::Correct(Done done) {
  if (measuring_) {
    waiting_.push_back(std::move(done));
    return;
  }
  std::vector<routing::NodeId> nodes;
  const std::shared_ptr<const routing::Consensus> consensus =
      directory_.current();
  if (consensus != nullptr && !resting_) {
    for (const routing::NodeRecord& node : consensus->nodes()) {
      if (node.storage_role && node.running) nodes.push_back(node.id);
    }
  }
  if (nodes.size() < kNodesNeeded) {
    executor_.Run([weak = std::weak_ptr<const bool>(alive_),
                   done = std::move(done)]() mutable {
      if (!weak.expired()) done(false);
    });
    return;
  }
  random_.Shuffle(nodes.begin(), nodes.end());
  if (nodes.size() > kNodesAsked) {
    nodes.erase(nodes.begin() + kNodesAsked, nodes.end());
  }
  waiting_.push_back(std::move(done));
  measuring_ = true;
  measurement_ = {};
  measurement_.waiting = nodes.size();
  swarm::v1::ClientRequest request;
  request.mutable_time();
  for (const routing::NodeId& node : nodes) {
    caller_.Call(
        node, {node}, request.SerializeAsString(), kReplyCells, kTimeout,
        [this, sent = clock_.Now(),
         weak = std::weak_ptr<const bool>(alive_)](const MemberAnswer& answer) {
          if (!weak.expired()) OnAnswer(sent, answer);
        });
  }
}

void NetworkTime::OnAnswer(absl::Time sent, const MemberAnswer& answer) {
  const absl::Time received = clock_.Now();
  if (answer.status.ok() && answer.response != nullptr &&
      answer.response->has_time() &&
      answer.response->time().now_ms() <= kLatestMs) {
    const absl::Time said = absl::FromUnixMillis(
        static_cast<int64_t>(answer.response->time().now_ms()));
    measurement_.offsets.push_back(said - (sent + (received - sent) / 2));
    std::vector<routing::NodeId> relays = answer.route.hops;
    if (!relays.empty()) relays.pop_back();
    measurement_.routes.insert(std::move(relays));
  }
  if (--measurement_.waiting == 0) Finish();
}

void NetworkTime::Finish() {
  measuring_ = false;
  resting_ = true;
  executor_.RunAfter(kInterval,
                     [this, weak = std::weak_ptr<const bool>(alive_)] {
                       if (!weak.expired()) resting_ = false;
                     });
  std::vector<absl::Duration>& offsets = measurement_.offsets;
  bool changed = false;
  if (offsets.size() >= kNodesNeeded &&
      measurement_.routes.size() >= kRoutesNeeded) {
    std::sort(offsets.begin(), offsets.end());
    // The lower of the two middle ones of an even number: of 4, one liar moves
    // neither beyond an honest one.
    const absl::Duration median = offsets[(offsets.size() - 1) / 2];
    changed = absl::AbsDuration(median - offset_) > kWorthCorrecting;
    if (changed) {
      offset_ = median;
      ++generation_;
    }
  }
  // A callback may destroy this.
  std::vector<Done> told = std::move(waiting_);
  waiting_.clear();
  const std::weak_ptr<const bool> weak(alive_);
  for (Done& done : told) {
    if (weak.expired()) return;
    done(changed);
  }
}

}  // namespace messenger::client
