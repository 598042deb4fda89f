#include "client/store/secret_service.h"

#include <sys/stat.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "crypto/base/hex.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

// Of what the program says to a person, which may end in ours.
constexpr size_t kMaxQuotedBytes = 200;

// The end of a sentence of which the beginning is "the device secret ...".
absl::Status NoAnswer(absl::string_view reason) {
  return absl::UnavailableError(absl::StrCat(
      "the Secret Service (GNOME Keyring, KWallet, KeePassXC) does not give or "
      "take it: ",
      reason));
}

std::string Quoted(absl::string_view errors) {
  std::string words;
  for (const char c : absl::StripAsciiWhitespace(errors)) {
    if (words.size() >= kMaxQuotedBytes) break;
    words.push_back(absl::ascii_isprint(static_cast<unsigned char>(c)) ? c
                                                                       : ' ');
  }
  return std::string(
      absl::StripPrefix(absl::string_view(words), "secret-tool: "));
}

}  // namespace

std::string SecretServiceDeviceSecret::FindTool() {
  for (const char* path : {"/usr/bin/secret-tool", "/usr/local/bin/secret-tool",
                           "/run/current-system/sw/bin/secret-tool"}) {
    struct stat file;
    if (stat(path, &file) == 0 && S_ISREG(file.st_mode) && file.st_uid == 0 &&
        (file.st_mode & (S_IWGRP | S_IWOTH)) == 0 && access(path, X_OK) == 0) {
      return path;
    }
  }
  return "";
}

absl::StatusOr<HelperAnswer> SecretServiceDeviceSecret::Ask(
    std::vector<std::string> words, const DeviceSecretId& id,
    absl::string_view input) {
  if (tool_.empty()) {
    return NoAnswer(
        "the program secret-tool is not there; install it (in Debian: "
        "libsecret-tools)");
  }
  HelperCall call;
  call.program = tool_;
  call.arguments = std::move(words);
  call.arguments.insert(
      call.arguments.end(),
      {"application", "session-messenger", "device-secret", id.ToHex()});
  call.environment = environment_;
  call.input = input;
  call.limit = limit_;
  absl::StatusOr<HelperAnswer> answer = RunHelper(call);
  if (!answer.ok()) {
    return NoAnswer(absl::StrCat("of its program secret-tool, ",
                                 answer.status().message()));
  }
  return answer;
}

absl::Status SecretServiceDeviceSecret::Add(const DeviceSecretId& id,
                                            const DeviceSecretBytes& secret) {
  const absl::Status there = Read(id).status();
  if (there.ok()) {
    return absl::AlreadyExistsError("there is a device secret already");
  }
  if (!absl::IsNotFound(there)) return there;
  std::string hex = crypto::HexEncode(secret.Expose());
  const absl::Cleanup wipe = [&hex] { crypto::SecureWipe(hex); };
  ASSIGN_OR_RETURN(const HelperAnswer answer,
                   Ask({"store", "--label=Device secret of session"}, id, hex));
  if (answer.exit_code != 0) return NoAnswer(Quoted(answer.errors));
  // Whatever the service means by "stored".
  ASSIGN_OR_RETURN(const DeviceSecretBytes kept, Read(id));
  return crypto::ConstantTimeEquals(kept.Expose(), secret.Expose())
             ? absl::OkStatus()
             : NoAnswer("it keeps something else");
}

absl::Status SecretServiceDeviceSecret::AddSuccessor(
    const DeviceSecretId&, const DeviceSecretId& id,
    const DeviceSecretBytes& secret) {
  return Add(id, secret);
}

absl::StatusOr<DeviceSecretBytes> SecretServiceDeviceSecret::Read(
    const DeviceSecretId& id) {
  ASSIGN_OR_RETURN(HelperAnswer answer, Ask({"lookup"}, id));
  absl::Cleanup wipe = [&answer] { crypto::SecureWipe(answer.output); };
  if (answer.exit_code == 0) {
    std::string bytes;
    absl::Cleanup wipe_bytes = [&bytes] { crypto::SecureWipe(bytes); };
    absl::StatusOr<std::string> decoded =
        crypto::HexDecode(absl::StripAsciiWhitespace(answer.output));
    if (decoded.ok()) bytes = *std::move(decoded);
    absl::StatusOr<DeviceSecretBytes> secret =
        DeviceSecretBytes::FromBytes(bytes);
    if (secret.ok()) return secret;
    return absl::NotFoundError("what the service has is no device secret");
  }
  if (!answer.errors.empty()) return NoAnswer(Quoted(answer.errors));
  // It is not there, or is locked and the person has not opened it: the program
  // ends alike. `search` names what is locked.
  ASSIGN_OR_RETURN(HelperAnswer found, Ask({"search"}, id));
  absl::Cleanup wipe_found = [&found] { crypto::SecureWipe(found.output); };
  if (found.output.empty() && found.exit_code == 0) {
    return absl::NotFoundError("the service has no such device secret");
  }
  return NoAnswer(
      "the keyring is locked; unlock it (log in at the desktop, or with its "
      "own program) and try again");
}

absl::Status SecretServiceDeviceSecret::Destroy(const DeviceSecretId& id) {
  absl::Status there = Read(id).status();
  if (absl::IsNotFound(there)) return absl::OkStatus();
  RETURN_IF_ERROR(there);
  ASSIGN_OR_RETURN(const HelperAnswer answer, Ask({"clear"}, id));
  there = Read(id).status();
  if (absl::IsNotFound(there)) return absl::OkStatus();
  if (!there.ok()) return there;
  return NoAnswer(answer.errors.empty() ? "it does not remove it"
                                        : Quoted(answer.errors));
}

}  // namespace messenger::client
