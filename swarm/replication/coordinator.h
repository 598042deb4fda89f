// Brings one write to all members of its swarm and gathers their receipts
// (swarm/SPEC.md, section 5.1). Any member does this for any client.
//
//   client        this member            other members
//     request ----> commit  |
//                   Replicate ----------> commit
//                           | <---------- receipt
//     W receipts <-
//
// An answer is given once enough have confirmed. Members that have not by then
// are still listened to, and get a hint when they fail: the item is brought to
// them later (section 5.3). A client whose coordinator is gone asks another
// member for the same thing.
//
// Belongs to the core executor. May be destroyed at any time; callbacks then
// never run.

#ifndef SWARM_REPLICATION_COORDINATOR_H_
#define SWARM_REPLICATION_COORDINATOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/transport.h"
#include "swarm/auth/item.h"
#include "swarm/auth/receipt.h"
#include "swarm/placement/placement.h"
#include "swarm/replication/local_replica.h"
#include "swarm/validation/request_validator.h"

namespace messenger::swarm {

namespace v1 {
class ReplicatedItem;
}  // namespace v1

class Coordinator final {
 public:
  // OK: `receipts` has W or more of the serving and of the target members, all
  // distinct and verified.
  //   ABORTED             a member has a newer version of the record
  //   PERMISSION_DENIED, RESOURCE_EXHAUSTED
  //                       refused here, or by so many that too few are left,
  //                       with the reason; or too many writes under way
  //   UNAVAILABLE         too few within kReplicateTimeout
  // With an error, `receipts` has those that did come.
  struct Outcome {
    absl::Status status;
    std::vector<Receipt> receipts;
  };
  using Done = absl::AnyInvocable<void(Outcome)>;
  // Notes that `peer` lacks an item that is on this node's disk.
  using NoteHint =
      std::function<void(const routing::NodeId& peer, const ItemKey& item)>;

  // Writes under way at one time; more are refused.
  static constexpr size_t kMaxUnderWay = 1024;
  // Of these, messages for inboxes: strangers leave room for contacts.
  static constexpr size_t kMaxStrangersUnderWay = kMaxUnderWay / 4;

  struct Counters {
    uint64_t written = 0;
    uint64_t joint = 0;   // of these, with a quorum of two sets of members
    uint64_t hinted = 0;  // members that did not confirm
  };

  // All references must outlive the coordinator.
  Coordinator(LocalReplica& local, routing::Transport& transport,
              routing::Executor& executor, NoteHint note_hint);
  ~Coordinator();

  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  // `write` was validated from `item`, and this node is a member of its
  // mailbox by `placement`. `done` never runs inside the call.
  void Write(ValidWrite write, v1::ReplicatedItem item,
             std::shared_ptr<const Placement> placement, Done done);

  size_t under_way() const { return writes_.size(); }
  size_t strangers_under_way() const { return strangers_under_way_; }
  const Counters& counters() const { return counters_; }

 private:
  struct Pending;

  void Add(Pending& pending, const routing::NodeId& node,
           absl::StatusOr<Receipt> receipt);
  // Tells the client, once. `done` may destroy `this`.
  void Answer(Pending& pending);
  // All have said what they will: notes who lacks the item.
  void End(Pending& pending);

  LocalReplica& local_;
  routing::Transport& transport_;
  routing::Executor& executor_;
  const NoteHint note_hint_;
  Counters counters_;
  uint64_t last_write_ = 0;
  size_t strangers_under_way_ = 0;
  absl::flat_hash_map<uint64_t, std::shared_ptr<Pending>> writes_;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPLICATION_COORDINATOR_H_
