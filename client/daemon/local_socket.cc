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

// The address of the socket in a folder. A path that does not fit goes through
// a descriptor of the folder, which lives as long as this.
class Address {
 public:
  explicit Address(const std::string& folder) {
    address_.sun_family = AF_UNIX;
    std::string path = LocalSocketPath(folder);
    if (path.size() >= sizeof(address_.sun_path)) {
      folder_ = open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
      path = LocalSocketPath(absl::StrCat("/proc/self/fd/", folder_));
    }
    std::memcpy(address_.sun_path, path.data(), path.size());
  }
  ~Address() {
    if (folder_ >= 0) close(folder_);
  }
  Address(const Address&) = delete;
  Address& operator=(const Address&) = delete;

  const char* path() const { return address_.sun_path; }
  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&address_);
  }
  static constexpr socklen_t kSize = sizeof(sockaddr_un);

 private:
  sockaddr_un address_ = {};
  int folder_ = -1;
};

}  // namespace

std::string LocalSocketPath(const std::string& folder) {
  return absl::StrCat(folder, "/daemon.sock");
}

absl::StatusOr<int> ListenAtLocalSocket(const std::string& folder) {
  const Address address(folder);
  const int listener =
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0) return absl::UnavailableError("no socket can be made");
  unlink(address.path());
  // Never for a moment open to others, whatever the folder's mode is.
  const mode_t before = umask(0177);
  const int bound = bind(listener, address.get(), Address::kSize);
  umask(before);
  if (bound == 0 && listen(listener, kBacklog) == 0) return listener;
  const std::string reason = strerror(errno);
  close(listener);
  return absl::UnavailableError(absl::StrCat(
      "the socket ", LocalSocketPath(folder), " cannot be made: ", reason));
}

absl::StatusOr<int> ConnectToLocalSocket(const std::string& folder) {
  const Address address(folder);
  const int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0) return absl::NotFoundError("no socket can be made");
  if (connect(connection, address.get(), Address::kSize) == 0 &&
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
