// Histories of the swarm simulator as files: what the ledger heard, one event a
// line as JSON (history.proto), and what it finds in them when they are read
// once more, without any swarm.
//
//   {"rules": {"clock_error": "30s"}}
//   {"device_added": {"device": 0, "mailbox": 0}}
//   {"sending": {"at": "0s", "mailbox": 0, "id": "a1", "expiry": "1h"}}
//   {"sent": {"at": "1s", "id": "a1"}}
//   {"read": {"at": "11s", "device": 0, "begun": "10s", "complete": true}}
//
// Here line 5 is "lost". Only the ledger's checks are repeated: a history says
// nothing of nodes and disks. Written by a HistoryWriter or by hand.

#ifndef TOOLS_SIMNET_SWARM_HISTORY_H_
#define TOOLS_SIMNET_SWARM_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/simnet/swarm/ledger.h"

namespace messenger::simnet {

// Bounds of what CheckHistory() takes. The longest line is a reading of some
// thousand messages.
inline constexpr size_t kMaxHistoryLineBytes = 1 << 20;
inline constexpr uint64_t kMaxHistoryLines = 20'000'000;
inline constexpr uint32_t kMaxHistoryMailboxes = 100'000;
inline constexpr size_t kMaxHistoryDevices = 100'000;

struct HistoryVerdict {
  struct Finding {
    uint64_t line = 0;  // of the event, from 1
    Violation violation;
  };
  std::vector<Finding> findings;
  // What the first line says is to be found, if it does.
  std::optional<std::vector<std::string>> expected;
  Ledger::Figures figures;
  uint64_t lines = 0;
};

// Lets a ledger hear the history. INVALID_ARGUMENT, with the number of the
// line, on what is no event, or one that cannot come after those before it;
// UNAVAILABLE if `in` cannot be read.
absl::StatusOr<HistoryVerdict> CheckHistory(std::istream& in);

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_SWARM_HISTORY_H_
