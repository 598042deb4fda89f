#include "tools/chaos/flood_contacts.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "client/remote/swarm_client.h"
#include "crypto/base/status_macros.h"
#include "crypto/identity/account_keys.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/mailbox.h"

namespace messenger::chaos {
namespace {

constexpr absl::Duration kLife = absl::Hours(24);
constexpr size_t kTextBytes = 4096;
constexpr absl::Duration kLastAnswers = absl::Seconds(60);
constexpr absl::Duration kDirectoryInterval = absl::Seconds(5);

}  // namespace

struct FloodContacts::Person {
  Person(const routing::NetworkConfig& config, routing::RoutingMode mode,
         const routing::Clock& clock, routing::EventLoop& loop,
         crypto::Random& random, const Witness::Events& events)
      : mail(config, mode, clock, loop, random, events),
        account(crypto::AccountKeys::Generate(random)),
        read_key(crypto::Ed25519PrivateKey::Generate(random)),
        write_key(crypto::Ed25519PrivateKey::Generate(random)) {}

  client::MailboxReader Pairwise() const {
    return client::MailboxReader::Pairwise(read_key, write_key.public_key());
  }
  client::MailboxReader Inbox() const {
    return client::MailboxReader::Inbox(account.id(), account.signing_key());
  }

  MailClient mail;
  crypto::AccountKeys account;
  // Of the mailbox in which the contact before this one writes.
  crypto::Ed25519PrivateKey read_key;
  crypto::Ed25519PrivateKey write_key;
  client::Cursors cursors;
  client::Cursors inbox_cursors;
  absl::flat_hash_set<swarm::MessageId> read;
  // Confirmed to the writer, and not read yet.
  absl::flat_hash_set<swarm::MessageId> awaited;
};

FloodContacts::FloodContacts(const FloodContactsOptions& options,
                             const routing::NetworkConfig& config,
                             const routing::Clock& clock,
                             routing::EventLoop& loop, crypto::Random& random)
    : options_(options), clock_(clock), loop_(loop), random_(random) {
  no_events_.on_receipt = [](const swarm::MessageId&, const routing::NodeId&) {
  };
  for (int i = 0; i < options_.contacts; ++i) {
    people_.push_back(
        std::make_unique<Person>(config,
                                 i % 2 == 0 ? routing::RoutingMode::kOnion
                                            : routing::RoutingMode::kProxy,
                                 clock_, loop_, random_, no_events_));
  }
}

FloodContacts::~FloodContacts() = default;

absl::Status FloodContacts::Start(absl::Duration limit) {
  size_t ended = 0;
  absl::Status first_error;
  auto end = [&](absl::Status status) {
    ++ended;
    first_error.Update(status);
  };
  for (const auto& person : people_) person->mail.directory().Refresh(end);
  if (!loop_.RunUntil([&] { return ended == people_.size(); }, limit)) {
    return absl::UnavailableError("the directory did not come");
  }
  RETURN_IF_ERROR(first_error);
  ended = 0;
  for (const auto& person : people_) {
    person->mail.directory().Start(kDirectoryInterval);
    Register(*person, end);
  }
  if (!loop_.RunUntil([&] { return ended == people_.size(); }, limit)) {
    return absl::UnavailableError("the mailboxes could not be made");
  }
  RETURN_IF_ERROR(first_error);
  for (const auto& person : people_) {
    loop_.RunAfter(options_.poll_interval * random_.UnitDouble(),
                   [this, &person = *person] { Poll(person); });
    loop_.RunAfter(options_.inbox_interval * random_.UnitDouble(),
                   [this, &person = *person] { PollInbox(person); });
  }
  return absl::OkStatus();
}

void FloodContacts::Register(Person& person,
                             std::function<void(absl::Status)> done) {
  person.mail.swarm().Register(
      person.Pairwise(), [&person, done = std::move(done)](
                             absl::StatusOr<client::StoreOutcome> outcome) {
        if (!outcome.ok()) return done(outcome.status());
        // The inbox as well: it is what strangers flood.
        person.mail.swarm().Register(
            person.Inbox(), [done](absl::StatusOr<client::StoreOutcome> inbox) {
              done(inbox.status());
            });
      });
}

std::vector<FloodTarget> FloodContacts::Targets() const {
  std::vector<FloodTarget> targets;
  for (const auto& person : people_) {
    targets.push_back({.inbox = person->account.id(),
                       .read_key = person->read_key.public_key(),
                       .write_key = person->write_key.public_key()});
  }
  return targets;
}

ContactFigures FloodContacts::Write(absl::Duration duration) {
  phase_ = ContactFigures();
  const int phase = ++phase_number_;
  for (size_t i = 0; i < people_.size(); ++i) {
    // Not all at the same moment.
    loop_.RunAfter(options_.interval * random_.UnitDouble(),
                   [this, i, phase] { Send(i, phase); });
  }
  loop_.RunUntil([] { return false; }, duration);
  ++phase_number_;
  loop_.RunUntil([this] { return waiting_ == 0; }, kLastAnswers);
  return phase_;
}

void FloodContacts::Send(size_t contact, int phase) {
  if (phase != phase_number_) return;
  Person& reader = *people_[(contact + 1) % people_.size()];
  const absl::Time began = clock_.Now();
  ++phase_.sent;
  ++waiting_;
  people_[contact]->mail.swarm().Store(
      client::StoreTarget::Pairwise(reader.read_key.public_key(),
                                    reader.write_key),
      random_.String(kTextBytes), began + kLife,
      [this, began, &reader](absl::StatusOr<client::StoreOutcome> outcome) {
        --waiting_;
        if (!outcome.ok()) return;
        ++phase_.confirmed;
        phase_.latencies.push_back(absl::ToDoubleSeconds(clock_.Now() - began));
        if (!reader.read.contains(outcome->id)) {
          reader.awaited.insert(outcome->id);
        }
      });
  // Whether or not it is confirmed: people do not wait for each other.
  loop_.RunAfter(options_.interval,
                 [this, contact, phase] { Send(contact, phase); });
}

void FloodContacts::Poll(Person& person) {
  person.mail.swarm().Retrieve(
      person.Pairwise(), person.cursors,
      [this, &person](absl::StatusOr<client::RetrieveOutcome> outcome) {
        if (outcome.ok()) {
          person.cursors = std::move(outcome->cursors);
          for (const auto& message : outcome->messages) {
            person.read.insert(message.id);
            person.awaited.erase(message.id);
          }
        }
        loop_.RunAfter(options_.poll_interval,
                       [this, &person] { Poll(person); });
      });
}

void FloodContacts::PollInbox(Person& person) {
  person.mail.swarm().Retrieve(
      person.Inbox(), person.inbox_cursors,
      [this, &person](absl::StatusOr<client::RetrieveOutcome> outcome) {
        std::vector<swarm::MessageId> ids;
        if (outcome.ok()) {
          person.inbox_cursors = std::move(outcome->cursors);
          for (const auto& message : outcome->messages) {
            if (ids.size() < swarm::kMaxDeleteIds) ids.push_back(message.id);
          }
        }
        auto again = [this, &person] {
          loop_.RunAfter(options_.inbox_interval,
                         [this, &person] { PollInbox(person); });
        };
        if (ids.empty()) return again();
        // What strangers sent has been looked at and is of no interest.
        person.mail.swarm().Delete(
            person.Inbox(), ids,
            [this, again,
             count = ids.size()](absl::StatusOr<client::StoreOutcome> deleted) {
              if (deleted.ok()) cleared_ += count;
              again();
            });
      });
}

uint64_t FloodContacts::Missing(absl::Duration limit) {
  auto missing = [this] {
    uint64_t count = 0;
    for (const auto& person : people_) count += person->awaited.size();
    return count;
  };
  loop_.RunUntil([&] { return missing() == 0; }, limit);
  return missing();
}

}  // namespace messenger::chaos
