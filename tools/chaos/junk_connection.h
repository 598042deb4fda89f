// A TCP connection that begins with bytes which are no TLS, and stays.
//
// Move-only. Not thread-safe.

#ifndef TOOLS_CHAOS_JUNK_CONNECTION_H_
#define TOOLS_CHAOS_JUNK_CONNECTION_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace messenger::chaos {

class JunkConnection final {
 public:
  // To an address of 127.0.0.0/8 with its port. Does not wait: what becomes of
  // it shows later. UNAVAILABLE.
  static absl::StatusOr<JunkConnection> Open(const std::string& address,
                                             absl::string_view bytes);
  JunkConnection(JunkConnection&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)) {}
  JunkConnection& operator=(JunkConnection&& other) noexcept {
    std::swap(socket_, other.socket_);
    return *this;
  }
  ~JunkConnection();

  // Whether the other side has ended it.
  bool IsClosed();

 private:
  explicit JunkConnection(int socket) : socket_(socket) {}

  int socket_;
};

}  // namespace messenger::chaos

#endif  // TOOLS_CHAOS_JUNK_CONNECTION_H_
