// Device secrets in the Secret Service of the desktop: GNOME Keyring, KWallet,
// KeePassXC (client/SPEC.md, section 7; client/design/0003).
//
// The service is asked by `secret-tool`, the program of libsecret. What is
// locked there, it asks the person to unlock.
//
// Not thread-safe.

#ifndef CLIENT_STORE_SECRET_SERVICE_H_
#define CLIENT_STORE_SECRET_SERVICE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/store/device_secret.h"
#include "client/store/helper_program.h"

namespace messenger::client {

class SecretServiceDeviceSecret final : public DeviceSecret {
 public:
  // A person may have to type the keyring's password meanwhile.
  static constexpr absl::Duration kDefaultLimit = absl::Minutes(2);

  // By which a program finds the session's bus and its display.
  static constexpr const char* kVariables[] = {
      "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "HOME", "DISPLAY",
      "WAYLAND_DISPLAY",          "XAUTHORITY",      "LANG"};

  // `tool` is an absolute path; empty: there is none, and everything is
  // UNAVAILABLE with words that say what to install. `environment` is all that
  // it gets, NAME=value.
  explicit SecretServiceDeviceSecret(std::string tool,
                                     std::vector<std::string> environment = {},
                                     absl::Duration limit = kDefaultLimit)
      : tool_(std::move(tool)),
        environment_(std::move(environment)),
        limit_(limit) {}

  // Where Debian and others put it. Empty unless it is a file that root alone
  // can change.
  static std::string FindTool();

  // UNAVAILABLE, of each method: no program, no service in this session, or
  // the collection is locked. The words are for the person.
  absl::Status Add(const DeviceSecretId& id,
                   const DeviceSecretBytes& secret) override;
  absl::Status AddSuccessor(const DeviceSecretId& current,
                            const DeviceSecretId& id,
                            const DeviceSecretBytes& secret) override;
  absl::StatusOr<DeviceSecretBytes> Read(const DeviceSecretId& id) override;
  // The service removes it; it overwrites nothing.
  absl::Status Destroy(const DeviceSecretId& id) override;

 private:
  absl::StatusOr<HelperAnswer> Ask(std::vector<std::string> words,
                                   const DeviceSecretId& id,
                                   absl::string_view input = "");

  std::string tool_;
  std::vector<std::string> environment_;
  absl::Duration limit_;
};

}  // namespace messenger::client

#endif  // CLIENT_STORE_SECRET_SERVICE_H_
