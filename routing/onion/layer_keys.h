// The key schedule of one SETUP layer (routing/SPEC.md, section 2.3).
//
// Everything that names the layer is in the context: suite and epochs, the
// node, both of its public keys and the whole ciphertext. A ciphertext that
// was re-encoded, or moved to another node or epoch, gives unrelated keys.
//
// Pure, thread-safe.

#ifndef ROUTING_ONION_LAYER_KEYS_H_
#define ROUTING_ONION_LAYER_KEYS_H_

#include "absl/strings/string_view.h"
#include "crypto/agreement/x25519.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/hash/hash.h"
#include "crypto/kdf/hkdf.h"
#include "crypto/stream/aes_ctr.h"
#include "routing/onion/circuit.h"
#include "routing/onion/node_id.h"

namespace messenger::routing {

// Identifies a SETUP in the replay cache of the node it was meant for.
using ReplayTag = crypto::FixedBytes<struct ReplayTagTag, 16>;

struct LayerKeys {
  crypto::SecretBytes<32> mac;
  crypto::SecretBytes<32> stream_key;
  crypto::AesCtrIv stream_iv;
  crypto::SecretBytes<32> payload_key;
  CircuitKeys circuit;
  ReplayTag replay_tag;
};

// The public values a layer is bound to. References must outlive the call.
struct LayerContext {
  absl::string_view ad;  // kAdSize bytes
  const NodeId& node_id;
  const crypto::X25519PublicKey& onion_key;
  const crypto::Digest256& kem_key_digest;  // SHA-256 of the ML-KEM key
  absl::string_view ciphertext;             // kLayerCiphertextSize bytes
};

// The extracted secret from which the keys are expanded.
crypto::Prk256 ExtractLayerSecret(const crypto::SharedSecret& kem_secret,
                                  const crypto::SharedSecret& dh_secret);

LayerKeys DeriveLayerKeys(const crypto::SharedSecret& kem_secret,
                          const crypto::SharedSecret& dh_secret,
                          const LayerContext& context);

}  // namespace messenger::routing

#endif  // ROUTING_ONION_LAYER_KEYS_H_
