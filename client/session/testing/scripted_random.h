// Randomness that was written down beforehand, for test vectors. Reading more
// than there is crashes; `remaining()` shows that all of it was used.

#ifndef CLIENT_SESSION_TESTING_SCRIPTED_RANDOM_H_
#define CLIENT_SESSION_TESTING_SCRIPTED_RANDOM_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "crypto/random/random.h"

namespace messenger::client {

class ScriptedRandom final : public crypto::Random {
 public:
  explicit ScriptedRandom(absl::string_view bytes) : bytes_(bytes) {}

  void Fill(absl::Span<char> out) override;

  size_t remaining() const { return bytes_.size() - used_; }

 private:
  std::string bytes_;
  size_t used_ = 0;
};

}  // namespace messenger::client

#endif  // CLIENT_SESSION_TESTING_SCRIPTED_RANDOM_H_
