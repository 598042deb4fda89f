// The MessageStore of a real node: one SQLite file, write-ahead log, synced at
// every commit (swarm/SPEC.md, section 6).
//
// Writing and reading use a connection each, so the two threads do not wait for
// one another. A process that is killed at any instant, or a machine that loses
// power, keeps all that Apply() returned for and nothing in halves.

#ifndef SWARM_STORE_SQLITE_STORE_H_
#define SWARM_STORE_SQLITE_STORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "crypto/random/random.h"
#include "routing/runtime/sqlite/database.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

class SqliteStore final : public MessageStore {
 public:
  struct Options {
    std::string path;
    // The file does not grow beyond this, give or take a page and its log;
    // then RESOURCE_EXHAUSTED. 0: as the disk has space.
    uint64_t capacity_bytes = 0;
    // SQLite's virtual file system; empty: the real one.
    std::string vfs;
  };

  // Makes the file if there is none, with an incarnation out of `random`.
  // DATA_LOSS if the file is damaged; FAILED_PRECONDITION if a newer version
  // of this program has written it; UNAVAILABLE if it cannot be opened.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(
      const Options& options, crypto::Random& random);

  absl::StatusOr<std::vector<OpResult>> Apply(
      absl::Span<const StoreOp> ops) override;
  absl::StatusOr<size_t> Expire(uint64_t now_ms, size_t limit_rows) override;
  absl::StatusOr<MessagePage> List(const MailboxAddress& mailbox,
                                   MailboxNamespace ns, uint64_t after_seq,
                                   uint64_t now_ms, size_t limit_rows,
                                   size_t limit_bytes) const override;
  absl::StatusOr<std::vector<Record>> Records(
      const MailboxAddress& mailbox, MailboxNamespace ns) const override;
  absl::StatusOr<StoreTotals> Totals() const override;
  uint64_t incarnation() const override { return incarnation_; }

 private:
  SqliteStore(std::unique_ptr<sqlite::Database> writer,
              std::unique_ptr<sqlite::Database> reader, uint64_t incarnation);

  absl::StatusOr<OpResult> Do(const PutMessage& op);
  absl::StatusOr<OpResult> Do(const DeleteMessages& op);
  absl::StatusOr<OpResult> Do(const PutRecord& op);

  const std::unique_ptr<sqlite::Database> writer_;
  const std::unique_ptr<sqlite::Database> reader_;
  const uint64_t incarnation_;
};

}  // namespace messenger::swarm

#endif  // SWARM_STORE_SQLITE_STORE_H_
