#include "tools/chaos/chaos_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <deque>
#include <map>
#include <queue>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "crypto/random/testing/seeded_random.h"

namespace messenger::chaos {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
// Descriptors of ours in epoll: the id of what they belong to, and which part.
constexpr uint64_t kParts = 4;
enum Part : uint64_t { kOpener = 0, kTarget = 1, kListener = 2, kWaker = 3 };

absl::Status SystemError(absl::string_view what) {
  return absl::UnavailableError(absl::StrCat(what, ": ", strerror(errno)));
}

absl::StatusOr<sockaddr_in> ParseLoopback(const std::string& address) {
  const size_t colon = address.rfind(':');
  sockaddr_in parsed = {};
  uint32_t port = 0;
  if (colon == std::string::npos ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port > 65535 ||
      inet_pton(AF_INET, address.substr(0, colon).c_str(), &parsed.sin_addr) !=
          1 ||
      (ntohl(parsed.sin_addr.s_addr) >> 24) != 127) {
    return absl::InvalidArgumentError("not an address of IPv4's loopback");
  }
  parsed.sin_family = AF_INET;
  parsed.sin_port = htons(static_cast<uint16_t>(port));
  return parsed;
}

uint16_t PortOf(int fd, bool own) {
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  const int failed =
      own ? getsockname(fd, raw, &size) : getpeername(fd, raw, &size);
  return failed != 0 ? uint16_t{0} : ntohs(address.sin_port);
}

void SendAtOnce(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

// Closes so that the peer gets a reset.
void CloseHard(int fd) {
  if (fd < 0) return;
  const linger hard = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  close(fd);
}

LinkFaults WorstOf(const LinkFaults& a, const LinkFaults& b) {
  LinkFaults worst;
  worst.min_delay = std::max(a.min_delay, b.min_delay);
  worst.mean_delay = std::max(a.mean_delay, b.mean_delay);
  worst.loss = std::max(a.loss, b.loss);
  worst.retransmission = a.loss >= b.loss ? a.retransmission : b.retransmission;
  worst.bytes_per_second =
      a.bytes_per_second == 0 ? b.bytes_per_second
      : b.bytes_per_second == 0
          ? a.bytes_per_second
          : std::min(a.bytes_per_second, b.bytes_per_second);
  worst.blackhole = a.blackhole || b.blackhole;
  worst.refuse = a.refuse || b.refuse;
  return worst;
}

struct Piece {
  std::string bytes;
  absl::Time due;
};

// Bytes on their way from one socket to the other.
struct Direction {
  LinkFaults faults;
  std::deque<Piece> held;
  size_t held_bytes = 0;
  size_t written_of_first = 0;
  absl::Time last_due = absl::InfinitePast();
  // When the bandwidth has carried all that was read.
  absl::Time carried = absl::InfinitePast();
  bool ended = false;       // the source has no more
  bool told_end = false;    // and the destination knows
  bool unwritable = false;  // the destination takes no more for now
  bool waiting = false;     // a timer will come
};

struct Connection {
  uint64_t id;
  PeerId opener;
  PeerId target;
  std::array<int, 2> fds = {-1, -1};  // of kOpener and kTarget
  std::array<uint32_t, 2> interest = {0, 0};
  std::array<bool, 2> gone = {false, false};  // reset while it was cut
  bool connected = false;
  // The direction that is read from the socket of that index.
  std::array<Direction, 2> directions;
};

}  // namespace

class ChaosProxy::Core {
 public:
  explicit Core(Options options)
      : options_(std::move(options)), random_(options_.seed) {}

  ~Core() {
    if (thread_.joinable()) {
      Do([this] { stopped_ = true; });
      thread_.join();
    }
    for (auto& [id, connection] : connections_) {
      for (const int fd : connection->fds) CloseHard(fd);
    }
    for (auto& [id, listener] : listeners_) close(listener.fd);
    if (waker_ >= 0) close(waker_);
    if (epoll_ >= 0) close(epoll_);
  }

  absl::Status Start() {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) return SystemError("epoll");
    waker_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (waker_ < 0) return SystemError("eventfd");
    Watch(waker_, kWaker, EPOLLIN);
    thread_ = std::thread([this] { Serve(); });
    return absl::OkStatus();
  }

  // Runs `task` on the thread and waits for it.
  void Do(std::function<void()> task) {
    absl::Notification done;
    {
      absl::MutexLock lock(&mutex_);
      tasks_.push_back([&] {
        task();
        done.Notify();
      });
    }
    const uint64_t one = 1;
    while (write(waker_, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
    done.WaitForNotification();
  }

  absl::StatusOr<std::string> Listen(PeerId target,
                                     const std::string& address) {
    absl::StatusOr<sockaddr_in> parsed = ParseLoopback(address);
    if (!parsed.ok()) return parsed.status();
    const int fd =
        socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return SystemError("socket");
    sockaddr_in own = {};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, reinterpret_cast<sockaddr*>(&own), sizeof(own)) != 0 ||
        listen(fd, SOMAXCONN) != 0) {
      const absl::Status status = SystemError("listen");
      close(fd);
      return status;
    }
    const uint16_t port = PortOf(fd, /*own=*/true);
    const uint64_t id = ++last_id_;
    listeners_[id] = {fd, port, target, *parsed};
    Watch(fd, id * kParts + kListener, EPOLLIN);
    return absl::StrCat("127.0.0.1:", port);
  }

  RuleId AddRule(PeerId from, PeerId to, const LinkFaults& faults) {
    rules_[++last_id_] = {from, to, faults};
    ApplyRules();
    return last_id_;
  }
  void AddRules(const std::vector<std::pair<PeerId, PeerId>>& from_to,
                const LinkFaults& faults) {
    for (const auto& [from, to] : from_to) {
      rules_[++last_id_] = {from, to, faults};
    }
    ApplyRules();
  }
  void RemoveRule(RuleId rule) {
    rules_.erase(rule);
    ApplyRules();
  }
  void RemoveAllRules() {
    rules_.clear();
    ApplyRules();
  }

  int Reset(PeerId one, PeerId other) {
    std::vector<uint64_t> hit;
    for (const auto& [id, c] : connections_) {
      if ((Is(c->opener, one) && Is(c->target, other)) ||
          (Is(c->opener, other) && Is(c->target, one))) {
        hit.push_back(id);
      }
    }
    for (const uint64_t id : hit) Drop(id);
    counters_.reset += hit.size();
    return static_cast<int>(hit.size());
  }

  ProxyCounters counters() const { return counters_; }

 private:
  struct Listener {
    int fd;
    uint16_t port;
    PeerId target;
    sockaddr_in address;
  };
  struct Rule {
    PeerId from;
    PeerId to;
    LinkFaults faults;
  };
  struct Timer {
    absl::Time due;
    uint64_t connection;
    int direction;
    bool operator<(const Timer& other) const { return due > other.due; }
  };

  static bool Is(PeerId peer, PeerId pattern) {
    return pattern == kAnyPeer || pattern == peer;
  }

  LinkFaults FaultsOf(PeerId from, PeerId to) const {
    LinkFaults worst;
    for (const auto& [id, rule] : rules_) {
      if (Is(from, rule.from) && Is(to, rule.to)) {
        worst = WorstOf(worst, rule.faults);
      }
    }
    return worst;
  }

  void Watch(int fd, uint64_t data, uint32_t events) {
    epoll_event event = {};
    event.events = events;
    event.data.u64 = data;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void Serve() {
    std::array<epoll_event, 128> events;
    while (!stopped_) {
      const int count = epoll_wait(epoll_, events.data(),
                                   static_cast<int>(events.size()), Patience());
      for (int i = 0; i < count; ++i) Handle(events[static_cast<size_t>(i)]);
      RunTimers();
      RunTasks();
    }
  }

  int Patience() const {
    if (timers_.empty()) return -1;
    const absl::Duration wait = timers_.top().due - options_.clock.Now();
    if (wait <= absl::ZeroDuration()) return 0;
    return static_cast<int>(
               absl::ToInt64Milliseconds(std::min(wait, absl::Seconds(10)))) +
           1;
  }

  void RunTasks() {
    std::vector<std::function<void()>> tasks;
    {
      absl::MutexLock lock(&mutex_);
      tasks.swap(tasks_);
    }
    for (const auto& task : tasks) task();
  }

  void RunTimers() {
    const absl::Time now = options_.clock.Now();
    while (!timers_.empty() && timers_.top().due <= now) {
      const Timer timer = timers_.top();
      timers_.pop();
      const auto found = connections_.find(timer.connection);
      if (found == connections_.end()) continue;
      found->second->directions[static_cast<size_t>(timer.direction)].waiting =
          false;
      Move(*found->second);
    }
  }

  void Handle(const epoll_event& event) {
    const uint64_t id = event.data.u64 / kParts;
    switch (event.data.u64 % kParts) {
      case kWaker: {
        uint64_t count;
        while (read(waker_, &count, sizeof(count)) > 0) {
        }
        return;
      }
      case kListener:
        return Accept(listeners_.at(id));
      default:
        break;
    }
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    Connection& c = *found->second;
    const size_t side = event.data.u64 % kParts;
    if (side == kTarget && !c.connected && !FinishConnecting(c)) return;
    if ((event.events & EPOLLOUT) != 0) {
      c.directions[1 - side].unwritable = false;
    }
    const bool over = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
    if (over) {
      // Said again and again otherwise. What there is to read is read with the
      // events of the other side, and with the timers.
      epoll_ctl(epoll_, EPOLL_CTL_DEL, c.fds[side], nullptr);
      if (c.directions[0].faults.blackhole ||
          c.directions[1].faults.blackhole) {
        // The other side is not to hear of it before the link is whole again.
        c.gone[side] = true;
        return;
      }
      if ((event.events & EPOLLERR) != 0 || !c.connected) return Drop(c.id);
    }
    Move(c);
  }

  void Accept(const Listener& listener) {
    for (;;) {
      const int fd =
          accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      ++counters_.connections;
      PeerId opener = kUnknownPeer;
      if (options_.identify) {
        opener = options_.identify(PortOf(fd, /*own=*/false), listener.port)
                     .value_or(kUnknownPeer);
      }
      if (opener == kUnknownPeer) ++counters_.unidentified;
      if (FaultsOf(opener, listener.target).refuse) {
        ++counters_.refused;
        CloseHard(fd);
        continue;
      }
      if (connections_.size() >= kMaxConnections) {
        CloseHard(fd);
        continue;
      }
      Connect(fd, opener, listener);
    }
  }

  void Connect(int opener_fd, PeerId opener, const Listener& listener) {
    const int fd =
        socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return CloseHard(opener_fd);
    SendAtOnce(fd);
    SendAtOnce(opener_fd);
    const bool failed =
        connect(fd, reinterpret_cast<const sockaddr*>(&listener.address),
                sizeof(listener.address)) != 0 &&
        errno != EINPROGRESS;
    if (failed) {
      ++counters_.unreachable;
      close(fd);
      return CloseHard(opener_fd);
    }
    auto connection = std::make_unique<Connection>();
    Connection& c = *connection;
    c.id = ++last_id_;
    c.opener = opener;
    c.target = listener.target;
    c.fds = {opener_fd, fd};
    connections_.emplace(c.id, std::move(connection));
    c.interest = {0, EPOLLOUT};
    Watch(c.fds[kOpener], c.id * kParts + kOpener, 0);
    Watch(c.fds[kTarget], c.id * kParts + kTarget, EPOLLOUT);
    SetFaults(c);
  }

  bool FinishConnecting(Connection& c) {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(c.fds[kTarget], SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      ++counters_.unreachable;
      Drop(c.id);
      return false;
    }
    c.connected = true;
    return true;
  }

  void SetFaults(Connection& c) {
    for (const size_t side : {size_t{kOpener}, size_t{kTarget}}) {
      const LinkFaults faults = side == kOpener ? FaultsOf(c.opener, c.target)
                                                : FaultsOf(c.target, c.opener);
      if (faults.blackhole && !c.directions[side].faults.blackhole) {
        ++counters_.blackholed;
      }
      c.directions[side].faults = faults;
    }
  }

  void ApplyRules() {
    std::vector<uint64_t> all;
    for (const auto& [id, connection] : connections_) all.push_back(id);
    for (const uint64_t id : all) {
      Connection& c = *connections_.at(id);
      SetFaults(c);
      if ((c.gone[0] || c.gone[1]) && !c.directions[0].faults.blackhole &&
          !c.directions[1].faults.blackhole) {
        Drop(id);
      } else if (c.connected) {
        Move(c);
      }
    }
  }

  // Reads and writes whatever can be. May end the connection.
  void Move(Connection& c) {
    if (!c.connected) return;
    for (const size_t side : {size_t{kOpener}, size_t{kTarget}}) {
      if (!Read(c, side) || !Write(c, side)) return Drop(c.id);
    }
    if (c.directions[0].told_end && c.directions[1].told_end) {
      // In good order: what is still in the sockets arrives.
      for (const int fd : c.fds) close(fd);
      connections_.erase(c.id);
      return;
    }
    for (const size_t side : {size_t{kOpener}, size_t{kTarget}}) {
      SetInterest(c, side);
    }
  }

  bool Read(Connection& c, size_t side) {
    Direction& d = c.directions[side];
    if (c.gone[side]) return true;
    while (!d.ended && !d.faults.blackhole && d.held_bytes < kMaxHeldBytes) {
      const ssize_t size = recv(c.fds[side], buffer_.data(), kReadBytes, 0);
      if (size < 0) return errno == EAGAIN || errno == EINTR;
      if (size == 0) {
        d.ended = true;
        return true;
      }
      counters_.bytes += static_cast<uint64_t>(size);
      d.held_bytes += static_cast<size_t>(size);
      d.held.push_back({std::string(buffer_.data(), static_cast<size_t>(size)),
                        DueOf(d, static_cast<size_t>(size))});
      // Most often this was all there was.
      if (static_cast<size_t>(size) < kReadBytes) return true;
    }
    return true;
  }

  absl::Time DueOf(Direction& d, size_t size) {
    const LinkFaults& faults = d.faults;
    const absl::Time now = options_.clock.Now();
    absl::Time due = now;
    if (faults.bytes_per_second > 0) {
      d.carried = std::max(now, d.carried) +
                  absl::Seconds(static_cast<double>(size) /
                                static_cast<double>(faults.bytes_per_second));
      due = d.carried;
      ++counters_.throttled;
    }
    if (faults.mean_delay > absl::ZeroDuration()) {
      due += faults.min_delay + std::max(absl::ZeroDuration(),
                                         faults.mean_delay - faults.min_delay) *
                                    -std::log1p(-random_.UnitDouble());
      ++counters_.delayed;
    }
    if (faults.loss > 0 && random_.UnitDouble() < faults.loss) {
      due += faults.retransmission;
      ++counters_.lost;
    }
    // Nothing overtakes.
    d.last_due = std::max(due, d.last_due);
    return d.last_due;
  }

  bool Write(Connection& c, size_t side) {
    Direction& d = c.directions[side];
    const int to = c.fds[1 - side];
    if (c.gone[1 - side]) return true;
    while (!d.held.empty() && !d.unwritable && !d.faults.blackhole) {
      Piece& piece = d.held.front();
      if (piece.due > options_.clock.Now()) {
        if (!d.waiting) {
          d.waiting = true;
          timers_.push({piece.due, c.id, static_cast<int>(side)});
        }
        return true;
      }
      const ssize_t size =
          send(to, piece.bytes.data() + d.written_of_first,
               piece.bytes.size() - d.written_of_first, MSG_NOSIGNAL);
      if (size < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return false;
        d.unwritable = true;
        return true;
      }
      d.written_of_first += static_cast<size_t>(size);
      if (d.written_of_first == piece.bytes.size()) {
        d.held_bytes -= piece.bytes.size();
        d.held.pop_front();
        d.written_of_first = 0;
      }
    }
    if (d.ended && d.held.empty() && !d.told_end && !d.faults.blackhole) {
      shutdown(to, SHUT_WR);
      d.told_end = true;
    }
    return true;
  }

  void SetInterest(Connection& c, size_t side) {
    if (c.gone[side]) return;
    const Direction& reads = c.directions[side];
    const Direction& writes = c.directions[1 - side];
    uint32_t wanted = 0;
    if (!reads.ended && !reads.faults.blackhole &&
        reads.held_bytes < kMaxHeldBytes) {
      wanted |= EPOLLIN;
    }
    if (writes.unwritable) wanted |= EPOLLOUT;
    if (wanted == c.interest[side]) return;
    c.interest[side] = wanted;
    epoll_event event = {};
    event.events = wanted;
    event.data.u64 = c.id * kParts + side;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fds[side], &event);
  }

  // Both sides get a reset.
  void Drop(uint64_t id) {
    const auto found = connections_.find(id);
    for (const int fd : found->second->fds) CloseHard(fd);
    connections_.erase(found);
  }

  const Options options_;
  crypto::SeededRandom random_;
  std::thread thread_;
  int epoll_ = -1;
  int waker_ = -1;

  absl::Mutex mutex_;
  std::vector<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);

  // Only the thread, once it runs.
  bool stopped_ = false;
  uint64_t last_id_ = 0;
  std::map<uint64_t, Listener> listeners_;
  std::map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::map<RuleId, Rule> rules_;
  std::priority_queue<Timer> timers_;
  ProxyCounters counters_;
  std::array<char, kReadBytes> buffer_;
};

absl::StatusOr<std::unique_ptr<ChaosProxy>> ChaosProxy::Create(
    Options options) {
  auto core = std::make_unique<Core>(std::move(options));
  if (absl::Status status = core->Start(); !status.ok()) return status;
  return std::unique_ptr<ChaosProxy>(new ChaosProxy(std::move(core)));
}

ChaosProxy::ChaosProxy(std::unique_ptr<Core> core) : core_(std::move(core)) {}
ChaosProxy::~ChaosProxy() = default;

absl::StatusOr<std::string> ChaosProxy::Listen(PeerId target,
                                               const std::string& address) {
  absl::StatusOr<std::string> result;
  core_->Do([&] { result = core_->Listen(target, address); });
  return result;
}

ChaosProxy::RuleId ChaosProxy::AddRule(PeerId from, PeerId to,
                                       const LinkFaults& faults) {
  RuleId rule = 0;
  core_->Do([&] { rule = core_->AddRule(from, to, faults); });
  return rule;
}

void ChaosProxy::AddRules(const std::vector<std::pair<PeerId, PeerId>>& from_to,
                          const LinkFaults& faults) {
  core_->Do([&] { core_->AddRules(from_to, faults); });
}

void ChaosProxy::RemoveRule(RuleId rule) {
  core_->Do([&] { core_->RemoveRule(rule); });
}

void ChaosProxy::RemoveAllRules() {
  core_->Do([&] { core_->RemoveAllRules(); });
}

int ChaosProxy::Reset(PeerId one, PeerId other) {
  int count = 0;
  core_->Do([&] { count = core_->Reset(one, other); });
  return count;
}

ProxyCounters ChaosProxy::counters() {
  ProxyCounters counters;
  core_->Do([&] { counters = core_->counters(); });
  return counters;
}

}  // namespace messenger::chaos
