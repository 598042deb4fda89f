// An account that is open once for many commands: what a daemon's commands
// share.
//
// Belongs to the loop and its guests (client/daemon/guest_list.h).

#ifndef CLIENT_CLI_SHARED_ACCOUNT_H_
#define CLIENT_CLI_SHARED_ACCOUNT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "client/cli/connection.h"
#include "client/cli/news.h"
#include "client/messenger/mail_watch.h"
#include "client/messenger/messenger.h"
#include "client/store/client_store.h"
#include "routing/path/path_selector.h"

namespace messenger::client {

struct SharedAccount {
  std::string folder;
  routing::RoutingMode routing = routing::RoutingMode::kOnion;
  std::shared_ptr<ClientStore> store;
  std::shared_ptr<Connection> connection;
  std::shared_ptr<Messenger> messenger;
  MailWatch* watch = nullptr;  // null before it has begun
  News news;
  // When the directory was last had.
  absl::Time connected = absl::InfinitePast();
  bool flush_wanted = false;  // something new is in the outbox
  bool up_to_date = false;
  int64_t shown_row = 0;  // the newest that somebody has been shown
};

}  // namespace messenger::client

#endif  // CLIENT_CLI_SHARED_ACCOUNT_H_
