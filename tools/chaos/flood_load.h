// Honest contacts who exchange messages at a modest rate, and attackers who
// send all they can; how the honest fare is measured.
//
// Belongs to one event loop.

#ifndef TOOLS_CHAOS_FLOOD_LOAD_H_
#define TOOLS_CHAOS_FLOOD_LOAD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "crypto/random/random.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/network_config.h"
#include "tools/chaos/mail_client.h"

namespace messenger::chaos {

struct FloodOptions {
  int contacts = 8;
  // Each contact sends one message in this time.
  absl::Duration contact_interval = absl::Milliseconds(500);
  int attackers = 50;
  int attacker_at_once = 2;
};

// Of the honest, in one phase.
struct ContactFigures {
  uint64_t sent = 0;
  uint64_t confirmed = 0;
  std::vector<double> latencies;  // seconds, of the confirmed
  double success() const {
    return sent == 0
               ? 0
               : static_cast<double>(confirmed) / static_cast<double>(sent);
  }
};

// What attackers try, and what came of it.
struct AttackFigures {
  std::string name;
  uint64_t tried = 0;
  uint64_t accepted = 0;
  uint64_t accepted_bytes = 0;
};

class FloodLoad final {
 public:
  // All references must outlive the load.
  FloodLoad(const FloodOptions& options, const routing::NetworkConfig& config,
            const routing::Clock& clock, routing::EventLoop& loop,
            crypto::Random& random);
  ~FloodLoad();

  FloodLoad(const FloodLoad&) = delete;
  FloodLoad& operator=(const FloodLoad&) = delete;

  // Fetches the directories and makes the mailboxes.
  absl::Status Start(absl::Duration limit);

  // Contacts write for this long; every message has an answer, good or bad,
  // when it returns.
  ContactFigures Contacts(absl::Duration duration);
  void BeginAttack();
  void EndAttack();

  const std::vector<AttackFigures>& attacks() const { return attacks_; }

 private:
  struct Person;

  // The one place where mailboxes of contacts come from.
  void MakeMailbox(Person& reader, std::function<void(absl::Status)> done);
  void SendAsContact(size_t contact);
  void AttackOnce(size_t attacker);
  void AttackWith(size_t attacker, size_t kind);

  const FloodOptions options_;
  const routing::Clock& clock_;
  routing::EventLoop& loop_;
  crypto::Random& random_;
  Witness::Events no_events_;
  std::vector<std::unique_ptr<Person>> contacts_;
  std::vector<std::unique_ptr<Person>> attackers_;
  std::vector<AttackFigures> attacks_;
  ContactFigures phase_;
  absl::Time phase_end_;
  size_t waiting_ = 0;
  bool attacking_ = false;
};

}  // namespace messenger::chaos

#endif  // TOOLS_CHAOS_FLOOD_LOAD_H_
