#include "tools/chaos/flood_attackers.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/remote/mailbox_reader.h"
#include "client/remote/onion_requester.h"
#include "client/remote/swarm_client.h"
#include "client/remote/swarm_client_options.h"
#include "crypto/base/status_macros.h"
#include "crypto/identity/account_keys.h"
#include "routing/directory/consensus.h"
#include "routing/endpoint/endpoint_handler.h"
#include "routing/runtime/grpc_transport.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/registration.h"
#include "swarm/auth/request_auth.h"
#include "swarm/placement/placement.h"
#include "tools/chaos/junk_connection.h"

namespace messenger::chaos {
namespace {

using ::messenger::swarm::MailboxAddress;
using ::messenger::swarm::MailboxNamespace;
using ::messenger::swarm::v1::ClientRequest;
using ::messenger::swarm::v1::ClientResponse;

constexpr absl::Duration kLife = absl::Hours(24);
constexpr absl::Duration kTimeout = absl::Seconds(10);
constexpr absl::Duration kDirectoryInterval = absl::Seconds(20);
constexpr char kPingMethod[] = "/messenger.routing.v1.Relay/Ping";
// Of each attacker who does nothing else.
constexpr size_t kConnectionsKept = 50;
constexpr size_t kJunkBytes = 512;
// A little over 1 ms of one core.
constexpr uint64_t kTriesAtOnce = 2'000;

uint64_t Milliseconds(absl::Time time) {
  return static_cast<uint64_t>(absl::ToUnixMillis(time));
}

uint32_t Number(MailboxNamespace ns) { return static_cast<uint32_t>(ns); }

// What a member said, in a word.
std::string WordFor(const absl::StatusOr<std::string>& reply,
                    ClientResponse& response) {
  if (!reply.ok()) {
    return absl::StrCat("no answer: ",
                        absl::StatusCodeToString(reply.status().code()));
  }
  if (!response.ParseFromString(*reply)) return "nonsense";
  if (response.code() == 0) return AttackFigures::kAccepted;
  if (response.has_refusal()) {
    return swarm::v1::Refusal::Reason_Name(response.refusal().reason());
  }
  return absl::StatusCodeToString(
      static_cast<absl::StatusCode>(response.code()));
}

}  // namespace

// Of one attacker, the oldest given up for each new one.
class FloodAttackers::Connections {
 public:
  explicit Connections(routing::EventLoop& loop) : loop_(loop) {}

  // With a question that everybody may ask.
  void OpenTls(const routing::Endpoint& relay,
               std::function<void(absl::Status)> done) {
    tls_.push_back(std::make_unique<routing::GrpcTransport>(
        routing::GrpcTransport::Options{.executor = loop_}));
    tls_.back()->Call(
        relay, kPingMethod, "", kTimeout,
        [done = std::move(done)](const absl::StatusOr<std::string>& reply) {
          done(reply.status());
        });
    if (tls_.size() > kConnectionsKept / 2) tls_.pop_front();
  }

  // What became of it or, once there are enough, of the one that was given up
  // for it.
  std::string OpenJunk(const std::string& address, const std::string& bytes) {
    absl::StatusOr<JunkConnection> opened =
        JunkConnection::Open(address, bytes);
    if (!opened.ok()) return "refused";
    junk_.push_back(*std::move(opened));
    if (junk_.size() <= kConnectionsKept / 2) return "opened";
    const bool closed = junk_.front().IsClosed();
    junk_.pop_front();
    return closed ? "opened, closed by the node" : "opened, kept";
  }

 private:
  routing::EventLoop& loop_;
  std::deque<std::unique_ptr<routing::GrpcTransport>> tls_;
  std::deque<JunkConnection> junk_;
};

struct FloodAttackers::Attacker {
  Attacker(Kind the_kind, const routing::NetworkConfig& config,
           routing::RoutingMode mode, const routing::Clock& clock,
           routing::EventLoop& loop, crypto::Random& random,
           const Witness::Events& events)
      : kind(the_kind),
        mail(config, mode, clock, loop, random, events),
        connections(loop) {}

  // A mailbox that the attacker has registered.
  struct Own {
    crypto::Ed25519PrivateKey read_key;
    crypto::Ed25519PrivateKey write_key;
    bool registered = false;
    MailboxAddress address() const {
      return MailboxAddress::ForPair(read_key.public_key(),
                                     write_key.public_key());
    }
  };

  const Kind kind;
  MailClient mail;
  Connections connections;
  int unanswered = 0;
  bool working = false;
  std::optional<Own> own;
  bool registering = false;
  // To be replayed: a store that was accepted.
  std::optional<ClientRequest> recorded;
  std::optional<MailboxAddress> recorded_for;
};

const char* FloodAttackers::NameOf(Kind kind) {
  switch (kind) {
    case Kind::kStranger:
      return "strangers, no work";
    case Kind::kWorkingStranger:
      return "strangers, with work";
    case Kind::kUnregisteredInbox:
      return "unregistered inboxes";
    case Kind::kUnregisteredPair:
      return "unregistered pairs";
    case Kind::kForged:
      return "forged signatures";
    case Kind::kOversized:
      return "oversized messages";
    case Kind::kJunk:
      return "no requests at all";
    case Kind::kReplayed:
      return "replays";
    case Kind::kOwnMailbox:
      return "mailboxes of their own";
    case Kind::kConnections:
      return "connections";
    case Kind::kKinds:
      break;
  }
  return "";
}

FloodAttackers::FloodAttackers(const FloodAttackersOptions& options,
                               std::vector<FloodTarget> targets,
                               const routing::NetworkConfig& config,
                               const routing::Clock& clock,
                               routing::EventLoop& loop, crypto::Random& random)
    : options_(options),
      targets_(std::move(targets)),
      clock_(clock),
      loop_(loop),
      random_(random) {
  no_events_.on_receipt = [](const swarm::MessageId&, const routing::NodeId&) {
  };
  constexpr auto kKinds = static_cast<size_t>(Kind::kKinds);
  for (size_t i = 0; i < static_cast<size_t>(options_.attackers); ++i) {
    const Kind kind = static_cast<Kind>(i % kKinds);
    report_[NameOf(kind)];
    attackers_.push_back(std::make_unique<Attacker>(
        kind, config,
        i / kKinds % 2 == 0 ? routing::RoutingMode::kOnion
                            : routing::RoutingMode::kProxy,
        clock_, loop_, random_, no_events_));
  }
}

FloodAttackers::~FloodAttackers() = default;

AttackFigures& FloodAttackers::FiguresOf(const Attacker& attacker) {
  return report_[NameOf(attacker.kind)];
}

absl::Status FloodAttackers::Start(absl::Duration limit) {
  size_t ended = 0;
  absl::Status first_error;
  for (const auto& attacker : attackers_) {
    attacker->mail.directory().Refresh([&](absl::Status status) {
      ++ended;
      first_error.Update(status);
    });
  }
  if (!loop_.RunUntil([&] { return ended == attackers_.size(); }, limit)) {
    return absl::UnavailableError("the directory did not come");
  }
  RETURN_IF_ERROR(first_error);
  for (const auto& attacker : attackers_) {
    attacker->mail.directory().Start(kDirectoryInterval);
    loop_.RunAfter(absl::Seconds(random_.UnitDouble() / options_.rate),
                   [this, &attacker = *attacker] { Tick(attacker); });
  }
  return absl::OkStatus();
}

void FloodAttackers::Tick(Attacker& attacker) {
  if (attacker.unanswered < options_.at_once) {
    Try(attacker);
  } else {
    ++FiguresOf(attacker).withheld;
  }
  loop_.RunAfter(absl::Seconds((0.5 + random_.UnitDouble()) / options_.rate),
                 [this, &attacker] { Tick(attacker); });
}

ClientRequest FloodAttackers::StoreInto(const MailboxAddress& mailbox,
                                        size_t size) {
  ClientRequest request;
  swarm::v1::StoreRequest& store = *request.mutable_store();
  store.set_mailbox(std::string(mailbox.bytes()));
  store.set_ns(Number(mailbox.kind() == MailboxAddress::Kind::kAccount
                          ? MailboxNamespace::kInbox
                          : MailboxNamespace::kPairwise));
  store.set_payload(random_.String(size));
  store.set_expiry_ms(Milliseconds(clock_.Now() + kLife));
  return request;
}

ClientRequest FloodAttackers::StoreIntoPair(
    const crypto::Ed25519PublicKey& read_key,
    const crypto::Ed25519PrivateKey& write_key, size_t size) {
  const MailboxAddress mailbox =
      MailboxAddress::ForPair(read_key, write_key.public_key());
  ClientRequest request = StoreInto(mailbox, size);
  swarm::v1::StoreRequest& store = *request.mutable_store();
  store.set_read_key(std::string(read_key.bytes()));
  store.set_write_key(std::string(write_key.public_key().bytes()));
  store.set_signature(
      std::string(swarm::SignWrite(write_key,
                                   swarm::ComputeMessageId(
                                       mailbox, MailboxNamespace::kPairwise,
                                       store.payload()),
                                   store.expiry_ms())
                      .bytes()));
  return request;
}

void FloodAttackers::Try(Attacker& attacker) {
  const FloodTarget& victim = targets_[random_.Uniform(targets_.size())];
  const MailboxAddress inbox = MailboxAddress::ForAccount(victim.inbox);
  const MailboxAddress pair =
      MailboxAddress::ForPair(victim.read_key, victim.write_key);
  // What strangers may send, 512 bytes to 8 KiB, and what contacts may.
  const size_t small = size_t{1} << (9 + random_.Uniform(5));
  const size_t large = size_t{1} << (9 + random_.Uniform(8));
  switch (attacker.kind) {
    case Kind::kStranger:
      return AskWith(attacker, inbox, StoreInto(inbox, small));
    case Kind::kWorkingStranger: {
      // One core's worth of work at a time, as for anybody.
      if (attacker.working) {
        ++FiguresOf(attacker).withheld;
        return;
      }
      const ClientRequest request = StoreInto(inbox, small);
      return AskWith(
          attacker, inbox, request,
          [this, &attacker, inbox, request](const std::string& /*answer*/,
                                            const ClientResponse& response) {
            if (response.refusal().reason() !=
                    swarm::v1::Refusal::WORK_NEEDED ||
                attacker.working) {
              return;
            }
            attacker.working = true;
            Work(attacker, inbox, request, response.refusal().work_bits(), 0);
          });
    }
    case Kind::kUnregisteredInbox: {
      const MailboxAddress nobody = MailboxAddress::ForAccount(
          crypto::AccountKeys::Generate(random_).id());
      return AskWith(attacker, nobody, StoreInto(nobody, small));
    }
    case Kind::kUnregisteredPair: {
      const auto write_key = crypto::Ed25519PrivateKey::Generate(random_);
      const auto read_key = crypto::Ed25519PrivateKey::Generate(random_);
      return AskWith(attacker,
                     MailboxAddress::ForPair(read_key.public_key(),
                                             write_key.public_key()),
                     StoreIntoPair(read_key.public_key(), write_key, large));
    }
    case Kind::kForged: {
      ClientRequest request = StoreInto(pair, large);
      swarm::v1::StoreRequest& store = *request.mutable_store();
      store.set_read_key(std::string(victim.read_key.bytes()));
      store.set_write_key(std::string(victim.write_key.bytes()));
      store.set_signature(random_.String(crypto::Ed25519Signature::kSize));
      return AskWith(attacker, pair, request);
    }
    case Kind::kOversized:
      // Longer than a stranger's, and the longest that goes on a circuit.
      return AskWith(attacker, inbox,
                     StoreInto(inbox, random_.Uniform(2) == 0
                                          ? swarm::kMaxStrangerPayloadBytes + 1
                                          : swarm::kMaxPayloadBytes + 512));
    case Kind::kJunk:
      return Ask(attacker, inbox, random_.String(large), 0);
    case Kind::kReplayed:
      return TryReplay(attacker);
    case Kind::kOwnMailbox:
      return TryOwnMailbox(attacker);
    case Kind::kConnections: {
      const auto consensus = attacker.mail.directory().holder().current();
      const auto& nodes = consensus->nodes();
      const routing::NodeRecord& relay = nodes[random_.Uniform(nodes.size())];
      ++FiguresOf(attacker).tried;
      if (random_.Uniform(2) == 0) {
        Note(attacker,
             absl::StrCat("no TLS: ",
                          attacker.connections.OpenJunk(
                              relay.link.address, random_.String(kJunkBytes))),
             0);
        return;
      }
      ++attacker.unanswered;
      return attacker.connections.OpenTls(
          relay.link, [this, &attacker](absl::Status status) {
            --attacker.unanswered;
            Note(attacker,
                 absl::StrCat("TLS and ping: ",
                              absl::StatusCodeToString(status.code())),
                 0);
          });
    }
    case Kind::kKinds:
      return;
  }
}

void FloodAttackers::TryReplay(Attacker& attacker) {
  if (attacker.recorded.has_value()) {
    return AskWith(attacker, *attacker.recorded_for, *attacker.recorded);
  }
  const FloodTarget& victim = targets_[random_.Uniform(targets_.size())];
  const MailboxAddress inbox = MailboxAddress::ForAccount(victim.inbox);
  const ClientRequest request = StoreInto(inbox, 512);
  AskWith(attacker, inbox, request,
          [&attacker, inbox, request](const std::string& answer,
                                      const ClientResponse& /*response*/) {
            if (answer != AttackFigures::kAccepted) return;
            attacker.recorded = request;
            attacker.recorded_for = inbox;
          });
}

void FloodAttackers::TryOwnMailbox(Attacker& attacker) {
  if (!attacker.own.has_value()) {
    attacker.own.emplace(Attacker::Own{
        .read_key = crypto::Ed25519PrivateKey::Generate(random_),
        .write_key = crypto::Ed25519PrivateKey::Generate(random_)});
  }
  if (!attacker.own->registered) {
    if (attacker.registering) return;
    attacker.registering = true;
    attacker.mail.swarm().Register(
        client::MailboxReader::Pairwise(attacker.own->read_key,
                                        attacker.own->write_key.public_key()),
        [&attacker](absl::StatusOr<client::StoreOutcome> outcome) {
          attacker.registering = false;
          attacker.own->registered = outcome.ok();
        });
    return;
  }
  AskWith(
      attacker, attacker.own->address(),
      StoreIntoPair(attacker.own->read_key.public_key(),
                    attacker.own->write_key, swarm::kMaxPayloadBytes),
      [&attacker](const std::string& /*answer*/,
                  const ClientResponse& response) {
        if (response.refusal().reason() == swarm::v1::Refusal::MAILBOX_FULL) {
          attacker.own.reset();
        }
      });
}

void FloodAttackers::AskWith(Attacker& attacker, const MailboxAddress& mailbox,
                             const ClientRequest& request, Done done) {
  Ask(attacker, mailbox, request.SerializeAsString(),
      request.store().payload().size(), std::move(done));
}

void FloodAttackers::Ask(Attacker& attacker, const MailboxAddress& mailbox,
                         std::string bytes, size_t payload, Done done) {
  ++FiguresOf(attacker).tried;
  ++attacker.unanswered;
  const swarm::Placement placement(
      attacker.mail.directory().holder().current());
  const std::vector<routing::NodeId> members = placement.Members(mailbox);
  attacker.mail.requester().Send(
      {.destination = members[random_.Uniform(members.size())],
       .swarm = members,
       .service = routing::kSwarmStorageService,
       .bytes = std::move(bytes),
       .reply_cells = 1,
       .timeout = kTimeout},
      [this, &attacker, payload, done = std::move(done)](
          absl::StatusOr<std::string> reply, const client::RequestRoute&) {
        --attacker.unanswered;
        ClientResponse response;
        const std::string answer = WordFor(reply, response);
        Note(attacker, answer, payload);
        if (done != nullptr) done(answer, response);
      });
}

void FloodAttackers::Note(Attacker& attacker, const std::string& answer,
                          size_t payload) {
  AttackFigures& figures = FiguresOf(attacker);
  ++figures.answers[answer];
  if (answer == AttackFigures::kAccepted) figures.accepted_bytes += payload;
}

void FloodAttackers::Work(Attacker& attacker, const MailboxAddress& mailbox,
                          ClientRequest request, uint32_t bits, uint64_t from) {
  const auto hour =
      static_cast<uint32_t>(absl::ToUnixSeconds(clock_.Now()) / 3600);
  const std::optional<uint64_t> nonce = swarm::FindMessageNonce(
      swarm::ComputeMessageId(mailbox, MailboxNamespace::kInbox,
                              request.store().payload()),
      mailbox, hour, static_cast<int>(bits), from, kTriesAtOnce);
  if (nonce.has_value()) {
    attacker.working = false;
    request.mutable_store()->set_work_hour(hour);
    request.mutable_store()->set_work_nonce(*nonce);
    return AskWith(attacker, mailbox, request);
  }
  loop_.Run([this, &attacker, mailbox, request = std::move(request), bits,
             from]() mutable {
    Work(attacker, mailbox, std::move(request), bits, from + kTriesAtOnce);
  });
}

}  // namespace messenger::chaos
