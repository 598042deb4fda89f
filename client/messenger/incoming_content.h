// What a contact has said, applied to the store (client/SPEC.md, section 9.1).
//
// Messages come in any order: an edit, a reaction or an unsend may be there
// before what it is about. Whatever the order, the result is the same.

#ifndef CLIENT_MESSENGER_INCOMING_CONTENT_H_
#define CLIENT_MESSENGER_INCOMING_CONTENT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/messenger/content.h"
#include "client/store/client_store.h"

namespace messenger::client {

// Something new about a message that is there already.
struct MessageChange {
  enum class Kind { kEdited, kUnsent, kReaction, kConfirmed };
  Kind kind = Kind::kEdited;
  int64_t row = 0;
};

// Inside a transaction. `from` may be changed; it is stored then. Of anybody
// but a contact only texts, their edits and unsends are taken, and of somebody
// whom the person does not want to hear, nothing. `receipt_due`: a text is
// confirmed then, and confirmations are believed; nothing: neither.
// ALREADY_EXISTS: the same text came before, or was removed. Other codes as of
// the store.
//
// `own`: another device of this account has said it to `from`.
absl::Status ApplyContent(ClientStore& store, Contact& from, bool own,
                          const Content& content, absl::Time now,
                          std::optional<absl::Time> receipt_due,
                          std::vector<MessageChange>& changes);

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_INCOMING_CONTENT_H_
