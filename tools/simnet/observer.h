// Watches everything that moves in a simulated network, and says what must
// never be seen there.
//
// Sees every call and every frame as if it had all TLS keys, and, with the
// relays' recorders, follows each circuit hop by hop from the client's address
// to the request at its destination. So it can tell, for every request of a
// run, who knew what. It also folds all it sees, with the time, into one hash:
// two runs are the same run if their hashes are.
//
// Not thread-safe.

#ifndef TOOLS_SIMNET_OBSERVER_H_
#define TOOLS_SIMNET_OBSERVER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "crypto/hash/hash.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/recorder.h"
#include "routing/runtime/testing/simulated_network.h"
#include "routing/runtime/transport.h"

namespace messenger::simnet {

class Observer final {
 public:
  enum class Role { kClient, kRelay, kStorage, kAuthority };

  // The way of one circuit, as it was really taken.
  struct Circuit {
    std::string client;             // address
    std::vector<std::string> hops;  // addresses of relays, destination last
    bool delivered = false;
    std::function<std::vector<int>(absl::string_view mailbox)> members;
  };

  // `clock` must outlive the observer.
  explicit Observer(const routing::Clock& clock);
  ~Observer();

  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  // Who is who. Storage and relay of one machine have the same number.
  void AddHost(const std::string& address, Role role, int number);
  // A client's circuits have exactly this many nodes.
  void set_path_length(const std::string& client, size_t nodes) {
    path_length_[client] = nodes;
  }
  // Which machines hold a mailbox, by the directory that a client has: asked
  // when a circuit begins, for its path follows from that.
  using Members = std::function<std::vector<int>(absl::string_view mailbox)>;
  void set_members_known_to(
      std::function<Members(absl::string_view client)> members) {
    members_known_to_ = std::move(members);
  }

  // Bytes that only certain eyes may see: an account by any of its names, the
  // address of a mailbox, and what people say.
  void AddAccount(absl::string_view id, absl::string_view signing_key);
  // Two accounts are one from now on: a device is linked, and the account's
  // record, which is public, lists it (client/SPEC.md, section 14.7).
  void LinkAccounts(absl::string_view id, absl::string_view other);
  void AddMailbox(absl::string_view address);
  void AddText(absl::string_view text);

  void OnObservation(const routing::SimulatedNetwork::Observation& observation);

  // For the relay at `address`: its recorder, and its transport with eyes.
  // Both live as long as the observer; the transport uses `inner`.
  routing::Recorder& RecorderOf(const std::string& address);
  std::unique_ptr<routing::Transport> Watch(const std::string& address,
                                            routing::Transport& inner);

  // Circuits of a client, in the order in which they began.
  std::vector<const Circuit*> CircuitsOf(absl::string_view client) const;
  uint64_t requests_delivered() const { return requests_delivered_; }

  void Violation(absl::string_view what);
  // INTERNAL, with the first violation.
  const absl::Status& status() const { return status_; }
  const crypto::Digest256& trace() const { return trace_; }

 private:
  class RelayRecorder;
  class WatchedTransport;
  class WatchedLink;

  struct Host {
    Role role;
    int number;
  };
  using CircuitKey = std::pair<std::string, uint64_t>;  // at whose door

  void CheckFrame(const routing::SimulatedNetwork::Observation& observation);
  void CheckCall(const routing::SimulatedNetwork::Observation& observation);
  bool MayCall(const Host& caller, const Host& callee,
               absl::string_view method) const;
  void OnRelaySends(const std::string& relay, const std::string& next,
                    absl::string_view frame);
  void OnDelivered(const std::string& relay, absl::string_view request);
  bool NamesText(absl::string_view bytes) const;
  bool NamesMailbox(absl::string_view bytes) const;
  size_t AccountsNamed(absl::string_view bytes) const;

  const routing::Clock& clock_;
  std::map<std::string, Host, std::less<>> hosts_;
  std::map<std::string, size_t, std::less<>> path_length_;
  std::function<Members(absl::string_view)> members_known_to_;
  std::vector<std::set<std::string>> accounts_;
  std::set<std::string> mailboxes_;
  std::set<std::string> texts_;

  std::map<std::string, std::unique_ptr<RelayRecorder>> recorders_;
  // What each relay is working on: the circuit of the newest frame.
  std::map<std::string, uint64_t> current_;
  std::map<CircuitKey, std::shared_ptr<Circuit>> circuits_;
  std::map<std::string, std::vector<std::shared_ptr<Circuit>>, std::less<>>
      circuits_of_;
  uint64_t requests_delivered_ = 0;

  absl::Status status_;
  crypto::Digest256 trace_;
};

}  // namespace messenger::simnet

#endif  // TOOLS_SIMNET_OBSERVER_H_
