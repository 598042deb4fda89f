#include "client/session/session_choice.h"

#include <algorithm>
#include <numeric>

namespace messenger::client {
namespace {

bool Preferred(const SessionSummary& a, const SessionSummary& b) {
  if (a.generation != b.generation) return a.generation > b.generation;
  return a.id < b.id;
}

}  // namespace

size_t PreferredSession(absl::Span<const SessionSummary> sessions) {
  return static_cast<size_t>(
      std::min_element(sessions.begin(), sessions.end(), Preferred) -
      sessions.begin());
}

std::vector<size_t> SessionsToDelete(absl::Span<const SessionSummary> sessions,
                                     absl::Time now) {
  std::vector<size_t> order(sessions.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [sessions](size_t a, size_t b) {
    return Preferred(sessions[a], sessions[b]);
  });
  std::vector<size_t> deleted;
  size_t live = 0;
  for (const size_t i : order) {
    const bool unanswered =
        sessions[i].awaiting_reply &&
        sessions[i].created + kUnansweredSessionLifetime <= now;
    if (unanswered || live == kMaxLiveSessions) {
      deleted.push_back(i);
    } else {
      ++live;
    }
  }
  std::sort(deleted.begin(), deleted.end());
  return deleted;
}

bool RefreshAllowed(absl::Span<const absl::Time> earlier, absl::Time now) {
  int hour = 0;
  int day = 0;
  for (const absl::Time time : earlier) {
    if (time > now - absl::Hours(1)) ++hour;
    if (time > now - absl::Hours(24)) ++day;
  }
  return hour < kMaxRefreshesPerHour && day < kMaxRefreshesPerDay;
}

}  // namespace messenger::client
