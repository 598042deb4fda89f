// `AuthorityStore` in one SQLite file.

#ifndef ROUTING_DIRECTORY_AUTHORITY_SQLITE_AUTHORITY_STORE_H_
#define ROUTING_DIRECTORY_AUTHORITY_SQLITE_AUTHORITY_STORE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "routing/directory/authority/authority_store.h"
#include "routing/runtime/sqlite/database.h"

namespace messenger::routing {

class SqliteAuthorityStore final : public AuthorityStore {
 public:
  // Creates the file when it is missing. DATA_LOSS if it is damaged,
  // FAILED_PRECONDITION if another version wrote it.
  static absl::StatusOr<std::unique_ptr<SqliteAuthorityStore>> Open(
      const std::string& path);

  absl::StatusOr<std::string> KeepVote(uint64_t epoch,
                                       absl::string_view vote) override;
  absl::Status RecordSigned(uint64_t epoch,
                            const crypto::Digest256& digest) override;
  absl::Status SaveConsensus(absl::string_view wire) override;
  absl::StatusOr<std::string> LoadConsensus() override;
  absl::Status SaveNode(const StoredNode& node) override;
  absl::Status RemoveNode(const NodeId& id) override;
  absl::StatusOr<std::vector<StoredNode>> LoadNodes() override;

 private:
  explicit SqliteAuthorityStore(std::unique_ptr<sqlite::Database> db)
      : db_(std::move(db)) {}

  std::unique_ptr<sqlite::Database> db_;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_AUTHORITY_SQLITE_AUTHORITY_STORE_H_
