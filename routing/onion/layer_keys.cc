#include "routing/onion/layer_keys.h"

#include <array>
#include <cstring>
#include <utility>

#include "absl/types/span.h"
#include "crypto/kdf/hkdf.h"
#include "routing/onion/geometry.h"

namespace messenger::routing {
namespace {

constexpr absl::string_view kSalt = "onion-v1";
constexpr size_t kContextInputSize = kAdSize + NodeId::kSize + kX25519Size +
                                     crypto::Digest256::kSize +
                                     kLayerCiphertextSize;
constexpr size_t kKeyMaterialSize = 32 + 32 + 16 + 32 + 32 + 32 + 32 + 32 + 16;

crypto::Digest256 ContextDigest(const LayerContext& context) {
  std::array<char, kContextInputSize> input;
  char* out = input.data();
  for (absl::string_view part :
       {context.ad, context.node_id.bytes(), context.onion_key.bytes(),
        context.kem_key_digest.bytes(), context.ciphertext}) {
    std::memcpy(out, part.data(), part.size());
    out += part.size();
  }
  return crypto::Sha256({input.data(), input.size()});
}

// Deals the key material out in the order of the specification.
class Dealer {
 public:
  explicit Dealer(absl::string_view material) : left_(material) {}

  void Into(absl::Span<char> out) {
    std::memcpy(out.data(), left_.data(), out.size());
    left_.remove_prefix(out.size());
  }

 private:
  absl::string_view left_;
};

}  // namespace

crypto::Prk256 ExtractLayerSecret(const crypto::SharedSecret& kem_secret,
                                  const crypto::SharedSecret& dh_secret) {
  return crypto::HkdfSha256Extract(kSalt,
                                   {kem_secret.Expose(), dh_secret.Expose()});
}

LayerKeys DeriveLayerKeys(const crypto::SharedSecret& kem_secret,
                          const crypto::SharedSecret& dh_secret,
                          const LayerContext& context) {
  const crypto::Prk256 prk = ExtractLayerSecret(kem_secret, dh_secret);
  const crypto::SecretBytes<kKeyMaterialSize> material =
      crypto::HkdfSha256Expand<kKeyMaterialSize>(
          prk.Expose(), crypto::KdfLabel::kOnion,
          ContextDigest(context).bytes());
  LayerKeys keys;
  Dealer dealer(material.Expose());
  dealer.Into(keys.mac.MutableExpose());
  dealer.Into(keys.stream_key.MutableExpose());
  dealer.Into(absl::MakeSpan(keys.stream_iv.data(), 16));
  dealer.Into(keys.payload_key.MutableExpose());
  dealer.Into(keys.circuit.forward_key.MutableExpose());
  dealer.Into(keys.circuit.backward_key.MutableExpose());
  dealer.Into(keys.circuit.forward_iv.MutableExpose());
  dealer.Into(keys.circuit.backward_iv.MutableExpose());
  dealer.Into(absl::MakeSpan(keys.replay_tag.data(), ReplayTag::kSize));
  return keys;
}

}  // namespace messenger::routing
