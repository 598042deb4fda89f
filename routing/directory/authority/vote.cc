#include "routing/directory/authority/vote.h"

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"
#include "routing/directory/consensus.h"
#include "routing/directory/consensus_encoding.h"

namespace messenger::routing {
namespace {

using crypto::ByteReader;
using crypto::ByteWriter;

constexpr uint8_t kVersion = 2;
constexpr uint8_t kRunning = 1;
constexpr uint8_t kLeaving = 2;
constexpr size_t kSignatureBytes = crypto::Ed25519Signature::kSize;

template <typename F>
F ReadFixed(ByteReader& reader) {
  const absl::StatusOr<F> value = F::FromBytes(reader.Bytes(F::kSize));
  return value.ok() ? *value : F();
}

absl::Status Malformed() {
  return absl::InvalidArgumentError("malformed vote");
}

absl::Status ReadEntries(ByteReader& reader, std::vector<Vote::Entry>& out) {
  const uint32_t count = reader.U32();
  if (count > kMaxConsensusNodes) return Malformed();
  std::optional<NodeId> last;
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    const uint8_t status = reader.U8();
    const uint64_t ready_epoch = reader.U64();
    const absl::string_view descriptor = reader.Var16();
    if ((status & ~(kRunning | kLeaving)) != 0 ||
        descriptor.size() > kMaxDescriptorBytes) {
      return Malformed();
    }
    ASSIGN_OR_RETURN(const NodeId id, NodeIdOfDescriptor(descriptor));
    if (last.has_value() && !(*last < id)) return Malformed();
    last = id;
    out.push_back({(status & kRunning) != 0, std::string(descriptor),
                   ready_epoch, (status & kLeaving) != 0});
  }
  return absl::OkStatus();
}

}  // namespace

std::string SignVote(Vote vote, const crypto::Ed25519PrivateKey& key) {
  ByteWriter writer;
  writer.U8(kVersion)
      .Bytes(vote.network_id.bytes())
      .Bytes(key.public_key().bytes())
      .U64(vote.epoch)
      .U64(static_cast<uint64_t>(absl::ToUnixMillis(vote.valid_after)))
      .U64(vote.previous_epoch)
      .Bytes(vote.previous_hash.bytes())
      .Bytes(vote.params.Encode())
      .U32(static_cast<uint32_t>(vote.entries.size()));
  for (const Vote::Entry& entry : vote.entries) {
    writer.U8((entry.running ? kRunning : 0) | (entry.leaving ? kLeaving : 0))
        .U64(entry.ready_epoch)
        .Var16(entry.descriptor);
  }
  std::string bytes = writer.Take();
  const crypto::Ed25519Signature signature =
      key.Sign(crypto::SigningDomain::kDirectoryVote, bytes);
  absl::StrAppend(&bytes, signature.bytes());
  return bytes;
}

absl::StatusOr<Vote> ParseVote(absl::string_view bytes) {
  if (bytes.size() <= kSignatureBytes || bytes.size() > kMaxVoteBytes) {
    return Malformed();
  }
  const absl::string_view body =
      bytes.substr(0, bytes.size() - kSignatureBytes);
  ByteReader reader(body);
  if (reader.U8() != kVersion) return Malformed();
  Vote vote;
  vote.network_id = ReadFixed<NetworkId>(reader);
  vote.authority = ReadFixed<crypto::Ed25519PublicKey>(reader);
  // Before anything long is read.
  ASSIGN_OR_RETURN(
      const crypto::Ed25519Signature signature,
      crypto::Ed25519Signature::FromBytes(bytes.substr(body.size())));
  RETURN_IF_ERROR(crypto::Verify(
      vote.authority, crypto::SigningDomain::kDirectoryVote, body, signature));
  vote.epoch = reader.U64();
  const uint64_t valid_after_ms = reader.U64();
  vote.previous_epoch = reader.U64();
  vote.previous_hash = ReadFixed<crypto::Digest256>(reader);
  ASSIGN_OR_RETURN(vote.params, NetworkParams::Read(reader));
  RETURN_IF_ERROR(ReadEntries(reader, vote.entries));
  RETURN_IF_ERROR(reader.Finish());
  if (valid_after_ms > kMaxUnixMillis) return Malformed();
  vote.valid_after = absl::FromUnixMillis(static_cast<int64_t>(valid_after_ms));
  return vote;
}

crypto::Digest256 VoteHash(absl::string_view bytes) {
  return crypto::Blake2b256("nm1-vote", {bytes});
}

}  // namespace messenger::routing
