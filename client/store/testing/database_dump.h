// Everything that somebody with the key finds in a client's database: a test
// asks whether words are among it.

#ifndef CLIENT_STORE_TESTING_DATABASE_DUMP_H_
#define CLIENT_STORE_TESTING_DATABASE_DUMP_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/store/keyslot.h"

namespace messenger::client {

// Every value of every table of `folder`/messages.db, those of the index of
// words, too, one per line. Nobody else has the database open.
absl::StatusOr<std::string> DumpDatabase(const std::string& folder,
                                         const DatabaseKey& key);

}  // namespace messenger::client

#endif  // CLIENT_STORE_TESTING_DATABASE_DUMP_H_
