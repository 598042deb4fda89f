// One comparison with one peer, from the digest of everything down to the
// items that only one of the two has, and the exchange of those (swarm/SPEC.md,
// sections 5.4 and 5.5).
//
//   this node                              peer
//     Reconcile(groups)           ---->      digests of 256 groups, or "equal"
//     Reconcile(windows of some)  ---->      digests of their windows
//     Reconcile(ranges)           ---->      entries, or digests of parts
//     Fetch(names)                ---->      items: validated, committed
//     Replicate(items, repair)    ---->      results
//     ... until no group is left that differed
//
// The peer is believed nothing: of what it hands over, only items that were
// asked for by their ids are taken, after validation. Whatever it answers, a
// run ends, within the bounds below.
//
// Belongs to the core executor. May be destroyed at any time; then `done` never
// runs.

#ifndef SWARM_REPAIR_RECONCILER_H_
#define SWARM_REPAIR_RECONCILER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/clock.h"
#include "swarm/auth/item.h"
#include "swarm/repair/item_intake.h"
#include "swarm/repair/item_pusher.h"
#include "swarm/repair/peer_caller.h"
#include "swarm/repair/planted_bug.h"
#include "swarm/repair/reconcile_codec.h"
#include "swarm/repair/set_view.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class Reconciler final {
 public:
  // Items that end sooner are left alone: members forget them at instants of
  // their own, and would bring them back to each other.
  static constexpr absl::Duration kExpiryMargin = absl::Seconds(120);

  // Bounds of one run. What is left is for the next one.
  static constexpr uint64_t kMaxSteps = 2048;  // calls of Reconcile
  static constexpr uint64_t kMaxRunBytes = 256 * 1024 * 1024;
  static constexpr absl::Duration kMaxRunTime = absl::Minutes(5);
  // Names gathered before items are exchanged, and ranges yet to be asked for.
  static constexpr size_t kBatchNames = 16'384;
  static constexpr size_t kMaxPendingRanges = 65'536;
  // Fetches under way.
  static constexpr size_t kMaxFetches = 4;

  struct Options {
    const MessageStore& store;  // all references must outlive the run
    PeerCaller& caller;
    const routing::Clock& clock;
    ValidateFunction validate;
    CommitFunction commit;
    PlantedBug bug = PlantedBug::kNone;
  };

  enum class End {
    kComplete,   // all that differed has been looked at
    kBounded,    // a bound was reached
    kFailed,     // `status`: the peer cannot be reached, or the disk failed
    kPeerFault,  // the peer sent what no honest member sends
  };

  struct Outcome {
    End end = End::kFailed;
    absl::Status status;
    bool equal = false;  // from the first digest on
    uint64_t fetched = 0;
    uint64_t pushed = 0;
    uint64_t not_needed = 0;     // fetched, but superseded or deleted here
    uint64_t refused_here = 0;   // fetched, but there is no room or no mailbox
    uint64_t refused_there = 0;  // pushed, and refused
    uint64_t not_given = 0;      // named by the peer, and not handed over
    // Shared shards that were equal or have been made so.
    std::vector<Shard> completed;
    // Those of which the peer says that it does not hold all.
    std::vector<Shard> peer_filling;
    // The peer's clock less ours, corrected by half the round trip.
    std::optional<absl::Duration> clock_offset;
    uint64_t steps = 0;
    uint64_t bytes_sent = 0;
    uint64_t bytes_received = 0;
  };
  using Done = absl::AnyInvocable<void(Outcome)>;

  // `shards` are those shared with `peer` by `layout`, rising.
  // `now` is the cluster's time.
  Reconciler(Options options, const routing::NodeId& peer, uint64_t layout,
             std::vector<Shard> shards, absl::Time now);
  ~Reconciler();

  Reconciler(const Reconciler&) = delete;
  Reconciler& operator=(const Reconciler&) = delete;

  // Once. `done` may destroy the run; it may run inside the call only if the
  // disk fails.
  void Start(Done done);

 private:
  template <typename Level>
  void Ask(Level level);
  void TakeAnswer(absl::Time asked_at, absl::StatusOr<std::string> reply);

  absl::Status TakeGroups(const GroupsAnswer& answer);
  absl::Status TakeWindows(const WindowsAnswer& answer);
  absl::Status TakeEntries(const EntriesAnswer& answer);
  // What one of the two has in a range and the other does not.
  void Compare(Shard shard, const std::vector<ItemEntry>& ours,
               const std::vector<ItemEntry>& theirs);
  absl::Status GiveRange(const EntryRange& range);
  absl::Status Descend(const EntryRange& range, const PartsOfRange& theirs);

  // The next thing to do.
  void Continue();
  bool BoundReached() const;
  void StartTransfer();
  void FetchMore();
  void SendFetch(std::vector<ItemKey> names);
  void TakeItems(const std::vector<ItemKey>& names,
                 absl::StatusOr<std::string> reply);
  void CommitItem(StoreOp op);
  void FetchDone();
  void StartPush();

  void Fail(absl::Status status);
  void Fault(absl::Status status);
  void Finish(End end, absl::Status status);

  const Options options_;
  const routing::NodeId peer_;
  const uint64_t layout_;
  const absl::Time started_;
  const SetView view_;
  Done done_;
  Outcome outcome_;

  std::deque<int> groups_;         // that differ, not yet asked for
  std::vector<int> asked_groups_;  // of the windows being looked at
  Shard from_shard_ = 0;
  std::optional<Shard> next_shard_;  // where to go on in `asked_groups_`
  std::vector<Shard> under_comparison_;
  std::vector<EntryRange> ranges_;  // a stack
  std::vector<EntryRange> asked_ranges_;

  std::vector<ItemKey> wants_;  // a stack in transfer
  std::vector<ItemKey> gives_;
  ItemKind fetched_kind_ = ItemKind::kRegistration;
  size_t fetches_ = 0;
  size_t commits_ = 0;
  absl::Status trouble_;  // ends the run when what is under way has ended
  bool fault_ = false;
  bool truncated_ = false;
  std::unique_ptr<ItemPusher> pusher_;
  std::shared_ptr<bool> alive_;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_RECONCILER_H_
