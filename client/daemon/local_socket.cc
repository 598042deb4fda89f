#include "client/daemon/local_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace messenger::client {
namespace {

// Front ends that ask at the same moment.
constexpr int kBacklog = 64;

absl::StatusOr<sockaddr_un> AddressOf(const std::string& folder) {
  const std::string path = LocalSocketPath(folder);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the path ", path, " is longer than the ", sizeof(address.sun_path) - 1,
        " bytes that a socket may have; use a shorter --data-dir"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace

std::string LocalSocketPath(const std::string& folder) {
  return absl::StrCat(folder, "/daemon.sock");
}

absl::StatusOr<int> ListenAtLocalSocket(const std::string& folder) {
  const absl::StatusOr<sockaddr_un> address = AddressOf(folder);
  if (!address.ok()) return address.status();
  const int listener =
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return absl::UnavailableError("no socket can be made");
  unlink(address->sun_path);
  // Never for a moment open to others, whatever the folder's mode is.
  const mode_t before = umask(0177);
  const int bound = bind(listener, reinterpret_cast<const sockaddr*>(&*address),
                         sizeof(*address));
  umask(before);
  if (bound == 0 && listen(listener, kBacklog) == 0) return listener;
  const std::string reason = strerror(errno);
  close(listener);
  return absl::UnavailableError(absl::StrCat("the socket ", address->sun_path,
                                             " cannot be made: ", reason));
}

absl::StatusOr<int> ConnectToLocalSocket(const std::string& folder) {
  const absl::StatusOr<sockaddr_un> address = AddressOf(folder);
  if (!address.ok()) return absl::NotFoundError("no daemon runs");
  const int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0) return absl::NotFoundError("no socket can be made");
  if (connect(connection, reinterpret_cast<const sockaddr*>(&*address),
              sizeof(*address)) == 0 &&
      PeerIsSameUser(connection) &&
      fcntl(connection, F_SETFL, O_NONBLOCK) == 0) {
    return connection;
  }
  close(connection);
  return absl::NotFoundError("no daemon runs");
}

bool PeerIsSameUser(int connection) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == geteuid() || peer.uid == 0);
}

}  // namespace messenger::client
