// People who write to one another at a modest rate, in mailboxes that they
// have registered, read them and clear their inboxes; and how they fare.
//
// Belongs to one event loop, which should have nothing else to do: what is
// measured is the network, and attackers are another process.

#ifndef TOOLS_CHAOS_FLOOD_CONTACTS_H_
#define TOOLS_CHAOS_FLOOD_CONTACTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/remote/mailbox_reader.h"
#include "crypto/random/random.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/network_config.h"
#include "tools/chaos/flood_exchange.h"
#include "tools/chaos/mail_client.h"

namespace messenger::chaos {

struct FloodContactsOptions {
  int contacts = 8;  // every second one in proxy mode
  // Each contact sends one message in this time.
  absl::Duration interval = absl::Milliseconds(500);
  absl::Duration poll_interval = absl::Seconds(5);
  // How often people look into their inboxes and clear them.
  absl::Duration inbox_interval = absl::Seconds(60);
};

// Of one phase.
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

class FloodContacts final {
 public:
  // All references must outlive the contacts.
  FloodContacts(const FloodContactsOptions& options,
                const routing::NetworkConfig& config,
                const routing::Clock& clock, routing::EventLoop& loop,
                crypto::Random& random);
  ~FloodContacts();

  FloodContacts(const FloodContacts&) = delete;
  FloodContacts& operator=(const FloodContacts&) = delete;

  // Fetches the directory, registers the mailboxes and begins to read them.
  absl::Status Start(absl::Duration limit);
  std::vector<FloodTarget> Targets() const;

  // Contacts write for this long; every message has an answer, good or bad,
  // when it returns.
  ContactFigures Write(absl::Duration duration);

  // Confirmed messages that their readers do not have, after reading on until
  // they have all or `limit` has passed.
  uint64_t Missing(absl::Duration limit);

  // Of strangers, found in inboxes and deleted.
  uint64_t cleared() const { return cleared_; }

 private:
  struct Person;

  void Register(Person& person, std::function<void(absl::Status)> done);
  // One after the other, as long as that phase lasts.
  void Send(size_t contact, int phase);
  void Poll(Person& person);
  void PollInbox(Person& person);

  const FloodContactsOptions options_;
  const routing::Clock& clock_;
  routing::EventLoop& loop_;
  crypto::Random& random_;
  Witness::Events no_events_;
  std::vector<std::unique_ptr<Person>> people_;
  ContactFigures phase_;
  int phase_number_ = 0;
  size_t waiting_ = 0;
  uint64_t cleared_ = 0;
};

}  // namespace messenger::chaos

#endif  // TOOLS_CHAOS_FLOOD_CONTACTS_H_
