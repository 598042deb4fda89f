// The list of nodes that a majority of the directory authorities signed
// (routing/directory/SPEC.md, sections 3 and 4).
//
// Everybody works from the same document: who is a node, with which keys, and
// by pure functions of it which nodes form a swarm. A `Consensus` exists only
// verified, and is immutable, hence thread-safe.

#ifndef ROUTING_DIRECTORY_CONSENSUS_H_
#define ROUTING_DIRECTORY_CONSENSUS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "crypto/hash/hash.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/descriptor.h"
#include "routing/directory/network_params.h"
#include "routing/directory/storage_state.h"
#include "routing/onion/setup.h"

namespace messenger::routing {

// Protocol bounds.
inline constexpr size_t kMaxConsensusNodes = 4000;
inline constexpr size_t kMaxConsensusBytes = 15 * 1024 * 1024;
inline constexpr absl::Duration kConsensusLifetime = absl::Hours(24);
// How far ahead of the reader's clock a consensus may begin.
inline constexpr absl::Duration kConsensusClockSkew = absl::Minutes(10);

// Whose signatures a reader believes; from its own configuration.
struct DirectoryTrust {
  NetworkId network_id;
  std::vector<crypto::Ed25519PublicKey> authorities;
  int threshold = 0;  // Signatures needed: floor(m / 2) + 1.

  static DirectoryTrust For(const NetworkConfig& config);
};

struct NodeRecord {
  NodeId id;
  std::string nickname;
  Endpoint link;
  Endpoint storage;
  crypto::Ed25519PublicKey storage_key;
  OperatorKey operator_key;
  bool relay = false;
  bool storage_role = false;
  // Most authorities reached it lately: fit for a path right now.
  bool running = false;
  // Whether and how it counts for the formation of swarms, also while it is
  // not running. kNone exactly without the storage role.
  StorageState storage_state = StorageState::kNone;
  absl::Time since;  // In the consensus without a gap since then.
  std::optional<absl::Time> down_since;  // Nothing while it is running.
  OnionKeys onion_keys;
  KemKeys kem_keys;
  std::string software;
  uint32_t capacity_mib = 0;

  // In the set of nodes that hold what was stored, and in the set that will.
  bool serving() const { return IsServing(storage_state); }
  bool target() const { return IsTarget(storage_state); }
};

class Consensus final {
 public:
  // Checks everything: sizes, signatures, order, each descriptor.
  //   INVALID_ARGUMENT     malformed, or the parts do not fit together
  //   UNAUTHENTICATED      fewer than `threshold` good signatures, or a
  //                        descriptor that its node did not sign
  //   FAILED_PRECONDITION  of another network, expired, or not yet valid
  // Descriptors that `known` holds with the same bytes are not verified again.
  static absl::StatusOr<std::shared_ptr<const Consensus>> Verify(
      absl::string_view wire, const DirectoryTrust& trust, absl::Time now,
      const Consensus* known = nullptr);

  // Strictly rising.
  uint64_t epoch() const { return epoch_; }
  const crypto::Digest256& hash() const { return hash_; }
  // Of the consensus before it; zero for a network's first.
  const crypto::Digest256& previous_hash() const { return previous_hash_; }
  const NetworkId& network_id() const { return network_id_; }
  const NetworkParams& params() const { return params_; }
  absl::Time valid_after() const { return valid_after_; }
  absl::Time valid_until() const { return valid_until_; }
  // The epoch in which the pending change of storage members began or last
  // changed its target; 0 exactly if serving and target set are equal. Never
  // falls but to 0.
  uint64_t transition_epoch() const { return transition_epoch_; }
  // When the consensus of that epoch became valid; nothing if none is pending.
  std::optional<absl::Time> transition_since() const {
    return transition_since_;
  }

  // Sorted by id.
  absl::Span<const NodeRecord> nodes() const { return nodes_; }
  // Null if it is not a node. Lives as long as the consensus.
  const NodeRecord* Find(const NodeId& id) const;
  // By the key of its link endpoint: whether a peer is a node.
  const NodeRecord* FindByTlsKey(const TlsKey& key) const;

  // The keys with which to build a SETUP; nothing if it is no node, or has
  // published no keys of these epochs.
  std::optional<HopKeys> KeysFor(const NodeId& id, OnionEpochs epochs) const;
  // The epochs in use at `now`.
  OnionEpochs EpochsAt(absl::Time now) const;

  // The document as it is passed on: what was verified and nothing else.
  const std::string& wire() const { return wire_; }

  // The parts of `wire()`: what was signed, and the list, sorted by id.
  absl::string_view header() const { return header_; }
  absl::Span<const std::string> entries() const { return entries_; }

 private:
  Consensus() = default;

  uint64_t epoch_ = 0;
  crypto::Digest256 hash_;
  crypto::Digest256 previous_hash_;
  NetworkId network_id_;
  NetworkParams params_;
  absl::Time valid_after_;
  absl::Time valid_until_;
  uint64_t transition_epoch_ = 0;
  std::optional<absl::Time> transition_since_;
  std::vector<NodeRecord> nodes_;
  std::vector<size_t> by_tls_key_;  // Indices into `nodes_`.
  std::string wire_;
  std::string header_;
  std::vector<std::string> entries_;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_CONSENSUS_H_
