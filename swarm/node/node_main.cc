// session-swarm: the storage process of a node (swarm/SPEC.md, section 6.4).
// Starts at once and listens; serves as soon as the files that describe the
// network, and the router beside it, are there.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/random/system_random.h"
#include "routing/endpoint/public_file.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/file_recorder.h"
#include "routing/runtime/files.h"
#include "routing/runtime/network_config.h"
#include "routing/runtime/process.h"
#include "routing/runtime/system_clock.h"
#include "swarm/node/storage_process.h"
#include "swarm/store/backup.h"

ABSL_FLAG(std::string, data_dir, "",
          "directory of this process's keys and messages; must exist");
ABSL_FLAG(std::string, listen, "127.0.0.1:0",
          "IP literal and port to listen on; port 0 takes any free one");
ABSL_FLAG(std::string, advertise_address, "",
          "IP literal and port by which others reach this node, where that is "
          "not the address it listens on: port forwarding, a proxy in front");
ABSL_FLAG(std::string, network_file, "",
          "which network to join; may appear after the start");
ABSL_FLAG(std::string, router_public_file, "",
          "public.txtpb of this node's session-router; may appear after the "
          "start");
ABSL_FLAG(uint32_t, capacity_mib, 0,
          "what messages may take of the disk, in MiB; 0: what is free at the "
          "start and what they take already");
ABSL_FLAG(std::string, backup_to, "",
          "write a checked copy of the messages, also while a process serves "
          "them, to this new file and exit");
ABSL_FLAG(std::string, restore_from, "",
          "put this copy in the place of the messages, with the process "
          "stopped, and exit; what it lacks comes from the other members");
ABSL_FLAG(bool, leaving, false,
          "tell the directory that this node is to leave; it serves until "
          "others hold what it holds");
ABSL_FLAG(absl::Duration, directory_interval, absl::ZeroDuration(),
          "how often to ask for a new directory; 0: as the network's size "
          "calls for");
ABSL_FLAG(std::string, test_recorder_file, "",
          "tests only: append everything this process gets to see");

namespace messenger::swarm {
namespace {

using routing::Log;
using routing::LogLevel;

int Fail(const absl::Status& status) {
  Log(LogLevel::kError, status.message());
  return 1;
}

// False while a file that Join() needs is missing. `on_damage` is told why the
// process must end later on.
absl::StatusOr<bool> JoinIfReady(StorageProcess& process,
                                 std::function<void(absl::Status)> on_damage) {
  const absl::StatusOr<std::string> network_text =
      routing::ReadFile(absl::GetFlag(FLAGS_network_file));
  if (absl::IsNotFound(network_text.status())) return false;
  if (!network_text.ok()) return network_text.status();
  const absl::StatusOr<std::string> router_text =
      routing::ReadFile(absl::GetFlag(FLAGS_router_public_file));
  if (absl::IsNotFound(router_text.status())) return false;
  if (!router_text.ok()) return router_text.status();

  const absl::StatusOr<routing::NetworkConfig> network =
      routing::NetworkConfig::Parse(*network_text);
  if (!network.ok()) return network.status();
  const absl::StatusOr<routing::RouterPublicFile> router =
      routing::RouterPublicFile::Parse(*router_text);
  if (!router.ok()) return router.status();

  absl::Duration interval = absl::GetFlag(FLAGS_directory_interval);
  if (interval <= absl::ZeroDuration()) {
    interval = network->params == routing::NetworkConfig::Params::kSmall
                   ? absl::Seconds(2)
                   : absl::Minutes(5);
  }
  process.Join(*network, *router, interval, std::move(on_damage));
  return true;
}

std::string StorePath() {
  return absl::StrCat(absl::GetFlag(FLAGS_data_dir), "/",
                      StorageProcess::kStoreFileName);
}

// Without a bound of the operator's, the disk is one: classes of messages are
// refused in their order before it is full.
uint32_t CapacityMib() {
  const uint32_t asked = absl::GetFlag(FLAGS_capacity_mib);
  if (asked > 0) return asked;
  std::error_code error;
  const auto space =
      std::filesystem::space(absl::GetFlag(FLAGS_data_dir), error);
  if (error) return 0;
  const auto taken = std::filesystem::file_size(StorePath(), error);
  const uint64_t bytes = space.available + (error ? 0 : taken);
  return static_cast<uint32_t>(
      std::min<uint64_t>(std::max<uint64_t>(bytes >> 20, 1), UINT32_MAX));
}

// Nothing if the process is to serve.
std::optional<absl::Status> MaintainStore() {
  const std::string to = absl::GetFlag(FLAGS_backup_to);
  const std::string from = absl::GetFlag(FLAGS_restore_from);
  if (to.empty() && from.empty()) return std::nullopt;
  if (absl::GetFlag(FLAGS_data_dir).empty() || (!to.empty() && !from.empty())) {
    return absl::InvalidArgumentError(
        "--backup-to or --restore-from, one of them, goes with --data-dir");
  }
  return to.empty() ? RestoreStore(from, StorePath(), crypto::SystemRandom())
                    : BackupStore(StorePath(), to);
}

int Main() {
  if (const std::optional<absl::Status> done = MaintainStore()) {
    if (!done->ok()) return Fail(*done);
    Log(LogLevel::kInfo, "done");
    return 0;
  }
  if (absl::GetFlag(FLAGS_data_dir).empty() ||
      absl::GetFlag(FLAGS_network_file).empty() ||
      absl::GetFlag(FLAGS_router_public_file).empty()) {
    return Fail(absl::InvalidArgumentError(
        "--data-dir, --network-file and --router-public-file are needed"));
  }
  routing::EventLoop loop(routing::SystemClock());
  routing::StopOnSignal stop_on_signal(loop);
  if (const absl::Status status = routing::ForbidMemoryDumps(); !status.ok()) {
    Log(LogLevel::kWarning, status.message());
  }
  routing::RaiseFileLimit();
  std::unique_ptr<routing::FileRecorder> recorder;
  if (const std::string path = absl::GetFlag(FLAGS_test_recorder_file);
      !path.empty()) {
    absl::StatusOr<std::unique_ptr<routing::FileRecorder>> opened =
        routing::FileRecorder::Open(path);
    if (!opened.ok()) return Fail(opened.status());
    recorder = *std::move(opened);
  }
  absl::StatusOr<std::unique_ptr<StorageProcess>> process =
      StorageProcess::Create(
          {.data_directory = absl::GetFlag(FLAGS_data_dir),
           .listen_address = absl::GetFlag(FLAGS_listen),
           .advertised_address = absl::GetFlag(FLAGS_advertise_address),
           .capacity_mib = CapacityMib(),
           .leaving = absl::GetFlag(FLAGS_leaving),
           .executor = loop,
           .clock = routing::SystemClock(),
           .random = crypto::SystemRandom(),
           .recorder = recorder.get(),
           .on_notice = [](absl::string_view notice) {
             Log(LogLevel::kWarning, notice);
           }});
  if (!process.ok()) return Fail(process.status());
  Log(LogLevel::kInfo, "listening");
  routing::JoinWhenReady joining(
      loop,
      [&]() -> absl::StatusOr<bool> {
        return JoinIfReady(**process, [&](absl::Status damage) {
          joining.End(std::move(damage));
        });
      },
      "serving");
  joining.Try();
  loop.RunUntilStopped();
  process->reset();
  if (!joining.result().ok()) return Fail(joining.result());
  Log(LogLevel::kInfo, "stopped");
  return 0;
}

}  // namespace
}  // namespace messenger::swarm

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Keeps messages for the swarms of one node.");
  messenger::routing::AcceptDashesInFlags(argc, argv);
  absl::ParseCommandLine(argc, argv);
  return messenger::swarm::Main();
}
