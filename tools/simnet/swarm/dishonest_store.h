// The store of a member that lies: the node above it is the production code and
// does not know. What it signs for it may not keep, what it has it may not
// show. Also the seat of planted bugs of disks. Thread-compatible.

#ifndef TOOLS_SIMNET_SWARM_DISHONEST_STORE_H_
#define TOOLS_SIMNET_SWARM_DISHONEST_STORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "swarm/store/message_store.h"
#include "tools/simnet/swarm/plan.h"

namespace messenger::simnet {

class DishonestStore final : public swarm::MessageStore {
 public:
  // `truth` must outlive the store. `lied` is called for each lie.
  DishonestStore(swarm::MessageStore& truth, Liar liar, StoreBug bug,
                 std::function<void()> lied)
      : truth_(truth), liar_(liar), bug_(bug), lied_(std::move(lied)) {}

  absl::StatusOr<std::vector<swarm::OpResult>> Apply(
      absl::Span<const swarm::StoreOp> ops, uint64_t now_ms) override;
  absl::StatusOr<swarm::MessagePage> List(const swarm::MailboxAddress& mailbox,
                                          swarm::MailboxNamespace ns,
                                          uint64_t after_seq, uint64_t now_ms,
                                          size_t limit_rows,
                                          size_t limit_bytes) const override;

  absl::StatusOr<size_t> Expire(uint64_t now_ms, size_t limit_rows) override {
    return truth_.Expire(now_ms, limit_rows);
  }
  absl::StatusOr<size_t> EraseShard(swarm::Shard shard,
                                    size_t limit_rows) override {
    return truth_.EraseShard(shard, limit_rows);
  }
  absl::StatusOr<std::vector<swarm::Record>> Records(
      const swarm::MailboxAddress& mailbox,
      swarm::MailboxNamespace ns) const override {
    return truth_.Records(mailbox, ns);
  }
  swarm::MailboxUsage Usage(
      const swarm::MailboxAddress& mailbox) const override {
    return truth_.Usage(mailbox);
  }
  swarm::NodeSpace Space() const override { return truth_.Space(); }
  std::vector<swarm::Shard> Shards() const override { return truth_.Shards(); }
  std::vector<swarm::WindowSummary> Windows(swarm::Shard shard,
                                            uint64_t from_ms) const override {
    return truth_.Windows(shard, from_ms);
  }
  absl::StatusOr<std::vector<swarm::ItemEntry>> Entries(
      swarm::Shard shard, swarm::Window window) const override {
    return truth_.Entries(shard, window);
  }
  absl::StatusOr<std::vector<swarm::StoreOp>> Load(
      absl::Span<const swarm::ItemKey> items) const override {
    return truth_.Load(items);
  }
  absl::StatusOr<std::vector<swarm::ItemKey>> Hints(
      const routing::NodeId& peer, size_t limit) const override {
    return truth_.Hints(peer, limit);
  }
  absl::StatusOr<std::vector<routing::NodeId>> PeersWithHints() const override {
    return truth_.PeersWithHints();
  }
  uint64_t FilledIn(swarm::Shard shard) const override {
    return truth_.FilledIn(shard);
  }
  absl::StatusOr<swarm::StoreTotals> Totals() const override {
    return truth_.Totals();
  }
  uint64_t incarnation() const override { return truth_.incarnation(); }

 private:
  swarm::MessageStore& truth_;
  const Liar liar_;
  const StoreBug bug_;
  const std::function<void()> lied_;
  std::vector<swarm::StoreOp> behind_;  // with kAckBeforeDisk
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SWARM_DISHONEST_STORE_H_
