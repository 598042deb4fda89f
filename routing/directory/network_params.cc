#include "routing/directory/network_params.h"

#include "absl/status/statusor.h"

namespace messenger::routing {
namespace {

constexpr absl::Duration kShortestPeriod = absl::Minutes(1);
constexpr absl::Duration kLongestPeriod = absl::Hours(24 * 366);
constexpr absl::Duration kLongestOfStorage = absl::Hours(24);
constexpr uint8_t kPrivateAddresses = 1;

bool WholeSeconds(absl::Duration duration) {
  return duration == absl::Seconds(absl::ToInt64Seconds(duration));
}

absl::Status CheckPeriod(absl::Duration period, absl::Duration overlap) {
  if (period < kShortestPeriod || period > kLongestPeriod ||
      !WholeSeconds(period)) {
    return absl::InvalidArgumentError("key period out of range");
  }
  if (overlap < absl::ZeroDuration() || overlap > period ||
      !WholeSeconds(overlap)) {
    return absl::InvalidArgumentError("key overlap out of range");
  }
  return absl::OkStatus();
}

absl::Status CheckStorage(const NetworkParams& params) {
  if (params.registration_bits < 0 ||
      params.registration_bits > NetworkParams::kMaxRegistrationBits) {
    return absl::InvalidArgumentError("registration bits out of range");
  }
  if (params.evict_after < absl::Seconds(1) ||
      params.evict_after > kLongestOfStorage ||
      !WholeSeconds(params.evict_after)) {
    return absl::InvalidArgumentError("time until eviction out of range");
  }
  if (params.min_overlap < absl::ZeroDuration() ||
      params.min_overlap > kLongestOfStorage ||
      !WholeSeconds(params.min_overlap)) {
    return absl::InvalidArgumentError("overlap of members out of range");
  }
  return absl::OkStatus();
}

uint32_t Seconds(absl::Duration duration) {
  return static_cast<uint32_t>(absl::ToInt64Seconds(duration));
}

}  // namespace

NetworkParams NetworkParams::For(const NetworkConfig& config) {
  NetworkParams params;
  if (config.params == NetworkConfig::Params::kSmall) {
    params.swarm_size = 3;
    params.registration_bits = 8;
    params.evict_after = absl::Minutes(2);
    params.min_overlap = absl::Seconds(10);
  }
  params.private_addresses = config.allow_private_addresses;
  return params;
}

absl::Status NetworkParams::Check() const {
  if (swarm_size < 1 || swarm_size > kMaxSwarmSize) {
    return absl::InvalidArgumentError("swarm size out of range");
  }
  absl::Status status = CheckPeriod(onion_key_period, onion_overlap);
  if (status.ok()) status = CheckPeriod(kem_key_period, kem_overlap);
  if (status.ok()) status = CheckStorage(*this);
  return status;
}

std::string NetworkParams::Encode() const {
  return crypto::ByteWriter()
      .U8(static_cast<uint8_t>(swarm_size))
      .U8(static_cast<uint8_t>(registration_bits))
      .U32(Seconds(onion_key_period))
      .U32(Seconds(onion_overlap))
      .U32(Seconds(kem_key_period))
      .U32(Seconds(kem_overlap))
      .U32(Seconds(evict_after))
      .U32(Seconds(min_overlap))
      .U8(private_addresses ? kPrivateAddresses : 0)
      .Take();
}

absl::StatusOr<NetworkParams> NetworkParams::Read(crypto::ByteReader& reader) {
  NetworkParams params;
  params.swarm_size = reader.U8();
  params.registration_bits = reader.U8();
  params.onion_key_period = absl::Seconds(reader.U32());
  params.onion_overlap = absl::Seconds(reader.U32());
  params.kem_key_period = absl::Seconds(reader.U32());
  params.kem_overlap = absl::Seconds(reader.U32());
  params.evict_after = absl::Seconds(reader.U32());
  params.min_overlap = absl::Seconds(reader.U32());
  const uint8_t flags = reader.U8();
  if (!reader.ok() || (flags & ~kPrivateAddresses) != 0) {
    return absl::InvalidArgumentError("malformed network parameters");
  }
  params.private_addresses = (flags & kPrivateAddresses) != 0;
  absl::Status status = params.Check();
  if (!status.ok()) return status;
  return params;
}

}  // namespace messenger::routing
