// What cryptography costs a relay, against the operations that no
// implementation of these formats can avoid. CPU time of one thread.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "crypto/agreement/x25519.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/kem/mlkem768.h"
#include "crypto/random/random.h"
#include "crypto/random/system_random.h"
#include "crypto/wideblock/hctr2.h"
#include "openssl/aead.h"
#include "openssl/curve25519.h"
#include "routing/onion/circuit.h"
#include "routing/onion/geometry.h"
#include "routing/onion/node_id.h"
#include "routing/onion/setup.h"
#include "tools/bench/measure.h"
#include "tools/bench/report.h"

namespace messenger::bench {
namespace {

constexpr int kRounds = 41;
constexpr absl::Duration kSlice = absl::Milliseconds(8);

// A node as the directory and as itself sees it.
struct Node {
  explicit Node(crypto::Random& random)
      : id(random.Fixed<routing::NodeId>()),
        onion_key(crypto::X25519PrivateKey::Generate(random)),
        kem_key(crypto::MlKem768PrivateKey::Generate(random)),
        secrets(id, onion_key, kem_key) {}

  routing::NodeId id;
  crypto::X25519PrivateKey onion_key;
  crypto::MlKem768PrivateKey kem_key;
  routing::HopSecrets secrets;
};

std::string Microseconds(double seconds) {
  return absl::StrFormat("%.2f us", seconds * 1e6);
}

std::string GigabytesPerSecond(double seconds) {
  return absl::StrFormat("%.2f GB/s", routing::kFrameBodySize / seconds / 1e9);
}

// AES-256-GCM of BoringSSL over one cell: the fastest cipher of the machine.
class GcmCell {
 public:
  explicit GcmCell(crypto::Random& random)
      : cell_(random.String(routing::kFrameBodySize)),
        sealed_(routing::kFrameBodySize + 16, 0) {
    const std::string key = random.String(32);
    EVP_AEAD_CTX_init(&context_, EVP_aead_aes_256_gcm(), Bytes(key), key.size(),
                      16, nullptr);
  }
  ~GcmCell() { EVP_AEAD_CTX_cleanup(&context_); }
  GcmCell(const GcmCell&) = delete;
  GcmCell& operator=(const GcmCell&) = delete;

  void Seal() {
    static constexpr uint8_t kNonce[12] = {};
    size_t size = 0;
    benchmark::DoNotOptimize(
        EVP_AEAD_CTX_seal(&context_, reinterpret_cast<uint8_t*>(sealed_.data()),
                          &size, sealed_.size(), kNonce, sizeof(kNonce),
                          Bytes(cell_), cell_.size(), nullptr, 0));
  }

 private:
  static const uint8_t* Bytes(const std::string& string) {
    return reinterpret_cast<const uint8_t*>(string.data());
  }

  EVP_AEAD_CTX context_;
  const std::string cell_;
  std::string sealed_;
};

// A SETUP for the first of four hops, and the public-key operations in it.
void MeasurePeel(crypto::Random& random, Report& report) {
  std::vector<std::unique_ptr<Node>> nodes;
  std::vector<routing::HopKeys> path;
  for (size_t i = 0; i < routing::kMaxHops; ++i) {
    nodes.push_back(std::make_unique<Node>(random));
    path.push_back({nodes[i]->id, nodes[i]->onion_key.public_key(),
                    nodes[i]->kem_key.public_key()});
  }
  const auto build = [&] {
    return routing::BuildSetup(path, {1, 1}, /*service=*/1,
                               /*expiry_minute=*/1, /*reply_budget=*/1, "hello",
                               random)
        .value();
  };
  const std::string body = build().body;
  const auto ephemeral =
      crypto::X25519PublicKey::FromBytes(
          absl::string_view(body).substr(routing::kCiphertextOffset,
                                         routing::kX25519Size))
          .value();
  const auto ciphertext =
      crypto::MlKem768Ciphertext::FromBytes(
          absl::string_view(body).substr(
              routing::kCiphertextOffset + routing::kX25519Size,
              routing::kMlKemCiphertextSize))
          .value();
  const Node& node = *nodes[0];
  const std::string scalar = random.String(32);

  const std::vector<Rounds> taken = Race(
      {[&] { benchmark::DoNotOptimize(node.onion_key.Agree(ephemeral)); },
       [&] {
         uint8_t shared[32];
         benchmark::DoNotOptimize(
             X25519(shared, reinterpret_cast<const uint8_t*>(scalar.data()),
                    reinterpret_cast<const uint8_t*>(ephemeral.data())));
         benchmark::ClobberMemory();
       },
       [&] { benchmark::DoNotOptimize(node.kem_key.Decapsulate(ciphertext)); },
       [&] { benchmark::DoNotOptimize(PeelSetup(node.secrets, body)); },
       [&] { benchmark::DoNotOptimize(build()); }},
      kRounds, kSlice);
  enum { kSodium, kBoring, kKem, kPeel, kBuild };

  const bool sodium_is_faster = Median(taken[kSodium]) < Median(taken[kBoring]);
  const Rounds& fastest = sodium_is_faster ? taken[kSodium] : taken[kBoring];
  report.Add({.what = "X25519, as the project uses it (libsodium)",
              .measured = Microseconds(Median(taken[kSodium])),
              .limit = Microseconds(Median(taken[kBoring])) + " (BoringSSL)",
              .ratio = absl::StrFormat(
                  "%.2f", MedianRatio(taken[kSodium], taken[kBoring]))});
  report.Add({.what = "ML-KEM-768 decapsulation (libsodium)",
              .measured = Microseconds(Median(taken[kKem]))});

  Rounds floor;
  Rounds without_kem;
  for (int i = 0; i < kRounds; ++i) {
    floor.push_back(taken[kSodium][i] + taken[kKem][i]);
    without_kem.push_back(taken[kPeel][i] - taken[kKem][i]);
  }
  const double classical = MedianRatio(without_kem, fastest);
  report.Add({.what = "classical part of a peel: all but the decapsulation",
              .measured = Microseconds(Median(without_kem)),
              .limit = Microseconds(Median(fastest)) + " (one X25519)",
              .ratio = absl::StrFormat("%.2f", classical),
              .bar = "<= 1.20 x",
              .met = IsMet(classical <= 1.20)});
  const double hybrid = MedianRatio(taken[kPeel], floor);
  report.Add({.what = "hybrid peel of a SETUP",
              .measured = Microseconds(Median(taken[kPeel])),
              .limit = Microseconds(Median(floor)) + " (X25519 + ML-KEM)",
              .ratio = absl::StrFormat("%.2f", hybrid),
              .bar = "<= 1.15 x",
              .met = IsMet(hybrid <= 1.15)});
  report.Add({.what = "client builds a SETUP for 4 hops",
              .measured = Microseconds(Median(taken[kBuild]))});
}

void MeasureCell(crypto::Random& random, Report& report) {
  const crypto::Hctr2 cipher(random.Secret<32>());
  const std::string tweak = random.String(40);
  std::string cell = random.String(routing::kFrameBodySize);
  const absl::Span<char> whole = absl::MakeSpan(cell.data(), cell.size());
  routing::RelayCircuit circuit({.forward_key = random.Secret<32>(),
                                 .backward_key = random.Secret<32>(),
                                 .forward_iv = random.Secret<32>(),
                                 .backward_iv = random.Secret<32>()});
  GcmCell gcm(random);

  const std::vector<Rounds> taken =
      Race({[&] { gcm.Seal(); }, [&] { cipher.Decrypt(tweak, whole); },
            [&] { cipher.Encrypt(tweak, whole); },
            [&] { circuit.ForwardLayer(whole); },
            [&] { circuit.BackwardLayer(whole); }},
           kRounds, kSlice);
  enum { kGcm, kDecrypt, kEncrypt, kForward, kBackward };

  const double limit = Median(taken[kGcm]);
  const std::string limit_words = absl::StrCat(
      Microseconds(limit), ", ", GigabytesPerSecond(limit), " (AES-256-GCM)");
  const std::pair<int, const char*> rows[] = {
      {kDecrypt, "HCTR2 decrypts a cell of 8,176 bytes"},
      {kEncrypt, "HCTR2 encrypts a cell"},
      {kForward, "one hop of a cell forward: HCTR2 and chain"},
      {kBackward, "one hop of a cell backward"}};
  for (const auto& [which, what] : rows) {
    const double seconds = Median(taken[which]);
    report.Add({.what = what,
                .measured = absl::StrCat(Microseconds(seconds), ", ",
                                         GigabytesPerSecond(seconds)),
                .limit = limit_words,
                .ratio = absl::StrFormat(
                    "%.2f", MedianRatio(taken[which], taken[kGcm])),
                .bar = "<= 5 us, >= 1.6 GB/s",
                .met = IsMet(seconds <= 5e-6 &&
                             routing::kFrameBodySize / seconds >= 1.6e9)});
  }
}

int Main() {
  Report report;
  MeasurePeel(crypto::SystemRandom(), report);
  MeasureCell(crypto::SystemRandom(), report);
  std::fputs(report.ToText("Cryptography (CPU time of one thread)").c_str(),
             stdout);
  return 0;
}

}  // namespace
}  // namespace messenger::bench

int main() { return messenger::bench::Main(); }
