#include "routing/onion/setup.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "crypto/kdf/hmac.h"
#include "crypto/stream/aes_ctr.h"
#include "crypto/wideblock/hctr2.h"
#include "routing/onion/big_endian.h"
#include "routing/onion/cell.h"
#include "routing/onion/geometry.h"

namespace messenger::routing {
namespace {

constexpr absl::string_view kPayloadTweakPrefix = "setup";
constexpr size_t kStreamSize = kBetaSize + kSlotSize;

constexpr size_t kSuiteOffset = 0;
constexpr size_t kOnionEpochOffset = 4;
constexpr size_t kKemEpochOffset = 8;
constexpr size_t kAdReservedOffset = 12;

using Ad = std::array<char, kAdSize>;
using Gamma = std::array<char, kGammaSize>;
using PayloadTweak = std::array<char, kPayloadTweakPrefix.size() + kGammaSize>;
using Stream = crypto::SecretBytes<kStreamSize>;

// The one answer to everything that is wrong with a SETUP.
absl::Status Refused() { return absl::UnauthenticatedError("refused"); }

Ad EncodeAd(OnionEpochs epochs) {
  Ad ad = {};
  ad[kSuiteOffset] = static_cast<char>(kSuite);
  StoreBigEndian<uint32_t>(epochs.onion, &ad[kOnionEpochOffset]);
  StoreBigEndian<uint32_t>(epochs.kem, &ad[kKemEpochOffset]);
  return ad;
}

PayloadTweak MakePayloadTweak(const char* gamma) {
  PayloadTweak tweak;
  std::memcpy(tweak.data(), kPayloadTweakPrefix.data(),
              kPayloadTweakPrefix.size());
  std::memcpy(tweak.data() + kPayloadTweakPrefix.size(), gamma, kGammaSize);
  return tweak;
}

template <size_t N>
absl::string_view View(const std::array<char, N>& bytes) {
  return {bytes.data(), N};
}

void Xor(absl::Span<char> inout, absl::string_view mask) {
  for (size_t i = 0; i < inout.size(); ++i) {
    inout[i] = static_cast<char>(inout[i] ^ mask[i]);
  }
}

// ---- Building ----

// What the client knows about one hop.
struct Layer {
  std::array<char, kLayerCiphertextSize> ciphertext;
  LayerKeys keys;
  Stream stream;  // The key stream over beta and one more slot.
};

absl::StatusOr<Layer> MakeLayer(const HopKeys& hop, const Ad& ad,
                                crypto::Random& random) {
  const auto ephemeral = crypto::X25519PrivateKey::Generate(random);
  ASSIGN_OR_RETURN(const crypto::MlKem768Encapsulation kem,
                   crypto::MlKem768Encapsulate(hop.kem_key, random));
  ASSIGN_OR_RETURN(const crypto::SharedSecret dh_secret,
                   ephemeral.Agree(hop.onion_key));
  Layer layer;
  std::memcpy(layer.ciphertext.data(), ephemeral.public_key().data(),
              kX25519Size);
  std::memcpy(layer.ciphertext.data() + kX25519Size, kem.ciphertext.data(),
              kMlKemCiphertextSize);
  layer.keys = DeriveLayerKeys(
      kem.secret, dh_secret,
      {View(ad), hop.node_id, hop.onion_key,
       crypto::Sha256(hop.kem_key.bytes()), View(layer.ciphertext)});
  crypto::Aes256CtrXor(layer.keys.stream_key, layer.keys.stream_iv,
                       layer.stream.MutableExpose());
  return layer;
}

// The end of the last hop's beta: what the earlier hops will have made, by
// decrypting zeros, of the slots they append.
std::string MakeFiller(absl::Span<const Layer> layers) {
  std::string filler;
  for (const Layer& layer : layers.first(layers.size() - 1)) {
    filler.append(kSlotSize, '\0');
    Xor(absl::MakeSpan(filler.data(), filler.size()),
        layer.stream.Expose().substr(kStreamSize - filler.size()));
  }
  return filler;
}

Gamma ComputeGamma(const LayerKeys& keys, absl::string_view ad,
                   absl::string_view ciphertext, absl::string_view beta) {
  const crypto::SecretBytes<32> mac =
      crypto::HmacSha256(keys.mac.Expose(), {ad, ciphertext, beta});
  Gamma gamma;
  std::memcpy(gamma.data(), mac.Expose().data(), gamma.size());
  return gamma;
}

HopCommand CommandOf(absl::Span<const HopKeys> hops, size_t i, uint8_t service,
                     uint32_t expiry_minute, uint8_t reply_budget) {
  HopCommand command;
  command.expiry_minute = expiry_minute;
  command.reply_budget = reply_budget;
  if (i + 1 < hops.size()) {
    command.type = HopCommand::Type::kForward;
    command.next = hops[i + 1].node_id;
  } else {
    command.type = HopCommand::Type::kDeliver;
    command.service = service;
  }
  return command;
}

// ---- Peeling ----

absl::Status CheckAd(absl::string_view body) {
  if (body.size() != kFrameBodySize ||
      static_cast<uint8_t>(body[kSuiteOffset]) != kSuite || body[1] != 0 ||
      LoadBigEndian<uint16_t>(&body[2]) != 0 ||
      LoadBigEndian<uint32_t>(&body[kAdReservedOffset]) != 0) {
    return Refused();
  }
  return absl::OkStatus();
}

absl::StatusOr<LayerKeys> RecoverKeys(const HopSecrets& secrets,
                                      absl::string_view body) {
  const absl::string_view ciphertext =
      body.substr(kCiphertextOffset, kLayerCiphertextSize);
  crypto::X25519PublicKey ephemeral;
  std::memcpy(ephemeral.data(), ciphertext.data(), kX25519Size);
  crypto::MlKem768Ciphertext kem_ciphertext;
  std::memcpy(kem_ciphertext.data(), ciphertext.data() + kX25519Size,
              kMlKemCiphertextSize);
  const absl::StatusOr<crypto::SharedSecret> dh_secret =
      secrets.onion_key.Agree(ephemeral);
  if (!dh_secret.ok()) return Refused();
  return DeriveLayerKeys(
      secrets.kem_key.Decapsulate(kem_ciphertext), *dh_secret,
      {body.substr(0, kAdSize), secrets.node_id, secrets.onion_key.public_key(),
       secrets.kem_key_digest, ciphertext});
}

bool GammaMatches(const LayerKeys& keys, absl::string_view body) {
  // AD, ciphertext and beta lie side by side.
  const crypto::SecretBytes<32> mac =
      crypto::HmacSha256(keys.mac.Expose(), {body.substr(0, kGammaOffset)});
  return crypto::ConstantTimeEquals(mac.Expose().substr(0, kGammaSize),
                                    body.substr(kGammaOffset, kGammaSize));
}

}  // namespace

absl::StatusOr<BuiltSetup> BuildSetup(absl::Span<const HopKeys> hops,
                                      OnionEpochs epochs, uint8_t service,
                                      uint32_t expiry_minute,
                                      uint8_t reply_budget,
                                      absl::string_view data,
                                      crypto::Random& random) {
  if (hops.empty() || hops.size() > kMaxHops) {
    return absl::InvalidArgumentError("a path has 1 to 4 hops");
  }
  if (data.size() > kSetupDataSize) {
    return absl::InvalidArgumentError("data does not fit a SETUP");
  }
  const Ad ad = EncodeAd(epochs);
  std::vector<Layer> layers;
  layers.reserve(hops.size());
  for (const HopKeys& hop : hops) {
    ASSIGN_OR_RETURN(Layer layer, MakeLayer(hop, ad, random));
    layers.push_back(std::move(layer));
  }

  // The terminal slot: a command, then random bytes in place of everything a
  // longer path would have there, then the filler, which is already encrypted.
  const std::string filler = MakeFiller(layers);
  std::string beta(kBetaSize, '\0');
  const absl::Span<char> clear =
      absl::MakeSpan(beta.data(), kBetaSize - filler.size());
  RETURN_IF_ERROR(EncodeCommand(
      CommandOf(hops, hops.size() - 1, service, expiry_minute, reply_budget),
      clear.first(kCommandSize)));
  random.Fill(clear.subspan(kCommandSize));
  Xor(clear, layers.back().stream.Expose());
  std::copy(filler.begin(), filler.end(), beta.begin() + clear.size());

  std::string payload(kSetupPayloadSize, '\0');
  std::copy(data.begin(), data.end(), payload.begin() + kZeroTagSize);

  Gamma gamma;
  for (size_t i = hops.size(); i-- > 0;) {
    if (i + 1 < hops.size()) {
      std::string outer(kBetaSize, '\0');
      char* out = outer.data();
      RETURN_IF_ERROR(EncodeCommand(
          CommandOf(hops, i, service, expiry_minute, reply_budget),
          absl::MakeSpan(out, kCommandSize)));
      out += kCommandSize;
      out = std::copy(gamma.begin(), gamma.end(), out);
      const auto& next = layers[i + 1].ciphertext;
      out = std::copy(next.begin(), next.end(), out);
      std::copy_n(beta.begin(), kBetaSize - kSlotSize, out);
      Xor(absl::MakeSpan(outer.data(), outer.size()),
          layers[i].stream.Expose());
      beta = std::move(outer);
    }
    gamma = ComputeGamma(layers[i].keys, View(ad), View(layers[i].ciphertext),
                         beta);
    crypto::Hctr2(layers[i].keys.payload_key)
        .Encrypt(View(MakePayloadTweak(gamma.data())),
                 absl::MakeSpan(payload.data(), payload.size()));
  }

  std::string body;
  body.reserve(kFrameBodySize);
  body.append(View(ad).data(), kAdSize);
  body.append(layers.front().ciphertext.data(), kLayerCiphertextSize);
  body.append(beta);
  body.append(gamma.data(), kGammaSize);
  body.append(payload);

  std::vector<CircuitKeys> circuit;
  circuit.reserve(layers.size());
  for (Layer& layer : layers) circuit.push_back(std::move(layer.keys.circuit));
  return BuiltSetup{std::move(body), ClientCircuit(std::move(circuit))};
}

HopSecrets::HopSecrets(const NodeId& node_id,
                       const crypto::X25519PrivateKey& onion_key,
                       const crypto::MlKem768PrivateKey& kem_key)
    : node_id(node_id),
      onion_key(onion_key),
      kem_key(kem_key),
      kem_key_digest(crypto::Sha256(kem_key.public_key().bytes())) {}

absl::StatusOr<OnionEpochs> SetupEpochs(absl::string_view body) {
  RETURN_IF_ERROR(CheckAd(body));
  return OnionEpochs{LoadBigEndian<uint32_t>(&body[kOnionEpochOffset]),
                     LoadBigEndian<uint32_t>(&body[kKemEpochOffset])};
}

absl::StatusOr<Peeled> PeelSetup(const HopSecrets& secrets,
                                 absl::string_view body) {
  RETURN_IF_ERROR(CheckAd(body));
  ASSIGN_OR_RETURN(LayerKeys keys, RecoverKeys(secrets, body));
  if (!GammaMatches(keys, body)) return Refused();

  // One slot for this hop, then the next hop's ciphertext and beta, side by
  // side as they are in a body.
  std::array<char, kStreamSize> slots;
  std::memcpy(slots.data(), &body[kBetaOffset], kBetaSize);
  std::memset(slots.data() + kBetaSize, 0, kSlotSize);
  crypto::Aes256CtrXor(keys.stream_key, keys.stream_iv, absl::MakeSpan(slots));
  const absl::StatusOr<HopCommand> command =
      ParseCommand({slots.data(), kCommandSize});
  if (!command.ok()) return Refused();

  // The payload is decrypted where the next SETUP has it, also at the last hop:
  // the work must not tell what the command was.
  std::string next(kFrameBodySize, '\0');
  char* out = next.data();
  std::memcpy(out, body.data(), kAdSize);
  std::memcpy(out + kCiphertextOffset, slots.data() + kCommandSize + kGammaSize,
              kLayerCiphertextSize + kBetaSize);
  std::memcpy(out + kGammaOffset, slots.data() + kCommandSize, kGammaSize);
  std::memcpy(out + kPayloadOffset, &body[kPayloadOffset], kSetupPayloadSize);
  crypto::Hctr2(keys.payload_key)
      .Decrypt(View(MakePayloadTweak(&body[kGammaOffset])),
               absl::MakeSpan(out + kPayloadOffset, kSetupPayloadSize));

  Peeled peeled{keys.replay_tag, *command,
                RelayCircuit(std::move(keys.circuit)), std::string(),
                std::string()};
  if (command->type == HopCommand::Type::kForward) {
    peeled.next_body = std::move(next);
    return peeled;
  }
  const absl::string_view payload =
      absl::string_view(next).substr(kPayloadOffset);
  if (!HasZeroTag(payload)) return Refused();
  peeled.data = std::string(payload.substr(kZeroTagSize));
  return peeled;
}

}  // namespace messenger::routing
