// Copies of a store, and starting again from one.
//
// A restored store is another store: it has a new incarnation, so readers ask
// from the beginning, and it holds all of no shard, so it does not answer for
// any until it has got from its peers what it missed (design/0003, "A node that
// does not hold everything says so").

#ifndef SWARM_STORE_BACKUP_H_
#define SWARM_STORE_BACKUP_H_

#include <string>

#include "absl/status/status.h"
#include "crypto/random/random.h"

namespace messenger::swarm {

// Writes a consistent copy of the store at `path`, which may be in use, to
// `to`, which must not exist: ALREADY_EXISTS. The copy is there only once it
// has been checked as a whole and is on disk. DATA_LOSS: the store is damaged.
absl::Status BackupStore(const std::string& path, const std::string& to);

// Puts a copy of `from` in the place of the store at `path`, if any, with an
// incarnation out of `random`. DATA_LOSS: `from` is damaged;
// FAILED_PRECONDITION: `from`, or what is at `path`, is of a newer version or
// none of ours; UNAVAILABLE: the store is in use. Killed in between it leaves
// the old store, none (a node then starts with an empty one, which is safe) or
// the new one.
absl::Status RestoreStore(const std::string& from, const std::string& path,
                          crypto::Random& random);

}  // namespace messenger::swarm

#endif  // SWARM_STORE_BACKUP_H_
