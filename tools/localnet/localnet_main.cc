// `localnet`: a full network of real processes on this machine.

#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "crypto/random/system_random.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/process.h"
#include "routing/runtime/system_clock.h"
#include "tools/localnet/localnet.h"

namespace messenger::localnet {
namespace {

constexpr char kHelp[] =
    R"(Starts a full private messenger network of real processes on loopback.

usage: localnet COMMAND [NAME] [options]

  up               start authorities, routers and storage nodes, wait until
                   requests pass through three relays; they stay when this
                   command ends
  down             end them all; data and logs stay
  status           one line per process
  logs [NAME]      the last lines of every log, or of one
  kill NAME        end a process at once (SIGKILL)
  stop NAME        end it in good order (SIGTERM)
  pause NAME, resume NAME
                   make a process fall silent, and speak again
  restart NAME     start it again with the data and the address it had

  NAME is authority-1, node-3-router, node-3-storage, ...

options
  --dir DIR               where the network lives (default ./localnet-data)
  --nodes N               service nodes, a router and a storage node each (8)
  --swarm-size N          storage nodes that keep each mailbox (3)
  --capacity-mib N        what messages may take of each disk (what is free)
  --authorities N         directory authorities (3)
  --voting-interval D     time between two directories (2s)
  --bin-dir DIR           where the binaries are (default: beside this one)
  --lines N               for logs (20)
  --record                tests only: every process writes what it sees

Clients join with: session --network-file DIR/network.txtpb ...
Exit status: 0 done, 1 failure, 2 wrong usage.
)";

// The root of the build's output: this program is tools/localnet/localnet in
// it.
std::string DefaultBinaries() {
  char path[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  if (size <= 0) return ".";
  std::string folder(path, static_cast<size_t>(size));
  for (int i = 0; i < 3; ++i) folder = folder.substr(0, folder.rfind('/'));
  return folder;
}

int Usage(absl::string_view words) {
  std::fprintf(stderr, "localnet: %s; localnet --help explains\n",
               std::string(words).c_str());
  return 2;
}

struct CommandLine {
  LocalnetOptions options;
  std::vector<std::string> words;
  int lines = 20;
  bool help = false;
};

// Empty when all is well, otherwise what is wrong.
std::string ParseCommandLine(int argc, char** argv, CommandLine& line) {
  for (int i = 1; i < argc; ++i) {
    std::string option = argv[i];
    if (!absl::StartsWith(option, "--")) {
      line.words.push_back(option);
      continue;
    }
    if (option == "--help") {
      line.help = true;
      continue;
    }
    if (option == "--record") {
      line.options.record = true;
      continue;
    }
    std::string value;
    const size_t equals = option.find('=');
    if (equals != std::string::npos) {
      value = option.substr(equals + 1);
      option.resize(equals);
    } else if (i + 1 < argc) {
      value = argv[++i];
    } else {
      return absl::StrCat(option, " needs a value");
    }
    bool good = true;
    if (option == "--dir") {
      line.options.folder = value;
    } else if (option == "--bin-dir") {
      line.options.binaries = value;
    } else if (option == "--nodes") {
      good = absl::SimpleAtoi(value, &line.options.nodes);
    } else if (option == "--swarm-size") {
      good = absl::SimpleAtoi(value, &line.options.swarm_size);
    } else if (option == "--capacity-mib") {
      good = absl::SimpleAtoi(value, &line.options.capacity_mib) &&
             line.options.capacity_mib > 0;
    } else if (option == "--authorities") {
      good = absl::SimpleAtoi(value, &line.options.authorities);
    } else if (option == "--lines") {
      good = absl::SimpleAtoi(value, &line.lines) && line.lines > 0;
    } else if (option == "--voting-interval") {
      good = absl::ParseDuration(value, &line.options.voting_interval) &&
             line.options.voting_interval >= absl::Seconds(1);
    } else {
      return absl::StrCat("there is no option ", option);
    }
    if (!good) return absl::StrCat(option, " cannot be \"", value, "\"");
  }
  return "";
}

// A name that has to follow, or none that may.
bool WordsFit(const std::string& command, size_t words) {
  if (command == "logs") return words <= 2;
  const bool needs_name = command == "kill" || command == "stop" ||
                          command == "pause" || command == "resume" ||
                          command == "restart";
  return words == (needs_name ? 2 : 1);
}

int Main(int argc, char** argv) {
  CommandLine line;
  line.options.folder = "localnet-data";
  line.options.binaries = DefaultBinaries();
  const std::string wrong = ParseCommandLine(argc, argv, line);
  if (!wrong.empty()) return Usage(wrong);
  if (line.help) {
    std::fputs(kHelp, stdout);
    return 0;
  }
  if (line.words.empty()) return Usage("say what to do");
  const std::string command = line.words[0];
  if (!WordsFit(command, line.words.size())) {
    return Usage(absl::StrCat("wrong number of words for ", command));
  }
  // Processes outlive this command, wherever it was run.
  if (!absl::StartsWith(line.options.folder, "/")) {
    char current[PATH_MAX];
    if (getcwd(current, sizeof(current)) == nullptr) return 1;
    line.options.folder = absl::StrCat(current, "/", line.options.folder);
  }
  const std::string name = line.words.size() > 1 ? line.words[1] : "";

  routing::EventLoop loop(routing::SystemClock());
  routing::StopOnSignal stop(loop);
  Localnet localnet(line.options, routing::SystemClock(),
                    crypto::SystemRandom(), loop);
  absl::Status status;
  if (command == "up") {
    status = localnet.Up();
  } else if (command == "down") {
    status = localnet.Down();
  } else if (command == "status") {
    status = localnet.PrintStatus();
  } else if (command == "logs") {
    status = localnet.PrintLogs(name, line.lines);
  } else if (command == "kill") {
    status = localnet.Kill(name);
  } else if (command == "stop") {
    status = localnet.Stop(name);
  } else if (command == "pause") {
    status = localnet.Pause(name);
  } else if (command == "resume") {
    status = localnet.Resume(name);
  } else if (command == "restart") {
    status = localnet.Restart(name);
  } else {
    return Usage(absl::StrCat("there is no command ", command));
  }
  if (status.ok()) return 0;
  std::fprintf(stderr, "localnet: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace
}  // namespace messenger::localnet

int main(int argc, char** argv) {
  return messenger::localnet::Main(argc, argv);
}
