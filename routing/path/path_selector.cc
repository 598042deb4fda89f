#include "routing/path/path_selector.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"
#include "routing/path/address_block.h"

namespace messenger::routing {
namespace {

constexpr uint8_t kGuardStateVersion = 1;
// Failures remembered; the network has no more nodes than that.
constexpr size_t kMaxFailures = kMaxConsensusNodes;
constexpr int kMaxDoublings = 6;

// How much likeness of two nodes is put up with, from none on.
enum class Likeness { kNone, kSameBlock, kAny };
constexpr Likeness kFromStrictest[] = {Likeness::kNone, Likeness::kSameBlock,
                                       Likeness::kAny};

bool Tolerated(const NodeRecord& a, const NodeRecord& b, Likeness allowed) {
  if (allowed == Likeness::kAny) return true;
  if (a.operator_key == b.operator_key) return false;
  return allowed == Likeness::kSameBlock ||
         AddressBlock(a.link.address) != AddressBlock(b.link.address);
}

bool ToleratedByAll(const NodeRecord& node,
                    const std::vector<const NodeRecord*>& others,
                    Likeness allowed) {
  return std::all_of(others.begin(), others.end(),
                     [&](const NodeRecord* other) {
                       return Tolerated(node, *other, allowed);
                     });
}

size_t RelaysOf(RoutingMode mode) {
  return mode == RoutingMode::kOnion ? 3 : 1;
}

// Appends nodes of `from`, in its order, until `path` has `count`; all of them
// and `destination` tolerate one another. Looks at every combination before it
// gives up, and then leaves `path` as it was.
bool Extend(std::vector<const NodeRecord*>& path, size_t count,
            const std::vector<const NodeRecord*>& from,
            const NodeRecord* destination, Likeness allowed) {
  if (path.size() == count) return true;
  for (const NodeRecord* node : from) {
    if (std::find(path.begin(), path.end(), node) != path.end() ||
        !ToleratedByAll(*node, path, allowed) ||
        (destination != nullptr && !Tolerated(*node, *destination, allowed))) {
      continue;
    }
    path.push_back(node);
    if (Extend(path, count, from, destination, allowed)) return true;
    path.pop_back();
  }
  return false;
}

}  // namespace

std::string GuardState::Serialize() const {
  crypto::ByteWriter writer;
  writer.U8(kGuardStateVersion).U8(static_cast<uint8_t>(guards.size()));
  for (const Guard& guard : guards) {
    writer.Bytes(guard.node.bytes())
        .U64(static_cast<uint64_t>(absl::ToUnixMillis(guard.chosen)))
        .U64(static_cast<uint64_t>(absl::ToUnixMillis(guard.expires)));
  }
  return writer.Take();
}

absl::StatusOr<GuardState> GuardState::Parse(absl::string_view bytes) {
  const absl::Status malformed =
      absl::InvalidArgumentError("malformed guard state");
  crypto::ByteReader reader(bytes);
  if (reader.U8() != kGuardStateVersion) return malformed;
  const size_t count = reader.U8();
  if (count > PathSelector::kMaxGuards) return malformed;
  GuardState state;
  for (size_t i = 0; i < count; ++i) {
    const auto node = NodeId::FromBytes(reader.Bytes(NodeId::kSize));
    const uint64_t chosen_ms = reader.U64();
    const uint64_t expires_ms = reader.U64();
    if (!node.ok() || chosen_ms > kMaxUnixMillis ||
        expires_ms > kMaxUnixMillis) {
      return malformed;
    }
    state.guards.push_back(
        {*node, absl::FromUnixMillis(static_cast<int64_t>(chosen_ms)),
         absl::FromUnixMillis(static_cast<int64_t>(expires_ms))});
  }
  RETURN_IF_ERROR(reader.Finish());
  return state;
}

PathSelector::PathSelector(crypto::Random& random, GuardState state)
    : random_(random), state_(std::move(state)) {}

absl::StatusOr<std::vector<NodeId>> PathSelector::Choose(
    const Consensus& consensus, RoutingMode mode, const NodeId& destination,
    const std::vector<NodeId>& destination_swarm, absl::Time now) {
  const OnionEpochs epochs = consensus.EpochsAt(now);
  const absl::flat_hash_set<NodeId> swarm(destination_swarm.begin(),
                                          destination_swarm.end());
  Candidates running;
  Candidates candidates;
  for (const NodeRecord& node : consensus.nodes()) {
    if (!node.relay || !node.running ||
        !node.onion_keys.contains(epochs.onion) ||
        !node.kem_keys.contains(epochs.kem)) {
      continue;
    }
    running.push_back(&node);
    if (node.id != destination && !swarm.contains(node.id)) {
      candidates.push_back(&node);
    }
  }
  const size_t count = RelaysOf(mode);
  if (candidates.size() < count) {
    return absl::UnavailableError(absl::StrCat(
        "the network has too few relays for this request: it needs ", count,
        " running outside the recipient's swarm, and there are ",
        candidates.size()));
  }
  RefreshGuards(consensus, running, now);
  const NodeRecord* end = consensus.Find(destination);
  // There are enough candidates, so neither step can fail.
  std::vector<const NodeRecord*> path = {
      ChooseGuard(consensus, candidates, end, now)};
  if (path[0] == nullptr || !Complete(path, count, candidates, end, now)) {
    return absl::InternalError("path selection is broken");
  }
  std::vector<NodeId> ids;
  for (const NodeRecord* node : path) ids.push_back(node->id);
  return ids;
}

void PathSelector::RefreshGuards(const Consensus& consensus,
                                 const Candidates& running, absl::Time now) {
  std::vector<Guard>& guards = state_.guards;
  guards.erase(std::remove_if(guards.begin(), guards.end(),
                              [&](const Guard& guard) {
                                const NodeRecord* node =
                                    consensus.Find(guard.node);
                                return guard.expires <= now ||
                                       node == nullptr || !node->relay;
                              }),
               guards.end());
  while (guards.size() < kGuards && AddGuard(consensus, running, now)) {
  }
}

bool PathSelector::AddGuard(const Consensus& consensus, const Candidates& from,
                            absl::Time now) {
  Candidates present;
  for (const Guard& guard : state_.guards) {
    present.push_back(consensus.Find(guard.node));
  }
  Candidates fresh;
  std::copy_if(from.begin(), from.end(), std::back_inserter(fresh),
               [&](const NodeRecord* node) {
                 return std::find(present.begin(), present.end(), node) ==
                        present.end();
               });
  random_.Shuffle(fresh.begin(), fresh.end());
  for (const Likeness allowed : kFromStrictest) {
    for (const NodeRecord* node : fresh) {
      if (!ToleratedByAll(*node, present, allowed)) continue;
      // A full list gives up the last, which served the least.
      if (state_.guards.size() >= kMaxGuards) state_.guards.pop_back();
      const absl::Duration life =
          kShortestGuardLife +
          (kLongestGuardLife - kShortestGuardLife) * random_.UnitDouble();
      // Whole milliseconds, as they are stored.
      state_.guards.push_back(
          {node->id, absl::FromUnixMillis(absl::ToUnixMillis(now)),
           absl::FromUnixMillis(absl::ToUnixMillis(now + life))});
      return true;
    }
  }
  return false;
}

const NodeRecord* PathSelector::ChooseGuard(const Consensus& consensus,
                                            const Candidates& candidates,
                                            const NodeRecord* destination,
                                            absl::Time now) {
  const auto usable = [&] {
    Candidates usable;
    for (const Guard& guard : state_.guards) {
      const NodeRecord* node = consensus.Find(guard.node);
      if (std::find(candidates.begin(), candidates.end(), node) !=
          candidates.end()) {
        usable.push_back(node);
      }
    }
    return usable;
  };
  Candidates guards = usable();
  for (size_t i = guards.size();
       i < kUsableGuards && AddGuard(consensus, candidates, now); ++i) {
    guards = usable();
  }
  Candidates working;
  std::copy_if(guards.begin(), guards.end(), std::back_inserter(working),
               [&](const NodeRecord* node) { return !Failed(node->id, now); });
  // When all of them failed it may well be the client that is offline: another
  // guard would only learn its address. The one whose failure is soonest
  // forgiven is tried again.
  if (working.empty() && !guards.empty()) {
    return *std::min_element(guards.begin(), guards.end(),
                             [&](const NodeRecord* a, const NodeRecord* b) {
                               return failures_.at(a->id).until <
                                      failures_.at(b->id).until;
                             });
  }
  for (const Likeness allowed : kFromStrictest) {
    for (const NodeRecord* node : working) {
      if (destination == nullptr || Tolerated(*node, *destination, allowed)) {
        return node;
      }
    }
  }
  return nullptr;
}

bool PathSelector::Complete(std::vector<const NodeRecord*>& path, size_t count,
                            const Candidates& candidates,
                            const NodeRecord* destination, absl::Time now) {
  Candidates all = candidates;
  random_.Shuffle(all.begin(), all.end());
  Candidates working;
  std::copy_if(all.begin(), all.end(), std::back_inserter(working),
               [&](const NodeRecord* node) { return !Failed(node->id, now); });
  for (const Candidates* from : {&working, &all}) {
    for (const Likeness allowed : kFromStrictest) {
      if (Extend(path, count, *from, destination, allowed)) return true;
      // The destination is given, the relays are chosen: rather let one of
      // them be like the destination than two be like each other.
      if (Extend(path, count, *from, nullptr, allowed)) return true;
    }
  }
  return false;
}

bool PathSelector::Failed(const NodeId& id, absl::Time now) const {
  const auto it = failures_.find(id);
  return it != failures_.end() && now < it->second.until;
}

void PathSelector::ReportFailure(const NodeId& hop, absl::Time now) {
  if (failures_.size() >= kMaxFailures && !failures_.contains(hop)) {
    failures_.clear();
  }
  Failure& failure = failures_[hop];
  // A failure long after the last one is not in a row with it.
  if (failure.in_a_row > 0 && now > failure.until + kLongestFailureMemory) {
    failure.in_a_row = 0;
  }
  const int doublings = std::min(failure.in_a_row, kMaxDoublings);
  failure.until =
      now + std::min(kFailureMemory * (1 << doublings), kLongestFailureMemory);
  ++failure.in_a_row;
}

void PathSelector::ReportSuccess(absl::Span<const NodeId> path) {
  for (const NodeId& hop : path) failures_.erase(hop);
}

}  // namespace messenger::routing
