// The tables of a SqliteStore, and how those of older versions become them.

#ifndef SWARM_STORE_SQLITE_SCHEMA_H_
#define SWARM_STORE_SQLITE_SCHEMA_H_

#include <cstdint>

#include "absl/status/status.h"
#include "crypto/random/random.h"
#include "routing/runtime/sqlite/database.h"
#include "swarm/store/item_index.h"

namespace messenger::swarm {

inline constexpr int64_t kStoreVersion = 2;

// Makes the tables, or brings those of an older version up to this one, in one
// transaction for each step: a crash leaves the old version or the new one.
// FAILED_PRECONDITION: a newer version has written them; they are untouched.
//
// Version 1 had no registrations. Its mailboxes count as registered at `now_ms`
// so that nothing is lost; 0: when the file was last written, by the latest
// expiry in it. Its deletions left tombstones without proofs, which stay until
// their end but cannot be brought to others.
absl::Status PrepareSchema(sqlite::Database& database, crypto::Random& random,
                           uint64_t now_ms);

// Fills an empty index from the tables and indexes, without reading a payload.
// DATA_LOSS: they contradict one another.
absl::Status LoadIndex(sqlite::Database& database, ItemIndex& index);

}  // namespace messenger::swarm

#endif  // SWARM_STORE_SQLITE_SCHEMA_H_
