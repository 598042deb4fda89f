// Which of several sessions with one device is used, and which are let go
// (client/SPEC.md, section 3.6). Pure functions of what both sides know, so
// that both sides choose alike after both have initiated at once.

#ifndef CLIENT_SESSION_SESSION_CHOICE_H_
#define CLIENT_SESSION_SESSION_CHOICE_H_

#include <cstddef>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/session/ratchet.h"

namespace messenger::client {

inline constexpr size_t kMaxLiveSessions = 3;
// An initiation that was never answered is given up after this time.
inline constexpr absl::Duration kUnansweredSessionLifetime =
    absl::Hours(24 * 30);
inline constexpr int kMaxRefreshesPerHour = 1;
inline constexpr int kMaxRefreshesPerDay = 5;

// One session with a device, as its row in the database knows it.
struct SessionSummary {
  SessionId id;
  absl::Time generation;
  absl::Time created;
  bool awaiting_reply = false;
};

// Index of the session to send on: the highest generation, and in it the
// lowest id. `sessions` must not be empty. All of them keep receiving.
size_t PreferredSession(absl::Span<const SessionSummary> sessions);

// Indices of the sessions to delete: those unanswered for 30 days, and the
// least preferred beyond `kMaxLiveSessions`. Ascending.
std::vector<size_t> SessionsToDelete(absl::Span<const SessionSummary> sessions,
                                     absl::Time now);

// Whether one more refresh of the sessions with a device (an initiation with a
// generation) is allowed after those at `earlier`.
bool RefreshAllowed(absl::Span<const absl::Time> earlier, absl::Time now);

}  // namespace messenger::client

#endif  // CLIENT_SESSION_SESSION_CHOICE_H_
