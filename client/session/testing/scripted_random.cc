#include "client/session/testing/scripted_random.h"

#include <algorithm>
#include <cstdlib>

namespace messenger::client {

void ScriptedRandom::Fill(absl::Span<char> out) {
  if (out.size() > remaining()) std::abort();
  std::copy_n(bytes_.data() + used_, out.size(), out.data());
  used_ += out.size();
}

}  // namespace messenger::client
