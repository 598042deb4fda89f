// A long text sealed in pieces, of which none can be left out, moved or cut off
// the end (crypto/SPEC.md, section 4.3): libsodium's secretstream.
//
// It does not commit to its key. Neither class is thread-safe.

#ifndef CRYPTO_STREAM_SECRET_STREAM_H_
#define CRYPTO_STREAM_SECRET_STREAM_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/base/secret_bytes.h"

namespace messenger::crypto {

// Random, and public.
using StreamHeader = FixedBytes<struct StreamHeaderTag, 24>;

inline constexpr size_t kStreamOverhead = 17;

class SecretStreamState;

class SecretStreamSealer final {
 public:
  // `key` and `header` must not have sealed another stream.
  SecretStreamSealer(const SecretBytes<32>& key, const StreamHeader& header);
  ~SecretStreamSealer();

  // `kStreamOverhead` bytes longer than the piece. Nothing may follow the last.
  std::string Seal(absl::string_view piece, bool last);

 private:
  std::unique_ptr<SecretStreamState> state_;
};

class SecretStreamOpener final {
 public:
  struct Piece {
    std::string text;
    bool last = false;
  };

  SecretStreamOpener(const SecretBytes<32>& key, const StreamHeader& header);
  ~SecretStreamOpener();

  // UNAUTHENTICATED unless `sealed` is the next piece of the stream.
  absl::StatusOr<Piece> Open(absl::string_view sealed);

 private:
  std::unique_ptr<SecretStreamState> state_;
};

}  // namespace messenger::crypto

#endif  // CRYPTO_STREAM_SECRET_STREAM_H_
