// Arbitrary bytes as a node's descriptor. Signatures are in the way of a
// fuzzer, so what it tries is signed by a known key first: the last 64 bytes
// are replaced.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/descriptor.h"

namespace {

using namespace messenger;  // NOLINT

constexpr size_t kNodeIdOffset = 33;

void Try(absl::string_view bytes, const crypto::Ed25519PrivateKey& key) {
  const absl::StatusOr<routing::Descriptor> descriptor =
      routing::ParseDescriptor(bytes);
  if (!descriptor.ok()) return;
  // There is one encoding of each descriptor.
  const absl::StatusOr<std::string> again =
      routing::SignDescriptor(*descriptor, key);
  if (!again.ok() || *again != bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* const key = [] {
    crypto::SeededRandom random(1);
    return new auto(crypto::Ed25519PrivateKey::Generate(random));
  }();
  std::string body(reinterpret_cast<const char*>(data), size);
  Try(body, *key);
  if (body.size() >= kNodeIdOffset + 32) {
    body.replace(kNodeIdOffset, 32, std::string(key->public_key().bytes()));
  }
  absl::StrAppend(
      &body, key->Sign(crypto::SigningDomain::kNodeDescriptor, body).bytes());
  Try(body, *key);
  return 0;
}
