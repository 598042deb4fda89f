// What a storage node tells the authorities about its storage, signed by its
// storage key (routing/directory/SPEC.md, section 5.7).
//
// Pure functions, thread-safe.

#ifndef ROUTING_DIRECTORY_STORAGE_REPORT_H_
#define ROUTING_DIRECTORY_STORAGE_REPORT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/sign/ed25519.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/network_config.h"

namespace messenger::routing {

inline constexpr size_t kStorageReportBytes = 146;

struct StorageReport {
  NetworkId network_id;
  NodeId node_id;
  absl::Time published;  // Millisecond precision.
  // By the consensus of this epoch, the node holds everything of every shard
  // for which it is a target member.
  uint64_t ready_epoch = 0;
  bool leaving = false;  // Its operator wants it to leave.

  friend bool operator==(const StorageReport&, const StorageReport&) = default;
};

std::string SignStorageReport(const StorageReport& report,
                              const crypto::Ed25519PrivateKey& storage_key);

// Whose report this claims to be, so that its key can be looked up.
// INVALID_ARGUMENT if malformed.
absl::StatusOr<NodeId> NodeIdOfStorageReport(absl::string_view bytes);

// INVALID_ARGUMENT malformed; UNAUTHENTICATED not signed by `storage_key`.
// Whether that is the key of the node it names, which network it belongs to
// and its age is for the caller.
absl::StatusOr<StorageReport> ParseStorageReport(
    absl::string_view bytes, const crypto::Ed25519PublicKey& storage_key);

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_STORAGE_REPORT_H_
