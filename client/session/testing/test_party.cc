#include "client/session/testing/test_party.h"

#include <utility>

namespace messenger::client {
namespace {

IdentityRecord MakeIdentity(const crypto::AccountKeys& account,
                            const DeviceKeys& device, absl::Time now) {
  return IdentityRecord::First(account, {MakeDeviceEntry(device, now)}).value();
}

}  // namespace

TestParty::TestParty(crypto::AccountKeys account_keys, DeviceKeys device_keys,
                     crypto::Random& prekey_random, absl::Time now)
    : account(std::move(account_keys)),
      device(std::move(device_keys)),
      kem(account.identity_kem()),
      identity(MakeIdentity(account, device, now)),
      prekey(prekeys.Rotate(identity, device, now, prekey_random).value()) {}

TestParty::TestParty(crypto::Random& random, absl::Time now)
    : TestParty(crypto::AccountKeys::Generate(random),
                DeviceKeys::Generate(random), random, now) {}

Session MustInitiate(const TestParty& from, const TestParty& to,
                     crypto::Random& random, absl::Time now) {
  return Initiate(from.self(), to.identity, to.prekey, InitiateOptions(), now,
                  random)
      .value();
}

std::string MustEncrypt(Session& session, absl::string_view content,
                        crypto::Random& random) {
  Session::Encrypted encrypted = session.Encrypt(content, random).value();
  session = std::move(encrypted.next);
  return std::move(encrypted.blob);
}

absl::StatusOr<std::string> Receive(Session& session, absl::string_view blob,
                                    const TestParty& to, absl::Time now) {
  absl::StatusOr<Session::Decrypted> decrypted =
      session.Decrypt(blob, now, to.kem);
  if (!decrypted.ok()) return std::move(decrypted).status();
  session = std::move(decrypted->next);
  return std::move(decrypted->content);
}

}  // namespace messenger::client
