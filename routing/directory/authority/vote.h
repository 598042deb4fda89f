// What one authority says about all nodes, for one epoch
// (routing/directory/SPEC.md, section 5.2).
//
// Pure functions, thread-safe.

#ifndef ROUTING_DIRECTORY_AUTHORITY_VOTE_H_
#define ROUTING_DIRECTORY_AUTHORITY_VOTE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/hash/hash.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/network_params.h"
#include "routing/runtime/network_config.h"

namespace messenger::routing {

inline constexpr size_t kMaxVoteBytes = 15 * 1024 * 1024;

struct Vote {
  struct Entry {
    bool running = false;    // The authority reaches it, on all its addresses.
    std::string descriptor;  // Signed bytes.
    // What the node's newest storage report says, if there is one.
    uint64_t ready_epoch = 0;
    bool leaving = false;
  };

  NetworkId network_id;
  crypto::Ed25519PublicKey authority;
  uint64_t epoch = 0;
  absl::Time valid_after;
  // The newest consensus the authority had; zeros if none.
  uint64_t previous_epoch = 0;
  crypto::Digest256 previous_hash;
  NetworkParams params;
  std::vector<Entry> entries;  // Sorted by node id, each node once.
};

// Takes the authority's key from `key`.
std::string SignVote(Vote vote, const crypto::Ed25519PrivateKey& key);

// INVALID_ARGUMENT malformed; UNAUTHENTICATED not signed by the authority it
// names. Whether that is an authority is for the caller, and descriptors are
// not looked into.
absl::StatusOr<Vote> ParseVote(absl::string_view bytes);

crypto::Digest256 VoteHash(absl::string_view bytes);

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_AUTHORITY_VOTE_H_
