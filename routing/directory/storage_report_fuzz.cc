// Arbitrary bytes as a storage report, as they are and signed by a known key.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/sign/ed25519.h"
#include "routing/directory/storage_report.h"

namespace {

using namespace messenger;  // NOLINT

void Try(absl::string_view bytes, const crypto::Ed25519PrivateKey& key) {
  const auto report = routing::ParseStorageReport(bytes, key.public_key());
  const auto id = routing::NodeIdOfStorageReport(bytes);
  if (!report.ok()) return;
  // There is one encoding of each report.
  if (!id.ok() || *id != report->node_id ||
      routing::SignStorageReport(*report, key) != bytes) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* const key = [] {
    crypto::SeededRandom random(1);
    return new auto(crypto::Ed25519PrivateKey::Generate(random));
  }();
  std::string body(reinterpret_cast<const char*>(data), size);
  Try(body, *key);
  absl::StrAppend(
      &body, key->Sign(crypto::SigningDomain::kStorageReport, body).bytes());
  Try(body, *key);
  return 0;
}
