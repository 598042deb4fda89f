#include "routing/directory/consensus_encoding.h"

#include "absl/status/status.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"

namespace messenger::routing {
namespace {

using crypto::ByteReader;
using crypto::ByteWriter;

constexpr uint8_t kVersion = 1;
constexpr uint8_t kRunning = 1;
constexpr uint8_t kActive = 2;
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

uint64_t Millis(absl::Time time) {
  return static_cast<uint64_t>(absl::ToUnixMillis(time));
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
      .U8((entry.running ? kRunning : 0) | (entry.active ? kActive : 0))
      .U64(Millis(entry.since))
      .Var16(entry.descriptor)
      .Take();
}

absl::StatusOr<ConsensusEntry> ParseEntry(absl::string_view bytes) {
  const absl::Status malformed =
      absl::InvalidArgumentError("malformed consensus entry");
  ByteReader reader(bytes);
  ConsensusEntry entry;
  const uint8_t status = reader.U8();
  if ((status & ~(kRunning | kActive)) != 0 || !ReadTime(reader, entry.since)) {
    return malformed;
  }
  entry.running = (status & kRunning) != 0;
  entry.active = (status & kActive) != 0;
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
