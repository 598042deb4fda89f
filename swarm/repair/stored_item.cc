#include "swarm/repair/stored_item.h"

#include <variant>

#include "crypto/hash/hash.h"

namespace messenger::swarm {

void SetOrigin(StoreOp& op, Origin origin) {
  if (auto* put = std::get_if<PutMessage>(&op)) put->origin = origin;
  if (auto* erase = std::get_if<DeleteMessages>(&op)) erase->origin = origin;
  if (auto* purge = std::get_if<PurgeMessages>(&op)) purge->origin = origin;
  if (auto* record = std::get_if<PutRecord>(&op)) record->origin = origin;
}

std::optional<absl::string_view> ScrubbedContent(const StoreOp& op) {
  if (const auto* put = std::get_if<PutMessage>(&op)) return put->payload;
  if (const auto* put = std::get_if<PutRecord>(&op)) return put->record.body;
  return std::nullopt;
}

ScrubHash ComputeScrubHash(const ScrubSalt& salt, const ObjectId& id,
                           absl::string_view content) {
  return *ScrubHash::FromBytes(
      crypto::Blake2b256("nm1-scrub", {salt.bytes(), id.bytes(), content})
          .bytes());
}

bool IsIntact(const StoreOp& op) {
  if (const auto* put = std::get_if<PutMessage>(&op)) {
    return ComputeMessageId(put->mailbox, put->ns, put->payload) == put->id;
  }
  if (const auto* put = std::get_if<PutRecord>(&op)) {
    return RecordId(put->mailbox, put->ns, put->record) == put->id;
  }
  return true;
}

}  // namespace messenger::swarm
