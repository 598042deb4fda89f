// The public facts that make a network one network: its id, its authorities
// and the first relays a client may talk to. Read from a text file
// (routing/proto/network_config.proto, routing/runtime/SPEC.md, section 6).
//
// A plain value.
#ifndef ROUTING_RUNTIME_NETWORK_CONFIG_H_
#define ROUTING_RUNTIME_NETWORK_CONFIG_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/base/fixed_bytes.h"
#include "crypto/sign/ed25519.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

using NetworkId = crypto::FixedBytes<struct NetworkIdTag, 32>;

struct NetworkConfig {
  struct Authority {
    std::string nickname;  // 1 to 32 of a-z, 0-9 and '-'
    crypto::Ed25519PublicKey key;
    Endpoint endpoint;
  };

  // Two sets of network-wide numbers: of a real network, and of one small
  // enough to run on one machine.
  enum class Params { kNormal, kSmall };

  NetworkId network_id;
  std::vector<Authority> authorities;  // 1 to kMaxAuthorities, all different
  std::vector<Endpoint> seeds;         // up to kMaxSeeds
  // Loopback and private addresses count as reachable. Only for tests.
  bool allow_private_addresses = false;
  Params params = Params::kNormal;

  static constexpr size_t kMaxAuthorities = 15;
  static constexpr size_t kMaxSeeds = 256;

  // INVALID_ARGUMENT, naming the field at fault.
  static absl::StatusOr<NetworkConfig> Parse(absl::string_view text);

  // Parse() of it gives the same value.
  std::string ToText() const;
};

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_NETWORK_CONFIG_H_
