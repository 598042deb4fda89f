// The contents of vaults that a stolen device has written.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/messenger/content.h"
#include "client/vault/vault_contents.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace messenger::client;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<VaultContents> contents = DecodeVault(bytes);
  if (!contents.ok()) return 0;
  // What was accepted is within its bounds, and means nothing else.
  const std::string again = EncodeVault(*contents);
  if (bytes.substr(0, again.size()) != again ||
      contents->keys.size() > kMaxVaultBackupKeys ||
      contents->unread.size() > kMaxVaultUnread) {
    abort();
  }
  for (const StateEntry& value : ValuesOf(*contents)) {
    if (value.name.empty() || value.name.size() > kMaxStateNameBytes ||
        value.value.size() > kMaxStateValueBytes ||
        value.changed < absl::UnixEpoch() ||
        value.device.size() != kMessageIdBytes) {
      abort();
    }
  }
  VaultContents merged = *contents;
  Merge(*contents, merged);
  if (!(merged == *contents)) abort();
  // What is left out makes room.
  VaultContents fitting = *contents;
  if (again.size() > 200) {
    TrimToFit(again.size() / 2, fitting);
    if (!DecodeVault(EncodeVault(fitting)).ok()) abort();
  }
  return 0;
}
