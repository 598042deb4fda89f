// The byte strings inside a consensus: the signed header and the entries it
// vouches for (routing/directory/SPEC.md, section 3).
//
// Pure functions, thread-safe. Parsing checks form only.

#ifndef ROUTING_DIRECTORY_CONSENSUS_ENCODING_H_
#define ROUTING_DIRECTORY_CONSENSUS_ENCODING_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "crypto/hash/hash.h"
#include "routing/directory/network_params.h"
#include "routing/directory/storage_state.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/network_config.h"

namespace messenger::routing {

struct ConsensusHeader {
  NetworkId network_id;
  uint64_t epoch = 0;
  crypto::Digest256 previous_hash;
  absl::Time valid_after;
  absl::Time valid_until;
  NetworkParams params;
  // When the pending change of storage members got its present target; 0 and
  // nothing if none is pending.
  uint64_t transition_epoch = 0;
  std::optional<absl::Time> transition_since;
  uint32_t node_count = 0;
  crypto::Digest256 nodes_root;
};

std::string EncodeHeader(const ConsensusHeader& header);

// INVALID_ARGUMENT if malformed.
absl::StatusOr<ConsensusHeader> ParseHeader(absl::string_view bytes);

// The name of a consensus.
crypto::Digest256 ConsensusHash(absl::string_view header);

struct ConsensusEntry {
  StorageState storage_state = StorageState::kNone;
  absl::Time since;
  std::optional<absl::Time> down_since;  // Nothing: it is running.
  absl::string_view descriptor;  // Signed bytes; must outlive the entry.
};

std::string EncodeEntry(const ConsensusEntry& entry);

// INVALID_ARGUMENT if malformed. The descriptor is a view of `bytes` and not
// looked into.
absl::StatusOr<ConsensusEntry> ParseEntry(absl::string_view bytes);

// The node a descriptor is about, without reading the rest. INVALID_ARGUMENT
// if it is too short to say.
absl::StatusOr<NodeId> NodeIdOfDescriptor(absl::string_view descriptor);

// Commits to all entries in order.
crypto::Digest256 NodesRoot(absl::Span<const std::string> entries);

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_CONSENSUS_ENCODING_H_
