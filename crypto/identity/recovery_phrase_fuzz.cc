// Decodes arbitrary text as a recovery phrase. What decodes must encode to a
// phrase of the same seed; what does not must say so and nothing else.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/identity/recovery_phrase.h"

namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using ::messenger::crypto::AccountSeed;
  using ::messenger::crypto::DecodeRecoveryPhrase;
  using ::messenger::crypto::EncodeRecoveryPhrase;

  const absl::StatusOr<AccountSeed> seed = DecodeRecoveryPhrase(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!seed.ok()) {
    Check(seed.status().code() == absl::StatusCode::kInvalidArgument);
    for (const char c : seed.status().message()) {
      Check(c >= ' ' && c <= '~');
    }
    return 0;
  }
  const absl::StatusOr<AccountSeed> again =
      DecodeRecoveryPhrase(EncodeRecoveryPhrase(*seed));
  Check(again.ok() && again->Expose() == seed->Expose());
  return 0;
}
