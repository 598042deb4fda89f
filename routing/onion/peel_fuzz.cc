// A SETUP that was changed in any way is refused, or, when the change is in the
// payload alone, loses its payload. The input is either a whole body, or a
// place (u16) and bytes to lay over a valid SETUP there.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"
#include "crypto/random/testing/seeded_random.h"
#include "routing/onion/big_endian.h"
#include "routing/onion/geometry.h"
#include "routing/onion/setup.h"
#include "routing/onion/testing/test_path.h"

namespace messenger::routing {
namespace {

class World {
 public:
  World() : random_(1), path_(2, random_) {
    body_ = BuildSetup(path_.Keys(), {1, 1}, /*service=*/1, /*expiry_minute=*/1,
                       /*reply_budget=*/1, "hello", random_)
                .value()
                .body;
  }

  const HopSecrets& Secrets(int hop) const { return path_.Secrets(hop); }
  const std::string& body() const { return body_; }

 private:
  crypto::SeededRandom random_;
  TestPath path_;
  std::string body_;
};

void Require(bool holds) {
  if (!holds) std::abort();
}

std::string Overlay(std::string body, absl::string_view input) {
  if (input.size() < 2) return body;
  const size_t at = LoadBigEndian<uint16_t>(input.data()) % body.size();
  input = input.substr(2, body.size() - at);
  std::memcpy(&body[at], input.data(), input.size());
  return body;
}

void Run(absl::string_view input) {
  static const World& world = *new World();
  const std::string body = input.size() == kFrameBodySize
                               ? std::string(input)
                               : Overlay(world.body(), input);
  const auto peeled = PeelSetup(world.Secrets(0), body);
  const bool same_header =
      body.compare(0, kPayloadOffset, world.body(), 0, kPayloadOffset) == 0;
  Require(peeled.ok() == same_header);
  if (!peeled.ok()) return;
  const auto delivered = PeelSetup(world.Secrets(1), peeled->next_body);
  Require(delivered.ok() == (body == world.body()));
}

}  // namespace
}  // namespace messenger::routing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  messenger::routing::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
