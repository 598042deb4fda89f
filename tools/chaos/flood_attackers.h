// Attackers of a network, each of one kind, at a fixed rate
// (tools/chaos/README.md, "flood_run"): they build their requests themselves,
// keep to no rule, and note what every member answers.
//
// Belongs to one event loop.

#ifndef TOOLS_CHAOS_FLOOD_ATTACKERS_H_
#define TOOLS_CHAOS_FLOOD_ATTACKERS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "crypto/sign/ed25519.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/network_config.h"
#include "swarm/auth/mailbox.h"
#include "swarm/proto/storage.pb.h"
#include "tools/chaos/flood_exchange.h"
#include "tools/chaos/mail_client.h"

namespace messenger::chaos {

struct FloodAttackersOptions {
  int attackers = 50;
  // Requests of one attacker in a second, above 0.
  double rate = 2;
  // Requests of one attacker that have not been answered.
  int at_once = 8;
};

class FloodAttackers final {
 public:
  // All references must outlive the attackers; `targets` is not empty.
  FloodAttackers(const FloodAttackersOptions& options,
                 std::vector<FloodTarget> targets,
                 const routing::NetworkConfig& config,
                 const routing::Clock& clock, routing::EventLoop& loop,
                 crypto::Random& random);
  ~FloodAttackers();

  FloodAttackers(const FloodAttackers&) = delete;
  FloodAttackers& operator=(const FloodAttackers&) = delete;

  // Fetches the directories and begins. UNAVAILABLE.
  absl::Status Start(absl::Duration limit);

  const AttackReport& report() const { return report_; }

 private:
  // In the order in which attackers take them.
  enum class Kind : size_t {
    kStranger,           // into contacts' inboxes, without work
    kWorkingStranger,    // the same, with the work that is asked for
    kUnregisteredInbox,  // of nobody
    kUnregisteredPair,   // valid in every way but that
    kForged,             // into contacts' pairwise mailboxes
    kOversized,
    kJunk,         // no request at all
    kReplayed,     // one store, again and again
    kOwnMailbox,   // registered for it: to fill the disk
    kConnections,  // new ones, half of them no TLS, and kept
    kKinds,
  };
  class Connections;
  struct Attacker;
  using Done = std::function<void(const std::string& answer,
                                  const swarm::v1::ClientResponse& response)>;

  static const char* NameOf(Kind kind);
  AttackFigures& FiguresOf(const Attacker& attacker);
  void Tick(Attacker& attacker);
  void Try(Attacker& attacker);
  void TryReplay(Attacker& attacker);
  void TryOwnMailbox(Attacker& attacker);

  // Asks a random member of the mailbox; notes the answer.
  void Ask(Attacker& attacker, const swarm::MailboxAddress& mailbox,
           std::string bytes, size_t payload, Done done = nullptr);
  void AskWith(Attacker& attacker, const swarm::MailboxAddress& mailbox,
               const swarm::v1::ClientRequest& request, Done done = nullptr);
  void Note(Attacker& attacker, const std::string& answer, size_t payload);
  // Searches so many bits of work, a little at a time, and asks again.
  void Work(Attacker& attacker, const swarm::MailboxAddress& mailbox,
            swarm::v1::ClientRequest request, uint32_t bits, uint64_t from);

  swarm::v1::ClientRequest StoreInto(const swarm::MailboxAddress& mailbox,
                                     size_t size);
  swarm::v1::ClientRequest StoreIntoPair(
      const crypto::Ed25519PublicKey& read_key,
      const crypto::Ed25519PrivateKey& write_key, size_t size);

  const FloodAttackersOptions options_;
  const std::vector<FloodTarget> targets_;
  const routing::Clock& clock_;
  routing::EventLoop& loop_;
  crypto::Random& random_;
  Witness::Events no_events_;
  AttackReport report_;
  std::vector<std::unique_ptr<Attacker>> attackers_;
};

}  // namespace messenger::chaos

#endif  // TOOLS_CHAOS_FLOOD_ATTACKERS_H_
