#include "routing/runtime/testing/simulated_network.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace messenger::routing {
namespace {

using Kind = SimulatedNetwork::Observation::Kind;

constexpr absl::Duration kDefaultMinDelay = absl::Milliseconds(1);
constexpr absl::Duration kDefaultMeanDelay = absl::Milliseconds(20);

absl::Status Unreachable() {
  return absl::UnavailableError("peer is unreachable");
}

}  // namespace

// Everything, shared with whatever outlives the network: links still held by
// their owners, replies not yet given. Those see `alive` and do nothing.
class SimulatedNetwork::Core : public std::enable_shared_from_this<Core> {
 public:
  class SimulatedHost;
  class Link;
  struct LinkPair;

  Core(crypto::Random& random, SimulatedExecutor& executor)
      : random_(random), executor_(executor) {}

  void ShutDown();
  SimulatedHost& AddHost(std::string address, std::optional<TlsKey> tls_key);
  void Crash(SimulatedHost& host);
  void Restart(SimulatedHost& host);
  void Partition(const std::set<std::string>& addresses);
  void BreakLinks(SimulatedHost& a, SimulatedHost& b);

  void Call(SimulatedHost& from, const Endpoint& endpoint,
            absl::string_view method, std::string request,
            absl::Duration timeout, Transport::CallDone done);
  std::unique_ptr<FrameLink> OpenLink(SimulatedHost& from,
                                      const Endpoint& endpoint,
                                      FrameLinkEvents& events);
  void SendFrame(const std::shared_ptr<LinkPair>& pair, int side,
                 std::string frame);
  // Both ends learn of it: `side` at once (a task of its own), the other one
  // after a delay.
  void CloseLink(const std::shared_ptr<LinkPair>& pair, int side,
                 absl::Status here, absl::Status there);

  absl::Duration DrawDelay();
  // The same for a call, which may have to wait for the end of a clog.
  absl::Duration DrawDelay(const SimulatedHost& from, const SimulatedHost& to);
  // In this direction.
  bool Reaches(const SimulatedHost& from, const SimulatedHost& to) const;
  // In both.
  bool Reachable(const SimulatedHost& a, const SimulatedHost& b) const {
    return Reaches(a, b) && Reaches(b, a);
  }
  void BreakUnreachableLinks();
  void Resume(SimulatedHost& host);
  SimulatedHost* Find(const Endpoint& endpoint);
  void Observe(Kind kind, absl::string_view from, absl::string_view to,
               absl::string_view method, absl::string_view bytes) {
    if (wiretap_) wiretap_({kind, from, to, method, bytes});
  }
  // After `delay`, if the network still is.
  void After(absl::Duration delay, Task task);

  crypto::Random& random_;
  SimulatedExecutor& executor_;
  bool alive_ = true;
  std::map<std::string, std::unique_ptr<SimulatedHost>> hosts_;
  std::vector<std::weak_ptr<LinkPair>> links_;
  std::set<std::string> island_;
  struct OneWay {
    std::set<std::string> from;
    std::set<std::string> to;
  };
  std::vector<OneWay> blocked_;
  std::map<std::pair<std::string, std::string>, absl::Time> clogged_until_;
  absl::Duration min_delay_ = kDefaultMinDelay;
  absl::Duration mean_delay_ = kDefaultMeanDelay;
  double loss_ = 0;
  double duplication_ = 0;
  Wiretap wiretap_;
  uint64_t frames_delivered_ = 0;
  uint64_t calls_made_ = 0;

 private:
  struct PendingCall;
  void Finish(const std::shared_ptr<PendingCall>& call,
              absl::StatusOr<std::string> result);
  void Arrive(std::shared_ptr<PendingCall> call, SimulatedHost& to,
              uint64_t to_life, bool lose_reply, std::string request);
  void SendReply(std::shared_ptr<PendingCall> call, SimulatedHost& to,
                 uint64_t to_life, bool lose_reply,
                 absl::StatusOr<std::string> reply);
  void ConnectLink(const std::shared_ptr<LinkPair>& pair,
                   const Endpoint& endpoint);
  void ForgetDeadLinks();
};

class SimulatedNetwork::Core::SimulatedHost final : public Host,
                                                    public Transport,
                                                    public Server {
 public:
  SimulatedHost(Core& core, std::string address, std::optional<TlsKey> tls_key)
      : core_(core),
        endpoint_{std::move(address), tls_key.value_or(TlsKey())},
        peer_{tls_key} {}

  Transport& transport() override { return *this; }
  Server& server() override { return *this; }
  const Endpoint& endpoint() const override { return endpoint_; }
  bool crashed() const override { return crashed_; }
  void set_recorder(Recorder* recorder) override { recorder_ = recorder; }

  void Call(const Endpoint& endpoint, absl::string_view method,
            std::string request, absl::Duration timeout,
            CallDone done) override {
    core_.Call(*this, endpoint, method, std::move(request), timeout,
               std::move(done));
  }
  std::unique_ptr<FrameLink> OpenLink(const Endpoint& endpoint,
                                      FrameLinkEvents& events) override {
    return core_.OpenLink(*this, endpoint, events);
  }
  void HandleMethod(std::string method, MethodLimits limits,
                    RpcHandler handler) override {
    methods_[std::move(method)] = {limits, std::move(handler)};
  }
  void HandleLinks(LinkAcceptor& acceptor) override { acceptor_ = &acceptor; }

  void Record(absl::string_view what, absl::string_view bytes) {
    if (recorder_ != nullptr) recorder_->Record(what, bytes);
  }

  struct Method {
    MethodLimits limits;
    RpcHandler handler;
    int running = 0;
  };

  Core& core_;
  const Endpoint endpoint_;
  const Peer peer_;  // what this host is to others
  Recorder* recorder_ = nullptr;
  bool crashed_ = false;
  bool paused_ = false;
  std::vector<Task> held_;  // while paused
  // Which process at this address: callbacks of an earlier one are dropped.
  uint64_t life_ = 0;
  std::map<std::string, Method, std::less<>> methods_;
  LinkAcceptor* acceptor_ = nullptr;
};

// Both ends of a link. Side 0 opened it, side 1 accepted it.
struct SimulatedNetwork::Core::LinkPair {
  SimulatedHost* hosts[2] = {nullptr, nullptr};     // [1] null: nobody there
  FrameLinkEvents* events[2] = {nullptr, nullptr};  // null: no more events
  size_t queued[2] = {0, 0};                        // not yet at the peer
  absl::Time last_arrival[2] = {absl::InfinitePast(), absl::InfinitePast()};
  std::vector<std::string> early;  // frames of side 0 before the connection
  bool connected = false;
  bool open = true;
  bool severed = false;  // by a partition: nothing gets through any more
};

class SimulatedNetwork::Core::Link final : public FrameLink {
 public:
  Link(std::shared_ptr<Core> core, std::shared_ptr<LinkPair> pair, int side)
      : core_(std::move(core)), pair_(std::move(pair)), side_(side) {}

  ~Link() override {
    pair_->events[side_] = nullptr;
    core_->CloseLink(pair_, side_, absl::OkStatus(),
                     absl::UnavailableError("peer closed the link"));
  }

  void Send(std::string frame) override {
    core_->SendFrame(pair_, side_, std::move(frame));
  }
  size_t queued_frames() const override { return pair_->queued[side_]; }
  void Close() override {
    core_->CloseLink(pair_, side_, absl::CancelledError("link closed here"),
                     absl::UnavailableError("peer closed the link"));
  }

 private:
  const std::shared_ptr<Core> core_;
  const std::shared_ptr<LinkPair> pair_;
  const int side_;
};

struct SimulatedNetwork::Core::PendingCall {
  SimulatedHost* from;
  uint64_t from_life;
  std::string to;
  std::string method;
  Transport::CallDone done;
  TimerId deadline = 0;
  bool finished = false;
};

void SimulatedNetwork::Core::ShutDown() {
  alive_ = false;
  for (const std::weak_ptr<LinkPair>& weak : links_) {
    if (const auto pair = weak.lock()) {
      pair->open = false;
      pair->events[0] = pair->events[1] = nullptr;
    }
  }
  hosts_.clear();
}

void SimulatedNetwork::Core::After(absl::Duration delay, Task task) {
  executor_.RunAfter(
      delay, [core = shared_from_this(), task = std::move(task)]() mutable {
        if (core->alive_) task();
      });
}

SimulatedNetwork::Core::SimulatedHost& SimulatedNetwork::Core::AddHost(
    std::string address, std::optional<TlsKey> tls_key) {
  auto host = std::make_unique<SimulatedHost>(*this, address, tls_key);
  SimulatedHost& result = *host;
  hosts_[std::move(address)] = std::move(host);
  return result;
}

absl::Duration SimulatedNetwork::Core::DrawDelay() {
  if (mean_delay_ <= min_delay_) return min_delay_;
  // Exponential above the minimum: mostly short, sometimes long.
  const double u = random_.UnitDouble();
  return min_delay_ + (mean_delay_ - min_delay_) * -std::log(1 - u);
}

absl::Duration SimulatedNetwork::Core::DrawDelay(const SimulatedHost& from,
                                                 const SimulatedHost& to) {
  const absl::Duration delay = DrawDelay();
  if (clogged_until_.empty()) return delay;
  const auto clog =
      clogged_until_.find({from.endpoint_.address, to.endpoint_.address});
  if (clog == clogged_until_.end()) return delay;
  return std::max(delay, clog->second - executor_.clock().Now());
}

bool SimulatedNetwork::Core::Reaches(const SimulatedHost& from,
                                     const SimulatedHost& to) const {
  if ((island_.count(from.endpoint_.address) > 0) !=
      (island_.count(to.endpoint_.address) > 0)) {
    return false;
  }
  for (const OneWay& way : blocked_) {
    if (way.from.count(from.endpoint_.address) > 0 &&
        way.to.count(to.endpoint_.address) > 0) {
      return false;
    }
  }
  return true;
}

SimulatedNetwork::Core::SimulatedHost* SimulatedNetwork::Core::Find(
    const Endpoint& endpoint) {
  const auto host = hosts_.find(endpoint.address);
  return host == hosts_.end() ? nullptr : host->second.get();
}

void SimulatedNetwork::Core::Call(SimulatedHost& from, const Endpoint& endpoint,
                                  absl::string_view method, std::string request,
                                  absl::Duration timeout,
                                  Transport::CallDone done) {
  if (from.crashed_) return;
  ++calls_made_;
  auto call = std::make_shared<PendingCall>();
  call->from = &from;
  call->from_life = from.life_;
  call->to = endpoint.address;
  call->method = std::string(method);
  call->done = std::move(done);

  const auto finish = [this, call](absl::StatusOr<std::string> result) {
    Finish(call, std::move(result));
  };
  call->deadline = executor_.RunAfter(
      std::min(timeout, kMaxCallTimeout), [core = shared_from_this(), finish] {
        if (core->alive_) {
          finish(absl::DeadlineExceededError("no reply in time"));
        }
      });

  // All chances are drawn here, so that a run depends on the order of calls
  // alone.
  SimulatedHost* const to = Find(endpoint);
  const absl::Duration delay =
      to == nullptr ? DrawDelay() : DrawDelay(from, *to);
  const bool lost = loss_ > 0 && random_.UnitDouble() < loss_;
  const bool lose_request = lost && random_.UnitDouble() < 0.5;
  const bool twice =
      to != nullptr && duplication_ > 0 && random_.UnitDouble() < duplication_;
  const absl::Duration second_delay =
      twice ? DrawDelay(from, *to) : absl::ZeroDuration();
  if (to == nullptr || to->crashed_ || !to->peer_.tls_key.has_value() ||
      lose_request) {
    After(delay, [finish] { finish(Unreachable()); });
    return;
  }
  if (!Reaches(from, *to)) return;  // the deadline will tell
  if (to->endpoint_.tls_key != endpoint.tls_key) {
    After(delay, [finish] {
      finish(absl::UnavailableError("peer is not who the directory says"));
    });
    return;
  }
  Observe(Kind::kRequest, from.endpoint_.address, endpoint.address, method,
          request);
  if (twice) {
    After(second_delay, [this, call, to, to_life = to->life_, lost, request] {
      Arrive(call, *to, to_life, lost, request);
    });
  }
  After(delay, [this, call, to, to_life = to->life_, lost,
                request = std::move(request)]() mutable {
    Arrive(std::move(call), *to, to_life, lost, std::move(request));
  });
}

void SimulatedNetwork::Core::Finish(const std::shared_ptr<PendingCall>& call,
                                    absl::StatusOr<std::string> result) {
  if (call->finished) return;
  SimulatedHost& from = *call->from;
  if (from.life_ != call->from_life) {
    call->finished = true;
    executor_.Cancel(call->deadline);
    call->done = nullptr;
    return;
  }
  if (from.paused_) {
    from.held_.push_back([this, call, result = std::move(result)]() mutable {
      Finish(call, std::move(result));
    });
    return;
  }
  call->finished = true;
  executor_.Cancel(call->deadline);
  if (result.ok()) from.Record("rpc-reply-in", *result);
  Transport::CallDone done = std::move(call->done);
  done(std::move(result));
}

void SimulatedNetwork::Core::Arrive(std::shared_ptr<PendingCall> call,
                                    SimulatedHost& to, uint64_t to_life,
                                    bool lose_reply, std::string request) {
  if (to.life_ != to_life || !Reaches(*call->from, to)) return;
  if (to.paused_) {
    to.held_.push_back([this, call = std::move(call), &to, to_life, lose_reply,
                        request = std::move(request)]() mutable {
      Arrive(std::move(call), to, to_life, lose_reply, std::move(request));
    });
    return;
  }
  const auto found = to.methods_.find(call->method);
  absl::Status refusal;
  if (found == to.methods_.end()) {
    refusal = absl::UnimplementedError("no such method");
  } else if (request.size() > found->second.limits.max_request_bytes) {
    refusal = absl::ResourceExhaustedError("request is too large");
  } else if (found->second.running >= found->second.limits.max_concurrent) {
    refusal = absl::ResourceExhaustedError("too many calls at once");
  }
  if (!refusal.ok()) {
    SendReply(std::move(call), to, to_life, lose_reply, std::move(refusal));
    return;
  }
  SimulatedHost::Method& method = found->second;
  ++method.running;
  to.Record("peer-address", call->from->endpoint_.address);
  to.Record("rpc-in", request);

  // Answers when called, or, with INTERNAL, when dropped.
  struct ReplyOnce {
    std::shared_ptr<Core> core;
    std::shared_ptr<PendingCall> call;
    SimulatedHost* to;
    uint64_t to_life;
    bool lose_reply;
    bool given = false;
    void Give(absl::StatusOr<std::string> reply) {
      if (given) return;
      given = true;
      if (!core->alive_ || to->life_ != to_life) return;
      const auto method = to->methods_.find(call->method);
      if (method != to->methods_.end()) --method->second.running;
      core->SendReply(call, *to, to_life, lose_reply, std::move(reply));
    }
    ~ReplyOnce() { Give(absl::InternalError("no reply")); }
  };
  auto once = std::make_shared<ReplyOnce>();
  once->core = shared_from_this();
  once->call = std::move(call);
  once->to = &to;
  once->to_life = to_life;
  once->lose_reply = lose_reply;
  const RpcHandler handler = method.handler;
  handler(once->call->from->peer_, std::move(request),
          [once](absl::StatusOr<std::string> reply) {
            once->Give(std::move(reply));
          });
}

void SimulatedNetwork::Core::SendReply(std::shared_ptr<PendingCall> call,
                                       SimulatedHost& to, uint64_t to_life,
                                       bool lose_reply,
                                       absl::StatusOr<std::string> reply) {
  const absl::Duration delay = DrawDelay(to, *call->from);
  if (lose_reply || !Reaches(to, *call->from)) return;
  if (reply.ok()) {
    Observe(Kind::kReply, to.endpoint_.address, call->from->endpoint_.address,
            call->method, *reply);
  }
  After(delay, [this, call = std::move(call), host = &to, to_life,
                reply = std::move(reply)]() mutable {
    // A process that died meanwhile took its connections along.
    if (host->life_ != to_life || !Reaches(*host, *call->from)) return;
    Finish(call, std::move(reply));
  });
}

std::unique_ptr<FrameLink> SimulatedNetwork::Core::OpenLink(
    SimulatedHost& from, const Endpoint& endpoint, FrameLinkEvents& events) {
  auto pair = std::make_shared<LinkPair>();
  pair->hosts[0] = &from;
  pair->events[0] = &events;
  pair->open = !from.crashed_;
  ForgetDeadLinks();
  links_.push_back(pair);
  After(DrawDelay(), [this, pair, endpoint] { ConnectLink(pair, endpoint); });
  return std::make_unique<Link>(shared_from_this(), std::move(pair),
                                /*side=*/0);
}

void SimulatedNetwork::Core::ForgetDeadLinks() {
  // Rarely, so that the cost per link stays constant.
  if (links_.size() < 64 || (links_.size() & (links_.size() - 1)) != 0) return;
  links_.erase(std::remove_if(links_.begin(), links_.end(),
                              [](const std::weak_ptr<LinkPair>& weak) {
                                const auto pair = weak.lock();
                                return pair == nullptr || !pair->open;
                              }),
               links_.end());
}

void SimulatedNetwork::Core::ConnectLink(const std::shared_ptr<LinkPair>& pair,
                                         const Endpoint& endpoint) {
  if (!pair->open) return;
  SimulatedHost* const to = Find(endpoint);
  if (to == nullptr || to->crashed_ || !to->peer_.tls_key.has_value()) {
    CloseLink(pair, 0, Unreachable(), {});
    return;
  }
  if (!Reachable(*pair->hosts[0], *to)) {
    After(kPartitionNotice,
          [this, pair] { CloseLink(pair, 0, Unreachable(), {}); });
    return;
  }
  if (to->endpoint_.tls_key != endpoint.tls_key) {
    CloseLink(pair, 0,
              absl::UnavailableError("peer is not who the directory says"), {});
    return;
  }
  if (to->acceptor_ == nullptr) {
    CloseLink(pair, 0, absl::UnimplementedError("takes no links"), {});
    return;
  }
  pair->hosts[1] = to;
  pair->connected = true;
  to->Record("peer-address", pair->hosts[0]->endpoint_.address);
  FrameLinkEvents* const events = to->acceptor_->OnLink(
      pair->hosts[0]->peer_,
      std::make_unique<Link>(shared_from_this(), pair, /*side=*/1));
  if (events == nullptr) {
    // The refused link is gone by now, and with it the connection.
    pair->open = true;
    CloseLink(pair, 0, absl::PermissionDeniedError("link refused"), {});
    return;
  }
  if (!pair->open) return;
  pair->events[1] = events;
  std::vector<std::string> early = std::move(pair->early);
  pair->queued[0] -= early.size();
  for (std::string& frame : early) SendFrame(pair, 0, std::move(frame));
}

void SimulatedNetwork::Core::SendFrame(const std::shared_ptr<LinkPair>& pair,
                                       int side, std::string frame) {
  if (!alive_ || !pair->open) return;
  if (frame.size() != kFrameBytes) {
    const absl::Status status =
        absl::InvalidArgumentError("frame of a wrong length");
    CloseLink(pair, side, status, status);
    return;
  }
  if (pair->queued[side] >= kMaxQueuedFrames) {
    CloseLink(pair, side, absl::ResourceExhaustedError("too many frames"),
              absl::UnavailableError("peer closed the link"));
    return;
  }
  ++pair->queued[side];
  if (!pair->connected) {
    pair->early.push_back(std::move(frame));
    return;
  }
  SimulatedHost* const from = pair->hosts[side];
  SimulatedHost* const to = pair->hosts[1 - side];
  Observe(Kind::kFrame, from->endpoint_.address, to->endpoint_.address, {},
          frame);
  // First in, first out: no frame overtakes the one before.
  const absl::Time arrival =
      std::max(pair->last_arrival[side], executor_.clock().Now() + DrawDelay());
  pair->last_arrival[side] = arrival;
  After(arrival - executor_.clock().Now(),
        [this, pair, side, frame = std::move(frame)]() mutable {
          --pair->queued[side];
          FrameLinkEvents* const events = pair->events[1 - side];
          if (!pair->open || events == nullptr) return;
          if (pair->severed) return;
          ++frames_delivered_;
          pair->hosts[1 - side]->Record("frame-in", frame);
          events->OnFrame(std::move(frame));
        });
}

void SimulatedNetwork::Core::CloseLink(const std::shared_ptr<LinkPair>& pair,
                                       int side, absl::Status here,
                                       absl::Status there) {
  if (!alive_ || !pair->open) return;
  pair->open = false;
  pair->early.clear();
  const auto tell = [this, pair](int whom, absl::Duration delay,
                                 absl::Status status) {
    After(delay, [pair, whom, status = std::move(status)] {
      FrameLinkEvents* const events =
          std::exchange(pair->events[whom], nullptr);
      if (events != nullptr) events->OnClosed(status);
    });
  };
  tell(side, absl::ZeroDuration(), std::move(here));
  // Not before the frames that are on their way, which were given up.
  tell(1 - side, DrawDelay(), std::move(there));
}

void SimulatedNetwork::Core::Crash(SimulatedHost& host) {
  if (host.crashed_) return;
  host.crashed_ = true;
  ++host.life_;
  host.paused_ = false;
  host.held_.clear();
  host.methods_.clear();
  host.acceptor_ = nullptr;
  for (const std::weak_ptr<LinkPair>& weak : links_) {
    const auto pair = weak.lock();
    if (pair == nullptr) continue;
    for (int side = 0; side < 2; ++side) {
      if (pair->hosts[side] != &host) continue;
      pair->events[side] = nullptr;
      CloseLink(pair, side, {}, absl::UnavailableError("peer is gone"));
    }
  }
}

void SimulatedNetwork::Core::Restart(SimulatedHost& host) {
  Crash(host);
  host.crashed_ = false;
}

void SimulatedNetwork::Core::Resume(SimulatedHost& host) {
  host.paused_ = false;
  // In a task each, for any of them may end this process or pause it again.
  for (Task& held : std::exchange(host.held_, {})) {
    After(absl::ZeroDuration(), std::move(held));
  }
}

void SimulatedNetwork::Core::Partition(const std::set<std::string>& island) {
  island_ = island;
  BreakUnreachableLinks();
}

void SimulatedNetwork::Core::BreakUnreachableLinks() {
  for (const std::weak_ptr<LinkPair>& weak : links_) {
    const auto pair = weak.lock();
    if (pair == nullptr || !pair->connected) continue;
    if (Reachable(*pair->hosts[0], *pair->hosts[1])) continue;
    // Frames lost from here on would leave a gap, so it breaks even if healed.
    pair->severed = true;
    After(kPartitionNotice,
          [this, pair] { CloseLink(pair, 0, Unreachable(), Unreachable()); });
  }
}

void SimulatedNetwork::Core::BreakLinks(SimulatedHost& a, SimulatedHost& b) {
  for (const std::weak_ptr<LinkPair>& weak : links_) {
    const auto pair = weak.lock();
    if (pair == nullptr) continue;
    if ((pair->hosts[0] == &a && pair->hosts[1] == &b) ||
        (pair->hosts[0] == &b && pair->hosts[1] == &a)) {
      CloseLink(pair, 0, Unreachable(), Unreachable());
    }
  }
}

SimulatedNetwork::SimulatedNetwork(crypto::Random& random,
                                   SimulatedExecutor& executor)
    : core_(std::make_shared<Core>(random, executor)) {}

SimulatedNetwork::~SimulatedNetwork() { core_->ShutDown(); }

SimulatedNetwork::Host& SimulatedNetwork::AddHost(
    std::string address, std::optional<TlsKey> tls_key) {
  return core_->AddHost(std::move(address), tls_key);
}

void SimulatedNetwork::SetDelay(absl::Duration min, absl::Duration mean) {
  core_->min_delay_ = min;
  core_->mean_delay_ = mean;
}

void SimulatedNetwork::SetLoss(double probability) {
  core_->loss_ = probability;
}

void SimulatedNetwork::Partition(const std::set<std::string>& addresses) {
  core_->Partition(addresses);
}

void SimulatedNetwork::Heal() {
  core_->blocked_.clear();
  core_->Partition({});
}

void SimulatedNetwork::SetDuplication(double probability) {
  core_->duplication_ = probability;
}

void SimulatedNetwork::Clog(const std::string& from, const std::string& to,
                            absl::Duration span) {
  absl::Time& until = core_->clogged_until_[{from, to}];
  until = std::max(until, core_->executor_.clock().Now() + span);
}

void SimulatedNetwork::Block(const std::set<std::string>& from,
                             const std::set<std::string>& to) {
  core_->blocked_.push_back({from, to});
  core_->BreakUnreachableLinks();
}

void SimulatedNetwork::Pause(Host& host) {
  auto& paused = static_cast<Core::SimulatedHost&>(host);
  paused.paused_ = !paused.crashed_;
}

void SimulatedNetwork::Resume(Host& host) {
  core_->Resume(static_cast<Core::SimulatedHost&>(host));
}

void SimulatedNetwork::Crash(Host& host) {
  core_->Crash(static_cast<Core::SimulatedHost&>(host));
}

void SimulatedNetwork::Restart(Host& host) {
  core_->Restart(static_cast<Core::SimulatedHost&>(host));
}

void SimulatedNetwork::BreakLinks(Host& a, Host& b) {
  core_->BreakLinks(static_cast<Core::SimulatedHost&>(a),
                    static_cast<Core::SimulatedHost&>(b));
}

void SimulatedNetwork::set_wiretap(Wiretap wiretap) {
  core_->wiretap_ = std::move(wiretap);
}

uint64_t SimulatedNetwork::frames_delivered() const {
  return core_->frames_delivered_;
}

uint64_t SimulatedNetwork::calls_made() const { return core_->calls_made_; }

}  // namespace messenger::routing
