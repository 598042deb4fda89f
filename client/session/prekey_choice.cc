#include "client/session/prekey_choice.h"

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"
#include "crypto/hash/hash.h"

namespace messenger::client {
namespace {

constexpr size_t kMarkBytes = 40;

}  // namespace

std::string SerializePrekeyMark(const PrekeyMark& mark) {
  return crypto::ByteWriter().U64(mark.seq).Bytes(mark.hash.bytes()).Take();
}

absl::StatusOr<PrekeyMark> ParsePrekeyMark(absl::string_view bytes) {
  if (bytes.size() != kMarkBytes) {
    return absl::InvalidArgumentError("a mark of a prekey has another length");
  }
  crypto::ByteReader in(bytes);
  PrekeyMark mark;
  mark.seq = in.U64();
  ASSIGN_OR_RETURN(mark.hash, crypto::Digest256::FromBytes(in.Bytes(32)));
  return mark;
}

absl::StatusOr<PrekeyRecord> ChoosePrekey(
    absl::Span<const std::string> records, const IdentityRecord& identity,
    const DeviceId& device, const std::optional<PrekeyMark>& newest,
    absl::Time now) {
  std::optional<PrekeyRecord> chosen;
  bool rolled_back = false;
  for (const std::string& bytes : records) {
    absl::StatusOr<PrekeyRecord> record =
        PrekeyRecord::Verify(bytes, identity, now);
    if (!record.ok() || record->device_id() != device) continue;
    if (newest && !CheckPrekeySuccession(*newest, record->mark()).ok()) {
      rolled_back = true;
      continue;
    }
    if (!chosen || record->seq() > chosen->seq()) chosen = *std::move(record);
  }
  if (chosen) return *std::move(chosen);
  return absl::NotFoundError(
      rolled_back
          ? "the recipient's swarm shows only older keys of theirs than it has "
            "shown before; the text waits until it shows the newest"
          : "the recipient has no valid prekey in their swarm; it comes when "
            "they are online next");
}

}  // namespace messenger::client
