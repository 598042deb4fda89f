#include "tools/chaos/connection_owner.h"

#include <dirent.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace messenger::chaos {
namespace {

// 127.0.0.1 as the kernel's tables write it: of an IPv4 socket, and of one
// that speaks both.
struct Table {
  const char* path;
  const char* loopback;
};
constexpr Table kTables[] = {
    {"/proc/net/tcp", "0100007F"},
    {"/proc/net/tcp6", "0000000000000000FFFF00000100007F"},
};

// "socket:[12345]" of the connection, or empty.
std::string SocketName(uint16_t from_port, uint16_t to_port) {
  for (const Table& table : kTables) {
    const std::string from =
        absl::StrFormat("%s:%04X", table.loopback, from_port);
    const std::string to = absl::StrFormat("%s:%04X", table.loopback, to_port);
    std::ifstream lines(table.path);
    for (std::string line; std::getline(lines, line);) {
      if (line.find(from) == std::string::npos) continue;
      // Number, local, remote, state, queues, timer, retransmits, uid,
      // timeout, inode.
      const std::vector<std::string> fields =
          absl::StrSplit(line, ' ', absl::SkipEmpty());
      if (fields.size() > 9 && fields[1] == from && fields[2] == to) {
        return absl::StrCat("socket:[", fields[9], "]");
      }
    }
  }
  return "";
}

bool Holds(pid_t pid, const std::string& socket_name) {
  const std::string folder = absl::StrCat("/proc/", pid, "/fd");
  DIR* const files = opendir(folder.c_str());
  if (files == nullptr) return false;
  absl::Cleanup close = [files] { closedir(files); };
  char target[64];
  while (const dirent* file = readdir(files)) {
    const ssize_t size =
        readlinkat(dirfd(files), file->d_name, target, sizeof(target));
    if (size > 0 && socket_name.compare(0, std::string::npos, target,
                                        static_cast<size_t>(size)) == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<pid_t> ConnectionOwner::Find(uint16_t from_port,
                                           uint16_t to_port) const {
  const std::string socket_name = SocketName(from_port, to_port);
  if (socket_name.empty()) return std::nullopt;
  for (const pid_t pid : candidates_()) {
    if (Holds(pid, socket_name)) return pid;
  }
  return std::nullopt;
}

bool ConnectionOwner::CanLookInto(pid_t pid) {
  DIR* const files = opendir(absl::StrCat("/proc/", pid, "/fd").c_str());
  if (files == nullptr) return false;
  closedir(files);
  return true;
}

}  // namespace messenger::chaos
