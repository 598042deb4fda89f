// What a refusal means to the person whose text it was: what happened, what
// becomes of the text, what to do (client/SPEC.md, section 9).

#ifndef CLIENT_MESSENGER_REFUSAL_WORDS_H_
#define CLIENT_MESSENGER_REFUSAL_WORDS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace messenger::client {

// `status` with words for a person in place of its own, where it carries a
// WriteRefusal; the code and the refusal stay. `who` is the recipient as the
// user calls them, or empty. Begins in lower case, ends without a full stop.
absl::Status InWords(const absl::Status& status, absl::string_view who);

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_REFUSAL_WORDS_H_
