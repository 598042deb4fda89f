// Whether a network really carries requests: not only that its processes run.

#ifndef TOOLS_LOCALNET_READINESS_H_
#define TOOLS_LOCALNET_READINESS_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/network_config.h"

namespace messenger::localnet {

struct Readiness {
  // A signed consensus was fetched and verified.
  bool directory = false;
  uint64_t epoch = 0;
  int running_relays = 0;
  int running_storage_nodes = 0;
  // Storage nodes that have a place in swarms.
  int active_storage_nodes = 0;
  // Storage nodes that answered a request through three relays.
  int answering_storage_nodes = 0;
};

// Looks until `nodes` relays and storage nodes run, every one of the storage
// nodes has its place in swarms and has answered through an onion path, or
// `limit` has passed.
// `on_change` is told whenever there is something new.
//   DEADLINE_EXCEEDED  not ready in time, with what was missing
//   CANCELLED          the loop was stopped
absl::Status WaitUntilReady(
    const routing::NetworkConfig& config, int nodes, absl::Duration limit,
    const routing::Clock& clock, crypto::Random& random,
    routing::EventLoop& loop,
    const std::function<void(const Readiness&)>& on_change);

}  // namespace messenger::localnet

#endif  // TOOLS_LOCALNET_READINESS_H_
