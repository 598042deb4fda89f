#include "crypto/random/testing/scripted_random.h"

#include <cstdlib>
#include <cstring>
#include <iostream>

namespace messenger::crypto {

void ScriptedRandom::Fill(absl::Span<char> out) {
  if (out.size() > rest_.size()) {
    std::cerr << "the scripted randomness is used up" << std::endl;
    std::abort();
  }
  if (out.empty()) return;
  std::memcpy(out.data(), rest_.data(), out.size());
  rest_.erase(0, out.size());
}

}  // namespace messenger::crypto
