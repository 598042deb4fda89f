// Randomness that remembers what was read: for traces, and for attackers who
// are told afterwards. One entry per request, so that an entry is one secret
// of client/SPEC.md, section 5.3.
//
// Not thread-safe.

#ifndef CLIENT_SESSION_TESTING_RECORDING_RANDOM_H_
#define CLIENT_SESSION_TESTING_RECORDING_RANDOM_H_

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "crypto/random/random.h"

namespace messenger::client {

class RecordingRandom final : public crypto::Random {
 public:
  // `source` must outlive this.
  explicit RecordingRandom(crypto::Random& source) : source_(source) {}

  void Fill(absl::Span<char> out) override {
    source_.Fill(out);
    draws_.emplace_back(out.data(), out.size());
  }

  const std::vector<std::string>& draws() const { return draws_; }
  void Forget() { draws_.clear(); }

 private:
  crypto::Random& source_;
  std::vector<std::string> draws_;
};

}  // namespace messenger::client

#endif  // CLIENT_SESSION_TESTING_RECORDING_RANDOM_H_
