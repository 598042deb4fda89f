// The numbers every node and client of one network shares, carried in the
// signed consensus (routing/directory/SPEC.md, section 3).
//
// A regular value, thread-compatible.

#ifndef ROUTING_DIRECTORY_NETWORK_PARAMS_H_
#define ROUTING_DIRECTORY_NETWORK_PARAMS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "crypto/base/bytes.h"
#include "routing/runtime/network_config.h"

namespace messenger::routing {

struct NetworkParams {
  // Members of a swarm, 1 to kMaxSwarmSize.
  int swarm_size = 7;
  // How long a key pair is current, and how long the old one is still
  // accepted afterwards.
  absl::Duration onion_key_period = absl::Hours(6);
  absl::Duration onion_overlap = absl::Hours(1);
  absl::Duration kem_key_period = absl::Hours(24 * 7);
  absl::Duration kem_overlap = absl::Hours(24);
  // Bits of proof of work that registering a mailbox takes.
  int registration_bits = 20;
  // A storage node that was not running for this long is replaced.
  absl::Duration evict_after = absl::Minutes(30);
  // The shortest time for which old and new members of a swarm overlap.
  absl::Duration min_overlap = absl::Minutes(10);
  // Nodes may have loopback and private addresses.
  bool private_addresses = false;

  static constexpr int kMaxSwarmSize = 32;
  static constexpr int kMaxRegistrationBits = 40;

  // Members that must hold a message before it counts as stored, and members
  // that must answer before a reading counts as complete: any two such sets
  // meet in at least one member.
  int write_quorum() const { return swarm_size / 2 + 1; }
  int read_quorum() const { return swarm_size - write_quorum() + 1; }

  // The numbers a network of this configuration starts with: swarms of 7, or
  // of 3 in a network small enough for one machine, where everything is
  // quicker as well.
  static NetworkParams For(const NetworkConfig& config);

  // INVALID_ARGUMENT when a number is out of range: swarm size, periods of 60 s
  // to 366 days in whole seconds, overlaps from 0 up to the period,
  // registration bits, eviction after 1 s to 24 h, an overlap of members of 0
  // to 24 h.
  absl::Status Check() const;

  // Exactly kEncodedSize bytes. Only values that pass `Check`.
  std::string Encode() const;
  static constexpr size_t kEncodedSize = 27;
  // Reads what `Encode` wrote. INVALID_ARGUMENT as `Check`, or on a short
  // input or unknown bits.
  static absl::StatusOr<NetworkParams> Read(crypto::ByteReader& reader);

  friend bool operator==(const NetworkParams&, const NetworkParams&) = default;
};

}  // namespace messenger::routing

#endif  // ROUTING_DIRECTORY_NETWORK_PARAMS_H_
