// Which process opened a TCP connection on loopback, by what Linux says in
// /proc: the connection's inode, and who holds it.
//
// Processes that hide their memory hide their files too, except from root:
// where that is so the answer is nobody. Not thread-safe.

#ifndef TOOLS_CHAOS_CONNECTION_OWNER_H_
#define TOOLS_CHAOS_CONNECTION_OWNER_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace messenger::chaos {

class ConnectionOwner final {
 public:
  // `candidates` lists the processes to look through, most likely first.
  explicit ConnectionOwner(std::function<std::vector<pid_t>()> candidates)
      : candidates_(std::move(candidates)) {}

  // Of the connection from `from_port` to `to_port`, both of 127.0.0.1.
  std::optional<pid_t> Find(uint16_t from_port, uint16_t to_port) const;

  // Whether the files of `pid` can be looked at.
  static bool CanLookInto(pid_t pid);

 private:
  const std::function<std::vector<pid_t>()> candidates_;
};

}  // namespace messenger::chaos

#endif  // TOOLS_CHAOS_CONNECTION_OWNER_H_
