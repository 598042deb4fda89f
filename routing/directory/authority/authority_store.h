// What an authority must not forget: what it voted and signed, the newest
// consensus, and the nodes it knows (routing/directory/SPEC.md, section 5.5).
//
// Every call that returns OK is on disk. Belongs to one executor. Common
// codes: UNAVAILABLE or RESOURCE_EXHAUSTED when the disk refuses, DATA_LOSS
// when what it holds is damaged.

#ifndef ROUTING_DIRECTORY_AUTHORITY_AUTHORITY_STORE_H_
#define ROUTING_DIRECTORY_AUTHORITY_AUTHORITY_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/hash/hash.h"
#include "routing/onion/node_id.h"

namespace messenger::routing {

class AuthorityStore {
 public:
  struct StoredNode {
    NodeId id;
    std::string descriptor;
    bool reached = false;  // Ever.
    std::optional<absl::Time> unreachable_since;
    std::string storage_report;  // Signed; empty without one.

    friend bool operator==(const StoredNode&, const StoredNode&) = default;
  };

  virtual ~AuthorityStore() = default;

  // The vote to give in `epoch`: the one on record, or else `vote`, which is
  // then on record. FAILED_PRECONDITION if a later epoch is on record.
  virtual absl::StatusOr<std::string> KeepVote(uint64_t epoch,
                                               absl::string_view vote) = 0;

  // To be called before a signature leaves the process. FAILED_PRECONDITION if
  // another digest is on record for this epoch, or a later epoch.
  virtual absl::Status RecordSigned(uint64_t epoch,
                                    const crypto::Digest256& digest) = 0;

  virtual absl::Status SaveConsensus(absl::string_view wire) = 0;
  // NOT_FOUND if there is none.
  virtual absl::StatusOr<std::string> LoadConsensus() = 0;

  virtual absl::Status SaveNode(const StoredNode& node) = 0;
  virtual absl::Status RemoveNode(const NodeId& id) = 0;
  // Sorted by id.
  virtual absl::StatusOr<std::vector<StoredNode>> LoadNodes() = 0;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_AUTHORITY_AUTHORITY_STORE_H_
