// How patient a SwarmClient is. Defaults suit people on mobile networks.

#ifndef CLIENT_REMOTE_SWARM_CLIENT_OPTIONS_H_
#define CLIENT_REMOTE_SWARM_CLIENT_OPTIONS_H_

#include <cstddef>

#include "absl/time/time.h"

namespace messenger::client {

// Bugs to be found by simulations, as swarm/repair/planted_bug.h has them for
// members. Nothing but a simulation chooses any but kNone.
enum class PlantedClientBug {
  kNone,
  kOneReceiptIsEnough,
  kReceiptsUnchecked,
  // Of a change of members only the old ones count.
  kTargetsIgnored,
  kOneAnswerIsEnough,
  kDuplicatesKept,
  // One receipt and two answers are enough: how a store without quorums works,
  // for comparison.
  kBaseline,
};

struct SwarmClientOptions {
  // One request and its reply. Longer than a member waits for its peers.
  absl::Duration request_timeout = absl::Seconds(10);

  // Members asked to take a write before giving up, with a pause whenever all
  // of them have been asked.
  int write_attempts = 6;
  // After so long without an answer the next member is asked, too. A member
  // waits up to 4 s for its peers.
  absl::Duration write_patience = absl::Milliseconds(4500);
  absl::Duration write_pause = absl::Seconds(1);
  // Without the time that work takes.
  absl::Duration write_deadline = absl::Seconds(45);
  // The longest pause that a busy member is granted.
  absl::Duration longest_busy_pause = absl::Seconds(10);

  // Attempts per member of a reading, for paths fail too and a member may be
  // about to have fetched what it lacks. The pause before the second; before
  // each further one it is as much longer.
  int read_attempts = 3;
  absl::Duration read_pause = absl::Milliseconds(700);
  // How long to wait for the rest once enough members have answered.
  absl::Duration read_grace = absl::Seconds(2);
  absl::Duration read_deadline = absl::Seconds(30);
  // The same for records, with which a conversation begins: for the third
  // member, where a quorum is two.
  absl::Duration record_grace = absl::Seconds(5);
  // Reply cells paid for the first page; all further pages take 16.
  int first_page_cells = 2;
  // Pages of one member, and bytes of all, in one Retrieve().
  int max_pages = 64;
  size_t max_bytes = 16 * 1024 * 1024;

  // How long a directory that members say is old is given to be replaced, and
  // how often one operation waits for that.
  absl::Duration directory_pause = absl::Seconds(1);
  int directory_waits = 3;
  absl::Duration directory_refresh_interval = absl::Seconds(5);

  // Read repair: what it may keep in memory, and its pause between requests.
  size_t repair_entries = 1'024;
  size_t repair_bytes = 4 * 1024 * 1024;
  absl::Duration repair_pause = absl::Seconds(1);

  // What a waiting request may take beyond the time it waits.
  absl::Duration wait_margin = absl::Seconds(10);

  // Simulations only.
  PlantedClientBug bug = PlantedClientBug::kNone;
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_SWARM_CLIENT_OPTIONS_H_
