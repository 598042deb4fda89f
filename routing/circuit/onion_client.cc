#include "routing/circuit/onion_client.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/string_view.h"
#include "crypto/base/status_macros.h"
#include "routing/onion/circuit.h"
#include "routing/onion/frame.h"
#include "routing/onion/rpc_message.h"
#include "routing/onion/setup.h"

namespace messenger::routing {
namespace {

// A SETUP's expiry is spread over so many minutes, so that it does not tell
// the client's clock to the minute.
constexpr uint64_t kExpirySpreadMinutes = 3;

// A guard that has been silent for so long while requests wait for it is asked
// whether it is there, and given up if it does not answer in time.
constexpr absl::Duration kSilenceBeforeProbe = absl::Seconds(2);
constexpr absl::Duration kProbeTimeout = absl::Seconds(2);
constexpr char kPingMethod[] = "/messenger.routing.v1.Relay/Ping";

}  // namespace

struct OnionClient::Pending {
  ClientCircuit circuit;
  ReplyAssembler reply;
  RequestRoute route;
  TimerId timer;
  Done done;
};

class OnionClient::GuardLink final : public FrameLinkEvents {
 public:
  GuardLink(OnionClient& client, uint64_t number, const NodeRecord& guard)
      : number(number), guard(guard.id), endpoint(guard.link), client_(client) {
    frames = client.transport_.OpenLink(endpoint, *this);
  }

  void OnFrame(std::string frame) override {
    last_heard = client_.clock_.Now();
    const absl::StatusOr<FrameHeader> header = ParseFrameHeader(frame);
    if (!header.ok()) return frames->Close();  // OnClosed() follows
    if (!pending.contains(header->circuit_id)) return;
    if (header->type == FrameType::kCell) {
      client_.OnCell(*this, header->circuit_id,
                     FrameBody(absl::string_view(frame)));
    } else if (header->type == FrameType::kDestroy) {
      client_.Finish(*this, header->circuit_id,
                     absl::UnavailableError("a relay ended the circuit"));
    }
  }
  // Ends with the destruction of this object.
  void OnClosed(absl::Status) override { client_.OnLinkClosed(*this); }

  const uint64_t number;
  const NodeId guard;
  const Endpoint endpoint;
  std::unique_ptr<FrameLink> frames;
  absl::flat_hash_map<uint64_t, Pending> pending;
  // When a frame came, or the first request began to wait for one.
  absl::Time last_heard;
  TimerId watch = 0;
  bool probing = false;
  bool blameless = false;  // whose end says nothing against the guard

 private:
  OnionClient& client_;
};

OnionClient::OnionClient(Transport& transport, Executor& executor,
                         const Clock& clock, crypto::Random& random,
                         ConsensusHolder& directory, PathSelector& paths,
                         RoutingMode mode)
    : transport_(transport),
      executor_(executor),
      clock_(clock),
      random_(random),
      directory_(directory),
      paths_(paths),
      mode_(mode) {}

OnionClient::~OnionClient() {
  for (const auto& [number, link] : links_) {
    for (const auto& [id, pending] : link->pending) {
      executor_.Cancel(pending.timer);
    }
    executor_.Cancel(link->watch);
  }
}

size_t OnionClient::pending_requests() const {
  size_t sum = 0;
  for (const auto& [number, link] : links_) sum += link->pending.size();
  return sum;
}

void OnionClient::Send(Request request, Done done) {
  RequestRoute route;
  const absl::Status sent = Start(request, done, route);
  if (!sent.ok()) Tell(std::move(done), sent, std::move(route));
}

absl::Status OnionClient::Start(const Request& request, Done& done,
                                RequestRoute& route) {
  ASSIGN_OR_RETURN(const SplitRequest split,
                   EncodeRequest(request.bytes, request.reply_cells));
  const std::shared_ptr<const Consensus> consensus = directory_.current();
  const absl::Time now = clock_.Now();
  if (consensus == nullptr || consensus->valid_until() <= now) {
    return absl::UnavailableError("no current directory of the network yet");
  }
  ASSIGN_OR_RETURN(std::vector<NodeId> hops,
                   paths_.Choose(*consensus, mode_, request.destination,
                                 request.swarm, now));
  hops.push_back(request.destination);
  const OnionEpochs epochs = consensus->EpochsAt(now);
  ASSIGN_OR_RETURN(const std::vector<HopKeys> keys,
                   KeysOf(*consensus, hops, epochs));
  const uint32_t expiry_minute = static_cast<uint32_t>(
      absl::ToUnixSeconds(now) / 60 + random_.Uniform(kExpirySpreadMinutes));
  ASSIGN_OR_RETURN(BuiltSetup setup,
                   BuildSetup(keys, epochs, request.service, expiry_minute,
                              static_cast<uint8_t>(request.reply_cells),
                              split.setup_data, random_));
  std::vector<std::string> cells;
  for (const OpenedCell& cell : split.cells) {
    ASSIGN_OR_RETURN(std::string body,
                     setup.circuit.SealCell(cell.header, cell.data));
    cells.push_back(std::move(body));
  }

  GuardLink& link = LinkTo(*consensus->Find(hops.front()));
  uint64_t id = random_.U64();
  while (link.pending.contains(id)) id = random_.U64();
  link.frames->Send(
      EncodeFrame({.type = FrameType::kSetup, .circuit_id = id}, setup.body));
  for (const std::string& body : cells) {
    link.frames->Send(
        EncodeFrame({.type = FrameType::kCell, .circuit_id = id}, body));
  }
  if (link.pending.empty()) link.last_heard = now;
  Watch(link);
  route.hops = std::move(hops);
  const TimerId timer = executor_.RunAfter(
      request.timeout,
      [this, number = link.number, id] { OnTimeout(number, id); });
  link.pending.emplace(id, Pending{.circuit = std::move(setup.circuit),
                                   .reply = ReplyAssembler(request.reply_cells),
                                   .route = std::move(route),
                                   .timer = timer,
                                   .done = std::move(done)});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<HopKeys>> OnionClient::KeysOf(
    const Consensus& consensus, const std::vector<NodeId>& hops,
    OnionEpochs epochs) {
  std::vector<HopKeys> keys;
  for (const NodeId& hop : hops) {
    const std::optional<HopKeys> of_hop = consensus.KeysFor(hop, epochs);
    if (!of_hop.has_value()) {
      paths_.ReportFailure(hop, clock_.Now());
      return absl::UnavailableError(
          "a node has no current keys in the directory");
    }
    keys.push_back(*of_hop);
  }
  return keys;
}

OnionClient::GuardLink& OnionClient::LinkTo(const NodeRecord& guard) {
  const auto known = link_of_guard_.find(guard.id);
  if (known != link_of_guard_.end()) {
    GuardLink& link = *links_.at(known->second);
    if (link.endpoint == guard.link) return link;
    link.blameless = true;  // the guard moved
    link.frames->Close();   // OnClosed() follows
    link_of_guard_.erase(known);
  }
  auto link = std::make_unique<GuardLink>(*this, ++last_link_, guard);
  GuardLink& opened = *link;
  link_of_guard_[guard.id] = opened.number;
  links_.emplace(opened.number, std::move(link));
  return opened;
}

void OnionClient::OnCell(GuardLink& link, uint64_t id, absl::string_view body) {
  Pending& pending = link.pending.at(id);
  absl::StatusOr<ClientCircuit::Received> cell = pending.circuit.OpenCell(body);
  if (!cell.ok()) {
    return Abandon(link, id,
                   absl::UnavailableError("a reply was damaged on its way"));
  }
  if (cell->header.command == CellHeader::Command::kError) {
    const absl::StatusOr<absl::StatusCode> code = ParseErrorCell(cell->data);
    return OnHopError(link, id, cell->hop,
                      code.ok() ? *code : absl::StatusCode::kUnknown);
  }
  // Only the destination has anything else to say.
  if (cell->hop != pending.circuit.hops() - 1 ||
      !pending.reply
           .Add({.header = cell->header, .data = std::move(cell->data)})
           .ok()) {
    return Abandon(link, id, absl::UnavailableError("a reply makes no sense"));
  }
  if (!pending.reply.complete()) return;
  absl::StatusOr<RpcReply> reply = std::move(pending.reply).Take();
  if (!reply.ok()) {
    return Finish(link, id, absl::UnavailableError("a reply makes no sense"));
  }
  paths_.ReportSuccess(pending.route.hops);
  if (reply->code != absl::StatusCode::kOk) {
    return Finish(link, id, absl::Status(reply->code, reply->bytes));
  }
  Finish(link, id, std::move(reply->bytes));
}

void OnionClient::OnHopError(GuardLink& link, uint64_t id, int hop,
                             absl::StatusCode code) {
  const std::vector<NodeId>& hops = link.pending.at(id).route.hops;
  // UNAVAILABLE is a hop's word about its successor, anything else about
  // itself.
  const bool about_next = code == absl::StatusCode::kUnavailable &&
                          hop + 1 < static_cast<int>(hops.size());
  paths_.ReportFailure(hops[hop + (about_next ? 1 : 0)], clock_.Now());
  Abandon(link, id,
          absl::UnavailableError(about_next ? "a hop could not be reached"
                                            : "a hop refused the request"));
}

void OnionClient::OnTimeout(uint64_t number, uint64_t id) {
  const auto it = links_.find(number);
  if (it == links_.end() || !it->second->pending.contains(id)) return;
  Abandon(*it->second, id,
          absl::DeadlineExceededError("no reply in time; outcome unknown"));
}

void OnionClient::Watch(GuardLink& link) {
  if (link.watch != 0 || link.probing) return;
  const absl::Duration wait =
      link.last_heard + kSilenceBeforeProbe - clock_.Now();
  link.watch =
      executor_.RunAfter(std::max(wait, absl::Milliseconds(1)),
                         [this, number = link.number] { OnWatch(number); });
}

void OnionClient::OnWatch(uint64_t number) {
  const auto it = links_.find(number);
  if (it == links_.end()) return;
  GuardLink& link = *it->second;
  link.watch = 0;
  if (link.pending.empty()) return;
  if (clock_.Now() < link.last_heard + kSilenceBeforeProbe) return Watch(link);
  link.probing = true;
  transport_.Call(
      link.endpoint, kPingMethod, "", kProbeTimeout,
      [this, alive = std::weak_ptr(alive_),
       number](const absl::StatusOr<std::string>& answer) {
        if (alive.expired()) return;
        // Any word of its own will do.
        OnProbed(number, answer.ok() || absl::IsUnimplemented(answer.status()));
      });
}

void OnionClient::OnProbed(uint64_t number, bool there) {
  const auto it = links_.find(number);
  if (it == links_.end()) return;
  GuardLink& link = *it->second;
  link.probing = false;
  if (there) {
    link.last_heard = clock_.Now();
    if (!link.pending.empty()) Watch(link);
  } else {
    link.frames->Close();  // OnClosed() reports the guard
  }
}

void OnionClient::OnLinkClosed(GuardLink& link) {
  const auto it = links_.find(link.number);
  const std::unique_ptr<GuardLink> closed = std::move(it->second);
  links_.erase(it);
  executor_.Cancel(closed->watch);
  const auto current = link_of_guard_.find(closed->guard);
  if (current != link_of_guard_.end() && current->second == closed->number) {
    link_of_guard_.erase(current);
  }
  // A link that ends while nothing is under way is no fault of the guard.
  if (!closed->pending.empty() && !closed->blameless) {
    paths_.ReportFailure(closed->guard, clock_.Now());
  }
  std::vector<uint64_t> ids;
  for (const auto& [id, pending] : closed->pending) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  for (const uint64_t id : ids) {
    Finish(*closed, id, absl::UnavailableError("the first relay is gone"));
  }
}

void OnionClient::Finish(GuardLink& link, uint64_t id,
                         absl::StatusOr<std::string> result) {
  const auto it = link.pending.find(id);
  Pending pending = std::move(it->second);
  link.pending.erase(it);
  executor_.Cancel(pending.timer);
  Tell(std::move(pending.done), std::move(result), std::move(pending.route));
}

void OnionClient::Abandon(GuardLink& link, uint64_t id, absl::Status status) {
  // The hops up to the one that failed still remember the circuit.
  link.frames->Send(EncodeDestroy(id, random_));
  Finish(link, id, std::move(status));
}

void OnionClient::Tell(Done done, absl::StatusOr<std::string> result,
                       RequestRoute route) {
  executor_.Run([alive = std::weak_ptr(alive_), done = std::move(done),
                 result = std::move(result),
                 route = std::move(route)]() mutable {
    if (!alive.expired()) done(std::move(result), route);
  });
}

}  // namespace messenger::routing
