// A person with one device, for tests of sessions: an account, its identity
// record, and a published prekey record. All of it follows from the randomness
// given.

#ifndef CLIENT_SESSION_TESTING_TEST_PARTY_H_
#define CLIENT_SESSION_TESTING_TEST_PARTY_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/session/device_keys.h"
#include "client/session/identity_record.h"
#include "client/session/prekey_record.h"
#include "client/session/prekey_secrets.h"
#include "client/session/session.h"
#include "crypto/identity/account_keys.h"
#include "crypto/kem/xwing.h"
#include "crypto/random/random.h"

namespace messenger::client {

// Any day will do.
inline constexpr absl::Time kTestNow = absl::FromUnixSeconds(1'800'000'000);

struct TestParty {
  explicit TestParty(crypto::Random& random, absl::Time now = kTestNow);
  TestParty(crypto::AccountKeys account, DeviceKeys device,
            crypto::Random& prekey_random, absl::Time now = kTestNow);

  LocalIdentity self() const { return {identity, device, kem}; }

  crypto::AccountKeys account;
  DeviceKeys device;
  crypto::XWingPrivateKey kem;
  IdentityRecord identity;
  PrekeySecrets prekeys;
  PrekeyRecord prekey;
};

// Initiates from `from` to `to`; crashes when that fails.
Session MustInitiate(const TestParty& from, const TestParty& to,
                     crypto::Random& random, absl::Time now = kTestNow);

// Encrypts, replaces `session` by its next state, and returns the blob.
std::string MustEncrypt(Session& session, absl::string_view content,
                        crypto::Random& random);

// Decrypts for `to`; on success replaces `session` by its next state.
absl::StatusOr<std::string> Receive(Session& session, absl::string_view blob,
                                    const TestParty& to,
                                    absl::Time now = kTestNow);

}  // namespace messenger::client

#endif  // CLIENT_SESSION_TESTING_TEST_PARTY_H_
