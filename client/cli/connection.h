// A client's way into its network, for one run of a command: directory,
// guards, onion paths and mailboxes.
//
// Keeps in the database what must outlive the run: the network's description,
// the newest consensus and the guards. Belongs to the event loop it is given.

#ifndef CLIENT_CLI_CONNECTION_H_
#define CLIENT_CLI_CONNECTION_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/daemon/waiter.h"
#include "client/messenger/mail_service.h"
#include "client/store/client_store.h"
#include "crypto/random/random.h"
#include "routing/path/path_selector.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/recorder.h"

namespace messenger::client {

// Remembers `network_text` (a NetworkConfig) as the network of this account.
// INVALID_ARGUMENT when it cannot be understood; FAILED_PRECONDITION when the
// account belongs to another network already.
absl::Status AdoptNetwork(ClientStore& store, absl::string_view network_text);

// The network it belongs to, as AdoptNetwork() takes it, with as many seeds as
// fit. Empty if there is none, or nothing fits. DATA_LOSS as the store.
absl::StatusOr<std::string> ShortNetwork(ClientStore& store, size_t max_bytes);

class Connection {
 public:
  // All outlive the connection.
  struct Environment {
    ClientStore& store;
    routing::EventLoop& loop;
    const routing::Clock& clock;
    crypto::Random& random;
    routing::RoutingMode mode = routing::RoutingMode::kOnion;
    routing::Recorder* recorder = nullptr;
    std::function<void(absl::string_view)> on_progress;
  };

  // FAILED_PRECONDITION: no network was adopted yet. No traffic.
  static absl::StatusOr<std::unique_ptr<Connection>> Create(
      const Environment& environment);
  virtual ~Connection() = default;

  // Fetches the newest directory through a guard or a seed. Falls back on the
  // one in the database while that is valid. UNAVAILABLE, in words for the
  // user, without either.
  virtual absl::Status Connect(Waiter& waiter) = 0;

  virtual MailService& mail() = 0;

  // Writes what later runs need. Also done by the destructor's caller after
  // failures: a guard that was tried is remembered.
  virtual absl::Status Save() = 0;
};

}  // namespace messenger::client

#endif  // CLIENT_CLI_CONNECTION_H_
