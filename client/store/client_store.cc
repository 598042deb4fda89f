#include "client/store/client_store.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "crypto/aead/committing_aead.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::sqlite::Database;
using ::messenger::sqlite::Statement;

constexpr char kSchema[] = R"sql(
CREATE TABLE settings(
  name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE contacts(
  account BLOB PRIMARY KEY, name TEXT NOT NULL, added_ms INTEGER NOT NULL,
  outgoing_mailbox BLOB NOT NULL, incoming_mailbox BLOB NOT NULL,
  identity_record BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions(
  session_id BLOB NOT NULL UNIQUE, peer BLOB NOT NULL, state BLOB NOT NULL);
CREATE INDEX sessions_peer ON sessions(peer);
CREATE TABLE accepted_inits(
  replay_key BLOB PRIMARY KEY, prekey_record BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX accepted_inits_prekey_record ON accepted_inits(prekey_record);
CREATE TABLE messages(
  row INTEGER PRIMARY KEY AUTOINCREMENT, conversation BLOB NOT NULL,
  outgoing INTEGER NOT NULL, message_id BLOB NOT NULL, text TEXT NOT NULL,
  sent_ms INTEGER NOT NULL, stored_ms INTEGER NOT NULL,
  state INTEGER NOT NULL, detail TEXT NOT NULL,
  UNIQUE(conversation, outgoing, message_id));
CREATE TABLE outbox(
  row INTEGER PRIMARY KEY AUTOINCREMENT, message_row INTEGER NOT NULL,
  peer BLOB NOT NULL, content BLOB NOT NULL, blob BLOB, mailbox BLOB NOT NULL,
  namespace INTEGER NOT NULL, expiry_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL, next_try_ms INTEGER NOT NULL);
CREATE INDEX outbox_message ON outbox(message_row);
CREATE TABLE seen(
  mailbox BLOB NOT NULL, id BLOB NOT NULL, expiry_ms INTEGER NOT NULL,
  PRIMARY KEY(mailbox, id)) WITHOUT ROWID;
CREATE INDEX seen_expiry ON seen(expiry_ms);
CREATE TABLE cursors(
  mailbox BLOB NOT NULL, namespace INTEGER NOT NULL, node BLOB NOT NULL,
  incarnation INTEGER NOT NULL, sequence INTEGER NOT NULL,
  PRIMARY KEY(mailbox, namespace, node)) WITHOUT ROWID;
CREATE TABLE parts(
  peer BLOB NOT NULL, text_id BLOB NOT NULL, part INTEGER NOT NULL,
  parts INTEGER NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY(peer, text_id, part)) WITHOUT ROWID;
CREATE TABLE quarantine(
  id BLOB PRIMARY KEY, reason TEXT NOT NULL, time_ms INTEGER NOT NULL
) WITHOUT ROWID;
)sql";

// From version 1 to version 2. What was called a name may have been the
// contact's own word.
constexpr char kSchema2[] = R"sql(
ALTER TABLE contacts ADD COLUMN profile_name TEXT NOT NULL DEFAULT '';
ALTER TABLE parts ADD COLUMN added_ms INTEGER NOT NULL DEFAULT 0;
)sql";

// From version 2 to version 3.
constexpr char kSchema3[] = R"sql(
CREATE TABLE registrations(
  mailbox BLOB PRIMARY KEY, registered_ms INTEGER NOT NULL) WITHOUT ROWID;
)sql";

// From version 3 to version 4.
constexpr char kSchema4[] = R"sql(
ALTER TABLE cursors ADD COLUMN challenge INTEGER NOT NULL DEFAULT 0;
)sql";

// From version 4 to version 5.
constexpr char kSchema5[] = R"sql(
ALTER TABLE contacts ADD COLUMN standing INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN standing_ms INTEGER NOT NULL DEFAULT 0;
)sql";

// From version 5 to version 6.
constexpr char kSchema6[] = R"sql(
ALTER TABLE contacts ADD COLUMN verified_ms INTEGER;
ALTER TABLE contacts ADD COLUMN devices_changed INTEGER NOT NULL DEFAULT 0;
)sql";

// From version 6 to version 7: an index of the words of all messages.
constexpr char kSchema7[] = R"sql(
CREATE VIRTUAL TABLE message_words USING fts5(
  text, content='messages', content_rowid='row',
  tokenize="unicode61 remove_diacritics 2");
INSERT INTO message_words(message_words, rank) VALUES('secure-delete', 1);
INSERT INTO message_words(message_words) VALUES('rebuild');
CREATE TRIGGER messages_added AFTER INSERT ON messages BEGIN
  INSERT INTO message_words(rowid, text) VALUES(new.row, new.text);
END;
CREATE TRIGGER messages_removed AFTER DELETE ON messages BEGIN
  INSERT INTO message_words(message_words, rowid, text)
    VALUES('delete', old.row, old.text);
END;
CREATE TRIGGER messages_rewritten AFTER UPDATE OF text ON messages BEGIN
  INSERT INTO message_words(message_words, rowid, text)
    VALUES('delete', old.row, old.text);
  INSERT INTO message_words(rowid, text) VALUES(new.row, new.text);
END;
)sql";

// From version 7 to version 8: what is said about messages.
constexpr char kSchema8[] = R"sql(
ALTER TABLE messages ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN reply_outgoing INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN reply_id BLOB;
ALTER TABLE messages ADD COLUMN edited_ms INTEGER;
ALTER TABLE messages ADD COLUMN removal INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN timer_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN vanishes_ms INTEGER;
CREATE INDEX messages_vanishing ON messages(vanishes_ms)
  WHERE vanishes_ms IS NOT NULL;
CREATE INDEX messages_removed ON messages(stored_ms) WHERE removal<>0;
ALTER TABLE contacts ADD COLUMN timer_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN timer_revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN muted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contacts ADD COLUMN draft TEXT NOT NULL DEFAULT '';
CREATE TABLE reactions(
  conversation BLOB NOT NULL, outgoing INTEGER NOT NULL,
  message_id BLOB NOT NULL, own INTEGER NOT NULL, emoji TEXT NOT NULL,
  sent_ms INTEGER NOT NULL,
  PRIMARY KEY(conversation, outgoing, message_id, own)) WITHOUT ROWID;
CREATE TABLE early_edits(
  conversation BLOB NOT NULL, message_id BLOB NOT NULL, text TEXT NOT NULL,
  edited_ms INTEGER NOT NULL, added_ms INTEGER NOT NULL,
  PRIMARY KEY(conversation, message_id)) WITHOUT ROWID;
CREATE TABLE owed_receipts(
  peer BLOB NOT NULL, message_id BLOB NOT NULL, read INTEGER NOT NULL,
  due_ms INTEGER NOT NULL, PRIMARY KEY(peer, message_id)) WITHOUT ROWID;
CREATE INDEX owed_receipts_due ON owed_receipts(due_ms);
)sql";

// From version 8 to version 9: several devices; and an index without which the
// last texts of a short conversation cost a walk through all messages.
constexpr char kSchema9[] = R"sql(
CREATE INDEX messages_conversation ON messages(conversation);
ALTER TABLE outbox ADD COLUMN device BLOB NOT NULL DEFAULT x'';
ALTER TABLE outbox ADD COLUMN logical INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN extra INTEGER NOT NULL DEFAULT 0;
UPDATE outbox SET logical=row;
CREATE TABLE peer_mailboxes(
  account BLOB NOT NULL, device BLOB NOT NULL, mailbox BLOB NOT NULL,
  PRIMARY KEY(account, device)) WITHOUT ROWID;
CREATE TABLE own_state(
  name TEXT PRIMARY KEY, value BLOB NOT NULL, changed_ms INTEGER NOT NULL,
  device BLOB NOT NULL) WITHOUT ROWID;
ALTER TABLE messages ADD COLUMN shown INTEGER NOT NULL DEFAULT 0;
DROP TABLE early_edits;
CREATE TABLE early_edits(
  conversation BLOB NOT NULL, outgoing INTEGER NOT NULL,
  message_id BLOB NOT NULL, text TEXT NOT NULL, edited_ms INTEGER NOT NULL,
  added_ms INTEGER NOT NULL,
  PRIMARY KEY(conversation, outgoing, message_id)) WITHOUT ROWID;
)sql";

// From version 9 to version 10: numbered contents, so that gaps are seen.
constexpr char kSchema10[] = R"sql(
ALTER TABLE outbox ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
CREATE TABLE counters(
  peer BLOB NOT NULL, device BLOB NOT NULL, sent INTEGER NOT NULL,
  received INTEGER NOT NULL, PRIMARY KEY(peer, device)) WITHOUT ROWID;
CREATE TABLE gaps(
  peer BLOB NOT NULL, device BLOB NOT NULL, sequence INTEGER NOT NULL,
  noticed_ms INTEGER NOT NULL, asked_ms INTEGER, asks INTEGER NOT NULL,
  PRIMARY KEY(peer, device, sequence)) WITHOUT ROWID;
CREATE TABLE sent_contents(
  peer BLOB NOT NULL, device BLOB NOT NULL, sequence INTEGER NOT NULL,
  message_row INTEGER NOT NULL, content BLOB NOT NULL,
  resends INTEGER NOT NULL, expiry_ms INTEGER NOT NULL,
  PRIMARY KEY(peer, device, sequence)) WITHOUT ROWID;
CREATE INDEX sent_contents_message ON sent_contents(message_row);
CREATE INDEX sent_contents_expiry ON sent_contents(expiry_ms);
)sql";

// From version 10 to version 11: the invite links of this account, and the
// tokens of links of others whom it has not heard from yet.
constexpr char kSchema11[] = R"sql(
CREATE TABLE invites(
  token BLOB PRIMARY KEY, created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL, most_uses INTEGER NOT NULL,
  uses INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE received_invites(
  account BLOB PRIMARY KEY, token BLOB NOT NULL) WITHOUT ROWID;
)sql";

// From version 11 to version 12: words that vanish are sealed under keys of
// their own. Whatever way such a row goes, its key is dropped.
constexpr char kSchema12[] = R"sql(
ALTER TABLE messages ADD COLUMN key_slot INTEGER;
ALTER TABLE messages ADD COLUMN sealed BLOB;
CREATE INDEX messages_key ON messages(key_slot) WHERE key_slot IS NOT NULL;
ALTER TABLE outbox ADD COLUMN words_of INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN key_slot INTEGER;
ALTER TABLE outbox ADD COLUMN fleeting INTEGER NOT NULL DEFAULT 0;
UPDATE outbox SET words_of=message_row;
ALTER TABLE sent_contents RENAME COLUMN message_row TO words_of;
ALTER TABLE sent_contents ADD COLUMN key_slot INTEGER;
CREATE TABLE dropped_keys(slot INTEGER PRIMARY KEY);
CREATE TRIGGER messages_key_deleted AFTER DELETE ON messages
  WHEN old.key_slot IS NOT NULL BEGIN
  INSERT OR IGNORE INTO dropped_keys VALUES(old.key_slot);
END;
CREATE TRIGGER messages_key_changed AFTER UPDATE OF key_slot ON messages
  WHEN old.key_slot IS NOT NULL BEGIN
  INSERT OR IGNORE INTO dropped_keys VALUES(old.key_slot);
END;
CREATE TRIGGER outbox_key_deleted AFTER DELETE ON outbox
  WHEN old.key_slot IS NOT NULL BEGIN
  INSERT OR IGNORE INTO dropped_keys VALUES(old.key_slot);
END;
CREATE TRIGGER outbox_key_changed AFTER UPDATE OF key_slot ON outbox
  WHEN old.key_slot IS NOT NULL BEGIN
  INSERT OR IGNORE INTO dropped_keys VALUES(old.key_slot);
END;
CREATE TRIGGER sent_key_deleted AFTER DELETE ON sent_contents
  WHEN old.key_slot IS NOT NULL BEGIN
  INSERT OR IGNORE INTO dropped_keys VALUES(old.key_slot);
END;
CREATE TRIGGER sent_key_changed AFTER UPDATE OF key_slot ON sent_contents
  WHEN old.key_slot IS NOT NULL BEGIN
  INSERT OR IGNORE INTO dropped_keys VALUES(old.key_slot);
END;
)sql";

// From version 12 to version 13: profile pictures, and which device knows which
// of them.
constexpr char kSchema13[] = R"sql(
CREATE TABLE pictures(
  account BLOB NOT NULL UNIQUE, changed_ms INTEGER NOT NULL,
  chosen_here INTEGER NOT NULL, jpeg BLOB NOT NULL);
CREATE TABLE told_pictures(
  peer BLOB NOT NULL, device BLOB NOT NULL, owner BLOB NOT NULL,
  changed_ms INTEGER NOT NULL,
  PRIMARY KEY(peer, device, owner)) WITHOUT ROWID;
)sql";

// Each from the version that is its index to the next.
constexpr const char* kMigrations[] = {
    kSchema,  kSchema2, kSchema3,  kSchema4,  kSchema5,  kSchema6, kSchema7,
    kSchema8, kSchema9, kSchema10, kSchema11, kSchema12, kSchema13};
static_assert(std::size(kMigrations) == ClientStore::kSchemaVersion);

// What FTS5 is asked for: each word as a string, so that none of its own signs
// means anything, and as the beginning of one.
std::string WordsQuery(absl::string_view words) {
  std::string query;
  for (const absl::string_view word :
       absl::StrSplit(words, absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty())) {
    absl::StrAppend(&query, "\"", absl::StrReplaceAll(word, {{"\"", "\"\""}}),
                    "\"* ");
  }
  return query;
}

// SQLite has signed integers only; the bits are what counts.
int64_t Signed(uint64_t value) { return static_cast<int64_t>(value); }
uint64_t Unsigned(int64_t value) { return static_cast<uint64_t>(value); }

// Columns are read in the order of the tables, which the migrations have made
// the same everywhere.
Contact ReadContact(Statement& row) {
  Contact contact(*AccountId::FromBytes(row.Blob(0)));
  contact.name = row.Text(1);
  contact.added = absl::FromUnixMillis(row.Int(2));
  contact.outgoing_mailbox = row.Blob(3);
  contact.incoming_mailbox = row.Blob(4);
  contact.identity_record = row.Blob(5);
  contact.profile_name = row.Text(6);
  contact.standing = static_cast<Standing>(row.Int(7));
  contact.standing_since = absl::FromUnixMillis(row.Int(8));
  if (!row.IsNull(9)) contact.verified = absl::FromUnixMillis(row.Int(9));
  contact.devices_changed = row.Int(10) != 0;
  contact.timer = absl::Milliseconds(row.Int(11));
  contact.timer_revision = static_cast<uint32_t>(row.Int(12));
  contact.muted = row.Int(13) != 0;
  contact.archived = row.Int(14) != 0;
  contact.pinned = row.Int(15) != 0;
  contact.draft = row.Text(16);
  return contact;
}

ReactionRow ReadReaction(Statement& row) {
  return {row.Int(0) != 0, row.Text(1), absl::FromUnixMillis(row.Int(2))};
}

OwnStateRow ReadOwnState(Statement& row) {
  return {row.Text(0), row.Blob(1), absl::FromUnixMillis(row.Int(2)),
          row.Blob(3)};
}

InviteRow ReadInvite(Statement& row) {
  return {row.Blob(0), absl::FromUnixMillis(row.Int(1)),
          absl::FromUnixMillis(row.Int(2)), static_cast<int>(row.Int(3)),
          static_cast<int>(row.Int(4))};
}

// A time, or NULL.
void BindTime(Statement& statement, int index,
              const std::optional<absl::Time>& time) {
  if (time) {
    statement.BindInt(index, absl::ToUnixMillis(*time));
  } else {
    statement.BindNull(index);
  }
}

SessionRow ReadSession(Statement& row) {
  return {row.Blob(0), *AccountId::FromBytes(row.Blob(1)), row.Blob(2)};
}

// All but the words of one that vanishes.
Message ReadMessage(Statement& row) {
  Message message(*AccountId::FromBytes(row.Blob(1)));
  message.row = row.Int(0);
  message.outgoing = row.Int(2) != 0;
  message.message_id = row.Blob(3);
  message.text = row.Text(4);
  message.sent = absl::FromUnixMillis(row.Int(5));
  message.stored = absl::FromUnixMillis(row.Int(6));
  message.state = static_cast<MessageState>(row.Int(7));
  message.detail = row.Text(8);
  message.kind = static_cast<MessageKind>(row.Int(9));
  if (!row.IsNull(11)) {
    message.reply_to = MessageKey{row.Int(10) != 0, row.Blob(11)};
  }
  if (!row.IsNull(12)) message.edited = absl::FromUnixMillis(row.Int(12));
  message.removal = static_cast<Removal>(row.Int(13));
  message.timer = absl::Milliseconds(row.Int(14));
  if (!row.IsNull(15)) message.vanishes = absl::FromUnixMillis(row.Int(15));
  return message;
}

OutboxItem ReadOutboxItem(Statement& row) {
  OutboxItem item(*AccountId::FromBytes(row.Blob(2)));
  item.row = row.Int(0);
  item.message_row = row.Int(1);
  item.content = row.Blob(3);
  if (!row.IsNull(4)) item.blob = row.Blob(4);
  item.mailbox = row.Blob(5);
  item.mailbox_namespace = static_cast<uint16_t>(row.Int(6));
  item.expiry = absl::FromUnixMillis(row.Int(7));
  item.attempts = static_cast<int>(row.Int(8));
  item.next_try = absl::FromUnixMillis(row.Int(9));
  item.device = row.Blob(10);
  item.logical = row.Int(11);
  item.extra = row.Int(12) != 0;
  item.sequence = Unsigned(row.Int(13));
  item.words_of = row.Int(14);
  item.fleeting = row.Int(16) != 0;
  return item;
}

// Runs a bound query to its end.
template <typename Row>
absl::StatusOr<std::vector<Row>> Collect(Statement* query,
                                         Row (*read)(Statement&)) {
  std::vector<Row> rows;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query->Step());
    if (!row) break;
    rows.push_back(read(*query));
  }
  query->Reset();
  return rows;
}

template <typename Row>
absl::StatusOr<std::optional<Row>> First(Statement* query,
                                         Row (*read)(Statement&)) {
  ASSIGN_OR_RETURN(const bool row, query->Step());
  std::optional<Row> result;
  if (row) result = read(*query);
  query->Reset();
  return result;
}

// Of a message; the sealed words follow.
constexpr int kMessageSlotColumn = 17;
constexpr int kOutboxSlotColumn = 15;
constexpr char kVanishingAd[] = "nm1-vanishing";
// There once the rows of older versions are sealed.
constexpr char kSealedSetting[] = "store/vanishing-sealed";

int64_t ReadInt(Statement& row) { return row.Int(0); }
std::string ReadBlob(Statement& row) { return row.Blob(0); }

}  // namespace

absl::StatusOr<std::unique_ptr<ClientStore>> ClientStore::Open(
    const std::string& folder, const DatabaseKey& key, crypto::Random& random,
    const std::string& vfs) {
  Database::Options options;
  options.key = &key;
  options.exclusive = true;
  options.vfs = vfs;
  const std::string path = absl::StrCat(folder, "/messages.db");
  ASSIGN_OR_RETURN(std::unique_ptr<Database> database,
                   Database::Open(path, options));
  // What was removed leaves no trace, not even in pages that are free now.
  RETURN_IF_ERROR(database->Exec("PRAGMA secure_delete=ON"));
  RETURN_IF_ERROR(Migrate(*database, kSchemaVersion));
  ASSIGN_OR_RETURN(
      std::unique_ptr<VanishingKeys> keys,
      VanishingKeys::Open(absl::StrCat(path, "-keys"), vfs, random));
  std::unique_ptr<ClientStore> store(
      new ClientStore(std::move(database), std::move(keys)));
  RETURN_IF_ERROR(store->DestroyDropped());
  RETURN_IF_ERROR(store->SealOldRows());
  ASSIGN_OR_RETURN(
      Statement * query,
      store->database_->Prepared(
          "SELECT key_slot FROM messages WHERE key_slot IS NOT NULL UNION ALL "
          "SELECT key_slot FROM outbox WHERE key_slot IS NOT NULL UNION ALL "
          "SELECT key_slot FROM sent_contents WHERE key_slot IS NOT NULL"));
  ASSIGN_OR_RETURN(const std::vector<int64_t> slots, Collect(query, ReadInt));
  RETURN_IF_ERROR(store->keys_->KeepOnly({slots.begin(), slots.end()}));
  return store;
}

absl::Status ClientStore::Remove(const std::string& folder) {
  for (const char* suffix : {"", "-wal", "-journal", "-shm", "-keys"}) {
    if (unlink(absl::StrCat(folder, "/messages.db", suffix).c_str()) != 0 &&
        errno != ENOENT) {
      return absl::UnavailableError(absl::StrCat("unlink: ", strerror(errno)));
    }
  }
  return absl::OkStatus();
}

absl::Status ClientStore::Migrate(Database& database, int64_t to) {
  return database.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const int64_t version, database.UserVersion());
    if (version == to) return absl::OkStatus();
    if (version > to) {
      return absl::FailedPreconditionError(
          "the database was written by a newer version of this program");
    }
    for (int64_t step = version; step < to; ++step) {
      RETURN_IF_ERROR(database.Exec(kMigrations[step]));
    }
    return database.SetUserVersion(to);
  });
}

absl::Status ClientStore::Transaction(absl::FunctionRef<absl::Status()> body) {
  in_transaction_ = true;
  const absl::Status status = database_->Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(body());
    // What they seal must not be there before them.
    return keys_->Sync();
  });
  in_transaction_ = false;
  // Keys of a transaction that failed stay until the next start: after an error
  // of the disk it may be there all the same.
  RETURN_IF_ERROR(status);
  // It is done, whatever the disk says of this.
  DestroyDropped().IgnoreError();
  return absl::OkStatus();
}

// ----------------------------------------------------- words that vanish --

absl::StatusOr<ClientStore::Words> ClientStore::Seal(bool vanishes,
                                                     absl::string_view text) {
  if (!vanishes || text.empty()) return Words{std::nullopt, std::string(text)};
  ASSIGN_OR_RETURN(VanishingKeys::NewKey added, keys_->Add());
  if (!in_transaction_) RETURN_IF_ERROR(keys_->Sync());
  return Words{added.slot,
               crypto::CommittingSeal(added.key, kVanishingAd, text)};
}

absl::StatusOr<std::optional<std::string>> ClientStore::Unseal(
    const Words& words) {
  if (!words.slot) return words.bytes;
  const absl::StatusOr<crypto::SecretBytes<32>> key = keys_->Find(*words.slot);
  if (absl::IsNotFound(key.status())) return std::nullopt;
  RETURN_IF_ERROR(key.status());
  absl::StatusOr<std::string> text =
      crypto::CommittingOpen(*key, kVanishingAd, words.bytes);
  // An old copy of the database beside newer keys: the slot is another's.
  if (!text.ok()) return std::nullopt;
  return *std::move(text);
}

ClientStore::Words ClientStore::ReadWords(Statement& row, int slot, int bytes) {
  Words words;
  if (!row.IsNull(slot)) words.slot = row.Int(slot);
  words.bytes = row.Blob(bytes);
  return words;
}

void ClientStore::BindWords(Statement& statement, int slot, int bytes,
                            const Words& words) {
  if (words.slot) {
    statement.BindInt(slot, *words.slot);
  } else {
    statement.BindNull(slot);
  }
  statement.BindBlob(bytes, words.bytes);
}

absl::StatusOr<std::vector<Message>> ClientStore::CollectMessages(
    Statement* query) {
  std::vector<Message> messages;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query->Step());
    if (!row) break;
    messages.push_back(ReadMessage(*query));
    if (query->IsNull(kMessageSlotColumn)) continue;
    ASSIGN_OR_RETURN(
        std::optional<std::string> text,
        Unseal(ReadWords(*query, kMessageSlotColumn, kMessageSlotColumn + 1)));
    if (!text) messages.back().removal = Removal::kVanished;
    messages.back().text = std::move(text).value_or("");
  }
  query->Reset();
  return messages;
}

absl::StatusOr<std::optional<Message>> ClientStore::FirstMessage(
    Statement* query) {
  ASSIGN_OR_RETURN(std::vector<Message> messages, CollectMessages(query));
  if (messages.empty()) return std::nullopt;
  return std::move(messages.front());
}

absl::StatusOr<bool> ClientStore::Vanishes(int64_t message_row) {
  if (message_row == 0) return false;
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT timer_ms>0 FROM messages WHERE row=?"));
  query->BindInt(1, message_row);
  ASSIGN_OR_RETURN(const std::optional<int64_t> timer, First(query, ReadInt));
  return timer.value_or(0) != 0;
}

absl::Status ClientStore::SealOldRows() {
  ASSIGN_OR_RETURN(const std::optional<std::string> done,
                   Setting(kSealedSetting));
  if (done) return absl::OkStatus();
  struct Row {
    int64_t row = 0;
    std::string bytes;
  };
  const auto seal = [&](const char* rows, const char* change) -> absl::Status {
    ASSIGN_OR_RETURN(Statement * query, database_->Prepared(rows));
    ASSIGN_OR_RETURN(const std::vector<Row> found,
                     Collect<Row>(query, [](Statement& row) {
                       return Row{row.Int(0), row.Blob(1)};
                     }));
    for (const Row& row : found) {
      ASSIGN_OR_RETURN(const Words words, Seal(true, row.bytes));
      ASSIGN_OR_RETURN(Statement * update, database_->Prepared(change));
      BindWords(*update, 1, 2, words);
      RETURN_IF_ERROR(update->BindInt(3, row.row).Run());
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(seal(
        "SELECT row, text FROM messages WHERE timer_ms>0 AND key_slot IS NULL "
        "AND text<>''",
        "UPDATE messages SET key_slot=?, sealed=?, text='' WHERE row=?"));
    RETURN_IF_ERROR(seal(
        "SELECT row, content FROM outbox WHERE key_slot IS NULL AND words_of "
        "IN (SELECT row FROM messages WHERE timer_ms>0) AND content<>x''",
        "UPDATE outbox SET key_slot=?, content=? WHERE row=?"));
    RETURN_IF_ERROR(SealOldSent());
    return SetSetting(kSealedSetting, "1");
  }));
  return TruncateLog();
}

absl::Status ClientStore::SealOldSent() {
  struct Row {
    std::string peer;
    std::string device;
    int64_t sequence = 0;
    std::string content;
  };
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared(
          "SELECT peer, device, sequence, content FROM sent_contents WHERE "
          "key_slot IS NULL AND content<>x'' AND words_of IN "
          "(SELECT row FROM messages WHERE timer_ms>0)"));
  ASSIGN_OR_RETURN(
      const std::vector<Row> found, Collect<Row>(query, [](Statement& row) {
        return Row{row.Blob(0), row.Blob(1), row.Int(2), row.Blob(3)};
      }));
  for (const Row& row : found) {
    ASSIGN_OR_RETURN(const Words words, Seal(true, row.content));
    ASSIGN_OR_RETURN(
        Statement * update,
        database_->Prepared("UPDATE sent_contents SET key_slot=?, content=? "
                            "WHERE peer=? AND device=? AND sequence=?"));
    BindWords(*update, 1, 2, words);
    RETURN_IF_ERROR(update->BindBlob(3, row.peer)
                        .BindBlob(4, row.device)
                        .BindInt(5, row.sequence)
                        .Run());
  }
  return absl::OkStatus();
}

absl::Status ClientStore::DestroyDropped() {
  ASSIGN_OR_RETURN(Statement * query,
                   database_->Prepared("SELECT slot FROM dropped_keys"));
  ASSIGN_OR_RETURN(const std::vector<int64_t> slots, Collect(query, ReadInt));
  if (slots.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(keys_->Destroy(slots));
  ASSIGN_OR_RETURN(Statement * remove,
                   database_->Prepared("DELETE FROM dropped_keys"));
  RETURN_IF_ERROR(remove->Run());
  // Only now may they be used again: a slot that is on the list is destroyed.
  keys_->Free(slots);
  return absl::OkStatus();
}

// ------------------------------------------------------------------ values --

absl::StatusOr<std::optional<std::string>> ClientStore::Setting(
    absl::string_view name) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT value FROM settings WHERE name=?"));
  query->BindText(1, name);
  return First(query, ReadBlob);
}

absl::Status ClientStore::SetSetting(absl::string_view name,
                                     absl::string_view value) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared("INSERT INTO settings(name, value) VALUES(?1, ?2) "
                          "ON CONFLICT(name) DO UPDATE SET value=?2"));
  return insert->BindText(1, name).BindBlob(2, value).Run();
}

absl::Status ClientStore::DeleteSetting(absl::string_view name) {
  ASSIGN_OR_RETURN(Statement * remove,
                   database_->Prepared("DELETE FROM settings WHERE name=?"));
  return remove->BindText(1, name).Run();
}

absl::Status ClientStore::PutContact(const Contact& contact) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared(
          "INSERT OR REPLACE INTO contacts(account, name, added_ms, "
          "outgoing_mailbox, incoming_mailbox, identity_record, profile_name, "
          "standing, standing_ms, verified_ms, devices_changed, timer_ms, "
          "timer_revision, muted, archived, pinned, draft) "
          "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  BindTime(*insert, 10, contact.verified);
  return insert->BindBlob(1, contact.account.bytes())
      .BindText(2, contact.name)
      .BindInt(3, absl::ToUnixMillis(contact.added))
      .BindBlob(4, contact.outgoing_mailbox)
      .BindBlob(5, contact.incoming_mailbox)
      .BindBlob(6, contact.identity_record)
      .BindText(7, contact.profile_name)
      .BindInt(8, static_cast<int64_t>(contact.standing))
      .BindInt(9, absl::ToUnixMillis(contact.standing_since))
      .BindInt(11, contact.devices_changed ? 1 : 0)
      .BindInt(12, absl::ToInt64Milliseconds(contact.timer))
      .BindInt(13, contact.timer_revision)
      .BindInt(14, contact.muted ? 1 : 0)
      .BindInt(15, contact.archived ? 1 : 0)
      .BindInt(16, contact.pinned ? 1 : 0)
      .BindText(17, contact.draft)
      .Run();
}

absl::StatusOr<std::optional<Contact>> ClientStore::FindContact(
    const AccountId& account) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT * FROM contacts WHERE account=?"));
  query->BindBlob(1, account.bytes());
  return First(query, ReadContact);
}

absl::StatusOr<std::vector<Contact>> ClientStore::Contacts() {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT * FROM contacts ORDER BY name, account"));
  return Collect(query, ReadContact);
}

absl::Status ClientStore::DeleteContact(const AccountId& account) {
  RETURN_IF_ERROR(ForgetReceivedInvite(account));
  ASSIGN_OR_RETURN(
      Statement * mailboxes,
      database_->Prepared("DELETE FROM peer_mailboxes WHERE account=?"));
  RETURN_IF_ERROR(mailboxes->BindBlob(1, account.bytes()).Run());
  ASSIGN_OR_RETURN(Statement * picture,
                   database_->Prepared("DELETE FROM pictures WHERE account=?"));
  RETURN_IF_ERROR(picture->BindBlob(1, account.bytes()).Run());
  RETURN_IF_ERROR(ForgetPicturesTold(account));
  ASSIGN_OR_RETURN(Statement * remove,
                   database_->Prepared("DELETE FROM contacts WHERE account=?"));
  return remove->BindBlob(1, account.bytes()).Run();
}

absl::Status ClientStore::PutSession(const SessionRow& session) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared(
          "INSERT INTO sessions(session_id, peer, state) VALUES(?1, ?2, ?3) "
          "ON CONFLICT(session_id) DO UPDATE SET state=?3"));
  return insert->BindBlob(1, session.session_id)
      .BindBlob(2, session.peer.bytes())
      .BindBlob(3, session.state)
      .Run();
}

absl::Status ClientStore::DeleteSession(absl::string_view session_id) {
  ASSIGN_OR_RETURN(
      Statement * remove,
      database_->Prepared("DELETE FROM sessions WHERE session_id=?"));
  return remove->BindBlob(1, session_id).Run();
}

absl::StatusOr<std::vector<SessionRow>> ClientStore::Sessions(
    const AccountId& peer) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT session_id, peer, state FROM sessions "
                          "WHERE peer=? ORDER BY rowid DESC"));
  query->BindBlob(1, peer.bytes());
  return Collect(query, ReadSession);
}

absl::StatusOr<std::vector<SessionRow>> ClientStore::AllSessions() {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT session_id, peer, state FROM sessions "
                          "ORDER BY rowid DESC"));
  return Collect(query, ReadSession);
}

absl::Status ClientStore::AddAcceptedInit(
    absl::string_view replay_key, absl::string_view prekey_record_hash) {
  ASSIGN_OR_RETURN(Statement * insert,
                   database_->Prepared("INSERT INTO accepted_inits(replay_key, "
                                       "prekey_record) VALUES(?, ?)"));
  return insert->BindBlob(1, replay_key).BindBlob(2, prekey_record_hash).Run();
}

absl::StatusOr<bool> ClientStore::IsAcceptedInit(absl::string_view replay_key) {
  ASSIGN_OR_RETURN(Statement * query,
                   database_->Prepared("SELECT count(*) FROM accepted_inits "
                                       "WHERE replay_key=?"));
  query->BindBlob(1, replay_key);
  ASSIGN_OR_RETURN(const std::optional<int64_t> count, First(query, ReadInt));
  return count.value_or(0) > 0;
}

absl::Status ClientStore::ForgetAcceptedInits(
    absl::string_view prekey_record_hash) {
  ASSIGN_OR_RETURN(
      Statement * remove,
      database_->Prepared("DELETE FROM accepted_inits WHERE prekey_record=?"));
  return remove->BindBlob(1, prekey_record_hash).Run();
}

absl::StatusOr<int64_t> ClientStore::AddMessage(const Message& message) {
  ASSIGN_OR_RETURN(const Words words,
                   Seal(message.timer > absl::ZeroDuration(), message.text));
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared(
          "INSERT INTO messages(conversation, outgoing, message_id, text, "
          "sent_ms, stored_ms, state, detail, kind, reply_outgoing, reply_id, "
          "edited_ms, removal, timer_ms, vanishes_ms, key_slot, sealed) "
          "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  if (message.reply_to) {
    insert->BindInt(10, message.reply_to->outgoing ? 1 : 0)
        .BindBlob(11, message.reply_to->message_id);
  } else {
    insert->BindInt(10, 0).BindNull(11);
  }
  BindTime(*insert, 12, message.edited);
  BindTime(*insert, 15, message.vanishes);
  if (words.slot) {
    BindWords(*insert, 16, 17, words);
  } else {
    insert->BindNull(16).BindNull(17);
  }
  RETURN_IF_ERROR(insert->BindBlob(1, message.conversation.bytes())
                      .BindInt(2, message.outgoing ? 1 : 0)
                      .BindBlob(3, message.message_id)
                      .BindText(4, words.slot ? "" : message.text)
                      .BindInt(5, absl::ToUnixMillis(message.sent))
                      .BindInt(6, absl::ToUnixMillis(message.stored))
                      .BindInt(7, static_cast<int>(message.state))
                      .BindText(8, message.detail)
                      .BindInt(9, static_cast<int>(message.kind))
                      .BindInt(13, static_cast<int>(message.removal))
                      .BindInt(14, absl::ToInt64Milliseconds(message.timer))
                      .Run());
  const int64_t row = database_->LastInsertRowId();
  RETURN_IF_ERROR(ApplyEarlyEdit(message.conversation,
                                 {message.outgoing, message.message_id}, row));
  return row;
}

absl::Status ClientStore::SetMessageState(int64_t row, MessageState state,
                                          absl::string_view detail) {
  ASSIGN_OR_RETURN(Statement * update,
                   database_->Prepared("UPDATE messages SET state=?, detail=? "
                                       "WHERE row=? AND state NOT IN (?, ?)"));
  return update->BindInt(1, static_cast<int>(state))
      .BindText(2, detail)
      .BindInt(3, row)
      .BindInt(4, static_cast<int>(MessageState::kDelivered))
      .BindInt(5, static_cast<int>(MessageState::kRead))
      .Run();
}

absl::StatusOr<std::optional<Message>> ClientStore::FindMessage(int64_t row) {
  ASSIGN_OR_RETURN(Statement * query,
                   database_->Prepared("SELECT * FROM messages WHERE row=?"));
  query->BindInt(1, row);
  return FirstMessage(query);
}

absl::StatusOr<std::optional<Message>> ClientStore::FindMessage(
    const AccountId& conversation, const MessageKey& key) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT * FROM messages WHERE conversation=? "
                          "AND outgoing=? AND message_id=?"));
  query->BindBlob(1, conversation.bytes())
      .BindInt(2, key.outgoing ? 1 : 0)
      .BindBlob(3, key.message_id);
  return FirstMessage(query);
}

absl::StatusOr<std::vector<Message>> ClientStore::Messages(
    const std::optional<AccountId>& conversation, int limit) {
  // The newest rows, then turned round.
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared(
          "SELECT * FROM (SELECT * FROM messages "
          "WHERE removal<=?4 AND (conversation=?1 OR (?1 IS NULL AND "
          "conversation NOT IN "
          "(SELECT account FROM contacts WHERE standing=?3))) "
          "ORDER BY row DESC LIMIT ?2) "
          "ORDER BY row"));
  if (conversation) {
    query->BindBlob(1, conversation->bytes());
  } else {
    query->BindNull(1);
  }
  // What its author took back is shown as that.
  query->BindInt(2, limit)
      .BindInt(3, static_cast<int64_t>(Standing::kRequest))
      .BindInt(4, static_cast<int64_t>(Removal::kUnsent));
  return CollectMessages(query);
}

absl::StatusOr<std::vector<Message>> ClientStore::Search(
    absl::string_view words, int limit) {
  const std::string wanted = WordsQuery(words);
  if (wanted.empty()) return std::vector<Message>();
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared(
          "SELECT * FROM (SELECT messages.* "
          "FROM message_words JOIN messages ON row=message_words.rowid "
          "WHERE message_words MATCH ?1 AND conversation NOT IN "
          "(SELECT account FROM contacts WHERE standing=?3) "
          "ORDER BY message_words.rowid DESC LIMIT ?2) ORDER BY row"));
  query->BindText(1, wanted).BindInt(2, limit).BindInt(
      3, static_cast<int64_t>(Standing::kRequest));
  ASSIGN_OR_RETURN(std::vector<Message> found, CollectMessages(query));
  ASSIGN_OR_RETURN(const std::vector<Message> vanishing,
                   SearchVanishing(wanted, limit));
  if (vanishing.empty()) return found;
  found.insert(found.end(), vanishing.begin(), vanishing.end());
  std::sort(found.begin(), found.end(),
            [](const Message& a, const Message& b) { return a.row < b.row; });
  const size_t surplus = found.size() - std::min<size_t>(found.size(), limit);
  found.erase(found.begin(), found.begin() + surplus);
  return found;
}

// The index would keep their words. One that lies in memory, for this search
// only, has the same rules.
absl::StatusOr<std::vector<Message>> ClientStore::SearchVanishing(
    const std::string& wanted, int limit) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared(
          "SELECT * FROM messages WHERE key_slot IS NOT NULL AND removal=0 "
          "AND conversation NOT IN "
          "(SELECT account FROM contacts WHERE standing=?) ORDER BY row"));
  query->BindInt(1, static_cast<int64_t>(Standing::kRequest));
  ASSIGN_OR_RETURN(std::vector<Message> messages, CollectMessages(query));
  if (messages.empty()) return messages;
  RETURN_IF_ERROR(
      database_->Exec("CREATE VIRTUAL TABLE temp.vanishing_words USING fts5("
                      "text, tokenize=\"unicode61 remove_diacritics 2\")"));
  std::vector<int64_t> rows;
  const auto search = [&]() -> absl::Status {
    for (const Message& message : messages) {
      ASSIGN_OR_RETURN(
          Statement * insert,
          database_->Prepared(
              "INSERT INTO temp.vanishing_words(rowid, text) VALUES(?, ?)"));
      RETURN_IF_ERROR(
          insert->BindInt(1, message.row).BindText(2, message.text).Run());
    }
    ASSIGN_OR_RETURN(
        Statement * match,
        database_->Prepared(
            "SELECT rowid FROM temp.vanishing_words WHERE vanishing_words "
            "MATCH ? ORDER BY rowid DESC LIMIT ?"));
    match->BindText(1, wanted).BindInt(2, limit);
    ASSIGN_OR_RETURN(rows, Collect(match, ReadInt));
    return absl::OkStatus();
  };
  const absl::Status searched = database_->Transaction(search);
  RETURN_IF_ERROR(database_->Exec("DROP TABLE temp.vanishing_words"));
  RETURN_IF_ERROR(searched);
  std::erase_if(messages, [&rows](const Message& message) {
    return std::find(rows.begin(), rows.end(), message.row) == rows.end();
  });
  return messages;
}

absl::StatusOr<std::vector<Message>> ClientStore::IncomingAfter(int64_t row) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared(
          "SELECT * FROM messages "
          "WHERE row>? AND outgoing=0 AND removal=0 AND shown=0 AND "
          "conversation NOT IN "
          "(SELECT account FROM contacts WHERE standing<>?) ORDER BY row"));
  query->BindInt(1, row).BindInt(2, static_cast<int64_t>(Standing::kContact));
  return CollectMessages(query);
}

absl::Status ClientStore::MarkShown(const AccountId& conversation,
                                    absl::string_view message_id,
                                    absl::Time now) {
  ASSIGN_OR_RETURN(
      Statement * update,
      database_->Prepared(
          "UPDATE messages SET shown=1, vanishes_ms=CASE WHEN timer_ms>0 AND "
          "vanishes_ms IS NULL AND removal=0 AND kind=0 THEN ?3+timer_ms ELSE "
          "vanishes_ms END WHERE conversation=?1 AND outgoing=0 AND shown=0 "
          "AND row<=(SELECT row FROM messages WHERE conversation=?1 AND "
          "outgoing=0 AND message_id=?2)"));
  return update->BindBlob(1, conversation.bytes())
      .BindBlob(2, message_id)
      .BindInt(3, absl::ToUnixMillis(now))
      .Run();
}

absl::Status ClientStore::MoveIncomingToEnd(const AccountId& conversation) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT * FROM messages "
                          "WHERE conversation=? AND outgoing=0 ORDER BY row"));
  query->BindBlob(1, conversation.bytes());
  ASSIGN_OR_RETURN(const std::vector<Message> messages, CollectMessages(query));
  for (const Message& message : messages) {
    ASSIGN_OR_RETURN(Statement * remove,
                     database_->Prepared("DELETE FROM messages WHERE row=?"));
    RETURN_IF_ERROR(remove->BindInt(1, message.row).Run());
    RETURN_IF_ERROR(AddMessage(message).status());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Message>> ClientStore::MessagesToKeep(int64_t after,
                                                                 int limit) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared(
          "SELECT * FROM messages WHERE row>? AND conversation IN "
          "(SELECT account FROM contacts WHERE standing IN (?, ?)) "
          "ORDER BY row LIMIT ?"));
  query->BindInt(1, after)
      .BindInt(2, static_cast<int64_t>(Standing::kContact))
      .BindInt(3, static_cast<int64_t>(Standing::kBlocked))
      .BindInt(4, limit);
  return CollectMessages(query);
}

absl::StatusOr<bool> ClientStore::AddRestored(const Message& message) {
  ASSIGN_OR_RETURN(const std::optional<Message> here,
                   FindMessage(message.conversation,
                               {message.outgoing, message.message_id}));
  if (here) return false;
  ASSIGN_OR_RETURN(const int64_t row, AddMessage(message));
  ASSIGN_OR_RETURN(
      Statement * update,
      database_->Prepared("UPDATE messages SET shown=1 WHERE row=?"));
  RETURN_IF_ERROR(update->BindInt(1, row).Run());
  return true;
}

absl::StatusOr<int64_t> ClientStore::LastMessageRow() {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT coalesce(max(row), 0) FROM messages"));
  ASSIGN_OR_RETURN(const std::optional<int64_t> row, First(query, ReadInt));
  return row.value_or(0);
}

absl::Status ClientStore::SortRestored(int64_t last, int64_t shown) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared(
          "SELECT count(*) FROM messages WHERE row<=?1 AND stored_ms>"
          "(SELECT min(stored_ms) FROM messages WHERE row>?1)"));
  query->BindInt(1, last);
  ASSIGN_OR_RETURN(const std::optional<int64_t> later, First(query, ReadInt));
  if (later.value_or(0) == 0) return absl::OkStatus();
  // A new row is after the mark of what was shown.
  ASSIGN_OR_RETURN(
      Statement * mark,
      database_->Prepared("UPDATE messages SET shown=1 WHERE row<=?"));
  RETURN_IF_ERROR(mark->BindInt(1, shown).Run());
  ASSIGN_OR_RETURN(const int64_t base, LastMessageRow());
  RETURN_IF_ERROR(
      database_->Exec("CREATE TEMP TABLE IF NOT EXISTS places("
                      "old INTEGER PRIMARY KEY, place INTEGER NOT NULL);"
                      "DELETE FROM places"));
  ASSIGN_OR_RETURN(
      Statement * places,
      database_->Prepared(
          "INSERT INTO places SELECT row, ?2+row_number() OVER "
          "(ORDER BY stored_ms, row) FROM messages WHERE row>?1 OR stored_ms>"
          "(SELECT min(stored_ms) FROM messages WHERE row>?1)"));
  RETURN_IF_ERROR(places->BindInt(1, last).BindInt(2, base).Run());
  RETURN_IF_ERROR(database_->Exec(
      "UPDATE outbox SET message_row=(SELECT place FROM places WHERE "
      "old=message_row) WHERE message_row IN (SELECT old FROM places);"
      "UPDATE outbox SET words_of=(SELECT place FROM places WHERE "
      "old=words_of) WHERE words_of IN (SELECT old FROM places);"
      "UPDATE sent_contents SET words_of=(SELECT place FROM places WHERE "
      "old=words_of) WHERE words_of IN (SELECT old FROM places);"
      "UPDATE messages SET row=(SELECT place FROM places WHERE old=row) "
      "WHERE row IN (SELECT old FROM places);"
      "DELETE FROM places"));
  // Moving each word in it takes a time that grows with the square of them.
  return database_->Exec(
      "INSERT INTO message_words(message_words) VALUES('rebuild')");
}

absl::Status ClientStore::DeleteConversation(const AccountId& conversation) {
  for (const char* sql :
       {"DELETE FROM messages WHERE conversation=?",
        "DELETE FROM reactions WHERE conversation=?",
        "DELETE FROM early_edits WHERE conversation=?",
        "DELETE FROM owed_receipts WHERE peer=?",
        "DELETE FROM sent_contents WHERE peer=?",
        "DELETE FROM gaps WHERE peer=?", "DELETE FROM parts WHERE peer=?",
        "DELETE FROM outbox WHERE peer=?"}) {
    ASSIGN_OR_RETURN(Statement * remove, database_->Prepared(sql));
    RETURN_IF_ERROR(remove->BindBlob(1, conversation.bytes()).Run());
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> ClientStore::EditMessage(int64_t row,
                                              absl::string_view text,
                                              absl::Time edited) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT timer_ms>0 FROM messages WHERE row=?1 AND "
                          "removal=0 AND kind=0 AND "
                          "(edited_ms IS NULL OR edited_ms<?2)"));
  query->BindInt(1, row).BindInt(2, absl::ToUnixMillis(edited));
  ASSIGN_OR_RETURN(const std::optional<int64_t> vanishes,
                   First(query, ReadInt));
  if (!vanishes) return false;
  ASSIGN_OR_RETURN(const Words words, Seal(*vanishes != 0, text));
  ASSIGN_OR_RETURN(
      Statement * update,
      words.slot ? database_->Prepared(
                       "UPDATE messages SET edited_ms=?3, key_slot=?1, "
                       "sealed=?2, text='' WHERE row=?4")
                 : database_->Prepared("UPDATE messages SET edited_ms=?3, "
                                       "key_slot=?1, sealed=NULL, text="
                                       "CAST(?2 AS TEXT) WHERE row=?4"));
  BindWords(*update, 1, 2, words);
  RETURN_IF_ERROR(
      update->BindInt(3, absl::ToUnixMillis(edited)).BindInt(4, row).Run());
  return true;
}

absl::Status ClientStore::KeepEarlyEdit(const AccountId& conversation,
                                        const MessageKey& key,
                                        absl::string_view text,
                                        absl::Time edited, absl::Time now) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared(
          "INSERT INTO early_edits(conversation, outgoing, message_id, text, "
          "edited_ms, added_ms) SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE "
          "(SELECT count(*) FROM early_edits WHERE conversation=?1 AND NOT "
          "(outgoing=?2 AND message_id=?3))<?7 "
          "ON CONFLICT(conversation, outgoing, message_id) DO UPDATE SET "
          "text=?4, edited_ms=?5 WHERE edited_ms<?5"));
  return insert->BindBlob(1, conversation.bytes())
      .BindInt(2, key.outgoing ? 1 : 0)
      .BindBlob(3, key.message_id)
      .BindText(4, text)
      .BindInt(5, absl::ToUnixMillis(edited))
      .BindInt(6, absl::ToUnixMillis(now))
      .BindInt(7, kMaxEarly)
      .Run();
}

absl::Status ClientStore::ApplyEarlyEdit(const AccountId& conversation,
                                         const MessageKey& key, int64_t row) {
  struct Edit {
    std::string text;
    absl::Time edited;
  };
  ASSIGN_OR_RETURN(
      Statement * take,
      database_->Prepared("DELETE FROM early_edits WHERE conversation=? AND "
                          "outgoing=? AND message_id=? "
                          "RETURNING text, edited_ms"));
  take->BindBlob(1, conversation.bytes())
      .BindInt(2, key.outgoing ? 1 : 0)
      .BindBlob(3, key.message_id);
  ASSIGN_OR_RETURN(const std::vector<Edit> edits,
                   Collect<Edit>(take, [](Statement& row) {
                     return Edit{row.Text(0), absl::FromUnixMillis(row.Int(1))};
                   }));
  if (edits.empty()) return absl::OkStatus();
  return EditMessage(row, edits[0].text, edits[0].edited).status();
}

absl::Status ClientStore::RemoveMessage(const Message& message, Removal why) {
  ASSIGN_OR_RETURN(
      Statement * update,
      database_->Prepared(
          "UPDATE messages SET text='', detail='', reply_id=NULL, "
          "edited_ms=NULL, vanishes_ms=NULL, sealed=NULL, key_slot=NULL, "
          "removal=? WHERE row=?"));
  RETURN_IF_ERROR(update->BindInt(1, static_cast<int64_t>(why))
                      .BindInt(2, message.row)
                      .Run());
  ASSIGN_OR_RETURN(
      Statement * reactions,
      database_->Prepared("DELETE FROM reactions WHERE conversation=? AND "
                          "outgoing=? AND message_id=?"));
  RETURN_IF_ERROR(reactions->BindBlob(1, message.conversation.bytes())
                      .BindInt(2, message.outgoing ? 1 : 0)
                      .BindBlob(3, message.message_id)
                      .Run());
  if (message.outgoing) {
    // It is not sent again; that it was there is known for a while.
    ASSIGN_OR_RETURN(
        Statement * sent,
        database_->Prepared("UPDATE sent_contents SET content=x'', "
                            "key_slot=NULL WHERE words_of=?"));
    return sent->BindInt(1, message.row).Run();
  }
  ASSIGN_OR_RETURN(
      Statement * parts,
      database_->Prepared("DELETE FROM parts WHERE peer=? AND text_id=?"));
  return parts->BindBlob(1, message.conversation.bytes())
      .BindBlob(2, message.message_id)
      .Run();
}

absl::Status ClientStore::AddRemoved(const AccountId& conversation,
                                     const MessageKey& key, absl::Time now) {
  Message message(conversation);
  message.outgoing = key.outgoing;
  message.message_id = key.message_id;
  message.sent = message.stored = now;
  message.state = key.outgoing ? MessageState::kSent : MessageState::kReceived;
  // Nothing was there to be taken back: there is nothing to show.
  message.removal = Removal::kDeleted;
  ASSIGN_OR_RETURN(message.row, AddMessage(message));
  return RemoveMessage(message, Removal::kDeleted);
}

absl::StatusOr<bool> ClientStore::PutReaction(const AccountId& conversation,
                                              const MessageKey& target,
                                              const ReactionRow& reaction) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared(
          "INSERT INTO reactions(conversation, outgoing, message_id, own, "
          "emoji, sent_ms) SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE EXISTS("
          "SELECT 1 FROM messages WHERE conversation=?1 AND outgoing=?2 AND "
          "message_id=?3 AND removal=0) OR (NOT EXISTS(SELECT 1 FROM messages "
          "WHERE conversation=?1 AND outgoing=?2 AND message_id=?3) AND ("
          "SELECT count(*) FROM reactions AS early WHERE conversation=?1 AND "
          "NOT EXISTS(SELECT 1 FROM messages WHERE "
          "messages.conversation=?1 AND messages.outgoing=early.outgoing AND "
          "messages.message_id=early.message_id))<?7) "
          "ON CONFLICT(conversation, outgoing, message_id, own) DO UPDATE "
          "SET emoji=?5, sent_ms=?6 WHERE sent_ms<?6"));
  RETURN_IF_ERROR(insert->BindBlob(1, conversation.bytes())
                      .BindInt(2, target.outgoing ? 1 : 0)
                      .BindBlob(3, target.message_id)
                      .BindInt(4, reaction.own ? 1 : 0)
                      .BindText(5, reaction.emoji)
                      .BindInt(6, absl::ToUnixMillis(reaction.sent))
                      .BindInt(7, kMaxEarly)
                      .Run());
  return database_->Changes() > 0;
}

absl::StatusOr<std::vector<ReactionRow>> ClientStore::Reactions(
    const Message& message) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT own, emoji, sent_ms FROM reactions WHERE "
                          "conversation=? AND outgoing=? AND message_id=? AND "
                          "emoji<>'' ORDER BY own"));
  query->BindBlob(1, message.conversation.bytes())
      .BindInt(2, message.outgoing ? 1 : 0)
      .BindBlob(3, message.message_id);
  return Collect(query, ReadReaction);
}

absl::StatusOr<std::optional<ReactionRow>> ClientStore::FindReaction(
    const AccountId& conversation, const MessageKey& target, bool own) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT own, emoji, sent_ms FROM reactions WHERE "
                          "conversation=? AND outgoing=? AND message_id=? AND "
                          "own=?"));
  query->BindBlob(1, conversation.bytes())
      .BindInt(2, target.outgoing ? 1 : 0)
      .BindBlob(3, target.message_id)
      .BindInt(4, own ? 1 : 0);
  return First(query, ReadReaction);
}

absl::StatusOr<std::optional<int64_t>> ClientStore::Confirm(
    const AccountId& conversation, absl::string_view message_id,
    MessageState state) {
  ASSIGN_OR_RETURN(
      Statement * update,
      database_->Prepared(
          "UPDATE messages SET state=?1, detail='' WHERE conversation=?2 AND "
          "outgoing=1 AND message_id=?3 AND state<>?1 AND state<>?4 "
          "RETURNING row"));
  update->BindInt(1, static_cast<int64_t>(state))
      .BindBlob(2, conversation.bytes())
      .BindBlob(3, message_id)
      .BindInt(4, static_cast<int64_t>(MessageState::kRead));
  ASSIGN_OR_RETURN(const std::vector<int64_t> rows, Collect(update, ReadInt));
  if (rows.empty()) return std::nullopt;
  return rows[0];
}

absl::Status ClientStore::OweReceipt(const AccountId& peer,
                                     const OwedReceipt& receipt,
                                     absl::Time due) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared(
          "INSERT INTO owed_receipts(peer, message_id, read, due_ms) "
          "SELECT ?1, ?2, ?3, ?4 WHERE (SELECT count(*) FROM owed_receipts "
          "WHERE peer=?1 AND message_id<>?2)<?5 "
          "ON CONFLICT(peer, message_id) DO UPDATE SET read=max(read, ?3)"));
  return insert->BindBlob(1, peer.bytes())
      .BindBlob(2, receipt.message_id)
      .BindInt(3, receipt.read ? 1 : 0)
      .BindInt(4, absl::ToUnixMillis(due))
      .BindInt(5, kMaxOwedReceipts)
      .Run();
}

absl::StatusOr<std::vector<AccountId>> ClientStore::ReceiptsDue(
    absl::Time now) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT DISTINCT peer FROM owed_receipts "
                          "WHERE due_ms<=?"));
  query->BindInt(1, absl::ToUnixMillis(now));
  return Collect<AccountId>(
      query, [](Statement& row) { return *AccountId::FromBytes(row.Blob(0)); });
}

absl::StatusOr<std::vector<OwedReceipt>> ClientStore::TakeReceipts(
    const AccountId& peer, int limit) {
  ASSIGN_OR_RETURN(
      Statement * remove,
      database_->Prepared(
          "DELETE FROM owed_receipts WHERE peer=?1 AND message_id IN (SELECT "
          "message_id FROM owed_receipts WHERE peer=?1 ORDER BY due_ms "
          "LIMIT ?2) RETURNING message_id, read"));
  remove->BindBlob(1, peer.bytes()).BindInt(2, limit);
  return Collect<OwedReceipt>(remove, [](Statement& row) {
    return OwedReceipt{row.Blob(0), row.Int(1) != 0};
  });
}

absl::Status ClientStore::ForgetReceipts() {
  ASSIGN_OR_RETURN(Statement * remove,
                   database_->Prepared("DELETE FROM owed_receipts"));
  return remove->Run();
}

absl::Status ClientStore::StartTimer(int64_t row, absl::Time now) {
  ASSIGN_OR_RETURN(
      Statement * update,
      database_->Prepared("UPDATE messages SET vanishes_ms=?1+timer_ms "
                          "WHERE row=?2 AND timer_ms>0 AND removal=0 AND "
                          "vanishes_ms IS NULL AND kind=0"));
  return update->BindInt(1, absl::ToUnixMillis(now)).BindInt(2, row).Run();
}

absl::StatusOr<std::vector<Message>> ClientStore::Vanished(absl::Time now,
                                                           int limit) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT * FROM messages WHERE vanishes_ms<=? "
                          "ORDER BY vanishes_ms LIMIT ?"));
  query->BindInt(1, absl::ToUnixMillis(now)).BindInt(2, limit);
  return CollectMessages(query);
}

absl::Status ClientStore::ForgetRemovedBefore(absl::Time time) {
  ASSIGN_OR_RETURN(Statement * messages,
                   database_->Prepared(
                       "DELETE FROM messages WHERE removal>? AND stored_ms<?"));
  RETURN_IF_ERROR(messages->BindInt(1, static_cast<int64_t>(Removal::kUnsent))
                      .BindInt(2, absl::ToUnixMillis(time))
                      .Run());
  ASSIGN_OR_RETURN(
      Statement * edits,
      database_->Prepared("DELETE FROM early_edits WHERE added_ms<?"));
  return edits->BindInt(1, absl::ToUnixMillis(time)).Run();
}

absl::Status ClientStore::TruncateLog() {
  RETURN_IF_ERROR(DestroyDropped());
  return database_->Exec("PRAGMA wal_checkpoint(TRUNCATE)");
}

absl::StatusOr<int64_t> ClientStore::AddOutboxItem(const OutboxItem& item) {
  ASSIGN_OR_RETURN(const bool vanishes, Vanishes(item.words_of));
  ASSIGN_OR_RETURN(const Words words, Seal(vanishes, item.content));
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared(
          "INSERT INTO outbox(message_row, peer, content, blob, mailbox, "
          "namespace, expiry_ms, attempts, next_try_ms, device, logical, "
          "extra, sequence, words_of, key_slot, fleeting) "
          "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  insert->BindInt(1, item.message_row).BindBlob(2, item.peer.bytes());
  BindWords(*insert, 15, 3, words);
  if (item.blob) {
    insert->BindBlob(4, *item.blob);
  } else {
    insert->BindNull(4);
  }
  RETURN_IF_ERROR(insert->BindBlob(5, item.mailbox)
                      .BindInt(6, item.mailbox_namespace)
                      .BindInt(7, absl::ToUnixMillis(item.expiry))
                      .BindInt(8, item.attempts)
                      .BindInt(9, absl::ToUnixMillis(item.next_try))
                      .BindBlob(10, item.device)
                      .BindInt(11, item.logical)
                      .BindInt(12, item.extra ? 1 : 0)
                      .BindInt(13, Signed(item.sequence))
                      .BindInt(14, item.words_of)
                      .BindInt(16, item.fleeting ? 1 : 0)
                      .Run());
  const int64_t row = database_->LastInsertRowId();
  if (item.logical != 0) return row;
  ASSIGN_OR_RETURN(
      Statement * number,
      database_->Prepared("UPDATE outbox SET logical=row WHERE row=?"));
  RETURN_IF_ERROR(number->BindInt(1, row).Run());
  return row;
}

absl::Status ClientStore::UpdateOutboxItem(const OutboxItem& item) {
  // A key seals one content only.
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT key_slot, content FROM outbox WHERE row=?"));
  query->BindInt(1, item.row);
  ASSIGN_OR_RETURN(const bool there, query->Step());
  if (!there) return absl::OkStatus();
  Words words = ReadWords(*query, 0, 1);
  query->Reset();
  ASSIGN_OR_RETURN(const std::optional<std::string> content, Unseal(words));
  if (content != item.content) {
    ASSIGN_OR_RETURN(const bool vanishes, Vanishes(item.words_of));
    ASSIGN_OR_RETURN(words, Seal(vanishes, item.content));
    ASSIGN_OR_RETURN(
        Statement * rewrite,
        database_->Prepared(
            "UPDATE outbox SET key_slot=?, content=? WHERE row=?"));
    BindWords(*rewrite, 1, 2, words);
    RETURN_IF_ERROR(rewrite->BindInt(3, item.row).Run());
  }
  ASSIGN_OR_RETURN(
      Statement * update,
      database_->Prepared(
          "UPDATE outbox SET blob=?, mailbox=?, namespace=?, "
          "expiry_ms=?, attempts=?, next_try_ms=?, sequence=? WHERE row=?"));
  if (item.blob) {
    update->BindBlob(1, *item.blob);
  } else {
    update->BindNull(1);
  }
  return update->BindBlob(2, item.mailbox)
      .BindInt(3, item.mailbox_namespace)
      .BindInt(4, absl::ToUnixMillis(item.expiry))
      .BindInt(5, item.attempts)
      .BindInt(6, absl::ToUnixMillis(item.next_try))
      .BindInt(7, Signed(item.sequence))
      .BindInt(8, item.row)
      .Run();
}

absl::Status ClientStore::DeleteOutboxItem(int64_t row) {
  ASSIGN_OR_RETURN(Statement * remove,
                   database_->Prepared("DELETE FROM outbox WHERE row=?"));
  return remove->BindInt(1, row).Run();
}

absl::Status ClientStore::WithdrawOutboxItem(const OutboxItem& item,
                                             absl::Time expiry) {
  RETURN_IF_ERROR(DeleteOutboxItem(item.row));
  if (item.sequence == 0) return absl::OkStatus();
  OutboxItem nothing = item;
  nothing.content.clear();
  return PutSent(nothing, expiry);
}

absl::StatusOr<bool> ClientStore::HasOutboxItem(int64_t row) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT count(*) FROM outbox WHERE row=?"));
  query->BindInt(1, row);
  ASSIGN_OR_RETURN(const std::optional<int64_t> count, First(query, ReadInt));
  return count.value_or(0) > 0;
}

absl::StatusOr<std::vector<OutboxItem>> ClientStore::Outbox() {
  ASSIGN_OR_RETURN(Statement * query,
                   database_->Prepared("SELECT * FROM outbox ORDER BY row"));
  std::vector<OutboxItem> items;
  while (true) {
    ASSIGN_OR_RETURN(const bool row, query->Step());
    if (!row) break;
    ASSIGN_OR_RETURN(std::optional<std::string> content,
                     Unseal(ReadWords(*query, kOutboxSlotColumn, 3)));
    // Its key is gone where an old copy of the database came back: there is
    // nothing to be sent any more.
    if (!content) continue;
    items.push_back(ReadOutboxItem(*query));
    items.back().content = *std::move(content);
  }
  query->Reset();
  return items;
}

absl::Status ClientStore::ForgetFleetingBefore(absl::Time time) {
  ASSIGN_OR_RETURN(
      Statement * remove,
      database_->Prepared(
          "DELETE FROM outbox WHERE fleeting=1 AND next_try_ms<?"));
  return remove->BindInt(1, absl::ToUnixMillis(time)).Run();
}

absl::StatusOr<std::vector<AccountId>> ClientStore::UnspreadPeers() {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT DISTINCT peer FROM outbox WHERE device=x''"));
  return Collect<AccountId>(
      query, [](Statement& row) { return *AccountId::FromBytes(row.Blob(0)); });
}

absl::StatusOr<int64_t> ClientStore::WaitingItems(const AccountId& own) {
  ASSIGN_OR_RETURN(Statement * query,
                   database_->Prepared("SELECT count(*) FROM outbox WHERE "
                                       "extra=0 AND fleeting=0 AND peer<>?"));
  query->BindBlob(1, own.bytes());
  ASSIGN_OR_RETURN(const std::optional<int64_t> count, First(query, ReadInt));
  return count.value_or(0);
}

absl::StatusOr<int64_t> ClientStore::OutboxItemsOf(int64_t message_row) {
  ASSIGN_OR_RETURN(Statement * query,
                   database_->Prepared("SELECT count(*) FROM outbox WHERE "
                                       "message_row=? AND extra=0"));
  query->BindInt(1, message_row);
  ASSIGN_OR_RETURN(const std::optional<int64_t> count, First(query, ReadInt));
  return count.value_or(0);
}

absl::StatusOr<int64_t> ClientStore::OutboxItemsOf(int64_t message_row,
                                                   absl::string_view device) {
  ASSIGN_OR_RETURN(Statement * query,
                   database_->Prepared("SELECT count(*) FROM outbox WHERE "
                                       "message_row=? AND device=?"));
  query->BindInt(1, message_row).BindBlob(2, device);
  ASSIGN_OR_RETURN(const std::optional<int64_t> count, First(query, ReadInt));
  return count.value_or(0);
}

absl::Status ClientStore::MarkExtra(const OutboxItem& arrived) {
  ASSIGN_OR_RETURN(
      Statement * update,
      database_->Prepared("UPDATE outbox SET extra=1 WHERE peer=?1 AND "
                          "((?2<>0 AND message_row=?2) OR logical=?3)"));
  return update->BindBlob(1, arrived.peer.bytes())
      .BindInt(2, arrived.message_row)
      .BindInt(3, arrived.logical)
      .Run();
}

absl::StatusOr<bool> ClientStore::IsExtra(int64_t row) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT count(*) FROM outbox WHERE row=? AND "
                          "extra=0"));
  query->BindInt(1, row);
  ASSIGN_OR_RETURN(const std::optional<int64_t> count, First(query, ReadInt));
  return count.value_or(0) == 0;
}

absl::StatusOr<uint64_t> ClientStore::NextSequence(const AccountId& peer,
                                                   absl::string_view device) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT sent FROM counters WHERE peer=? AND "
                          "device=?"));
  query->BindBlob(1, peer.bytes()).BindBlob(2, device);
  ASSIGN_OR_RETURN(const std::optional<int64_t> sent, First(query, ReadInt));
  return Unsigned(sent.value_or(0)) + 1;
}

absl::Status ClientStore::CountSequence(const AccountId& peer,
                                        absl::string_view device,
                                        uint64_t sequence) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared(
          "INSERT INTO counters(peer, device, sent, received) "
          "VALUES(?1, ?2, ?3, 0) ON CONFLICT(peer, device) DO UPDATE SET "
          "sent=max(sent, ?3)"));
  return insert->BindBlob(1, peer.bytes())
      .BindBlob(2, device)
      .BindInt(3, Signed(sequence))
      .Run();
}

absl::Status ClientStore::PutSent(const OutboxItem& item, absl::Time expiry) {
  // What was taken away meanwhile is not kept.
  bool gone = false;
  bool vanishes = false;
  if (item.words_of != 0) {
    ASSIGN_OR_RETURN(const std::optional<Message> message,
                     FindMessage(item.words_of));
    gone = !message || message->removal != Removal::kNone;
    vanishes = message && message->timer > absl::ZeroDuration();
  }
  ASSIGN_OR_RETURN(const Words words,
                   Seal(vanishes && !gone, gone ? "" : item.content));
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared(
          "INSERT INTO sent_contents(peer, device, sequence, words_of, "
          "content, resends, expiry_ms, key_slot) "
          "VALUES(?, ?, ?, ?, ?, 0, ?, ?) "
          "ON CONFLICT(peer, device, sequence) DO NOTHING"));
  BindWords(*insert, 7, 5, words);
  return insert->BindBlob(1, item.peer.bytes())
      .BindBlob(2, item.device)
      .BindInt(3, Signed(item.sequence))
      .BindInt(4, item.words_of)
      .BindInt(6, absl::ToUnixMillis(expiry))
      .Run();
}

absl::StatusOr<std::optional<SentContent>> ClientStore::FindSent(
    const AccountId& peer, absl::string_view device, uint64_t sequence) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT words_of, content, resends, key_slot FROM "
                          "sent_contents WHERE peer=? AND device=? AND "
                          "sequence=?"));
  query->BindBlob(1, peer.bytes())
      .BindBlob(2, device)
      .BindInt(3, Signed(sequence));
  ASSIGN_OR_RETURN(const bool there, query->Step());
  if (!there) return std::nullopt;
  SentContent sent = {query->Int(0), "", static_cast<int>(query->Int(2))};
  const Words words = ReadWords(*query, 3, 1);
  query->Reset();
  ASSIGN_OR_RETURN(std::optional<std::string> content, Unseal(words));
  sent.content = std::move(content).value_or("");
  return sent;
}

absl::Status ClientStore::CountResend(const AccountId& peer,
                                      absl::string_view device,
                                      uint64_t sequence) {
  ASSIGN_OR_RETURN(
      Statement * update,
      database_->Prepared("UPDATE sent_contents SET resends=resends+1 WHERE "
                          "peer=? AND device=? AND sequence=?"));
  return update->BindBlob(1, peer.bytes())
      .BindBlob(2, device)
      .BindInt(3, Signed(sequence))
      .Run();
}

absl::Status ClientStore::ForgetSentBefore(absl::Time time) {
  ASSIGN_OR_RETURN(
      Statement * remove,
      database_->Prepared("DELETE FROM sent_contents WHERE expiry_ms<?"));
  return remove->BindInt(1, absl::ToUnixMillis(time)).Run();
}

absl::Status ClientStore::NoteSequence(const AccountId& peer,
                                       absl::string_view device,
                                       uint64_t sequence, absl::Time now) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT received FROM counters WHERE peer=? AND "
                          "device=?"));
  query->BindBlob(1, peer.bytes()).BindBlob(2, device);
  ASSIGN_OR_RETURN(const std::optional<int64_t> known, First(query, ReadInt));
  const int64_t received = known.value_or(0);
  const int64_t number = Signed(sequence);
  if (number <= received) return CloseGap(peer, device, sequence);
  for (int64_t missing = std::max(received + 1, number - kMaxGaps);
       missing < number; ++missing) {
    ASSIGN_OR_RETURN(Statement * gap,
                     database_->Prepared(
                         "INSERT OR IGNORE INTO gaps(peer, device, sequence, "
                         "noticed_ms, asked_ms, asks) "
                         "VALUES(?, ?, ?, ?, NULL, 0)"));
    RETURN_IF_ERROR(gap->BindBlob(1, peer.bytes())
                        .BindBlob(2, device)
                        .BindInt(3, missing)
                        .BindInt(4, absl::ToUnixMillis(now))
                        .Run());
  }
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared(
          "INSERT INTO counters(peer, device, sent, received) "
          "VALUES(?1, ?2, 0, ?3) ON CONFLICT(peer, device) DO UPDATE SET "
          "received=?3"));
  RETURN_IF_ERROR(insert->BindBlob(1, peer.bytes())
                      .BindBlob(2, device)
                      .BindInt(3, number)
                      .Run());
  ASSIGN_OR_RETURN(
      Statement * bound,
      database_->Prepared("DELETE FROM gaps WHERE peer=? AND device=? AND "
                          "sequence<?"));
  return bound->BindBlob(1, peer.bytes())
      .BindBlob(2, device)
      .BindInt(3, number - kMaxGaps)
      .Run();
}

absl::Status ClientStore::CloseGap(const AccountId& peer,
                                   absl::string_view device,
                                   uint64_t sequence) {
  ASSIGN_OR_RETURN(
      Statement * remove,
      database_->Prepared("DELETE FROM gaps WHERE peer=? AND device=? AND "
                          "sequence=?"));
  return remove->BindBlob(1, peer.bytes())
      .BindBlob(2, device)
      .BindInt(3, Signed(sequence))
      .Run();
}

absl::Status ClientStore::MarkAsked(const AccountId& peer,
                                    absl::string_view device, uint64_t sequence,
                                    absl::Time now) {
  ASSIGN_OR_RETURN(
      Statement * update,
      database_->Prepared("UPDATE gaps SET asked_ms=?, asks=asks+1 WHERE "
                          "peer=? AND device=? AND sequence=?"));
  return update->BindInt(1, absl::ToUnixMillis(now))
      .BindBlob(2, peer.bytes())
      .BindBlob(3, device)
      .BindInt(4, Signed(sequence))
      .Run();
}

absl::StatusOr<std::vector<GapsOfDevice>> ClientStore::GapsBefore(
    absl::Time time) {
  ASSIGN_OR_RETURN(Statement * query,
                   database_->Prepared("SELECT * FROM gaps WHERE noticed_ms<=? "
                                       "ORDER BY peer, device, sequence"));
  query->BindInt(1, absl::ToUnixMillis(time));
  struct Row {
    AccountId peer;
    std::string device;
    Gap gap;
  };
  ASSIGN_OR_RETURN(
      const std::vector<Row> rows, Collect<Row>(query, [](Statement& row) {
        Gap gap;
        gap.sequence = Unsigned(row.Int(2));
        gap.noticed = absl::FromUnixMillis(row.Int(3));
        gap.asked = row.IsNull(4) ? absl::InfinitePast()
                                  : absl::FromUnixMillis(row.Int(4));
        gap.asks = static_cast<int>(row.Int(5));
        return Row{*AccountId::FromBytes(row.Blob(0)), row.Blob(1), gap};
      }));
  std::vector<GapsOfDevice> devices;
  for (const Row& row : rows) {
    if (devices.empty() || devices.back().peer != row.peer ||
        devices.back().device != row.device) {
      devices.push_back({row.peer, row.device, {}});
    }
    devices.back().gaps.push_back(row.gap);
  }
  return devices;
}

absl::StatusOr<std::string> ClientStore::PeerMailbox(const AccountId& account,
                                                     absl::string_view device) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT mailbox FROM peer_mailboxes WHERE account=? "
                          "AND device=?"));
  query->BindBlob(1, account.bytes()).BindBlob(2, device);
  ASSIGN_OR_RETURN(std::optional<std::string> mailbox, First(query, ReadBlob));
  return mailbox ? *std::move(mailbox) : std::string();
}

absl::Status ClientStore::PutPeerMailbox(const AccountId& account,
                                         absl::string_view device,
                                         absl::string_view mailbox) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared("INSERT OR REPLACE INTO peer_mailboxes(account, "
                          "device, mailbox) VALUES(?, ?, ?)"));
  return insert->BindBlob(1, account.bytes())
      .BindBlob(2, device)
      .BindBlob(3, mailbox)
      .Run();
}

absl::StatusOr<bool> ClientStore::HasPeerMailbox(const AccountId& account) {
  ASSIGN_OR_RETURN(Statement * query,
                   database_->Prepared(
                       "SELECT count(*) FROM peer_mailboxes WHERE account=?"));
  query->BindBlob(1, account.bytes());
  ASSIGN_OR_RETURN(const std::optional<int64_t> count, First(query, ReadInt));
  return count.value_or(0) > 0;
}

absl::StatusOr<std::optional<OwnStateRow>> ClientStore::OwnState(
    absl::string_view name) {
  ASSIGN_OR_RETURN(Statement * query,
                   database_->Prepared("SELECT * FROM own_state WHERE name=?"));
  query->BindText(1, name);
  return First(query, ReadOwnState);
}

absl::StatusOr<std::vector<OwnStateRow>> ClientStore::AllOwnState() {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT * FROM own_state ORDER BY name"));
  return Collect(query, ReadOwnState);
}

absl::StatusOr<bool> ClientStore::MergeOwnState(const OwnStateRow& row) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared(
          "INSERT INTO own_state(name, value, changed_ms, device) "
          "VALUES(?1, ?2, ?3, ?4) ON CONFLICT(name) DO UPDATE SET value=?2, "
          "changed_ms=?3, device=?4 WHERE changed_ms<?3 OR (changed_ms=?3 AND "
          "device<?4)"));
  RETURN_IF_ERROR(insert->BindText(1, row.name)
                      .BindBlob(2, row.value)
                      .BindInt(3, absl::ToUnixMillis(row.changed))
                      .BindBlob(4, row.device)
                      .Run());
  return database_->Changes() > 0;
}

absl::StatusOr<bool> ClientStore::MergePicture(const PictureRow& row) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared(
          "INSERT INTO pictures(account, changed_ms, chosen_here, jpeg) "
          "VALUES(?1, ?2, ?3, ?4) ON CONFLICT(account) DO UPDATE SET "
          "changed_ms=?2, chosen_here=?3, jpeg=?4 WHERE changed_ms<?2 OR "
          "(changed_ms=?2 AND jpeg<?4)"));
  RETURN_IF_ERROR(insert->BindBlob(1, row.account.bytes())
                      .BindInt(2, absl::ToUnixMillis(row.changed))
                      .BindInt(3, row.chosen_here ? 1 : 0)
                      .BindBlob(4, row.jpeg)
                      .Run());
  return database_->Changes() > 0;
}

absl::StatusOr<std::optional<PictureRow>> ClientStore::FindPicture(
    const AccountId& account) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT account, changed_ms, chosen_here, jpeg FROM "
                          "pictures WHERE account=?"));
  query->BindBlob(1, account.bytes());
  return First<PictureRow>(query, [](Statement& row) {
    return PictureRow{*AccountId::FromBytes(row.Blob(0)), row.Blob(3),
                      absl::FromUnixMillis(row.Int(1)), row.Int(2) != 0};
  });
}

absl::StatusOr<std::vector<AccountId>> ClientStore::PictureOwners() {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT account FROM pictures WHERE length(jpeg)>0 "
                          "ORDER BY account"));
  return Collect<AccountId>(
      query, [](Statement& row) { return *AccountId::FromBytes(row.Blob(0)); });
}

absl::StatusOr<std::vector<UntoldPicture>> ClientStore::UntoldPictures(
    const AccountId& own, bool first_device) {
  // The own one to everybody, and all of them to the own devices.
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared(
          "SELECT m.account, m.device, p.account, p.changed_ms "
          "FROM (SELECT o.account AS owner, b.account AS peer, b.device "
          "      FROM pictures AS o, peer_mailboxes AS b WHERE o.account=?1 "
          "      UNION SELECT o.account, b.account, b.device "
          "      FROM pictures AS o, peer_mailboxes AS b WHERE b.account=?1) "
          "  AS pair "
          "JOIN pictures AS p ON p.account=pair.owner "
          "JOIN peer_mailboxes AS m ON m.account=pair.peer AND "
          "  m.device=pair.device "
          "JOIN contacts AS c ON c.account=m.account AND c.standing IN (?2, "
          "?3) "
          "LEFT JOIN told_pictures AS t ON t.peer=m.account AND "
          "  t.device=m.device AND t.owner=p.account "
          "WHERE (?4 OR p.chosen_here) AND "
          "  (t.changed_ms<p.changed_ms OR "
          "   (t.changed_ms IS NULL AND length(p.jpeg)>0)) "
          "ORDER BY m.account, m.device, p.account"));
  query->BindBlob(1, own.bytes())
      .BindInt(2, static_cast<int>(Standing::kContact))
      .BindInt(3, static_cast<int>(Standing::kSelf))
      .BindInt(4, first_device ? 1 : 0);
  return Collect<UntoldPicture>(query, [](Statement& row) {
    return UntoldPicture{*AccountId::FromBytes(row.Blob(0)), row.Blob(1),
                         *AccountId::FromBytes(row.Blob(2)),
                         absl::FromUnixMillis(row.Int(3))};
  });
}

absl::Status ClientStore::MarkPictureTold(const UntoldPicture& told) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared("INSERT OR REPLACE INTO told_pictures(peer, device, "
                          "owner, changed_ms) VALUES(?, ?, ?, ?)"));
  return insert->BindBlob(1, told.peer.bytes())
      .BindBlob(2, told.device)
      .BindBlob(3, told.owner.bytes())
      .BindInt(4, absl::ToUnixMillis(told.changed))
      .Run();
}

absl::Status ClientStore::ForgetPicturesTold(const AccountId& peer,
                                             absl::string_view device) {
  ASSIGN_OR_RETURN(
      Statement * remove,
      database_->Prepared("DELETE FROM told_pictures WHERE peer=?1 AND "
                          "(?2=x'' OR device=?2)"));
  return remove->BindBlob(1, peer.bytes()).BindBlob(2, device).Run();
}

absl::StatusOr<bool> ClientStore::MarkSeen(absl::string_view mailbox,
                                           absl::string_view id,
                                           absl::Time expiry) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared("INSERT OR IGNORE INTO seen(mailbox, id, expiry_ms) "
                          "VALUES(?, ?, ?)"));
  RETURN_IF_ERROR(insert->BindBlob(1, mailbox)
                      .BindBlob(2, id)
                      .BindInt(3, absl::ToUnixMillis(expiry))
                      .Run());
  return database_->Changes() > 0;
}

absl::Status ClientStore::ForgetSeenBefore(absl::Time time) {
  ASSIGN_OR_RETURN(Statement * remove,
                   database_->Prepared("DELETE FROM seen WHERE expiry_ms<?"));
  return remove->BindInt(1, absl::ToUnixMillis(time)).Run();
}

absl::StatusOr<std::vector<CursorRow>> ClientStore::Cursors(
    absl::string_view mailbox, uint16_t mailbox_namespace) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT node, incarnation, sequence, challenge "
                          "FROM cursors WHERE mailbox=? AND namespace=?"));
  query->BindBlob(1, mailbox).BindInt(2, mailbox_namespace);
  return Collect<CursorRow>(query, [](Statement& row) {
    return CursorRow{row.Blob(0), Unsigned(row.Int(1)), Unsigned(row.Int(2)),
                     Unsigned(row.Int(3))};
  });
}

absl::Status ClientStore::PutCursor(absl::string_view mailbox,
                                    uint16_t mailbox_namespace,
                                    const CursorRow& cursor) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared("INSERT OR REPLACE INTO cursors(mailbox, namespace, "
                          "node, incarnation, sequence, challenge) "
                          "VALUES(?, ?, ?, ?, ?, ?)"));
  return insert->BindBlob(1, mailbox)
      .BindInt(2, mailbox_namespace)
      .BindBlob(3, cursor.node)
      .BindInt(4, Signed(cursor.incarnation))
      .BindInt(5, Signed(cursor.sequence))
      .BindInt(6, Signed(cursor.challenge))
      .Run();
}

absl::StatusOr<std::optional<absl::Time>> ClientStore::RegisteredAt(
    absl::string_view mailbox) {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared(
          "SELECT registered_ms FROM registrations WHERE mailbox=?"));
  query->BindBlob(1, mailbox);
  ASSIGN_OR_RETURN(const std::optional<int64_t> ms, First(query, ReadInt));
  if (!ms) return std::nullopt;
  return absl::FromUnixMillis(*ms);
}

absl::Status ClientStore::SetRegistered(absl::string_view mailbox,
                                        absl::Time time) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared("INSERT OR REPLACE INTO registrations(mailbox, "
                          "registered_ms) VALUES(?, ?)"));
  return insert->BindBlob(1, mailbox)
      .BindInt(2, absl::ToUnixMillis(time))
      .Run();
}

absl::Status ClientStore::ForgetRegistration(absl::string_view mailbox) {
  ASSIGN_OR_RETURN(
      Statement * remove,
      database_->Prepared("DELETE FROM registrations WHERE mailbox=?"));
  return remove->BindBlob(1, mailbox).Run();
}

absl::StatusOr<std::optional<std::string>> ClientStore::AddPart(
    const AccountId& peer, absl::string_view text_id, int part, int parts,
    absl::string_view text, absl::Time now) {
  if (part < 0 || part >= parts) {
    return absl::InvalidArgumentError("a part outside its text");
  }
  ASSIGN_OR_RETURN(
      Statement * known,
      database_->Prepared("SELECT count(*) FROM parts "
                          "WHERE peer=? AND text_id=? AND parts>?"));
  known->BindBlob(1, peer.bytes()).BindBlob(2, text_id).BindInt(3, parts);
  ASSIGN_OR_RETURN(const std::optional<int64_t> smaller, First(known, ReadInt));
  if (smaller.value_or(0) > 0) return std::nullopt;
  ASSIGN_OR_RETURN(
      Statement * replace,
      database_->Prepared("DELETE FROM parts "
                          "WHERE peer=? AND text_id=? AND parts<?"));
  RETURN_IF_ERROR(replace->BindBlob(1, peer.bytes())
                      .BindBlob(2, text_id)
                      .BindInt(3, parts)
                      .Run());
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared("INSERT OR IGNORE INTO parts(peer, text_id, part, "
                          "parts, text, added_ms) VALUES(?, ?, ?, ?, ?, ?)"));
  RETURN_IF_ERROR(insert->BindBlob(1, peer.bytes())
                      .BindBlob(2, text_id)
                      .BindInt(3, part)
                      .BindInt(4, parts)
                      .BindText(5, text)
                      .BindInt(6, absl::ToUnixMillis(now))
                      .Run());
  ASSIGN_OR_RETURN(
      Statement * bound,
      database_->Prepared(
          "DELETE FROM parts WHERE peer=?1 AND text_id IN (SELECT text_id "
          "FROM parts WHERE peer=?1 AND text_id<>?2 GROUP BY text_id "
          "ORDER BY max(added_ms) DESC LIMIT -1 OFFSET ?3)"));
  RETURN_IF_ERROR(bound->BindBlob(1, peer.bytes())
                      .BindBlob(2, text_id)
                      .BindInt(3, kMaxUnfinishedTexts - 1)
                      .Run());
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT text FROM parts "
                          "WHERE peer=? AND text_id=? ORDER BY part"));
  query->BindBlob(1, peer.bytes()).BindBlob(2, text_id);
  ASSIGN_OR_RETURN(
      const std::vector<std::string> stored,
      Collect<std::string>(query, [](Statement& row) { return row.Text(0); }));
  std::string whole;
  for (const std::string& one : stored) absl::StrAppend(&whole, one);
  if (static_cast<int>(stored.size()) < parts) return std::nullopt;
  ASSIGN_OR_RETURN(
      Statement * remove,
      database_->Prepared("DELETE FROM parts WHERE peer=? AND text_id=?"));
  RETURN_IF_ERROR(remove->BindBlob(1, peer.bytes()).BindBlob(2, text_id).Run());
  return whole;
}

absl::Status ClientStore::ForgetPartsBefore(absl::Time time) {
  ASSIGN_OR_RETURN(Statement * remove,
                   database_->Prepared("DELETE FROM parts WHERE added_ms<?"));
  return remove->BindInt(1, absl::ToUnixMillis(time)).Run();
}

absl::Status ClientStore::TrimQuarantine() {
  ASSIGN_OR_RETURN(
      Statement * remove,
      database_->Prepared("DELETE FROM quarantine WHERE id IN (SELECT id FROM "
                          "quarantine ORDER BY time_ms DESC LIMIT -1 "
                          "OFFSET ?)"));
  return remove->BindInt(1, kMaxQuarantined).Run();
}

absl::Status ClientStore::AddQuarantined(absl::string_view id,
                                         absl::string_view reason,
                                         absl::Time now) {
  ASSIGN_OR_RETURN(Statement * insert,
                   database_->Prepared("INSERT OR REPLACE INTO quarantine(id, "
                                       "reason, time_ms) VALUES(?, ?, ?)"));
  return insert->BindBlob(1, id)
      .BindText(2, reason)
      .BindInt(3, absl::ToUnixMillis(now))
      .Run();
}

absl::StatusOr<int64_t> ClientStore::QuarantinedCount() {
  ASSIGN_OR_RETURN(Statement * query,
                   database_->Prepared("SELECT count(*) FROM quarantine"));
  ASSIGN_OR_RETURN(const std::optional<int64_t> count, First(query, ReadInt));
  return count.value_or(0);
}

absl::Status ClientStore::PutInvite(const InviteRow& invite) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared("INSERT OR REPLACE INTO invites(token, created_ms, "
                          "expires_ms, most_uses, uses) "
                          "VALUES(?, ?, ?, ?, ?)"));
  return insert->BindBlob(1, invite.token)
      .BindInt(2, absl::ToUnixMillis(invite.created))
      .BindInt(3, absl::ToUnixMillis(invite.expires))
      .BindInt(4, invite.most_uses)
      .BindInt(5, invite.uses)
      .Run();
}

absl::StatusOr<std::vector<InviteRow>> ClientStore::Invites() {
  ASSIGN_OR_RETURN(
      Statement * query,
      database_->Prepared("SELECT * FROM invites ORDER BY created_ms, token"));
  return Collect(query, ReadInvite);
}

absl::Status ClientStore::DeleteInvite(absl::string_view token) {
  ASSIGN_OR_RETURN(Statement * remove,
                   database_->Prepared("DELETE FROM invites WHERE token=?"));
  return remove->BindBlob(1, token).Run();
}

absl::StatusOr<std::string> ClientStore::ReceivedInvite(
    const AccountId& account) {
  ASSIGN_OR_RETURN(Statement * query,
                   database_->Prepared(
                       "SELECT token FROM received_invites WHERE account=?"));
  query->BindBlob(1, account.bytes());
  ASSIGN_OR_RETURN(std::optional<std::string> token, First(query, ReadBlob));
  return token ? *std::move(token) : std::string();
}

absl::Status ClientStore::PutReceivedInvite(const AccountId& account,
                                            absl::string_view token) {
  ASSIGN_OR_RETURN(
      Statement * insert,
      database_->Prepared("INSERT OR REPLACE INTO received_invites(account, "
                          "token) VALUES(?, ?)"));
  return insert->BindBlob(1, account.bytes()).BindBlob(2, token).Run();
}

absl::Status ClientStore::ForgetReceivedInvite(const AccountId& account) {
  ASSIGN_OR_RETURN(
      Statement * remove,
      database_->Prepared("DELETE FROM received_invites WHERE account=?"));
  return remove->BindBlob(1, account.bytes()).Run();
}

}  // namespace messenger::client
