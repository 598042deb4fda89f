// What a node says about itself, signed by its identity key
// (routing/directory/SPEC.md, section 2).
//
// The signed bytes travel unchanged from the node through the authorities'
// votes into the consensus. Pure functions, thread-safe.

#ifndef ROUTING_DIRECTORY_DESCRIPTOR_H_
#define ROUTING_DIRECTORY_DESCRIPTOR_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/agreement/x25519.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/kem/mlkem768.h"
#include "crypto/sign/ed25519.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/network_config.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

// Who runs a node. Nodes of one operator share it, so that a path or a swarm
// does not fall into one pair of hands; nothing is ever signed with it here.
using OperatorKey = crypto::FixedBytes<struct OperatorKeyTag, 32>;

using OnionKeys = std::map<uint32_t, crypto::X25519PublicKey>;
using KemKeys = std::map<uint32_t, crypto::MlKem768PublicKey>;

// Protocol bounds.
inline constexpr size_t kMaxDescriptorBytes = 8 * 1024;
inline constexpr size_t kMaxNicknameBytes = 32;
inline constexpr size_t kMaxSoftwareBytes = 64;
inline constexpr size_t kMaxAddressBytes = 64;
inline constexpr size_t kMaxKeysPerDescriptor = 4;
// The latest time that our encodings carry (the year 9999), in milliseconds.
inline constexpr uint64_t kMaxUnixMillis = 253402300799999;

struct Descriptor {
  NetworkId network_id;
  NodeId node_id;
  absl::Time published;  // Millisecond precision.
  bool relay = false;
  bool storage_role = false;
  std::string nickname;  // 1 to 32 of A-Z a-z 0-9 '-'.
  Endpoint link;         // Where relays and clients open links.
  Endpoint storage;      // Where other storage nodes call; empty without role.
  crypto::Ed25519PublicKey storage_key;  // Signs receipts.
  OperatorKey operator_key;
  uint32_t capacity_mib = 0;
  std::string software;  // Printable ASCII.
  OnionKeys onion_keys;  // By epoch, 1 to 4 of each kind.
  KemKeys kem_keys;

  friend bool operator==(const Descriptor&, const Descriptor&) = default;
};

// The published bytes. Takes the node id from `identity`; INVALID_ARGUMENT for
// a descriptor that `ParseDescriptor` would refuse.
absl::StatusOr<std::string> SignDescriptor(
    Descriptor descriptor, const crypto::Ed25519PrivateKey& identity);

// INVALID_ARGUMENT malformed or over `kMaxDescriptorBytes`; UNAUTHENTICATED
// not signed by the node it names. Which network it belongs to, its age and
// whether its addresses are acceptable is for the caller.
absl::StatusOr<Descriptor> ParseDescriptor(absl::string_view bytes);

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_DESCRIPTOR_H_
