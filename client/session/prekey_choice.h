// Which of the prekey records that a swarm has shown a session is started with
// (client/SPEC.md, sections 2.2 and 2.3).
//
// Members of a swarm can withhold records and show old ones. So each record is
// judged alone, the newest good one is taken, and what was taken once is the
// least that is taken later: a swarm can delay, and nothing else. Pure
// functions.

#ifndef CLIENT_SESSION_PREKEY_CHOICE_H_
#define CLIENT_SESSION_PREKEY_CHOICE_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/session/device_keys.h"
#include "client/session/identity_record.h"
#include "client/session/prekey_record.h"

namespace messenger::client {

// 40 bytes: seq u64, hash. INVALID_ARGUMENT: these are others.
std::string SerializePrekeyMark(const PrekeyMark& mark);
absl::StatusOr<PrekeyMark> ParsePrekeyMark(absl::string_view bytes);

// The record of `device` with the highest number among the good ones of
// `records`, which nobody has checked; of one number the first. `newest`: the
// mark of the last one that was taken, if any. NOT_FOUND, in words for the
// user: there is none, or none that `newest` allows.
absl::StatusOr<PrekeyRecord> ChoosePrekey(
    absl::Span<const std::string> records, const IdentityRecord& identity,
    const DeviceId& device, const std::optional<PrekeyMark>& newest,
    absl::Time now);

}  // namespace messenger::client

#endif  // CLIENT_SESSION_PREKEY_CHOICE_H_
