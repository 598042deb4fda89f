#include "client/messenger/begin_anew.h"

#include "client/messenger/messenger.h"
#include "crypto/base/status_macros.h"
#include "crypto/identity/account_keys.h"

namespace messenger::client {

absl::StatusOr<std::unique_ptr<ClientStore>> BeginAnew(
    const std::string& folder, const OpenedKeyslot& opened, absl::Time now,
    crypto::Random& random,
    absl::FunctionRef<absl::Status(ClientStore&)> prepare) {
  RETURN_IF_ERROR(ClientStore::Remove(folder));
  ASSIGN_OR_RETURN(std::unique_ptr<ClientStore> store,
                   ClientStore::Open(folder, opened.key));
  RETURN_IF_ERROR(Messenger::CreateAccount(
      *store, crypto::AccountKeys::Generate(random), /*restored=*/false,
      /*name=*/"", now, random));
  RETURN_IF_ERROR(prepare(*store));
  RETURN_IF_ERROR(FinishErasing(folder, opened, random));
  return store;
}

}  // namespace messenger::client
