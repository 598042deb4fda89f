// The Unix socket of a daemon, DATA_DIR/daemon.sock (client/SPEC.md,
// section 16). Functions without state.

#ifndef CLIENT_DAEMON_LOCAL_SOCKET_H_
#define CLIENT_DAEMON_LOCAL_SOCKET_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace messenger::client {

std::string LocalSocketPath(const std::string& folder);

// A descriptor that listens; only this user can reach it. Takes the place of
// one that a daemon left which did not end well: the caller holds the folder's
// lock. UNAVAILABLE: it cannot be made.
absl::StatusOr<int> ListenAtLocalSocket(const std::string& folder);

// A descriptor of a connection to a daemon. NOT_FOUND: none is there.
absl::StatusOr<int> ConnectToLocalSocket(const std::string& folder);

// Whether the process at the other end belongs to this user, or to root.
bool PeerIsSameUser(int connection);

}  // namespace messenger::client

#endif  // CLIENT_DAEMON_LOCAL_SOCKET_H_
