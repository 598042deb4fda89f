#include "client/cli/daemon_commands.h"

#include <cstdio>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "client/cli/daemon.h"
#include "client/cli/failure.h"
#include "client/cli/json.h"
#include "client/cli/pin_source.h"
#include "client/cli/terminal_text.h"
#include "client/daemon/local_client.h"
#include "client/daemon/proto/local.grpc.pb.h"
#include "crypto/base/secure_memory.h"
#include "grpcpp/client_context.h"

namespace messenger::client {
namespace {

using local::v1::LocalClient;
using local::v1::Outcome;
using local::v1::StatusReply;

ExitCode Complain(ExitCode code, absl::string_view sentence) {
  std::fprintf(stderr, "%s\n", SafeForTerminal(sentence, false).c_str());
  return code;
}

ExitCode Ended() {
  return Complain(ExitCode::kFailure, "The daemon has ended meanwhile.");
}

ExitCode Report(const grpc::Status& status, const Outcome& outcome,
                absl::string_view done, const Arguments& arguments) {
  if (!status.ok()) return Ended();
  if (outcome.exit_code() != 0) {
    return Complain(static_cast<ExitCode>(outcome.exit_code()),
                    outcome.sentence());
  }
  if (arguments.has("json")) {
    JsonWriter json;
    json.BeginObject().Key(arguments.word(0)).Bool(true).EndObject();
    std::printf("%s\n", std::move(json).Take().c_str());
  } else {
    std::printf("%s\n", std::string(done).c_str());
  }
  return ExitCode::kOk;
}

ExitCode ShowStatus(LocalClient::Stub& stub, const Arguments& arguments) {
  grpc::ClientContext context;
  StatusReply status;
  if (!stub.Status(&context, {}, &status).ok()) return Ended();
  if (arguments.has("json")) {
    JsonWriter json;
    json.BeginObject().Key("locked").Bool(status.locked());
    json.Key("memory_locked").Bool(status.memory_locked());
    json.Key("keys_locked").Bool(status.keys_locked());
    json.Key("process_id").Int(status.process_id());
    json.Key("account_id").String(status.account_id());
    json.Key("up_to_date").Bool(status.up_to_date()).EndObject();
    std::printf("%s\n", std::move(json).Take().c_str());
    return ExitCode::kOk;
  }
  std::printf("Daemon: process %lld, %s\n",
              static_cast<long long>(status.process_id()),
              status.locked()       ? "locked"
              : status.up_to_date() ? "open and up to date"
                                    : "open; the network does not answer yet");
  std::printf("Memory: %s\n",
              status.memory_locked() ? "never written to the swap space"
              : status.keys_locked()
                  ? "may be written to the swap space, keys are not"
                  : "may be written to the swap space, keys too");
  return ExitCode::kOk;
}

ExitCode Unlock(LocalClient::Stub& stub, const Arguments& arguments) {
  grpc::ClientContext asking;
  StatusReply status;
  if (!stub.Status(&asking, {}, &status).ok()) return Ended();
  local::v1::UnlockRequest request;
  absl::Cleanup wipe = [&request] {
    crypto::SecureWipe(*request.mutable_pin());
  };
  if (status.locked()) {
    absl::StatusOr<std::string> pin =
        ReadPin(arguments, "pin-fd", "SESSION_PIN_FILE", "PIN: ");
    if (!pin.ok()) {
      return Complain(
          ExitCode::kPin,
          absl::IsFailedPrecondition(pin.status())
              ? "There is no terminal to ask for the PIN; use --pin-fd or "
                "SESSION_PIN_FILE."
              : Sentence(pin.status()));
    }
    request.set_pin(*pin);
    crypto::SecureWipe(*pin);
  }
  grpc::ClientContext context;
  Outcome outcome;
  const grpc::Status unlocked = stub.Unlock(&context, request, &outcome);
  return Report(unlocked, outcome, "The daemon is open.", arguments);
}

}  // namespace

bool IsDaemonCommand(absl::string_view command) {
  return command == "daemon" || command == "lock" || command == "unlock";
}

ExitCode RunDaemonCommand(const std::vector<std::string>& words,
                          const Arguments& arguments, const std::string& folder,
                          const SessionEnvironment& environment,
                          std::vector<std::string>* begin_anew) {
  const std::string command = arguments.word(0);
  const std::string what = arguments.word(1);
  if (command == "daemon" && what.empty()) {
    return RunDaemon(words, arguments, environment, begin_anew);
  }
  if (arguments.words().size() > (command == "daemon" ? 2 : 1) ||
      (command == "daemon" && what != "stop" && what != "status")) {
    return Complain(ExitCode::kUsage,
                    "Say `daemon`, `daemon stop`, `daemon status`, `lock` or "
                    "`unlock`.");
  }
  const std::shared_ptr<grpc::Channel> channel = ConnectToDaemon(folder);
  if (channel == nullptr) {
    return Complain(ExitCode::kNotFound,
                    absl::StrCat("No daemon runs for ", folder,
                                 ": between two commands nothing is open."));
  }
  const std::unique_ptr<LocalClient::Stub> stub = LocalClient::NewStub(channel);
  if (what == "status") return ShowStatus(*stub, arguments);
  if (command == "unlock") return Unlock(*stub, arguments);
  grpc::ClientContext context;
  Outcome outcome;
  if (command == "lock") {
    const grpc::Status locked = stub->Lock(&context, {}, &outcome);
    return Report(locked, outcome, "The daemon is locked.", arguments);
  }
  const grpc::Status stopped = stub->Stop(&context, {}, &outcome);
  return Report(stopped, outcome, "The daemon ends.", arguments);
}

}  // namespace messenger::client
