// A full network of real processes on loopback: authorities, routers and
// storage nodes, each with a folder, a log and free ports of its own.
//
//   <dir>/authority-1/        its data; log in <dir>/authority-1/log
//   <dir>/node-3/router/      the two processes of a service node
//   <dir>/node-3/storage/
//   <dir>/authorities.txtpb   what nodes are given (no seeds)
//   <dir>/network.txtpb       what clients are given
//   <dir>/processes           the table of processes
//
// Commands of later runs find the network by its folder. Not thread-safe.

#ifndef TOOLS_LOCALNET_LOCALNET_H_
#define TOOLS_LOCALNET_LOCALNET_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/event_loop.h"
#include "tools/localnet/process_table.h"

namespace messenger::localnet {

struct LocalnetOptions {
  std::string folder;
  // Where the binaries are: the root of the build's output.
  std::string binaries;
  int authorities = 3;
  int nodes = 8;
  int swarm_size = 3;
  // What messages may take of each storage node's disk, in MiB; 0: what is
  // free.
  int capacity_mib = 0;
  absl::Duration voting_interval = absl::Seconds(2);
  absl::Duration patience = absl::Seconds(60);
  // Tests only: every process writes what it gets to see to `recording` in its
  // folder.
  bool record = false;
  // Tests only: told the name and the address of each process before any of
  // them has joined; the address it returns is the one all others are given.
  std::function<absl::StatusOr<std::string>(const std::string& name,
                                            const std::string& address)>
      interpose = nullptr;
};

class Localnet {
 public:
  // All references must outlive it.
  Localnet(LocalnetOptions options, const routing::Clock& clock,
           crypto::Random& random, routing::EventLoop& loop);

  // Starts everything and waits until paths work. On a failure, or when the
  // loop is stopped, everything that was started is ended again.
  //   FAILED_PRECONDITION  the folder holds a running network
  //   INVALID_ARGUMENT     numbers that make no network
  //   CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE
  absl::Status Up();

  // Ends every process. OK when none runs.
  absl::Status Down();

  // One line per process.
  absl::Status PrintStatus();

  // The last lines of one log, or of all.
  absl::Status PrintLogs(absl::string_view name, int lines);

  absl::Status Kill(absl::string_view name) { return Send(name, 9); }
  absl::Status Stop(absl::string_view name) { return Send(name, 15); }
  // SIGSTOP and SIGCONT: there, but silent.
  absl::Status Pause(absl::string_view name);
  absl::Status Resume(absl::string_view name);
  // With the same data, address and arguments.
  absl::Status Restart(absl::string_view name);

  // As the last command left them.
  const std::vector<Process>& processes() const { return table_.processes(); }

 private:
  absl::Status CheckOptions() const;
  absl::Status StartAll();
  absl::Status StartAuthorities();
  absl::Status StartNodes();
  // Starts everything anew behind the addresses that `interpose` gives.
  absl::Status Interpose();
  absl::Status WriteNetworkFiles(bool with_seeds);
  absl::Status WaitForFile(const std::string& path, const std::string& process);
  absl::Status StartProcess(const std::string& name, const std::string& binary,
                            const std::string& folder,
                            std::vector<std::string> arguments);
  absl::Status Send(absl::string_view name, int signal);
  absl::Status LoadTable();
  std::string Path(absl::string_view name) const;

  LocalnetOptions options_;
  const routing::Clock& clock_;
  crypto::Random& random_;
  routing::EventLoop& loop_;
  ProcessTable table_;
  std::string network_id_;
};

}  // namespace messenger::localnet

#endif  // TOOLS_LOCALNET_LOCALNET_H_
