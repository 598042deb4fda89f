#include "tools/simnet/observer.h"

#include <string.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/bytes.h"
#include "routing/onion/frame.h"

namespace messenger::simnet {
namespace {

using ::messenger::routing::FrameHeader;
using ::messenger::routing::FrameType;
using ::messenger::routing::SimulatedNetwork;
using Kind = ::messenger::routing::SimulatedNetwork::Observation::Kind;

// An onion path has three relays before its destination; a path of one relay
// that delivers would tell that relay both ends.
constexpr size_t kFewestNodesOfPath = 2;

constexpr size_t kShortestTelltale = 8;

bool Contains(absl::string_view bytes, absl::string_view what) {
  return memmem(bytes.data(), bytes.size(), what.data(), what.size()) !=
         nullptr;
}

template <typename Set>
bool ContainsAny(absl::string_view bytes, const Set& needles) {
  return std::any_of(needles.begin(), needles.end(), [&](const auto& needle) {
    return Contains(bytes, needle);
  });
}

}  // namespace

class Observer::RelayRecorder final : public routing::Recorder {
 public:
  RelayRecorder(Observer& observer, std::string address)
      : observer_(observer), address_(std::move(address)) {}

  void Record(absl::string_view what, absl::string_view bytes) override {
    if (what == "frame-in") {
      const absl::StatusOr<FrameHeader> header =
          routing::ParseFrameHeader(bytes);
      observer_.current_[address_] = header.ok() ? header->circuit_id : 0;
    } else if (what == "deliver") {
      observer_.OnDelivered(address_, bytes);
    }
  }

 private:
  Observer& observer_;
  const std::string address_;
};

// Sees what a relay sends at the moment it does so, hence because of which
// frame.
class Observer::WatchedLink final : public routing::FrameLink {
 public:
  WatchedLink(Observer& observer, std::string from, std::string to,
              std::unique_ptr<routing::FrameLink> inner)
      : observer_(observer),
        from_(std::move(from)),
        to_(std::move(to)),
        inner_(std::move(inner)) {}

  void Send(std::string frame) override {
    observer_.OnRelaySends(from_, to_, frame);
    inner_->Send(std::move(frame));
  }
  size_t queued_frames() const override { return inner_->queued_frames(); }
  void Close() override { inner_->Close(); }

 private:
  Observer& observer_;
  const std::string from_;
  const std::string to_;
  const std::unique_ptr<routing::FrameLink> inner_;
};

class Observer::WatchedTransport final : public routing::Transport {
 public:
  WatchedTransport(Observer& observer, std::string address,
                   routing::Transport& inner)
      : observer_(observer), address_(std::move(address)), inner_(inner) {}

  void Call(const routing::Endpoint& endpoint, absl::string_view method,
            std::string request, absl::Duration timeout,
            CallDone done) override {
    inner_.Call(endpoint, method, std::move(request), timeout, std::move(done));
  }
  std::unique_ptr<routing::FrameLink> OpenLink(
      const routing::Endpoint& endpoint,
      routing::FrameLinkEvents& events) override {
    return std::make_unique<WatchedLink>(observer_, address_, endpoint.address,
                                         inner_.OpenLink(endpoint, events));
  }

 private:
  Observer& observer_;
  const std::string address_;
  routing::Transport& inner_;
};

Observer::Observer(const routing::Clock& clock) : clock_(clock) {}
Observer::~Observer() = default;

void Observer::AddHost(const std::string& address, Role role, int number) {
  hosts_[address] = {role, number};
}

void Observer::AddAccount(absl::string_view id, absl::string_view signing_key) {
  // Both forms of the key, without the id's prefix.
  accounts_.push_back({std::string(id.substr(1)), std::string(signing_key)});
  AddMailbox(id);
}

void Observer::LinkAccounts(absl::string_view id, absl::string_view other) {
  const auto named = [&](absl::string_view account) {
    return std::find_if(accounts_.begin(), accounts_.end(),
                        [&](const std::set<std::string>& names) {
                          return names.contains(std::string(account.substr(1)));
                        });
  };
  const auto one = named(id);
  const auto two = named(other);
  if (one == accounts_.end() || two == accounts_.end() || one == two) return;
  one->merge(*two);
  accounts_.erase(two);
}

void Observer::AddMailbox(absl::string_view address) {
  mailboxes_.insert(std::string(address));
}

void Observer::AddText(absl::string_view text) {
  // A few bytes may turn up in any noise.
  if (text.size() < kShortestTelltale) return;
  // Long texts travel in parts; a piece from the start is in the first.
  texts_.insert(std::string(text.substr(0, 64)));
}

routing::Recorder& Observer::RecorderOf(const std::string& address) {
  std::unique_ptr<RelayRecorder>& recorder = recorders_[address];
  if (recorder == nullptr) {
    recorder = std::make_unique<RelayRecorder>(*this, address);
  }
  return *recorder;
}

std::unique_ptr<routing::Transport> Observer::Watch(const std::string& address,
                                                    routing::Transport& inner) {
  return std::make_unique<WatchedTransport>(*this, address, inner);
}

void Observer::Violation(absl::string_view what) {
  if (status_.ok()) {
    status_ = absl::InternalError(absl::StrCat(
        absl::FormatTime(clock_.Now(), absl::UTCTimeZone()), ": ", what));
  }
}

void Observer::OnObservation(const SimulatedNetwork::Observation& observation) {
  crypto::ByteWriter event;
  event.U64(static_cast<uint64_t>(absl::ToUnixNanos(clock_.Now())))
      .U8(static_cast<uint8_t>(observation.kind))
      .Var16(observation.from)
      .Var16(observation.to)
      .Var16(observation.method);
  trace_ = crypto::Blake2b256(
      "nm1-trace", {trace_.bytes(), event.Take(), observation.bytes});

  if (NamesText(observation.bytes)) {
    return Violation(absl::StrCat("a text was readable on its way from ",
                                  observation.from, " to ", observation.to));
  }
  for (const auto& [address, host] : hosts_) {
    if (host.role == Role::kClient && Contains(observation.bytes, address)) {
      return Violation(
          absl::StrCat("the address of a client was told to ", observation.to));
    }
  }
  if (observation.kind == Kind::kFrame) {
    CheckFrame(observation);
  } else {
    CheckCall(observation);
  }
}

void Observer::CheckFrame(const SimulatedNetwork::Observation& observation) {
  const Host& from = hosts_.find(observation.from)->second;
  const Host& to = hosts_.find(observation.to)->second;
  const auto takes_frames = [](const Host& host) {
    return host.role == Role::kRelay || host.role == Role::kClient;
  };
  if (!takes_frames(from) || !takes_frames(to) ||
      (from.role == Role::kClient && to.role == Role::kClient)) {
    return Violation(
        absl::StrCat("a link from ", observation.from, " to ", observation.to));
  }
  if (observation.bytes.size() != routing::kFrameBytes) {
    return Violation(absl::StrCat("a frame of ", observation.bytes.size(),
                                  " bytes from ", observation.from));
  }
  if (NamesMailbox(observation.bytes) || AccountsNamed(observation.bytes) > 0) {
    return Violation(absl::StrCat("a frame to ", observation.to,
                                  " names a mailbox or an account"));
  }
  if (from.role != Role::kClient) return;
  const absl::StatusOr<FrameHeader> header =
      routing::ParseFrameHeader(observation.bytes);
  if (!header.ok()) return Violation("a malformed frame of a client");
  if (header->type != FrameType::kSetup) return;
  auto circuit = std::make_shared<Circuit>();
  circuit->client = std::string(observation.from);
  circuit->hops = {std::string(observation.to)};
  circuit->members = members_known_to_(circuit->client);
  circuits_of_[circuit->client].push_back(circuit);
  circuits_[{std::string(observation.to), header->circuit_id}] =
      std::move(circuit);
}

bool Observer::MayCall(const Host& caller, const Host& callee,
                       absl::string_view method) const {
  const auto between = [&](Role from, Role to) {
    return caller.role == from && callee.role == to;
  };
  if (method == "/messenger.routing.v1.Endpoint/Handle") {
    return between(Role::kRelay, Role::kStorage) &&
           caller.number == callee.number;
  }
  if (method == "/messenger.swarm.v1.Peer/Replicate" ||
      method == "/messenger.swarm.v1.Peer/Reconcile" ||
      method == "/messenger.swarm.v1.Peer/Fetch") {
    return between(Role::kStorage, Role::kStorage);
  }
  if (method == "/messenger.routing.v1.Relay/Ping") {
    // Whoever has a link that has gone silent asks as well.
    return callee.role == Role::kRelay ||
           between(Role::kAuthority, Role::kStorage);
  }
  if (method == "/messenger.routing.v1.Directory/GetConsensus") {
    return between(Role::kClient, Role::kRelay) ||
           (callee.role == Role::kAuthority && caller.role != Role::kClient);
  }
  if (method == "/messenger.routing.v1.Directory/ReportStorage") {
    return between(Role::kStorage, Role::kAuthority);
  }
  if (absl::StartsWith(method, "/messenger.routing.v1.Directory/")) {
    return between(Role::kRelay, Role::kAuthority) ||
           between(Role::kAuthority, Role::kAuthority);
  }
  return false;
}

void Observer::CheckCall(const SimulatedNetwork::Observation& observation) {
  const bool request = observation.kind == Kind::kRequest;
  const Host& from = hosts_.find(observation.from)->second;
  const Host& to = hosts_.find(observation.to)->second;
  const Host& caller = request ? from : to;
  const Host& callee = request ? to : from;
  if (!MayCall(caller, callee, observation.method)) {
    return Violation(absl::StrCat(observation.from, " and ", observation.to,
                                  " spoke of ", observation.method));
  }
  if (callee.role == Role::kStorage) {
    // Members bring each other many items at once, of mailboxes that both of
    // them hold; whoever comes through a relay asks about one.
    if (caller.role != Role::kStorage && AccountsNamed(observation.bytes) > 1) {
      Violation(absl::StrCat("one request of ", observation.to,
                             " names two accounts"));
    }
    return;
  }
  if (NamesMailbox(observation.bytes) || AccountsNamed(observation.bytes) > 0) {
    Violation(absl::StrCat("a call to ", observation.to,
                           " names a mailbox or an account"));
  }
}

void Observer::OnRelaySends(const std::string& relay, const std::string& next,
                            absl::string_view frame) {
  const absl::StatusOr<FrameHeader> header = routing::ParseFrameHeader(frame);
  if (!header.ok()) return Violation("a relay sent a malformed frame");
  if (header->type != FrameType::kSetup) return;
  const auto found = circuits_.find({relay, current_[relay]});
  if (found == circuits_.end()) {
    return Violation(absl::StrCat(relay, " began a circuit of its own"));
  }
  std::shared_ptr<Circuit> circuit = found->second;
  circuit->hops.push_back(next);
  circuits_[{next, header->circuit_id}] = std::move(circuit);
}

void Observer::OnDelivered(const std::string& relay,
                           absl::string_view request) {
  const auto found = circuits_.find({relay, current_[relay]});
  if (found == circuits_.end()) {
    return Violation(absl::StrCat(relay, " delivered what nobody sent"));
  }
  Circuit& circuit = *found->second;
  if (circuit.delivered) {
    return Violation(absl::StrCat(relay, " delivered one request twice"));
  }
  circuit.delivered = true;
  ++requests_delivered_;
  const std::vector<std::string>& hops = circuit.hops;
  if (std::set<std::string>(hops.begin(), hops.end()).size() != hops.size()) {
    return Violation("a node was twice on one path");
  }
  if (hops.size() < kFewestNodesOfPath ||
      hops.size() != path_length_[circuit.client]) {
    return Violation(absl::StrCat("a path of ", hops.size(), " nodes"));
  }
  // Whoever stores a mailbox must not have seen any more of the path to it:
  // then the node that saw the client's address does not know the mailbox.
  bool known = false;
  for (const std::string& mailbox : mailboxes_) {
    if (!Contains(request, mailbox)) continue;
    known = true;
    for (const int member : circuit.members(mailbox)) {
      for (size_t i = 0; i + 1 < hops.size(); ++i) {
        if (hosts_.at(hops[i]).number == member) {
          return Violation("a relay of a path stores the mailbox asked for");
        }
      }
    }
  }
  if (!known) Violation("a request about an unknown mailbox");
}

std::vector<const Observer::Circuit*> Observer::CircuitsOf(
    absl::string_view client) const {
  std::vector<const Circuit*> circuits;
  const auto found = circuits_of_.find(client);
  if (found == circuits_of_.end()) return circuits;
  for (const std::shared_ptr<Circuit>& circuit : found->second) {
    circuits.push_back(circuit.get());
  }
  return circuits;
}

bool Observer::NamesText(absl::string_view bytes) const {
  return ContainsAny(bytes, texts_);
}

bool Observer::NamesMailbox(absl::string_view bytes) const {
  return ContainsAny(bytes, mailboxes_);
}

size_t Observer::AccountsNamed(absl::string_view bytes) const {
  return static_cast<size_t>(
      std::count_if(accounts_.begin(), accounts_.end(),
                    [&](const std::set<std::string>& names) {
                      return ContainsAny(bytes, names);
                    }));
}

}  // namespace messenger::simnet
