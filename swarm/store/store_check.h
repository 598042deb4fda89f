// Reads all of a store, in slices, to find what a start does not: damaged
// pages, rows that the index does not have, payloads that are not what their
// ids say. To be done after a crash and once a day (SqliteStore::NeedsCheck).
//
// Has a read-only connection of its own, so it may run beside the store, on any
// one thread. To cancel, stop calling.

#ifndef SWARM_STORE_STORE_CHECK_H_
#define SWARM_STORE_STORE_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "routing/runtime/sqlite/database.h"
#include "swarm/auth/item.h"

namespace messenger::swarm {

class StoreCheck final {
 public:
  static absl::StatusOr<std::unique_ptr<StoreCheck>> Open(
      const std::string& path, const std::string& vfs);

  // Checks the next `rows` messages, or with the last of them all other tables;
  // whether there is more. DATA_LOSS: the file is damaged as a whole, to be
  // set aside.
  absl::StatusOr<bool> Step(size_t rows);

  // Messages with damaged contents, since the last call: to be dropped
  // (DropDamaged), and fetched from peers.
  std::vector<ItemKey> TakeDamaged();

 private:
  explicit StoreCheck(std::unique_ptr<sqlite::Database> database)
      : database_(std::move(database)) {}
  absl::Status CheckOtherTables();

  const std::unique_ptr<sqlite::Database> database_;
  uint64_t last_seq_ = 0;
  std::vector<ItemKey> damaged_;
};

}  // namespace messenger::swarm

#endif  // SWARM_STORE_STORE_CHECK_H_
