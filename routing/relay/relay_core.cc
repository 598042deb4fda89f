#include "routing/relay/relay_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/string_view.h"
#include "routing/directory/consensus.h"
#include "routing/onion/frame.h"
#include "routing/onion/geometry.h"

namespace messenger::routing {
namespace {

constexpr char kPingMethod[] = "/messenger.routing.v1.Relay/Ping";

}  // namespace

// One link, opened by a peer (inbound) or by us to a next hop.
class RelayCore::Link final : public FrameLinkEvents {
 public:
  Link(RelayCore& core, LinkNumber number, absl::Time now)
      : number(number), last_used(now), tokens_at(now), core_(core) {}

  void OnFrame(std::string frame) override {
    core_.OnFrame(*this, std::move(frame));
  }
  // Ends with the destruction of this object.
  void OnClosed(absl::Status) override { core_.OnLinkClosed(*this); }

  bool inbound() const { return !next.has_value(); }

  const LinkNumber number;
  std::unique_ptr<FrameLink> frames;
  // Inbound.
  Peer peer;
  bool relay = false;
  double tokens = 0;
  // Outbound.
  std::optional<NodeId> next;
  Endpoint endpoint;
  bool heard = false;  // at least one frame came back
  // When a frame came back, or the first circuit began to wait for one.
  absl::Time last_heard;
  absl::Time last_used;
  absl::Time tokens_at;

 private:
  RelayCore& core_;
};

RelayCore::RelayCore(const Options& options)
    : node_id_(options.node_id),
      transport_(options.transport),
      executor_(options.executor),
      clock_(options.clock),
      random_(options.random),
      keys_(options.keys),
      directory_(options.directory),
      replay_cache_(options.replay_cache),
      endpoint_(options.endpoint),
      limits_(options.limits),
      recorder_(options.recorder),
      circuits_(options.limits.max_circuits) {}

RelayCore::~RelayCore() { executor_.Cancel(sweep_timer_); }

FrameLinkEvents* RelayCore::OnLink(const Peer& peer,
                                   std::unique_ptr<FrameLink> link) {
  if (inbound_links_ >= limits_.max_inbound_links) return nullptr;
  ++inbound_links_;
  auto accepted = std::make_unique<Link>(*this, ++last_link_, clock_.Now());
  accepted->frames = std::move(link);
  accepted->peer = peer;
  accepted->relay = IsRelay(peer);
  accepted->tokens = limits_.client_setup_burst;
  Link* const events = accepted.get();
  links_.emplace(events->number, std::move(accepted));
  return events;
}

void RelayCore::OnFrame(Link& link, std::string frame) {
  const absl::StatusOr<FrameHeader> header = ParseFrameHeader(frame);
  if (!header.ok()) {
    // Connections are authenticated: this is the neighbour's own doing.
    ++counters_.dropped_malformed;
    return link.frames->Close();  // OnClosed() follows
  }
  link.heard = true;
  link.last_heard = clock_.Now();
  if (header->type == FrameType::kPad) return;
  if (header->type == FrameType::kSetup) {
    // Circuits go one way on a link: away from whoever opened it.
    if (!link.inbound()) {
      ++counters_.dropped_malformed;
      return;
    }
    return OnSetup(link, header->circuit_id, frame);
  }
  const CircuitEnd end{link.number, header->circuit_id};
  Circuit* const circuit = circuits_.Find(end);
  if (circuit == nullptr) {
    ++counters_.dropped_stray;
    return;
  }
  circuit->last_used = link.last_heard;
  link.last_used = link.last_heard;
  if (header->type == FrameType::kDestroy) {
    OnDestroy(*circuit, end);
  } else if (link.inbound()) {
    OnCellFromClient(*circuit, std::move(frame));
  } else {
    OnCellFromNext(*circuit, std::move(frame));
  }
}

void RelayCore::OnLinkClosed(Link& link) {
  const auto it = links_.find(link.number);
  const std::unique_ptr<Link> closed = std::move(it->second);
  links_.erase(it);
  if (closed->inbound()) {
    --inbound_links_;
  } else {
    Neighbour& neighbour = neighbours_[*closed->next];
    std::replace(neighbour.links.begin(), neighbour.links.end(), closed->number,
                 LinkNumber{0});
    if (!closed->heard) neighbour.failed_at = clock_.Now();
  }
  for (const uint64_t serial : circuits_.OnLink(closed->number)) {
    Circuit& circuit = *circuits_.FindSerial(serial);
    ++counters_.circuits_of_lost_links;
    if (!closed->inbound()) {
      SendError(circuit, absl::StatusCode::kUnavailable);
    } else if (circuit.onward_end.has_value()) {
      SendDestroy(*circuit.onward_end);
    }
    Forget(circuit);
  }
}

void RelayCore::OnSetup(Link& link, uint64_t id, const std::string& frame) {
  const CircuitEnd end{link.number, id};
  if (circuits_.Find(end) != nullptr) {
    ++counters_.dropped_malformed;
    return;
  }
  if (!TakeSetupToken(link)) {
    ++counters_.dropped_rate;
    return;
  }
  const absl::Time now = clock_.Now();
  const absl::string_view body = FrameBody(absl::string_view(frame));
  const absl::StatusOr<OnionEpochs> epochs = SetupEpochs(body);
  const HopSecrets* const secrets =
      epochs.ok() ? keys_.Find(*epochs, now) : nullptr;
  if (secrets == nullptr) {
    ++counters_.dropped_epoch;
    return;
  }
  absl::StatusOr<Peeled> peeled = PeelSetup(*secrets, body);
  if (!peeled.ok()) {
    ++counters_.dropped_refused;
    return;
  }
  const HopCommand& command = peeled->command;
  // From here on the tag is spent, whatever becomes of the SETUP.
  const absl::Status fresh =
      replay_cache_.Insert(peeled->replay_tag, command.expiry_minute, now);
  if (!fresh.ok()) {
    ++(absl::IsOutOfRange(fresh)      ? counters_.dropped_expiry
       : absl::IsAlreadyExists(fresh) ? counters_.dropped_replay
                                      : counters_.dropped_replay_log);
    return;
  }
  link.last_used = now;
  auto circuit = std::make_unique<Circuit>(std::move(peeled->circuit));
  circuit->client_end = end;
  circuit->replies_left = command.reply_budget;
  circuit->forward_left = limits_.max_forward_cells;
  circuit->opened = now;
  circuit->last_used = now;
  const absl::Duration delay = absl::Milliseconds(command.delay_ms);
  if (delay > limits_.max_delay) {
    return SendError(*circuit, absl::StatusCode::kInvalidArgument);
  }
  if (delay > absl::ZeroDuration()) circuit->held_until = now + delay;
  const size_t max_for_link = MaxCircuitsOf(link);
  if (command.type == HopCommand::Type::kForward) {
    StartForward(std::move(circuit), command, peeled->next_body, max_for_link);
  } else {
    StartDelivery(std::move(circuit), command, peeled->data, max_for_link);
  }
}

void RelayCore::StartForward(std::unique_ptr<Circuit> circuit,
                             const HopCommand& command,
                             const std::string& next_body,
                             size_t max_for_link) {
  if (recorder_ != nullptr) recorder_->Record("forward", command.next.bytes());
  Link* const next = LinkTo(command.next);
  if (next == nullptr) {
    return SendError(*circuit, absl::StatusCode::kUnavailable);
  }
  if (next->frames->queued_frames() >= limits_.busy_link_frames) {
    return SendError(*circuit, absl::StatusCode::kResourceExhausted);
  }
  if (circuits_.CountOnLink(next->number) == 0) {
    next->last_heard = std::max(circuit->held_until, clock_.Now());
  }
  CircuitEnd onward{next->number, random_.U64()};
  while (circuits_.Find(onward) != nullptr) onward.id = random_.U64();
  circuit->onward_end = onward;
  const absl::StatusOr<Circuit*> added = circuits_.Add(circuit, max_for_link);
  if (!added.ok()) {
    return SendError(*circuit, absl::StatusCode::kResourceExhausted);
  }
  ++counters_.setups_forwarded;
  ScheduleSweep();
  SendOnward(**added,
             EncodeFrame({.type = FrameType::kSetup, .circuit_id = onward.id},
                         next_body));
}

void RelayCore::StartDelivery(std::unique_ptr<Circuit> circuit,
                              const HopCommand& command,
                              const std::string& data, size_t max_for_link) {
  absl::StatusOr<EndpointSession> session = EndpointSession::Start(
      data, command.reply_budget, limits_.max_request_bytes);
  if (!session.ok()) {
    return SendError(*circuit, session.status().code());
  }
  circuit->session = std::make_unique<EndpointSession>(*std::move(session));
  circuit->service = command.service;
  const absl::StatusOr<Circuit*> added = circuits_.Add(circuit, max_for_link);
  if (!added.ok()) {
    return SendError(*circuit, absl::StatusCode::kResourceExhausted);
  }
  ++counters_.setups_delivered;
  gathered_bytes_ += (*added)->session->held_bytes();
  ScheduleSweep();
  if ((*added)->held_until > clock_.Now()) {
    const uint64_t serial = (*added)->serial;
    executor_.RunAfter((*added)->held_until - clock_.Now(),
                       [this, alive = std::weak_ptr(alive_), serial] {
                         if (!alive.expired()) ReleaseHeld(serial);
                       });
    return;
  }
  DispatchIfReady(**added);
}

bool RelayCore::TakeSetupToken(Link& link) {
  if (link.relay) return true;
  const absl::Time now = clock_.Now();
  const double seconds = absl::ToDoubleSeconds(now - link.tokens_at);
  link.tokens_at = now;
  link.tokens =
      std::clamp(link.tokens + seconds * limits_.client_setups_per_second, 0.0,
                 limits_.client_setup_burst);
  if (link.tokens >= 1) {
    link.tokens -= 1;
    return true;
  }
  // The directory may have learned of the peer since it connected.
  link.relay = IsRelay(link.peer);
  return link.relay;
}

size_t RelayCore::MaxCircuitsOf(Link& link) {
  if (!link.relay && circuits_.CountOnLink(link.number) >=
                         limits_.max_circuits_per_client_link) {
    link.relay = IsRelay(link.peer);
  }
  return link.relay ? limits_.max_circuits_per_relay_link
                    : limits_.max_circuits_per_client_link;
}

bool RelayCore::IsRelay(const Peer& peer) const {
  const auto consensus = directory_.current();
  if (!peer.tls_key.has_value() || consensus == nullptr) return false;
  return consensus->FindByTlsKey(*peer.tls_key) != nullptr;
}

void RelayCore::OnCellFromClient(Circuit& circuit, std::string frame) {
  if (--circuit.forward_left < 0) {
    ++counters_.dropped_over_budget;
    SendDestroy(circuit.client_end);
    if (circuit.onward_end.has_value()) SendDestroy(*circuit.onward_end);
    return Forget(circuit);
  }
  ++counters_.cells_forward;
  if (circuit.onward_end.has_value()) {
    circuit.layers.ForwardLayer(FrameBody(frame));
    WriteFrameHeader(
        {.type = FrameType::kCell, .circuit_id = circuit.onward_end->id},
        frame);
    return SendOnward(circuit, std::move(frame));
  }
  frame.erase(0, kFrameHeaderSize);
  const absl::StatusOr<OpenedCell> cell =
      circuit.layers.OpenForward(std::move(frame));
  if (!cell.ok()) {
    // Somebody on the way changed a byte. Saying so at once would help whoever
    // did it to find the other end of the circuit; the client's timeout, and
    // the DESTROY that follows it, clear up.
    ++counters_.dropped_unreadable;
    return Forget(circuit);
  }
  const size_t held_before = circuit.session->held_bytes();
  circuit.session->Add(*cell);
  gathered_bytes_ += circuit.session->held_bytes() - held_before;
  if (gathered_bytes_ > limits_.max_gathered_bytes &&
      circuit.session->held_bytes() > 0) {
    return Reply(circuit.serial,
                 absl::ResourceExhaustedError("node is short of memory"));
  }
  DispatchIfReady(circuit);
}

void RelayCore::OnCellFromNext(Circuit& circuit, std::string frame) {
  ++counters_.cells_backward;
  circuit.layers.BackwardLayer(FrameBody(frame));
  WriteFrameHeader(
      {.type = FrameType::kCell, .circuit_id = circuit.client_end.id}, frame);
  SendToClient(circuit, std::move(frame));
  // All hops count alike, so the circuit ends everywhere without a DESTROY.
  if (--circuit.replies_left == 0) Forget(circuit);
}

void RelayCore::OnDestroy(Circuit& circuit, const CircuitEnd& from) {
  ++counters_.circuits_destroyed;
  if (from == circuit.client_end) {
    if (circuit.onward_end.has_value()) SendDestroy(*circuit.onward_end);
  } else {
    SendDestroy(circuit.client_end);
  }
  Forget(circuit);
}

void RelayCore::DispatchIfReady(Circuit& circuit) {
  if (!circuit.session->ready() || circuit.held_until > clock_.Now()) return;
  gathered_bytes_ -= circuit.session->held_bytes();
  absl::StatusOr<std::string> request = circuit.session->TakeRequest();
  if (!request.ok()) return Reply(circuit.serial, request.status());
  if (endpoint_ == nullptr) {
    return Reply(circuit.serial, absl::UnimplementedError("no such service"));
  }
  if (recorder_ != nullptr) recorder_->Record("deliver", *request);
  endpoint_->Handle(
      circuit.service, *std::move(request),
      [this, alive = std::weak_ptr(alive_),
       serial = circuit.serial](const absl::StatusOr<std::string>& reply) {
        if (!alive.expired()) Reply(serial, reply);
      });
}

void RelayCore::Reply(uint64_t serial,
                      const absl::StatusOr<std::string>& reply) {
  Circuit* const circuit = circuits_.FindSerial(serial);
  if (circuit == nullptr) return;  // the client is gone
  ++counters_.replies_sealed;
  for (const std::string& body :
       circuit->session->SealReply(reply, circuit->layers)) {
    SendToClient(*circuit, EncodeFrame({.type = FrameType::kCell,
                                        .circuit_id = circuit->client_end.id},
                                       body));
  }
  Forget(*circuit);
}

void RelayCore::SendToClient(const Circuit& circuit, std::string frame) {
  Link* const link = FindLink(circuit.client_end.link);
  if (link == nullptr) return;  // closed; the circuit is about to be forgotten
  if (!link->relay &&
      link->frames->queued_frames() >= limits_.max_client_queue_frames) {
    ++counters_.clients_cut_off;
    link->frames->Close();
    return;
  }
  link->frames->Send(std::move(frame));
}

void RelayCore::SendOnward(Circuit& circuit, std::string frame) {
  const absl::Duration wait = circuit.held_until - clock_.Now();
  if (wait <= absl::ZeroDuration()) {
    Link* const link = FindLink(circuit.onward_end->link);
    if (link != nullptr) link->frames->Send(std::move(frame));
    return;
  }
  if (held_frames_ >= limits_.max_held_frames) {
    ++counters_.dropped_over_budget;
    SendError(circuit, absl::StatusCode::kResourceExhausted);
    SendDestroy(*circuit.onward_end);
    return Forget(circuit);
  }
  if (circuit.held.empty()) {
    executor_.RunAfter(
        wait, [this, alive = std::weak_ptr(alive_), serial = circuit.serial] {
          if (!alive.expired()) ReleaseHeld(serial);
        });
  }
  ++held_frames_;
  circuit.held.push_back(std::move(frame));
}

void RelayCore::ReleaseHeld(uint64_t serial) {
  Circuit* const circuit = circuits_.FindSerial(serial);
  if (circuit == nullptr) return;
  circuit->held_until = absl::InfinitePast();
  if (circuit->session != nullptr) return DispatchIfReady(*circuit);
  held_frames_ -= circuit->held.size();
  for (std::string& frame : std::exchange(circuit->held, {})) {
    SendOnward(*circuit, std::move(frame));
  }
}

void RelayCore::SendDestroy(const CircuitEnd& end) {
  Link* const link = FindLink(end.link);
  if (link != nullptr) link->frames->Send(EncodeDestroy(end.id, random_));
}

void RelayCore::SendError(Circuit& circuit, absl::StatusCode code) {
  ++counters_.errors_sent;
  SendToClient(circuit, EncodeFrame({.type = FrameType::kCell,
                                     .circuit_id = circuit.client_end.id},
                                    circuit.layers.SealError(code)));
}

RelayCore::Link* RelayCore::FindLink(LinkNumber number) const {
  const auto it = links_.find(number);
  return it == links_.end() ? nullptr : it->second.get();
}

RelayCore::Link* RelayCore::LinkTo(const NodeId& node) {
  const auto consensus = directory_.current();
  const NodeRecord* const record =
      consensus == nullptr ? nullptr : consensus->Find(node);
  if (record == nullptr || node == node_id_) return nullptr;
  Neighbour& neighbour = neighbours_[node];
  neighbour.links.resize(limits_.links_per_neighbour);
  LinkNumber& slot = neighbour.links[neighbour.turn++ % neighbour.links.size()];
  const absl::Time now = clock_.Now();
  if (neighbour.silent) return nullptr;
  Link* const pooled = FindLink(slot);
  // A neighbour that moved gets a new link; the old one ends when it is idle.
  if (pooled != nullptr && pooled->endpoint == record->link) {
    pooled->last_used = now;
    return pooled;
  }
  if (now < neighbour.failed_at + limits_.reconnect_pause) return nullptr;
  auto link = std::make_unique<Link>(*this, ++last_link_, now);
  link->next = node;
  link->endpoint = record->link;
  link->frames = transport_.OpenLink(record->link, *link);
  slot = link->number;
  Link* const opened = link.get();
  links_.emplace(opened->number, std::move(link));
  ScheduleSweep();
  return opened;
}

void RelayCore::Probe(const NodeId& node, const Endpoint& endpoint) {
  Neighbour& neighbour = neighbours_[node];
  if (neighbour.probing) return;
  neighbour.probing = true;
  transport_.Call(
      endpoint, kPingMethod, "", limits_.probe_timeout,
      [this, alive = std::weak_ptr(alive_),
       node](const absl::StatusOr<std::string>& answer) {
        if (alive.expired()) return;
        // Any word of its own will do.
        OnProbed(node, answer.ok() || absl::IsUnimplemented(answer.status()));
      });
}

void RelayCore::OnProbed(const NodeId& node, bool there) {
  const auto it = neighbours_.find(node);
  if (it == neighbours_.end()) return;
  Neighbour& neighbour = it->second;
  neighbour.probing = false;
  if (!there && !neighbour.silent) ++counters_.neighbours_given_up;
  neighbour.silent = !there;
  for (const auto& [number, link] : links_) {
    if (link->next != node) continue;
    if (there) {
      link->last_heard = clock_.Now();
    } else {
      link->frames->Close();  // OnClosed() tells the circuits' clients
    }
  }
}

void RelayCore::Forget(Circuit& circuit) {
  held_frames_ -= circuit.held.size();
  if (circuit.session != nullptr) {
    gathered_bytes_ -= circuit.session->held_bytes();
  }
  circuits_.Remove(circuit);
}

void RelayCore::ScheduleSweep() {
  if (sweep_timer_ != 0) return;
  sweep_timer_ = executor_.RunAfter(limits_.sweep_interval, [this] {
    sweep_timer_ = 0;
    Sweep();
  });
}

void RelayCore::Sweep() {
  const absl::Time now = clock_.Now();
  for (const uint64_t serial : circuits_.Stale(
           now - limits_.circuit_idle_timeout, now - limits_.circuit_life)) {
    Circuit& circuit = *circuits_.FindSerial(serial);
    ++counters_.circuits_expired;
    SendDestroy(circuit.client_end);
    if (circuit.onward_end.has_value()) SendDestroy(*circuit.onward_end);
    Forget(circuit);
  }
  bool outbound = false;
  for (const auto& [number, link] : links_) {
    if (link->inbound()) continue;
    outbound = true;
    if (circuits_.CountOnLink(number) > 0) {
      if (link->last_heard + limits_.silence_before_probe <= now) {
        Probe(*link->next, link->endpoint);
      }
    } else if (link->last_used + limits_.link_idle_timeout <= now) {
      link->frames->Close();  // OnClosed() follows
    }
  }
  const auto consensus = directory_.current();
  std::vector<NodeId> silent;
  absl::erase_if(neighbours_, [&](auto& entry) {
    const auto& [node, neighbour] = entry;
    if (neighbour.probing) return false;
    if (neighbour.silent && consensus->Find(node) != nullptr) {
      silent.push_back(node);
      return false;
    }
    return neighbour.failed_at + limits_.reconnect_pause <= now &&
           std::all_of(neighbour.links.begin(), neighbour.links.end(),
                       [](LinkNumber number) { return number == 0; });
  });
  // `neighbours_` has another order in each run.
  std::sort(silent.begin(), silent.end());
  for (const NodeId& node : silent) Probe(node, consensus->Find(node)->link);
  if (outbound || circuits_.size() > 0 || !neighbours_.empty()) {
    ScheduleSweep();
  }
}

}  // namespace messenger::routing
