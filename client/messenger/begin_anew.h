// What the second PIN opens: an empty account in place of the one that was
// erased (client/SPEC.md, section 7).
//
// A stateless function; the caller holds the folder's lock.

#ifndef CLIENT_MESSENGER_BEGIN_ANEW_H_
#define CLIENT_MESSENGER_BEGIN_ANEW_H_

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/store/client_store.h"
#include "client/store/keyslot.h"
#include "crypto/random/random.h"

namespace messenger::client {

// After OpenKeyslot() has said `begins_anew`: removes the old database, makes
// one with a new account that has no name, lets `prepare` put into it what
// belongs there, and ends the erasing. Until that last step the next unlock
// begins here again, with another account: nobody has seen this one.
//   codes of ClientStore, of FinishErasing() and of `prepare`
absl::StatusOr<std::unique_ptr<ClientStore>> BeginAnew(
    const std::string& folder, const OpenedKeyslot& opened, absl::Time now,
    crypto::Random& random,
    absl::FunctionRef<absl::Status(ClientStore&)> prepare);

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_BEGIN_ANEW_H_
