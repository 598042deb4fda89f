#include "tools/chaos/flood_load.h"

#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "client/remote/swarm_client.h"
#include "client/remote/swarm_client_options.h"
#include "crypto/base/status_macros.h"
#include "crypto/identity/account_keys.h"
#include "crypto/sign/ed25519.h"
#include "routing/circuit/onion_client.h"
#include "routing/directory/consensus.h"
#include "routing/endpoint/endpoint_handler.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/mailbox.h"
#include "swarm/placement/placement.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::chaos {
namespace {

constexpr absl::Duration kLife = absl::Hours(24);
constexpr size_t kTextBytes = 4096;
constexpr absl::Duration kLastAnswers = absl::Seconds(60);

// In the order of `attacks_`.
enum AttackKind : size_t {
  kVictimInbox,   // of a contact, who is a stranger to the attacker
  kMadeUpInbox,   // of nobody
  kMadeUpPair,    // valid in every way, of a pair made for it
  kOversized,     // more than a message may have
  kBadSignature,  // into a contact's pairwise mailbox
  kJunk,          // no request at all
  kAttackKinds,
};

// Attackers do not wait for anybody.
client::SwarmClientOptions Impatience() {
  client::SwarmClientOptions options;
  options.request_timeout = absl::Seconds(5);
  options.write_attempts = 1;
  options.write_deadline = absl::Seconds(6);
  return options;
}

}  // namespace

struct FloodLoad::Person {
  Person(const routing::NetworkConfig& config, routing::RoutingMode mode,
         const routing::Clock& clock, routing::EventLoop& loop,
         crypto::Random& random, const Witness::Events& events,
         client::SwarmClientOptions options)
      : mail(config, mode, clock, loop, random, events, options),
        account(crypto::AccountKeys::Generate(random)),
        read_key(crypto::Ed25519PrivateKey::Generate(random)),
        write_key(crypto::Ed25519PrivateKey::Generate(random)) {}

  MailClient mail;
  crypto::AccountKeys account;
  // Of the mailbox in which the contact before this one writes.
  crypto::Ed25519PrivateKey read_key;
  crypto::Ed25519PrivateKey write_key;
};

FloodLoad::FloodLoad(const FloodOptions& options,
                     const routing::NetworkConfig& config,
                     const routing::Clock& clock, routing::EventLoop& loop,
                     crypto::Random& random)
    : options_(options), clock_(clock), loop_(loop), random_(random) {
  no_events_.on_receipt = [](const swarm::MessageId&, const routing::NodeId&) {
  };
  auto make = [&](int count, client::SwarmClientOptions patience,
                  std::vector<std::unique_ptr<Person>>& people) {
    for (int i = 0; i < count; ++i) {
      people.push_back(std::make_unique<Person>(
          config,
          i % 2 == 0 ? routing::RoutingMode::kOnion
                     : routing::RoutingMode::kProxy,
          clock_, loop_, random_, no_events_, patience));
    }
  };
  make(options_.contacts, {}, contacts_);
  make(options_.attackers, Impatience(), attackers_);
  for (const char* name :
       {"a contact's inbox", "made-up inboxes", "made-up pairwise mailboxes",
        "oversized messages", "invalid signatures", "no request at all"}) {
    attacks_.push_back({.name = name});
  }
}

FloodLoad::~FloodLoad() = default;

absl::Status FloodLoad::Start(absl::Duration limit) {
  size_t ended = 0;
  absl::Status first_error;
  for (auto* people : {&contacts_, &attackers_}) {
    for (const auto& person : *people) {
      person->mail.directory().Refresh([&](absl::Status status) {
        ++ended;
        first_error.Update(status);
      });
    }
  }
  const size_t all = contacts_.size() + attackers_.size();
  if (!loop_.RunUntil([&] { return ended == all; }, limit)) {
    return absl::UnavailableError("the directory did not come");
  }
  RETURN_IF_ERROR(first_error);
  ended = 0;
  for (const auto& contact : contacts_) {
    contact->mail.directory().Start(absl::Seconds(5));
    MakeMailbox(*contact, [&](absl::Status status) {
      ++ended;
      first_error.Update(status);
    });
  }
  for (const auto& attacker : attackers_) {
    attacker->mail.directory().Start(absl::Seconds(20));
  }
  if (!loop_.RunUntil([&] { return ended == contacts_.size(); }, limit)) {
    return absl::UnavailableError("the mailboxes could not be made");
  }
  return first_error;
}

void FloodLoad::MakeMailbox(Person& reader,
                            std::function<void(absl::Status)> done) {
  reader.mail.swarm().Register(
      client::MailboxReader::Pairwise(reader.read_key,
                                      reader.write_key.public_key()),
      [&reader,
       done = std::move(done)](absl::StatusOr<client::StoreOutcome> outcome) {
        if (!outcome.ok()) return done(outcome.status());
        // The inbox as well: it is what strangers flood.
        reader.mail.swarm().Register(
            client::MailboxReader::Inbox(reader.account.id(),
                                         reader.account.signing_key()),
            [done](absl::StatusOr<client::StoreOutcome> inbox) {
              done(inbox.status());
            });
      });
}

ContactFigures FloodLoad::Contacts(absl::Duration duration) {
  phase_ = ContactFigures();
  phase_end_ = clock_.Now() + duration;
  for (size_t i = 0; i < contacts_.size(); ++i) {
    // Not all at the same moment.
    loop_.RunAfter(options_.contact_interval * random_.UnitDouble(),
                   [this, i] { SendAsContact(i); });
  }
  loop_.RunUntil([] { return false; }, duration);
  loop_.RunUntil([this] { return waiting_ == 0; }, kLastAnswers);
  return phase_;
}

void FloodLoad::SendAsContact(size_t contact) {
  if (clock_.Now() >= phase_end_) return;
  const Person& reader = *contacts_[(contact + 1) % contacts_.size()];
  const absl::Time began = clock_.Now();
  ++phase_.sent;
  ++waiting_;
  contacts_[contact]->mail.swarm().Store(
      client::StoreTarget::Pairwise(reader.read_key.public_key(),
                                    reader.write_key),
      random_.String(kTextBytes), began + kLife,
      [this, began](absl::StatusOr<client::StoreOutcome> outcome) {
        --waiting_;
        if (!outcome.ok()) return;
        ++phase_.confirmed;
        phase_.latencies.push_back(absl::ToDoubleSeconds(clock_.Now() - began));
      });
  // Whether or not it is confirmed: people do not wait for each other.
  loop_.RunAfter(options_.contact_interval,
                 [this, contact] { SendAsContact(contact); });
}

void FloodLoad::BeginAttack() {
  attacking_ = true;
  for (size_t i = 0; i < attackers_.size(); ++i) {
    for (int k = 0; k < options_.attacker_at_once; ++k) AttackOnce(i);
  }
}

void FloodLoad::EndAttack() { attacking_ = false; }

void FloodLoad::AttackOnce(size_t attacker) {
  if (!attacking_) return;
  AttackWith(attacker, random_.Uniform(kAttackKinds));
}

void FloodLoad::AttackWith(size_t attacker, size_t kind) {
  const Person& victim = *contacts_[random_.Uniform(contacts_.size())];
  const absl::Time expiry = clock_.Now() + kLife;
  size_t size = size_t{1} << (9 + random_.Uniform(8));  // 512 B to 64 KiB
  ++attacks_[kind].tried;

  // What the client's own code would refuse to send goes out as it is.
  if (kind == kOversized || kind == kBadSignature || kind == kJunk) {
    swarm::v1::ClientRequest request;
    const swarm::MailboxAddress mailbox = swarm::MailboxAddress::ForPair(
        victim.read_key.public_key(), victim.write_key.public_key());
    swarm::v1::StoreRequest& store = *request.mutable_store();
    store.set_expiry_ms(static_cast<uint64_t>(absl::ToUnixMillis(expiry)));
    store.set_mailbox(std::string(
        kind == kOversized
            ? swarm::MailboxAddress::ForAccount(victim.account.id()).bytes()
            : mailbox.bytes()));
    store.set_ns(kind == kOversized ? 0 : 10);
    // The longest that still goes on a circuit beside its envelope.
    if (kind == kOversized) size = swarm::kMaxPayloadBytes + 512;
    store.set_payload(random_.String(size));
    if (kind == kBadSignature) {
      store.set_read_key(std::string(victim.read_key.public_key().bytes()));
      store.set_write_key(std::string(victim.write_key.public_key().bytes()));
      store.set_signature(random_.String(64));
    }
    const auto consensus =
        attackers_[attacker]->mail.directory().holder().current();
    const swarm::Placement placement(consensus);
    const std::vector<routing::NodeId> members = placement.Members(mailbox);
    attackers_[attacker]->mail.requester().Send(
        {.destination = members[random_.Uniform(members.size())],
         .swarm = members,
         .service = routing::kSwarmStorageService,
         .bytes =
             kind == kJunk ? random_.String(size) : request.SerializeAsString(),
         .reply_cells = 1,
         .timeout = absl::Seconds(5)},
        [this, attacker, kind, size](absl::StatusOr<std::string> reply,
                                     const client::RequestRoute&) {
          swarm::v1::ClientResponse response;
          if (reply.ok() && response.ParseFromString(*reply) &&
              response.receipts().receipts_size() > 0) {
            ++attacks_[kind].accepted;
            attacks_[kind].accepted_bytes += size;
          }
          AttackOnce(attacker);
        });
    return;
  }

  std::optional<crypto::Ed25519PrivateKey> write_key;
  std::optional<client::StoreTarget> target;
  if (kind == kVictimInbox) {
    target = client::StoreTarget::Inbox(victim.account.id());
  } else if (kind == kMadeUpInbox) {
    target =
        client::StoreTarget::Inbox(crypto::AccountKeys::Generate(random_).id());
  } else {
    write_key.emplace(crypto::Ed25519PrivateKey::Generate(random_));
    target = client::StoreTarget::Pairwise(
        crypto::Ed25519PrivateKey::Generate(random_).public_key(), *write_key);
  }
  attackers_[attacker]->mail.swarm().Store(
      *target, random_.String(size), expiry,
      [this, attacker, kind,
       size](absl::StatusOr<client::StoreOutcome> outcome) {
        if (outcome.ok()) {
          ++attacks_[kind].accepted;
          attacks_[kind].accepted_bytes += size;
        }
        AttackOnce(attacker);
      });
}

}  // namespace messenger::chaos
