// Records that somebody who has the key has forged, or an older program of ours
// wrote wrongly.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/backup/backup_record.h"
#include "client/messenger/content.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace messenger::client;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<BackupRecord> record = DecodeRecord(bytes);
  if (!record.ok()) return 0;
  // What was accepted is within its bounds, and means nothing else.
  if (EncodeRecord(*record) != bytes) abort();
  const auto* kept = std::get_if<KeptMessage>(&*record);
  if (kept != nullptr && (!IsValidUtf8(kept->message.text) ||
                          kept->message.text.size() > kMaxTextBytes ||
                          kept->message.message_id.size() != kMessageIdBytes ||
                          !CheckTimer(kept->message.timer).ok())) {
    abort();
  }
  return 0;
}
