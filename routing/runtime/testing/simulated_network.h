// A network of any number of hosts in one thread of virtual time, with delay,
// loss, duplicates, clogs, partitions, pauses and crashes: the Transport and
// Server of tests.
//
// A pure function of the random seed and of what the hosts do. Links are
// reliable and in order until they break, as TCP is; calls may be lost.
//
//   SimulatedNetwork net(random, executor);
//   SimulatedNetwork::Host& a = net.AddHost("sim:1", key);
//   a.server().HandleMethod(...);
//   net.AddHost("sim:2", std::nullopt).transport().Call(a.endpoint(), ...);
#ifndef ROUTING_RUNTIME_TESTING_SIMULATED_NETWORK_H_
#define ROUTING_RUNTIME_TESTING_SIMULATED_NETWORK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "routing/runtime/recorder.h"
#include "routing/runtime/server.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

class SimulatedNetwork {
 public:
  // What a wiretap sees: the plain bytes, as if it had all TLS keys.
  struct Observation {
    enum class Kind { kRequest, kReply, kFrame };
    Kind kind;
    absl::string_view from;  // addresses
    absl::string_view to;
    absl::string_view method;  // of a request or reply
    absl::string_view bytes;
  };
  using Wiretap = std::function<void(const Observation&)>;

  class Host {
   public:
    virtual ~Host() = default;
    virtual Transport& transport() = 0;
    virtual Server& server() = 0;
    virtual const Endpoint& endpoint() const = 0;
    virtual bool crashed() const = 0;
    // Sees what this host receives, as a GrpcServer's and GrpcTransport's
    // recorder does. Null for none. Must outlive the host or be reset.
    virtual void set_recorder(Recorder* recorder) = 0;
  };

  // Both must outlive the network.
  SimulatedNetwork(crypto::Random& random, SimulatedExecutor& executor);
  // No event runs afterwards. Links still held become inert.
  ~SimulatedNetwork();

  SimulatedNetwork(const SimulatedNetwork&) = delete;
  SimulatedNetwork& operator=(const SimulatedNetwork&) = delete;

  // A host with an address of its own, which lives as long as the network.
  // Without a key it is an anonymous client: its peers see no key, and nobody
  // can reach it.
  Host& AddHost(std::string address, std::optional<TlsKey> tls_key);

  // One way. `mean` of 0 or below `min` counts as `min`. Starts as
  // SetDelay(1 ms, 20 ms).
  void SetDelay(absl::Duration min, absl::Duration mean);

  // Each call is lost with this probability: half of the time its request
  // (UNAVAILABLE after one way's delay), half its reply (DEADLINE_EXCEEDED:
  // the peer has done the work).
  void SetLoss(double probability);

  // Each call's request arrives a second time with this probability, after a
  // delay of its own; the first reply counts.
  void SetDuplication(double probability);

  // What `from` sends to `to` within `span` arrives at its end at the soonest.
  // Calls alone; a link keeps its order anyway.
  void Clog(const std::string& from, const std::string& to,
            absl::Duration span);

  // From now on nothing that one of `from` sends reaches one of `to`, while the
  // other direction works: calls run into their deadline, the work done or
  // not. Links between the two break as in a partition. Adds to what is blocked
  // already; Heal() ends all of it.
  void Block(const std::set<std::string>& from,
             const std::set<std::string>& to);

  // The process at `host` stands still: what reaches it, deadlines of its own
  // calls included, is held until it resumes or crashes. Links are not held.
  // Timers are the business of the host's executor.
  void Pause(Host& host);
  void Resume(Host& host);

  // Each of `addresses` reaches only others of them, the rest only the rest.
  // Calls across run into their deadline; links across break on both sides,
  // UNAVAILABLE, after kPartitionNotice. Replaces an earlier partition.
  void Partition(const std::set<std::string>& addresses);
  void Heal();

  // The process at `host` is gone: its links break at its peers, its handlers
  // and callbacks never run again, calls being answered run into their
  // deadline, new ones get UNAVAILABLE. Crash a host before destroying the
  // objects that its callbacks point to.
  void Crash(Host& host);

  // An empty process starts at the address: handlers are to be registered
  // anew.
  void Restart(Host& host);

  // Breaks every link between two hosts, UNAVAILABLE at both.
  void BreakLinks(Host& a, Host& b);

  void set_wiretap(Wiretap wiretap);

  // Totals since the start.
  uint64_t frames_delivered() const;
  uint64_t calls_made() const;

  static constexpr absl::Duration kPartitionNotice = absl::Seconds(10);

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_TESTING_SIMULATED_NETWORK_H_
