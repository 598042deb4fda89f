#include "swarm/store/store_check.h"

#include <utility>

#include "absl/status/status.h"
#include "crypto/base/status_macros.h"
#include "swarm/auth/mailbox.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/store/sql.h"

namespace messenger::swarm {
namespace {

absl::Status Damaged() {
  return absl::DataLossError("the store is damaged (check)");
}

MailboxNamespace NamespaceOf(const MailboxAddress& mailbox) {
  return mailbox.kind() == MailboxAddress::Kind::kAccount
             ? MailboxNamespace::kInbox
             : MailboxNamespace::kPairwise;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StoreCheck>> StoreCheck::Open(
    const std::string& path, const std::string& vfs) {
  sqlite::Database::Options options;
  options.read_only = true;
  options.vfs = vfs;
  ASSIGN_OR_RETURN(std::unique_ptr<sqlite::Database> database,
                   sqlite::Database::Open(path, options));
  return std::unique_ptr<StoreCheck>(new StoreCheck(std::move(database)));
}

absl::StatusOr<bool> StoreCheck::Step(size_t rows) {
  size_t checked = 0;
  {
    // The subquery asks the index for what the row says.
    ASSIGN_OR_RETURN(
        Rows messages,
        Select(*database_,
               "SELECT seq, shard, id, size, payload, (SELECT address FROM "
               "mailboxes WHERE row=m.mailbox), (SELECT i.seq FROM messages i "
               "INDEXED BY messages_by_id WHERE i.shard=m.shard AND i.id=m.id "
               "AND i.expiry_ms=m.expiry_ms AND i.mailbox=m.mailbox AND "
               "i.size=m.size) FROM messages m NOT INDEXED WHERE seq>? ORDER "
               "BY seq LIMIT ?",
               last_seq_, rows));
    for (;;) {
      ASSIGN_OR_RETURN(const bool row, messages.Next());
      if (!row) break;
      ++checked;
      last_seq_ = messages.Unsigned(0);
      const auto id = MessageId::FromBytes(messages.Blob(2));
      const auto mailbox = MailboxAddress::FromBytes(messages.Blob(5));
      const auto shard = static_cast<Shard>(messages.Int(1));
      if (!id.ok() || !mailbox.ok() || messages.Unsigned(6) != last_seq_ ||
          ShardOf(*mailbox) != shard) {
        return Damaged();
      }
      const std::string payload = messages.Blob(4);
      if (payload.size() != messages.Unsigned(3) ||
          ComputeMessageId(*mailbox, NamespaceOf(*mailbox), payload) != *id) {
        damaged_.push_back({ItemKind::kMessage, shard, *id});
      }
    }
  }
  if (checked == rows) return true;
  RETURN_IF_ERROR(CheckOtherTables());
  return false;
}

absl::Status StoreCheck::CheckOtherTables() {
  for (const char* sql :
       {"PRAGMA quick_check('meta')", "PRAGMA quick_check('mailboxes')",
        "PRAGMA quick_check('deletions')", "PRAGMA quick_check('tombstones')",
        "PRAGMA quick_check('local_tombstones')",
        "PRAGMA quick_check('purges')", "PRAGMA quick_check('records')",
        "PRAGMA quick_check('hints')", "PRAGMA quick_check('fills')"}) {
    ASSIGN_OR_RETURN(Rows result, Select(*database_, sql));
    ASSIGN_OR_RETURN(const bool row, result.Next());
    if (!row || result.Blob(0) != "ok") return Damaged();
  }
  // Rows that only the index has.
  ASSIGN_OR_RETURN(
      Rows counts,
      Select(*database_,
             "SELECT (SELECT count(*) FROM messages NOT INDEXED WHERE seq>0), "
             "(SELECT count(*) FROM messages INDEXED BY messages_by_id WHERE "
             "shard>=0)"));
  RETURN_IF_ERROR(counts.Next().status());
  return counts.Int(0) == counts.Int(1) ? absl::OkStatus() : Damaged();
}

std::vector<ItemKey> StoreCheck::TakeDamaged() {
  return std::exchange(damaged_, {});
}

}  // namespace messenger::swarm
