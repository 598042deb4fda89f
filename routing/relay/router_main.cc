// session-router: the relay process of a node (routing/relay/SPEC.md,
// section 10). Starts at once and listens; joins the network as soon as the
// files that describe it, and its own storage process, are there.

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "crypto/random/system_random.h"
#include "routing/relay/router.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/file_recorder.h"
#include "routing/runtime/files.h"
#include "routing/runtime/process.h"
#include "routing/runtime/system_clock.h"

ABSL_FLAG(std::string, data_dir, "",
          "directory of this process's keys and logs; must exist");
ABSL_FLAG(std::string, listen, "127.0.0.1:0",
          "IP literal and port to listen on; port 0 takes any free one");
ABSL_FLAG(std::string, advertise_address, "",
          "IP literal and port by which others reach this node, where that is "
          "not the address it listens on: port forwarding, a proxy in front");
ABSL_FLAG(std::string, nickname, "node", "1 to 32 of A-Z a-z 0-9 and '-'");
ABSL_FLAG(std::string, network_file, "",
          "which network to join; may appear after the start");
ABSL_FLAG(std::string, operator_key_hex, "",
          "64 hex digits, equal for all nodes of one operator");
ABSL_FLAG(std::string, storage_public_file, "",
          "public.txtpb of this node's session-swarm, may appear after the "
          "start; without the flag this node only relays");
ABSL_FLAG(absl::Duration, directory_interval, absl::ZeroDuration(),
          "how often to ask for a new directory; 0: as the network's size "
          "calls for");
ABSL_FLAG(std::string, test_recorder_file, "",
          "tests only: append everything this process gets to see");

namespace messenger::routing {
namespace {

// Names this run of the machine; a value of its own if the system has none, so
// that the replay cache then treats every start like a reboot.
BootId ReadBootId(crypto::Random& random) {
  const absl::StatusOr<std::string> text =
      ReadFile("/proc/sys/kernel/random/boot_id");
  if (text.ok()) {
    const absl::StatusOr<BootId> id = BootId::FromHex(
        absl::StrReplaceAll(absl::StripAsciiWhitespace(*text), {{"-", ""}}));
    if (id.ok()) return *id;
  }
  return random.Fixed<BootId>();
}

int Fail(const absl::Status& status) {
  Log(LogLevel::kError, status.message());
  return 1;
}

// False while a file that Join() needs is missing.
absl::StatusOr<bool> JoinIfReady(Router& router) {
  const absl::StatusOr<std::string> network_text =
      ReadFile(absl::GetFlag(FLAGS_network_file));
  if (absl::IsNotFound(network_text.status())) return false;
  if (!network_text.ok()) return network_text.status();
  const absl::StatusOr<NetworkConfig> network =
      NetworkConfig::Parse(*network_text);
  if (!network.ok()) return network.status();

  std::optional<StoragePublicFile> storage;
  if (!absl::GetFlag(FLAGS_storage_public_file).empty()) {
    const absl::StatusOr<std::string> storage_text =
        ReadFile(absl::GetFlag(FLAGS_storage_public_file));
    if (absl::IsNotFound(storage_text.status())) return false;
    if (!storage_text.ok()) return storage_text.status();
    absl::StatusOr<StoragePublicFile> parsed =
        StoragePublicFile::Parse(*storage_text);
    if (!parsed.ok()) return parsed.status();
    storage = *std::move(parsed);
  }
  absl::Duration interval = absl::GetFlag(FLAGS_directory_interval);
  if (interval <= absl::ZeroDuration()) {
    interval = network->params == NetworkConfig::Params::kSmall
                   ? absl::Seconds(2)
                   : absl::Minutes(5);
  }
  if (const absl::Status status = router.Join(*network, storage, interval);
      !status.ok()) {
    return status;
  }
  return true;
}

int Main() {
  if (absl::GetFlag(FLAGS_data_dir).empty() ||
      absl::GetFlag(FLAGS_network_file).empty()) {
    return Fail(
        absl::InvalidArgumentError("--data-dir and --network-file are needed"));
  }
  OperatorKey operator_key;
  if (const std::string hex = absl::GetFlag(FLAGS_operator_key_hex);
      !hex.empty()) {
    const absl::StatusOr<OperatorKey> parsed = OperatorKey::FromHex(hex);
    if (!parsed.ok()) {
      return Fail(absl::InvalidArgumentError(
          "--operator-key-hex is not 64 hex digits"));
    }
    operator_key = *parsed;
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
  absl::StatusOr<std::unique_ptr<Router>> router = Router::Create(
      {.data_directory = absl::GetFlag(FLAGS_data_dir),
       .listen_address = absl::GetFlag(FLAGS_listen),
       .advertised_address = absl::GetFlag(FLAGS_advertise_address),
       .nickname = absl::GetFlag(FLAGS_nickname),
       .operator_key = operator_key,
       .executor = loop,
       .clock = SystemClock(),
       .random = crypto::SystemRandom(),
       .boot_id = ReadBootId(crypto::SystemRandom()),
       .recorder = recorder.get()});
  if (!router.ok()) return Fail(router.status());
  Log(LogLevel::kInfo, "listening");
  JoinWhenReady joining(
      loop, [&] { return JoinIfReady(**router); }, "joined the network");
  joining.Try();
  loop.RunUntilStopped();
  router->reset();
  if (!joining.result().ok()) return Fail(joining.result());
  Log(LogLevel::kInfo, "stopped");
  return 0;
}

}  // namespace
}  // namespace messenger::routing

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Relays onion frames and announces one node.");
  messenger::routing::AcceptDashesInFlags(argc, argv);
  absl::ParseCommandLine(argc, argv);
  return messenger::routing::Main();
}
