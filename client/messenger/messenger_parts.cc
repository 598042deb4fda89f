#include "client/messenger/messenger_parts.h"

#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "crypto/identity/account_keys.h"

namespace messenger::client {

std::string ContactField(const crypto::AccountId& account,
                         absl::string_view field) {
  return absl::StrCat(kContactState, account.ToHex(), "/", field);
}

std::string IdentityCheckSetting(const crypto::AccountId& peer) {
  return absl::StrCat("contact/identity-checked/", peer.ToHex());
}

std::vector<SessionSummary> Summaries(const std::vector<Session>& sessions) {
  std::vector<SessionSummary> summaries;
  for (const Session& session : sessions) {
    summaries.push_back({session.id(), session.generation(), session.created(),
                         session.awaiting_reply()});
  }
  return summaries;
}

std::string PrekeyMarkSetting(const crypto::AccountId& peer,
                              absl::string_view device) {
  return absl::StrCat("contact/prekey/", peer.ToHex(), "/",
                      absl::BytesToHexString(device));
}

bool IsOurFailure(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsUnavailable(status) ||
         absl::IsInternal(status) || absl::IsResourceExhausted(status);
}

absl::StatusOr<std::optional<absl::Time>> TimeSetting(ClientStore& store,
                                                      absl::string_view name) {
  ASSIGN_OR_RETURN(const std::optional<std::string> setting,
                   store.Setting(name));
  int64_t milliseconds = 0;
  if (!setting || !absl::SimpleAtoi(*setting, &milliseconds)) {
    return std::nullopt;
  }
  return absl::FromUnixMillis(milliseconds);
}

absl::Status SetTimeSetting(ClientStore& store, absl::string_view name,
                            absl::Time time) {
  return store.SetSetting(name, absl::StrCat(absl::ToUnixMillis(time)));
}

absl::Status SetSecret(ClientStore& store, absl::string_view name,
                       std::string secret) {
  const absl::Status status = store.SetSetting(name, secret);
  crypto::SecureWipe(secret);
  return status;
}

absl::Status PutSession(ClientStore& store, const Session& session) {
  SessionRow row = {std::string(session.id().bytes()), session.peer_account(),
                    session.Serialize()};
  const absl::Status status = store.PutSession(row);
  crypto::SecureWipe(row.state);
  return status;
}

absl::StatusOr<IdentityRecord> NewestIdentity(
    const crypto::AccountId& account, const std::vector<std::string>& bodies) {
  std::optional<IdentityRecord> newest;
  for (const std::string& body : bodies) {
    absl::StatusOr<IdentityRecord> verified = IdentityRecord::Verify(body);
    if (!verified.ok() || verified->account_id() != account) continue;
    if (!newest || verified->seq() > newest->seq()) {
      newest = *std::move(verified);
    }
  }
  if (!newest) {
    return absl::NotFoundError(
        "no keys of this account are in its swarm: the id is wrong, or its "
        "owner has not been online yet");
  }
  return *std::move(newest);
}

absl::StatusOr<std::string> DeviceInbox(const IdentityRecord& record,
                                        absl::string_view device_id) {
  const std::vector<DeviceEntry>& devices = record.devices();
  for (size_t i = 0; i < devices.size(); ++i) {
    if (devices[i].id.bytes() != device_id) continue;
    if (i == 0) return std::string(record.account_id().bytes());
    const absl::StatusOr<crypto::AccountId> own =
        crypto::AccountIdFromEd25519(devices[i].signing_key);
    if (!own.ok()) break;
    return std::string(own->bytes());
  }
  return absl::NotFoundError("the account does not list this device");
}

}  // namespace messenger::client
