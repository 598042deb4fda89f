#include "tools/chaos/junk_connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"

namespace messenger::chaos {

absl::StatusOr<JunkConnection> JunkConnection::Open(const std::string& address,
                                                    absl::string_view bytes) {
  const size_t colon = address.rfind(':');
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  uint32_t port = 0;
  if (colon == std::string::npos ||
      inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr) != 1 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port)) {
    return absl::UnavailableError("no address for a junk connection");
  }
  to.sin_port = htons(static_cast<uint16_t>(port));
  JunkConnection connection(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // On loopback neither of the two waits.
  if (connection.socket_ < 0 ||
      connect(connection.socket_, reinterpret_cast<sockaddr*>(&to),
              sizeof(to)) != 0 ||
      send(connection.socket_, bytes.data(), bytes.size(),
           MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    return absl::UnavailableError("the node takes no connection");
  }
  return connection;
}

JunkConnection::~JunkConnection() {
  if (socket_ >= 0) close(socket_);
}

bool JunkConnection::IsClosed() {
  char bytes[256];
  for (;;) {
    const ssize_t size = recv(socket_, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (size > 0) continue;  // A TLS alert, as a rule.
    return size == 0 || errno != EAGAIN;
  }
}

}  // namespace messenger::chaos
