#include "routing/directory/consensus_encoding.h"

#include "absl/status/status.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"

namespace messenger::routing {
namespace {

using crypto::ByteReader;
using crypto::ByteWriter;

constexpr uint8_t kVersion = 2;
constexpr uint8_t kRunning = 1;
constexpr int kStateShift = 1;
constexpr uint8_t kLastState = static_cast<uint8_t>(StorageState::kLeaving);
constexpr uint64_t kMaxUnixMillis = 253402300799999;
// Of a descriptor: version u8 | network id 32 | node id 32.
constexpr size_t kNodeIdOffset = 33;

template <typename F>
F ReadFixed(ByteReader& reader) {
  const absl::StatusOr<F> value = F::FromBytes(reader.Bytes(F::kSize));
  return value.ok() ? *value : F();
}

bool ReadTime(ByteReader& reader, absl::Time& time) {
  const uint64_t millis = reader.U64();
  if (millis > kMaxUnixMillis) return false;
  time = absl::FromUnixMillis(static_cast<int64_t>(millis));
  return true;
}

// Zero is no time.
bool ReadOptionalTime(ByteReader& reader, std::optional<absl::Time>& time) {
  absl::Time value;
  if (!ReadTime(reader, value)) return false;
  if (value != absl::UnixEpoch()) time = value;
  return true;
}

uint64_t Millis(absl::Time time) {
  return static_cast<uint64_t>(absl::ToUnixMillis(time));
}

uint64_t Millis(const std::optional<absl::Time>& time) {
  return time.has_value() ? Millis(*time) : 0;
}

}  // namespace

std::string EncodeHeader(const ConsensusHeader& header) {
  return ByteWriter()
      .U8(kVersion)
      .Bytes(header.network_id.bytes())
      .U64(header.epoch)
      .Bytes(header.previous_hash.bytes())
      .U64(Millis(header.valid_after))
      .U64(Millis(header.valid_until))
      .Bytes(header.params.Encode())
      .U64(header.transition_epoch)
      .U64(Millis(header.transition_since))
      .U32(header.node_count)
      .Bytes(header.nodes_root.bytes())
      .Take();
}

absl::StatusOr<ConsensusHeader> ParseHeader(absl::string_view bytes) {
  const absl::Status malformed =
      absl::InvalidArgumentError("malformed consensus header");
  ByteReader reader(bytes);
  if (reader.U8() != kVersion) return malformed;
  ConsensusHeader header;
  header.network_id = ReadFixed<NetworkId>(reader);
  header.epoch = reader.U64();
  header.previous_hash = ReadFixed<crypto::Digest256>(reader);
  if (!ReadTime(reader, header.valid_after) ||
      !ReadTime(reader, header.valid_until)) {
    return malformed;
  }
  ASSIGN_OR_RETURN(header.params, NetworkParams::Read(reader));
  header.transition_epoch = reader.U64();
  if (!ReadOptionalTime(reader, header.transition_since) ||
      (header.transition_epoch != 0) != header.transition_since.has_value() ||
      header.transition_epoch > header.epoch ||
      header.transition_since > header.valid_after) {
    return malformed;
  }
  header.node_count = reader.U32();
  header.nodes_root = ReadFixed<crypto::Digest256>(reader);
  if (!reader.Finish().ok()) return malformed;
  return header;
}

crypto::Digest256 ConsensusHash(absl::string_view header) {
  return crypto::Blake2b256("nm1-consensus", {header});
}

std::string EncodeEntry(const ConsensusEntry& entry) {
  return ByteWriter()
      .U8(static_cast<uint8_t>((entry.down_since.has_value() ? 0 : kRunning) |
                               static_cast<uint8_t>(entry.storage_state)
                                   << kStateShift))
      .U64(Millis(entry.since))
      .U64(Millis(entry.down_since))
      .Var16(entry.descriptor)
      .Take();
}

absl::StatusOr<ConsensusEntry> ParseEntry(absl::string_view bytes) {
  const absl::Status malformed =
      absl::InvalidArgumentError("malformed consensus entry");
  ByteReader reader(bytes);
  ConsensusEntry entry;
  const uint8_t status = reader.U8();
  const uint8_t state = status >> kStateShift;
  if (state > kLastState || !ReadTime(reader, entry.since) ||
      !ReadOptionalTime(reader, entry.down_since) ||
      ((status & kRunning) != 0) == entry.down_since.has_value()) {
    return malformed;
  }
  entry.storage_state = static_cast<StorageState>(state);
  entry.descriptor = reader.Var16();
  if (!reader.Finish().ok()) return malformed;
  return entry;
}

absl::StatusOr<NodeId> NodeIdOfDescriptor(absl::string_view descriptor) {
  if (descriptor.size() < kNodeIdOffset + NodeId::kSize) {
    return absl::InvalidArgumentError("malformed descriptor");
  }
  return NodeId::FromBytes(descriptor.substr(kNodeIdOffset, NodeId::kSize));
}

crypto::Digest256 NodesRoot(absl::Span<const std::string> entries) {
  crypto::Blake2b256Hasher root("nm1-nodes");
  for (const std::string& entry : entries) {
    root.Update(crypto::Blake2b256("nm1-entry", {entry}).bytes());
  }
  return root.Finish();
}

}  // namespace messenger::routing
