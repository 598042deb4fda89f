// A storage node's disk that can be made to lie: the node above it is the
// production code, and does not know.
//
// What a dishonest operator can do with messages without being caught by a
// signature: take a message, let the node sign for it, and throw it away; hide
// what it has; hand out something else. And with records: withhold them, or
// show what was true once. Thread-compatible.

#ifndef TOOLS_SIMNET_LYING_STORE_H_
#define TOOLS_SIMNET_LYING_STORE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "swarm/auth/mailbox.h"
#include "swarm/auth/record.h"
#include "swarm/store/message_store.h"

namespace messenger::simnet {

enum class Lie {
  kNone,
  kDropAfterReceipt,  // signs for everything and keeps nothing new
  kHide,              // keeps everything and shows nothing
  kCorrupt,           // shows every message with a byte changed
  // Of records alone; all else is as it should be.
  kNoRecords,         // shows none, as if nobody had an account
  kPreviousRecords,   // shows what stood before the newest change of each
  kPreviousIdentity,  // the same of identity records: old list, new prekeys
  kPreviousPrekeys,   // the same of prekey records: new list, old prekeys
  kEveryVersion,      // shows the newest of each after all older ones
};

// A message that such a member has signed for may not be there.
inline bool LiesAboutMessages(Lie lie) {
  return lie == Lie::kDropAfterReceipt || lie == Lie::kHide ||
         lie == Lie::kCorrupt;
}

// Every version of every record that a node has ever taken, as an operator can
// keep them. By number within a key.
class RecordVersions final {
 public:
  void Add(const swarm::PutRecord& put);
  // What the lie makes of `newest`.
  std::vector<swarm::Record> Shown(Lie lie,
                                   const swarm::MailboxAddress& mailbox,
                                   swarm::MailboxNamespace ns,
                                   std::vector<swarm::Record> newest) const;

 private:
  using Box = std::pair<swarm::MailboxAddress, swarm::MailboxNamespace>;
  std::map<Box, std::map<swarm::RecordKey, std::map<uint64_t, swarm::Record>>>
      versions_;
};

class LyingStore final : public swarm::MessageStore {
 public:
  // Both must outlive the store.
  LyingStore(swarm::MessageStore& truth, RecordVersions& versions)
      : truth_(truth), versions_(versions) {}

  void set_lie(Lie lie) { lie_ = lie; }
  Lie lie() const { return lie_; }

  // The process is gone: nothing is written any more, and `truth` may go.
  void Die() { dead_ = true; }

  absl::StatusOr<std::vector<swarm::OpResult>> Apply(
      absl::Span<const swarm::StoreOp> ops, uint64_t now_ms) override;
  absl::StatusOr<size_t> Expire(uint64_t now_ms, size_t limit_rows) override {
    if (dead_) return Dead();
    return truth_.Expire(now_ms, limit_rows);
  }
  absl::StatusOr<size_t> EraseShard(swarm::Shard shard,
                                    size_t limit_rows) override {
    if (dead_) return Dead();
    return truth_.EraseShard(shard, limit_rows);
  }
  absl::StatusOr<swarm::MessagePage> List(const swarm::MailboxAddress& mailbox,
                                          swarm::MailboxNamespace ns,
                                          uint64_t after_seq, uint64_t now_ms,
                                          size_t limit_rows,
                                          size_t limit_bytes) const override;
  absl::StatusOr<std::vector<swarm::Record>> Records(
      const swarm::MailboxAddress& mailbox,
      swarm::MailboxNamespace ns) const override;
  swarm::MailboxUsage Usage(
      const swarm::MailboxAddress& mailbox) const override {
    return truth_.Usage(mailbox);
  }
  swarm::NodeSpace Space() const override { return truth_.Space(); }
  // To its peers it says what it would have if it were honest; asked for the
  // items themselves it has nothing.
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
      absl::Span<const swarm::ItemKey> items) const override;
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
  static absl::Status Dead() {
    return absl::UnavailableError("the process has been killed");
  }

  swarm::MessageStore& truth_;
  RecordVersions& versions_;
  bool dead_ = false;
  Lie lie_ = Lie::kNone;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_LYING_STORE_H_
