// HCTR2-AES-256 (Crowley, Huckleberry, Biggers, 2021; crypto/SPEC.md, section
// 8): a cipher whose block is the whole message.
//
// Every bit of the output depends on every bit of the input, of the key and of
// the tweak: whoever flips one bit garbles everything. It keeps the length and
// adds no authentication; the plaintext carries the redundancy to check.

#ifndef CRYPTO_WIDEBLOCK_HCTR2_H_
#define CRYPTO_WIDEBLOCK_HCTR2_H_

#include <cstddef>
#include <memory>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "crypto/base/secret_bytes.h"

namespace messenger::crypto {

// Immutable after construction, hence thread-safe. Move-only; a moved-from
// cipher may only be destroyed or assigned to.
class Hctr2 final {
 public:
  // A message shorter than this has no wide block; passing one is a broken
  // invariant and crashes.
  static constexpr size_t kMinMessageBytes = 16;

  explicit Hctr2(const SecretBytes<32>& key);
  ~Hctr2();
  Hctr2(Hctr2&& other) noexcept;
  Hctr2& operator=(Hctr2&& other) noexcept;
  Hctr2(const Hctr2&) = delete;
  Hctr2& operator=(const Hctr2&) = delete;

  // In place. `tweak` may have any length, and must not overlap `inout`.
  void Encrypt(absl::string_view tweak, absl::Span<char> inout) const;
  void Decrypt(absl::string_view tweak, absl::Span<char> inout) const;

 private:
  struct State;

  std::unique_ptr<State> state_;
};

}  // namespace messenger::crypto

#endif  // CRYPTO_WIDEBLOCK_HCTR2_H_
