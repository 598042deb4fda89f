#include "crypto/stream/secret_stream.h"

#include <cstdint>

#include "absl/status/status.h"
#include "crypto/base/secure_memory.h"
#include "crypto/internal/sodium_init.h"
#include "sodium.h"

namespace messenger::crypto {
namespace {

static_assert(kStreamOverhead == crypto_secretstream_xchacha20poly1305_ABYTES);
static_assert(StreamHeader::kSize ==
              crypto_secretstream_xchacha20poly1305_HEADERBYTES);

const uint8_t* In(absl::string_view data) {
  return reinterpret_cast<const uint8_t*>(data.data());
}

uint8_t* Out(std::string& data) {
  return reinterpret_cast<uint8_t*>(data.data());
}

}  // namespace

// A sealer begins like an opener: `init_push` differs in that it chooses the
// header itself, and chance is a parameter here.
class SecretStreamState final {
 public:
  SecretStreamState(const SecretBytes<32>& key, const StreamHeader& header) {
    internal::EnsureSodium();
    crypto_secretstream_xchacha20poly1305_init_pull(&state, In(header.bytes()),
                                                    In(key.Expose()));
  }
  ~SecretStreamState() { SecureWipe(&state, sizeof(state)); }
  SecretStreamState(const SecretStreamState&) = delete;
  SecretStreamState& operator=(const SecretStreamState&) = delete;

  crypto_secretstream_xchacha20poly1305_state state;
};

SecretStreamSealer::SecretStreamSealer(const SecretBytes<32>& key,
                                       const StreamHeader& header)
    : state_(std::make_unique<SecretStreamState>(key, header)) {}

SecretStreamSealer::~SecretStreamSealer() = default;

std::string SecretStreamSealer::Seal(absl::string_view piece, bool last) {
  std::string sealed(piece.size() + kStreamOverhead, '\0');
  crypto_secretstream_xchacha20poly1305_push(
      &state_->state, Out(sealed), /*clen_p=*/nullptr, In(piece), piece.size(),
      /*ad=*/nullptr, 0,
      last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
           : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
  return sealed;
}

SecretStreamOpener::SecretStreamOpener(const SecretBytes<32>& key,
                                       const StreamHeader& header)
    : state_(std::make_unique<SecretStreamState>(key, header)) {}

SecretStreamOpener::~SecretStreamOpener() = default;

absl::StatusOr<SecretStreamOpener::Piece> SecretStreamOpener::Open(
    absl::string_view sealed) {
  const absl::Status refusal =
      absl::UnauthenticatedError("not the next piece of the stream");
  if (sealed.size() < kStreamOverhead) return refusal;
  Piece piece;
  piece.text.resize(sealed.size() - kStreamOverhead);
  uint8_t tag = 0;
  if (crypto_secretstream_xchacha20poly1305_pull(
          &state_->state, Out(piece.text), /*mlen_p=*/nullptr, &tag, In(sealed),
          sealed.size(), /*ad=*/nullptr, 0) != 0) {
    return refusal;
  }
  if (tag != crypto_secretstream_xchacha20poly1305_TAG_MESSAGE &&
      tag != crypto_secretstream_xchacha20poly1305_TAG_FINAL) {
    return refusal;
  }
  piece.last = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
  return piece;
}

}  // namespace messenger::crypto
