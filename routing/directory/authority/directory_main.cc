// session-directory: a directory authority (routing/directory/SPEC.md, section
// 8). Starts at once, listens and writes its public file; begins to work as
// soon as the file that describes the network is there.

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/time/time.h"
#include "crypto/random/system_random.h"
#include "routing/directory/authority/authority_process.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/file_recorder.h"
#include "routing/runtime/files.h"
#include "routing/runtime/process.h"
#include "routing/runtime/system_clock.h"

ABSL_FLAG(std::string, data_dir, "",
          "directory of this process's keys and database; must exist");
ABSL_FLAG(std::string, listen, "127.0.0.1:0",
          "IP literal and port to listen on; port 0 takes any free one");
ABSL_FLAG(
    std::string, advertise_address, "",
    "IP literal and port by which others reach this authority, where that is "
    "not the address it listens on: port forwarding, a proxy in front");
ABSL_FLAG(std::string, nickname, "authority", "1 to 32 of a-z 0-9 and '-'");
ABSL_FLAG(std::string, network_file, "",
          "which network to serve; may appear after the start");
ABSL_FLAG(absl::Duration, voting_interval, absl::ZeroDuration(),
          "time between two consensuses, equal at all authorities; 0: as the "
          "network's size calls for");
ABSL_FLAG(absl::Duration, probe_interval, absl::ZeroDuration(),
          "time between two probes of a node; 0: from the voting interval");
ABSL_FLAG(int, swarm_size, 0,
          "members of a swarm, equal at all authorities; 0: as the network's "
          "size calls for");
ABSL_FLAG(absl::Duration, evict_after, absl::ZeroDuration(),
          "when a storage node that is down is replaced, in whole seconds, "
          "equal at all authorities; 0: as the network's size calls for");
ABSL_FLAG(absl::Duration, min_overlap, absl::ZeroDuration(),
          "how long old and new members of a swarm overlap at least, in whole "
          "seconds, equal at all authorities; 0: as the network's size calls "
          "for");
ABSL_FLAG(std::string, test_recorder_file, "",
          "tests only: append everything this process gets to see");

namespace messenger::routing {
namespace {

int Fail(const absl::Status& status) {
  Log(LogLevel::kError, status.message());
  return 1;
}

// False while the network's file is missing.
absl::StatusOr<bool> JoinIfReady(AuthorityProcess& process) {
  const absl::StatusOr<std::string> text =
      ReadFile(absl::GetFlag(FLAGS_network_file));
  if (absl::IsNotFound(text.status())) return false;
  if (!text.ok()) return text.status();
  const absl::StatusOr<NetworkConfig> network = NetworkConfig::Parse(*text);
  if (!network.ok()) return network.status();
  if (absl::Status status = process.Join(*network); !status.ok()) return status;
  return true;
}

int Main() {
  if (absl::GetFlag(FLAGS_data_dir).empty() ||
      absl::GetFlag(FLAGS_network_file).empty()) {
    return Fail(
        absl::InvalidArgumentError("--data-dir and --network-file are needed"));
  }
  EventLoop loop(SystemClock());
  StopOnSignal stop_on_signal(loop);
  if (const absl::Status status = ForbidMemoryDumps(); !status.ok()) {
    Log(LogLevel::kWarning, status.message());
  }
  RaiseFileLimit();
  std::unique_ptr<FileRecorder> recorder;
  if (const std::string path = absl::GetFlag(FLAGS_test_recorder_file);
      !path.empty()) {
    absl::StatusOr<std::unique_ptr<FileRecorder>> opened =
        FileRecorder::Open(path);
    if (!opened.ok()) return Fail(opened.status());
    recorder = *std::move(opened);
  }
  absl::StatusOr<std::unique_ptr<AuthorityProcess>> process =
      AuthorityProcess::Create(
          {.data_directory = absl::GetFlag(FLAGS_data_dir),
           .listen_address = absl::GetFlag(FLAGS_listen),
           .advertised_address = absl::GetFlag(FLAGS_advertise_address),
           .nickname = absl::GetFlag(FLAGS_nickname),
           .swarm_size = absl::GetFlag(FLAGS_swarm_size),
           .evict_after = absl::GetFlag(FLAGS_evict_after),
           .min_overlap = absl::GetFlag(FLAGS_min_overlap),
           .voting_interval = absl::GetFlag(FLAGS_voting_interval),
           .probe_interval = absl::GetFlag(FLAGS_probe_interval),
           .executor = loop,
           .clock = SystemClock(),
           .random = crypto::SystemRandom(),
           .recorder = recorder.get()});
  if (!process.ok()) return Fail(process.status());
  Log(LogLevel::kInfo, "listening");
  JoinWhenReady joining(
      loop, [&] { return JoinIfReady(**process); }, "serving the network");
  joining.Try();
  loop.RunUntilStopped();
  process->reset();
  if (!joining.result().ok()) return Fail(joining.result());
  Log(LogLevel::kInfo, "stopped");
  return 0;
}

}  // namespace
}  // namespace messenger::routing

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Lists the nodes of a network, with others.");
  messenger::routing::AcceptDashesInFlags(argc, argv);
  absl::ParseCommandLine(argc, argv);
  return messenger::routing::Main();
}
