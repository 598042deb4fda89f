// The SETUP packet: builds a circuit over 1 to 4 hops and carries the first
// bytes to the destination, in one message of constant size (routing/SPEC.md,
// section 2).
//
//   AD 16 | ct 1120 | beta 3616 | gamma 16 | payload 3408
//
// Every layer takes a fresh X25519 key and a fresh ML-KEM-768 encapsulation,
// so nothing is blinded. The bytes show neither the length of the path nor the
// place in it: what is not a command for this hop is ciphertext or random.
//
// Pure functions, thread-safe.

#ifndef ROUTING_ONION_SETUP_H_
#define ROUTING_ONION_SETUP_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "crypto/agreement/x25519.h"
#include "crypto/hash/hash.h"
#include "crypto/kem/mlkem768.h"
#include "crypto/random/random.h"
#include "routing/onion/circuit.h"
#include "routing/onion/command.h"
#include "routing/onion/layer_keys.h"
#include "routing/onion/node_id.h"

namespace messenger::routing {

// The public keys of one hop, from the directory.
struct HopKeys {
  NodeId node_id;
  crypto::X25519PublicKey onion_key;
  crypto::MlKem768PublicKey kem_key;
};

// Which of a node's key pairs a SETUP is for. Visible to every hop, and equal
// for all users of an epoch.
struct OnionEpochs {
  uint32_t onion = 0;
  uint32_t kem = 0;

  friend bool operator==(const OnionEpochs&, const OnionEpochs&) = default;
};

struct BuiltSetup {
  std::string body;  // kFrameBodySize, for the first hop.
  ClientCircuit circuit;
};

// Builds a SETUP that ends at `service` of the last of `hops` and gives it
// `data`, padded with zeros to `kSetupDataSize`.
//
// INVALID_ARGUMENT on 0 or more than `kMaxHops` hops, data over
// `kSetupDataSize`, a budget outside 1..64, or a hop whose keys are not valid.
// Draws from `random` in the order of section 2.5, so that vectors can fix it.
absl::StatusOr<BuiltSetup> BuildSetup(absl::Span<const HopKeys> hops,
                                      OnionEpochs epochs, uint8_t service,
                                      uint32_t expiry_minute,
                                      uint8_t reply_budget,
                                      absl::string_view data,
                                      crypto::Random& random);

// The private keys with which one node reads SETUPs of one epoch. Keep one per
// epoch: it holds a digest of the public key that is then not computed again.
struct HopSecrets {
  // Both keys must outlive this object.
  HopSecrets(const NodeId& node_id, const crypto::X25519PrivateKey& onion_key,
             const crypto::MlKem768PrivateKey& kem_key);

  NodeId node_id;
  const crypto::X25519PrivateKey& onion_key;
  const crypto::MlKem768PrivateKey& kem_key;
  crypto::Digest256 kem_key_digest;
};

struct Peeled {
  ReplayTag replay_tag;
  HopCommand command;
  RelayCircuit circuit;
  std::string next_body;  // FORWARD: the SETUP for `command.next`.
  std::string data;       // DELIVER: kSetupDataSize bytes.
};

// Reads the epochs, to choose keys. UNAUTHENTICATED on a body that no keys
// would open.
absl::StatusOr<OnionEpochs> SetupEpochs(absl::string_view body);

// Opens this node's layer. Whatever is wrong with `body` the answer is the same
// UNAUTHENTICATED "refused", and the caller drops it without a word: an answer
// would tell an attacker which part of a forgery was right. The caller checks
// the replay tag and the expiry next.
absl::StatusOr<Peeled> PeelSetup(const HopSecrets& secrets,
                                 absl::string_view body);

}  // namespace messenger::routing

#endif  // ROUTING_ONION_SETUP_H_
