// Brings named items of this node's store to one peer, in order and in batches
// that Replicate takes (swarm/SPEC.md, section 5.2). Reconciliation, hints and
// scrub all push through one of these.
//
// Belongs to the core executor. May be destroyed at any time; then `done` never
// runs.

#ifndef SWARM_REPAIR_ITEM_PUSHER_H_
#define SWARM_REPAIR_ITEM_PUSHER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/item.h"
#include "swarm/repair/peer_caller.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class ItemPusher final {
 public:
  // Bytes of items in one call.
  static constexpr size_t kMaxBatchBytes = 1024 * 1024 - 1024;

  struct Outcome {
    // Not OK: a call failed, or the peer answered nonsense
    // (INVALID_ARGUMENT); what had been pushed until then counts.
    absl::Status status;
    // What became of each item. Confirmed: on the peer's disk, or superseded
    // or deleted there.
    std::vector<ItemKey> confirmed;
    std::vector<ItemKey> gone;  // not in this store, or damaged
    // With the peer's code; more than kMaxRefused are only counted.
    std::vector<std::pair<ItemKey, absl::StatusCode>> refused;
    uint64_t refused_count = 0;
    uint64_t bytes_sent = 0;
    uint64_t bytes_received = 0;
    uint64_t calls = 0;
  };
  using Done = absl::AnyInvocable<void(Outcome)>;

  static constexpr size_t kMaxRefused = 1024;

  // References must outlive the pusher.
  ItemPusher(const MessageStore& store, PeerCaller& caller,
             const routing::NodeId& peer, uint64_t epoch);
  ~ItemPusher();

  ItemPusher(const ItemPusher&) = delete;
  ItemPusher& operator=(const ItemPusher&) = delete;

  // Once. `done` may destroy the pusher; it never runs inside the call if there
  // is anything to call the peer for.
  void Push(std::vector<ItemKey> items, Done done);

 private:
  void Next();
  void Finish(absl::Status status);
  // False: nonsense.
  bool TakeAnswer(const std::vector<ItemKey>& batch, const std::string& reply);

  const MessageStore& store_;
  PeerCaller& caller_;
  const routing::NodeId peer_;
  const uint64_t epoch_;
  std::deque<ItemKey> waiting_;
  Outcome outcome_;
  Done done_;
  std::shared_ptr<bool> alive_;
};

}  // namespace messenger::swarm

#endif  // SWARM_REPAIR_ITEM_PUSHER_H_
