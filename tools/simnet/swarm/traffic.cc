#include "tools/simnet/swarm/traffic.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "swarm/auth/item.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/receipt.h"
#include "swarm/auth/request_auth.h"
#include "swarm/placement/placement.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/proto/storage_codec.h"

namespace messenger::simnet {
namespace {

constexpr absl::Duration kFirstRetry = absl::Seconds(5);
constexpr absl::Duration kLastRetry = absl::Seconds(60);
constexpr size_t kMaxRecorded = 256;

uint64_t Milliseconds(absl::Time time) {
  return static_cast<uint64_t>(absl::ToUnixMillis(time));
}

}  // namespace

struct Traffic::Outgoing {
  int mailbox = 0;
  swarm::MessageId id;
  std::string payload;
  absl::Time begun;
  absl::Time expiry;
  absl::Time next;
  absl::Duration retry = kFirstRetry;
  int attempts = 0;
  bool under_way = false;
  bool refused_full = false;
};

struct Traffic::Client {
  explicit Client(crypto::AccountKeys keys) : account(std::move(keys)) {}

  int index = 0;
  std::string address;
  routing::SimulatedNetwork::Host* host = nullptr;
  std::unique_ptr<SkewedClock> clock;
  crypto::AccountKeys account;
  std::string directory_wire;
  absl::Time no_directories_until = absl::InfinitePast();
  std::vector<std::shared_ptr<Outgoing>> outbox;
  uint64_t record_seq = 0;
  bool record_under_way = false;

  // The process.
  std::unique_ptr<crypto::SeededRandom> random;
  std::unique_ptr<ProcessExecutor> executor;
  std::unique_ptr<routing::ConsensusHolder> directory;
  std::unique_ptr<Requester> requester;
  std::unique_ptr<client::SwarmClient> swarm;
};

struct Traffic::Mailbox {
  int index = 0;
  int owner = 0;
  int writer = -1;  // of a pairwise mailbox; -1: anybody
  std::optional<crypto::Ed25519PrivateKey> read_key;
  std::optional<crypto::Ed25519PrivateKey> write_key;
  swarm::MailboxAddress address;
  swarm::MailboxNamespace ns = swarm::MailboxNamespace::kInbox;
  bool registered = false;
  bool registering = false;
};

struct Traffic::Device {
  int number = 0;  // in the ledger
  int mailbox = 0;
  client::Cursors cursors;
  std::vector<swarm::MessageId> known;
  bool reading = false;
  // Outcomes of readings that began before this one changed are dropped.
  uint64_t generation = 0;
  bool final_read_done = false;
};

// Onion circuits as one wire, that is slow and loses things.
class Traffic::Requester final : public client::OnionRequester {
 public:
  Requester(Traffic& traffic, Client& client)
      : traffic_(traffic), client_(client) {}

  void Send(Request request, Done done) override {
    const std::shared_ptr<const routing::Consensus> consensus =
        client_.directory->current();
    const routing::NodeRecord* node =
        consensus == nullptr ? nullptr : consensus->Find(request.destination);
    client::RequestRoute route;
    if (node == nullptr || request.service != 1) {
      client_.executor->Run([done = std::move(done), route]() mutable {
        done(absl::UnavailableError("no such node"), route);
      });
      return;
    }
    // Relays that are not there, but differ from circuit to circuit.
    route.hops = {traffic_.random_.Fixed<routing::NodeId>(),
                  request.destination};
    std::shared_ptr<Recorded> record;
    swarm::v1::ClientRequest parsed;
    if (parsed.ParseFromString(request.bytes) && parsed.has_retrieve()) {
      record = std::make_shared<Recorded>(Recorded{
          request.destination, request.bytes, traffic_.world_.Now(), false});
      traffic_.recorded_.push_back(record);
      if (traffic_.recorded_.size() > kMaxRecorded) {
        traffic_.recorded_.pop_front();
      }
    }
    const bool worked = parsed.store().work_nonce() != 0;
    client_.host->transport().Call(
        node->storage, kClientMethod, std::move(request.bytes), request.timeout,
        [this, record, worked, route,
         limit = client::ReplyBytes(request.reply_cells),
         done = std::move(done)](absl::StatusOr<std::string> reply) mutable {
          if (reply.ok() && reply->size() > limit) {
            reply = absl::DeadlineExceededError("does not fit its cells");
          }
          // Only what was carried out has used its nonce up.
          swarm::v1::ClientResponse response;
          if (reply.ok() && response.ParseFromString(*reply) &&
              response.code() == 0) {
            if (record != nullptr) record->answered = true;
            Probes& probes = traffic_.world_.probes();
            if (worked) probes.Hit(Probe::kStrangerWorked);
            if (response.retrieve().more()) probes.Hit(Probe::kPagedReading);
          }
          done(std::move(reply), route);
        });
  }

 private:
  Traffic& traffic_;
  Client& client_;
};

Traffic::Traffic(World& world, Ledger& ledger)
    : world_(world),
      ledger_(ledger),
      random_(world.plan().seed * 8 + 5),
      last_confirmed_(world.Now()) {
  const Plan& plan = world.plan();
  stranger_ = &world.network().AddHost("sim:stranger", std::nullopt);
  for (int i = 0; i < plan.clients; ++i) {
    auto client =
        std::make_unique<Client>(crypto::AccountKeys::Generate(random_));
    client->index = i;
    client->address = absl::StrCat("sim:c", i);
    client->clock = std::make_unique<SkewedClock>(
        world.clock(), plan.clock_skew * (2 * random_.UnitDouble() - 1),
        plan.drift_ppm);
    client->host = &world.network().AddHost(client->address, std::nullopt);
    client->directory_wire = world.newest_wire();
    clients_.push_back(std::move(client));
    StartClient(*clients_.back());
  }
  for (int i = 0; i < 2 * plan.clients; ++i) {
    const int owner = i / 2;
    const bool inbox = i % 2 == 0;
    std::optional<crypto::Ed25519PrivateKey> read_key;
    std::optional<crypto::Ed25519PrivateKey> write_key;
    if (!inbox) {
      read_key = crypto::Ed25519PrivateKey::Generate(random_);
      write_key = crypto::Ed25519PrivateKey::Generate(random_);
    }
    const swarm::MailboxAddress address =
        inbox ? swarm::MailboxAddress::ForAccount(clients_[owner]->account.id())
              : swarm::MailboxAddress::ForPair(read_key->public_key(),
                                               write_key->public_key());
    mailboxes_.push_back(std::make_unique<Mailbox>(
        Mailbox{.index = i,
                .owner = owner,
                .writer = inbox ? -1
                                : static_cast<int>(random_.Uniform(
                                      static_cast<uint64_t>(plan.clients))),
                .read_key = std::move(read_key),
                .write_key = std::move(write_key),
                .address = address,
                .ns = inbox ? swarm::MailboxNamespace::kInbox
                            : swarm::MailboxNamespace::kPairwise}));
    const int devices = inbox && random_.Uniform(3) == 0 ? 2 : 1;
    for (int d = 0; d < devices; ++d) {
      auto device = std::make_unique<Device>();
      device->number = ledger_.AddDevice(i);
      device->mailbox = i;
      devices_.push_back(std::move(device));
    }
  }
  for (auto& client : clients_) {
    Client& c = *client;
    Repeat(plan.mean_time_between_sends, [this, &c] { SendSomething(c); });
    Repeat(absl::Seconds(2), [this, &c] { TryOutbox(c); });
    Repeat(absl::Seconds(15), [this, &c] { FetchDirectory(c); });
    Repeat(absl::Minutes(5), [this, &c] { PutRecord(c); });
    Repeat(absl::Minutes(5), [this, &c] { GetRecord(c); });
  }
  for (auto& mailbox : mailboxes_) {
    Mailbox& m = *mailbox;
    Repeat(absl::Seconds(5), [this, &m] { Register(m); });
  }
  for (auto& device : devices_) {
    Device& d = *device;
    Repeat(plan.mean_time_between_polls, [this, &d] {
      if (working_) Poll(d, /*final_reading=*/false);
    });
    Repeat(absl::Minutes(6), [this, &d] { DeleteSomething(d); });
    Repeat(absl::Minutes(40), [this, &d] { Purge(d); });
    Repeat(absl::Minutes(25), [this, &d] { Shorten(d); });
  }
}

Traffic::~Traffic() {
  for (auto& client : clients_) {
    client->swarm.reset();
    client->executor->Kill();
    world_.network().Crash(*client->host);
  }
  world_.network().Crash(*stranger_);
}

const std::string& Traffic::address(int client) const {
  return clients_[client]->address;
}

void Traffic::Repeat(absl::Duration mean, std::function<void()> task) {
  const absl::Duration delay = mean * (2 * random_.UnitDouble());
  world_.executor().RunAfter(delay, [this, mean, task = std::move(task)] {
    task();
    Repeat(mean, task);
  });
}

void Traffic::StartClient(Client& client) {
  client.random = std::make_unique<crypto::SeededRandom>(
      (world_.plan().seed * 1000 + ++lives_) * 8 + 6);
  client.executor = std::make_unique<ProcessExecutor>(world_.executor());
  client.directory =
      std::make_unique<routing::ConsensusHolder>(world_.trust(), *client.clock);
  client.directory->Accept(client.directory_wire).IgnoreError();
  client.requester = std::make_unique<Requester>(*this, client);
  client::SwarmClientOptions options;
  options.bug = world_.plan().options.client_bug;
  if (world_.plan().options.baseline) {
    options.bug = client::PlantedClientBug::kBaseline;
  }
  client.swarm = std::make_unique<client::SwarmClient>(
      *client.requester, *client.directory, *client.clock, *client.executor,
      *client.random, options, [this, &client] { FetchDirectory(client); });
}

void Traffic::CrashClient(int index) {
  Client& client = *clients_[index];
  if (client.swarm->operations() > 0) {
    world_.probes().Hit(Probe::kClientCrashedWhileSending);
  }
  client.swarm.reset();
  client.executor->Kill();
  world_.network().Restart(*client.host);
  for (const auto& message : client.outbox) message->under_way = false;
  for (const auto& mailbox : mailboxes_) {
    if (mailbox->owner == index) mailbox->registering = false;
  }
  for (const auto& device : devices_) {
    if (mailboxes_[device->mailbox]->owner == index) device->reading = false;
  }
  client.record_under_way = false;
  StartClient(client);
}

void Traffic::JumpClock(int client, absl::Duration step) {
  clients_[client]->clock->Jump(step);
}

void Traffic::StopDirectories(int client, absl::Duration span) {
  clients_[client]->no_directories_until = world_.Now() + span;
}

int Traffic::AnyRegisteredMailbox() {
  for (int tries = 0; tries < 10; ++tries) {
    const size_t i = random_.Uniform(mailboxes_.size());
    if (mailboxes_[i]->registered) return static_cast<int>(i);
  }
  return -1;
}

void Traffic::PollAll(int mailbox) {
  for (const auto& device : devices_) {
    if (working_ && device->mailbox == mailbox) {
      Poll(*device, /*final_reading=*/false);
    }
  }
}

void Traffic::FetchDirectory(Client& client) {
  // Relays have mirrors of it; it comes with a delay.
  world_.executor().RunAfter(absl::Seconds(random_.UnitDouble()),
                             [this, &client, wire = world_.newest_wire()] {
                               if (world_.Now() < client.no_directories_until) {
                                 return;
                               }
                               if (client.directory->Accept(wire).ok())
                                 client.directory_wire = wire;
                             });
}

namespace {

client::MailboxReader ReaderOf(
    const crypto::AccountKeys& account,
    const std::optional<crypto::Ed25519PrivateKey>& read_key,
    const std::optional<crypto::Ed25519PrivateKey>& write_key) {
  return read_key.has_value() ? client::MailboxReader::Pairwise(
                                    *read_key, write_key->public_key())
                              : client::MailboxReader::Inbox(
                                    account.id(), account.signing_key());
}

}  // namespace

void Traffic::Register(Mailbox& mailbox) {
  if (mailbox.registered || mailbox.registering) return;
  mailbox.registering = true;
  Client& owner = *clients_[mailbox.owner];
  owner.swarm->Register(
      ReaderOf(owner.account, mailbox.read_key, mailbox.write_key),
      [this, &mailbox](absl::StatusOr<client::StoreOutcome> outcome) {
        mailbox.registering = false;
        mailbox.registered = outcome.ok();
        if (outcome.ok()) last_confirmed_ = world_.Now();
      });
}

void Traffic::SendSomething(Client& client) {
  if (!working_) return;
  Mailbox& mailbox = world_.plan().crowded && random_.Uniform(10) < 7
                         ? *mailboxes_[0]
                         : *mailboxes_[random_.Uniform(
                               static_cast<uint64_t>(mailboxes_.size()))];
  Send(mailbox.writer < 0 ? client : *clients_[mailbox.writer], mailbox);
}

void Traffic::SendTo(int index) {
  Mailbox& mailbox = *mailboxes_[index];
  if (!working_) return;
  Send(mailbox.writer < 0 ? *clients_[random_.Uniform(clients_.size())]
                          : *clients_[mailbox.writer],
       mailbox);
}

void Traffic::Send(Client& writer, Mailbox& mailbox) {
  const uint64_t size_draw = random_.Uniform(100);
  size_t size = 64 + random_.Uniform(400);
  if (size_draw >= 95) size = 4096 + random_.Uniform(4096);
  if (size_draw == 99 && mailbox.writer >= 0) size = 60'000;
  const uint64_t life_draw = random_.Uniform(100);
  absl::Duration life = absl::Hours(1 + random_.Uniform(13 * 24));
  if (life_draw < 10) life = absl::Seconds(60 + random_.Uniform(180));
  if (life_draw >= 10 && life_draw < 30) {
    life = absl::Minutes(5 + random_.Uniform(25));
  }
  auto message = std::make_shared<Outgoing>();
  message->mailbox = mailbox.index;
  message->payload = random_.String(size);
  message->begun = message->next = world_.Now();
  // To the millisecond, as it is on the wire.
  message->expiry =
      absl::FromUnixMillis(absl::ToUnixMillis(world_.Now() + life));
  message->id =
      swarm::ComputeMessageId(mailbox.address, mailbox.ns, message->payload);
  ledger_.Sending(mailbox.index, message->id, message->expiry, world_.Now());
  writer.outbox.push_back(std::move(message));
  TryOutbox(writer);
}

void Traffic::TryOutbox(Client& client) {
  const absl::Time now = world_.Now();
  for (size_t i = 0; i < client.outbox.size();) {
    const std::shared_ptr<Outgoing>& message = client.outbox[i];
    if (!message->under_way && now + swarm::kMinTtl > message->expiry) {
      ++figures_.expired_unsent;
      world_.probes().Hit(Probe::kOutboxExpired);
      client.outbox.erase(client.outbox.begin() + static_cast<long>(i));
      continue;
    }
    if (!message->under_way && message->next <= now) Attempt(client, message);
    ++i;
  }
}

void Traffic::Attempt(Client& client,
                      const std::shared_ptr<Outgoing>& message) {
  const Mailbox& mailbox = *mailboxes_[message->mailbox];
  message->under_way = true;
  ++message->attempts;
  ++figures_.attempts;
  const client::StoreTarget target =
      mailbox.writer < 0
          ? client::StoreTarget::Inbox(clients_[mailbox.owner]->account.id())
          : client::StoreTarget::Pairwise(mailbox.read_key->public_key(),
                                          *mailbox.write_key);
  client.swarm->Store(
      target, message->payload, message->expiry,
      [this, &client, message](absl::StatusOr<client::StoreOutcome> outcome) {
        message->under_way = false;
        if (!outcome.ok()) {
          message->next =
              world_.Now() + message->retry * (0.5 + random_.UnitDouble());
          message->retry = std::min(2 * message->retry, kLastRetry);
          // Members that are nearly full do not all say so each time.
          if (absl::IsResourceExhausted(outcome.status())) {
            message->refused_full = true;
            world_.probes().Hit(Probe::kWriteRefusedFull);
          }
          return;
        }
        CheckSent(client, *message, *outcome);
        last_confirmed_ = world_.Now();
        std::string how = "receipts of";
        for (const routing::NodeId& node : outcome->holders) {
          absl::StrAppend(&how, " ", world_.IndexOf(node));
        }
        absl::StrAppend(&how, " at client's epoch ",
                        client.directory->current()->epoch(), ", begun ",
                        absl::FormatDuration(world_.Now() - message->begun),
                        " before");
        ledger_.Sent(message->id, world_.Now(), std::move(how));
        figures_.time_to_sent.push_back(world_.Now() - message->begun);
        if (message->attempts > 1) world_.probes().Hit(Probe::kAckAfterRetry);
        client.outbox.erase(
            std::remove(client.outbox.begin(), client.outbox.end(), message),
            client.outbox.end());
      });
}

// I2, seen from above: where a client was told that W of S and W of T have the
// message on disk, so it is; or was, where fate has taken disks meanwhile.
void Traffic::CheckSent(Client& client, const Outgoing& message,
                        const client::StoreOutcome& outcome) {
  Probes& probes = world_.probes();
  const Mailbox& mailbox = *mailboxes_[message.mailbox];
  const swarm::Placement placement(client.directory->current());
  const swarm::ShardMembers members = placement.MembersOf(mailbox.address);
  const size_t quorum = static_cast<size_t>(placement.write_quorum());
  if (outcome.holders.size() == quorum) probes.Hit(Probe::kAckWithExactlyW);
  if (outcome.attempts > 1) probes.Hit(Probe::kAckBySeveralCoordinators);
  if (members.in_transition()) probes.Hit(Probe::kJointQuorumAck);
  const Ledger::Message* known = ledger_.Find(message.id);
  if (known->may_end <= world_.Now()) {
    probes.Hit(Probe::kAckOfDeleted);
    return;
  }
  if (message.expiry < world_.Now() + absl::Minutes(5)) return;
  ++figures_.false_sent_checked;
  const swarm::ItemKey key{.kind = swarm::ItemKind::kMessage,
                           .shard = swarm::ShardOf(mailbox.address),
                           .id = message.id};
  for (const auto& set : {members.serving, members.target}) {
    size_t holding = 0;
    for (const routing::NodeId& id : set) {
      const int i = world_.IndexOf(id);
      holding += world_.node(i).liar != Liar::kHonest ||
                 world_.node(i).last_destroyed >= message.begun ||
                 // It has gone down since, and cannot be asked.
                 !world_.node(i).running() || world_.Holds(i, key);
    }
    if (holding < quorum) {
      ledger_.Violate("false_sent", absl::StrCat("told that W=", quorum,
                                                 " have it: ", holding, " do"));
    }
  }
}

void Traffic::Poll(Device& device, bool final_reading) {
  Mailbox& mailbox = *mailboxes_[device.mailbox];
  Client& client = *clients_[mailbox.owner];
  if (device.reading && !final_reading) return;
  if (!mailbox.registered) {
    if (final_reading) {
      world_.executor().RunAfter(absl::Seconds(2), [this, &device] {
        Poll(device, /*final_reading=*/true);
      });
    }
    return;
  }
  if (!final_reading && random_.Uniform(12) == 0) {
    // A new telephone.
    ledger_.Reinstall(device.number);
    device.cursors.clear();
  }
  if (device.cursors.empty()) world_.probes().Hit(Probe::kFreshReading);
  device.reading = true;
  const absl::Time begun = world_.Now();
  client.swarm->Retrieve(
      ReaderOf(client.account, mailbox.read_key, mailbox.write_key),
      device.cursors,
      [this, &device, begun, final_reading, generation = device.generation](
          absl::StatusOr<client::RetrieveOutcome> outcome) {
        if (generation != device.generation) return;
        device.reading = false;
        Probes& probes = world_.probes();
        Ledger::Reading reading;
        reading.begun = begun;
        if (outcome.ok()) {
          reading.complete = outcome->complete;
          reading.final_reading = final_reading;
          probes.Hit(outcome->complete ? Probe::kCompleteReading
                                       : Probe::kIncompleteReading);
          for (const auto& [node, cursor] : outcome->cursors) {
            const auto before = device.cursors.find(node);
            if (before != device.cursors.end() &&
                before->second.incarnation != 0 &&
                before->second.incarnation != cursor.incarnation) {
              probes.Hit(Probe::kIncarnationChanged);
            }
          }
          device.cursors = outcome->cursors;
          for (const client::RetrievedMessage& message : outcome->messages) {
            reading.ids.push_back(message.id);
            if (std::find(device.known.begin(), device.known.end(),
                          message.id) != device.known.end()) {
              probes.Hit(Probe::kListedTwice);
            }
            device.known.push_back(message.id);
          }
          const size_t before = ledger_.violations().size();
          ledger_.Read(device.number, reading, world_.Now());
          if (ledger_.violations().size() > before) {
            const Mailbox& mailbox = *mailboxes_[device.mailbox];
            std::string answered;
            for (const routing::NodeId& node : outcome->answered) {
              absl::StrAppend(&answered, " ", world_.IndexOf(node));
            }
            ledger_.Explain(absl::StrCat(
                "answered by", answered, " after ",
                absl::FormatDuration(world_.Now() - begun), "; client's epoch ",
                clients_[mailbox.owner]->directory->current()->epoch(), "; ",
                world_.Describe(swarm::ShardOf(mailbox.address))));
          }
        }
        if (!final_reading) return;
        if (reading.complete) {
          device.final_read_done = true;
          --final_reads_left_;
          return;
        }
        world_.executor().RunAfter(absl::Seconds(2), [this, &device] {
          ledger_.Reinstall(device.number);
          device.cursors.clear();
          Poll(device, /*final_reading=*/true);
        });
      });
}

void Traffic::DeleteSomething(Device& device) {
  if (!working_ || device.known.empty()) return;
  Mailbox& mailbox = *mailboxes_[device.mailbox];
  Client& client = *clients_[mailbox.owner];
  std::vector<swarm::MessageId> ids;
  const uint64_t count = 1 + random_.Uniform(5);
  while (ids.size() < count && !device.known.empty()) {
    const size_t i = random_.Uniform(device.known.size());
    ids.push_back(device.known[i]);
    device.known.erase(device.known.begin() + static_cast<long>(i));
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  ledger_.Deleting(ids, absl::InfinitePast(), world_.Now());
  client.swarm->Delete(
      ReaderOf(client.account, mailbox.read_key, mailbox.write_key), ids,
      [this, ids](absl::StatusOr<client::StoreOutcome> outcome) {
        if (!outcome.ok()) return;
        last_confirmed_ = world_.Now();
        ledger_.Deleted(ids, absl::InfinitePast(), world_.Now());
      });
}

// W members have signed, whatever the one that was asked says.
bool Traffic::IsConfirmed(const swarm::ReceiptSubject& subject,
                          const swarm::v1::ClientResponse& response) const {
  if (world_.plan().options.baseline) return true;
  std::set<routing::NodeId> signers;
  for (const swarm::v1::Receipt& proto : response.receipts().receipts()) {
    const absl::StatusOr<swarm::Receipt> receipt =
        swarm::ReceiptFromProto(proto);
    const routing::NodeRecord* node =
        receipt.ok() ? world_.consensus()->Find(receipt->node) : nullptr;
    if (node != nullptr &&
        swarm::VerifyReceipt(node->storage_key, subject, *receipt).ok()) {
      signers.insert(receipt->node);
    }
  }
  return world_.placement().HasWriteQuorum(
      world_.placement().MembersOf(subject.mailbox), signers);
}

// What the client's library has no call for yet: to members in turn, until W
// have it.
void Traffic::WriteRaw(Client& client, const swarm::ReceiptSubject& subject,
                       std::string request, std::function<void(bool)> done,
                       int attempts) {
  const std::shared_ptr<const routing::Consensus> consensus =
      client.directory->current();
  if (consensus == nullptr || attempts == 0) return done(false);
  const swarm::Placement placement(consensus);
  std::vector<routing::NodeId> members = placement.Members(subject.mailbox);
  if (members.empty()) return done(false);
  client::OnionRequester::Request sent;
  sent.destination = members[random_.Uniform(members.size())];
  sent.service = 1;
  sent.bytes = request;
  client.requester->Send(
      std::move(sent), [this, &client, subject, request, done = std::move(done),
                        attempts](absl::StatusOr<std::string> reply,
                                  const client::RequestRoute&) mutable {
        swarm::v1::ClientResponse response;
        if (reply.ok() && response.ParseFromString(*reply) &&
            response.code() == 0 && IsConfirmed(subject, response)) {
          return done(true);
        }
        WriteRaw(client, subject, std::move(request), std::move(done),
                 attempts - 1);
      });
}

void Traffic::Purge(Device& device) {
  if (!working_) return;
  Mailbox& mailbox = *mailboxes_[device.mailbox];
  if (!mailbox.registered) return;
  Client& client = *clients_[mailbox.owner];
  const client::MailboxReader reader =
      ReaderOf(client.account, mailbox.read_key, mailbox.write_key);
  // Of what will be there for a while only the part that ends soonest.
  const swarm::PurgeTerms terms{
      .mailbox = mailbox.address,
      .ns = mailbox.ns,
      .expiry_until_ms =
          Milliseconds(world_.Now() + absl::Hours(random_.Uniform(96))),
      .timestamp_ms = Milliseconds(client.swarm->Now()),
      .nonce = random_.Fixed<swarm::RequestNonce>()};
  swarm::v1::ClientRequest request;
  swarm::v1::PurgeRequest& purge = *request.mutable_purge();
  purge.set_mailbox(std::string(terms.mailbox.bytes()));
  purge.set_ns(static_cast<uint32_t>(terms.ns));
  purge.set_expiry_until_ms(terms.expiry_until_ms);
  purge.set_timestamp_ms(terms.timestamp_ms);
  purge.set_nonce(std::string(terms.nonce.bytes()));
  purge.set_reader_key(std::string(reader.read_key().public_key().bytes()));
  if (reader.write_key().has_value()) {
    purge.set_write_key(std::string(reader.write_key()->bytes()));
  }
  purge.set_signature(
      std::string(swarm::SignPurge(reader.read_key(), terms).bytes()));
  const absl::Time until =
      absl::FromUnixMillis(static_cast<int64_t>(terms.expiry_until_ms));
  ledger_.Purging(mailbox.index, until, world_.Now());
  WriteRaw(
      client, {.id = swarm::PurgeId(terms), .mailbox = terms.mailbox},
      request.SerializeAsString(),
      [this, &mailbox, until](bool done) {
        if (!done) return;
        world_.probes().Hit(Probe::kPurge);
        last_confirmed_ = world_.Now();
        ledger_.Purged(mailbox.index, until, world_.Now());
      },
      /*attempts=*/5);
}

void Traffic::Shorten(Device& device) {
  if (!working_ || device.known.empty()) return;
  Mailbox& mailbox = *mailboxes_[device.mailbox];
  Client& client = *clients_[mailbox.owner];
  const client::MailboxReader reader =
      ReaderOf(client.account, mailbox.read_key, mailbox.write_key);
  const absl::Time effective = absl::FromUnixMillis(absl::ToUnixMillis(
      world_.Now() + absl::Minutes(1 + random_.Uniform(20))));
  const std::vector<swarm::MessageId> ids = {
      device.known[random_.Uniform(device.known.size())]};
  const swarm::DeleteTerms terms{
      .mailbox = mailbox.address,
      .ns = mailbox.ns,
      .timestamp_ms = Milliseconds(client.swarm->Now()),
      .nonce = random_.Fixed<swarm::RequestNonce>(),
      .effective_ms = Milliseconds(effective),
      .ids = ids};
  swarm::v1::ClientRequest request;
  swarm::v1::DeleteRequest& order = *request.mutable_delete_();
  order.set_mailbox(std::string(terms.mailbox.bytes()));
  order.set_ns(static_cast<uint32_t>(terms.ns));
  for (const swarm::MessageId& id : ids) order.add_ids(std::string(id.bytes()));
  order.set_timestamp_ms(terms.timestamp_ms);
  order.set_nonce(std::string(terms.nonce.bytes()));
  order.set_reader_key(std::string(reader.read_key().public_key().bytes()));
  if (reader.write_key().has_value()) {
    order.set_write_key(std::string(reader.write_key()->bytes()));
  }
  order.set_effective_ms(terms.effective_ms);
  order.set_signature(
      std::string(swarm::SignDelete(reader.read_key(), terms).bytes()));
  ledger_.Deleting(ids, effective, world_.Now());
  WriteRaw(
      client, {.id = swarm::DeletionId(terms), .mailbox = terms.mailbox},
      request.SerializeAsString(),
      [this, ids, effective](bool done) {
        if (!done) return;
        world_.probes().Hit(Probe::kShortened);
        last_confirmed_ = world_.Now();
        ledger_.Deleted(ids, effective, world_.Now());
      },
      /*attempts=*/5);
}

void Traffic::PutRecord(Client& client) {
  if (!working_ || client.record_under_way) return;
  if (!mailboxes_[2 * client.index]->registered) return;
  client.record_under_way = true;
  const std::string name = client.address;
  // At times another device writes that has not heard of the newest.
  const uint64_t confirmed = ledger_.ConfirmedRecord(name);
  const bool stale = confirmed > 1 && random_.Uniform(8) == 0;
  const uint64_t seq = stale ? confirmed - 1 : ++client.record_seq;
  if (!stale) ledger_.PuttingRecord(name, seq);
  client.swarm->PutRecord(client.account.id(), client.account.signing_key(),
                          swarm::MailboxNamespace::kIdentityRecord,
                          swarm::RecordKey(), seq, random_.String(100),
                          [this, &client, name, seq, stale](
                              absl::StatusOr<client::StoreOutcome> outcome) {
                            client.record_under_way = false;
                            if (absl::IsAborted(outcome.status())) {
                              world_.probes().Hit(Probe::kRecordSuperseded);
                            }
                            if (!outcome.ok() || stale) return;
                            last_confirmed_ = world_.Now();
                            ledger_.PutRecordDone(name, seq);
                          });
}

void Traffic::GetRecord(Client& client) {
  if (!working_) return;
  const Client& whose =
      *clients_[random_.Uniform(static_cast<uint64_t>(clients_.size()))];
  const std::string name = whose.address;
  const uint64_t confirmed = ledger_.ConfirmedRecord(name);
  client.swarm->GetRecords(
      whose.account.id(), swarm::MailboxNamespace::kIdentityRecord,
      [this, name,
       confirmed](absl::StatusOr<std::vector<swarm::Record>> records) {
        if (!records.ok()) return;
        const uint64_t seq = records->empty() ? 0 : records->front().seq;
        ledger_.GotRecord(name, confirmed, seq);
      });
}

void Traffic::Replay() {
  // Long enough ago to have been dealt with, and not so long that its time
  // alone gives it away.
  std::vector<const Recorded*> usable;
  for (const auto& recorded : recorded_) {
    if (recorded->answered && world_.Now() - recorded->at > absl::Seconds(15)) {
      usable.push_back(recorded.get());
    }
  }
  if (usable.empty()) return;
  const Recorded& recorded = *usable[random_.Uniform(usable.size())];
  int i = world_.IndexOf(recorded.node);
  const bool elsewhere = random_.Uniform(3) == 0;
  if (elsewhere) {
    i = static_cast<int>(
        random_.Uniform(static_cast<uint64_t>(world_.nodes())));
    if (world_.node(i).id == recorded.node) return;
  }
  if (world_.node(i).liar != Liar::kHonest) return;
  ++figures_.replays;
  stranger_->transport().Call(
      world_.node(i).host->endpoint(), kClientMethod, recorded.request,
      absl::Seconds(10), [this](absl::StatusOr<std::string> reply) {
        swarm::v1::ClientResponse response;
        if (!reply.ok() || !response.ParseFromString(*reply)) return;
        if (response.code() == 0) {
          ledger_.Violate("replay", "a repeated retrieval was answered");
        } else {
          world_.probes().Hit(Probe::kReplayRefused);
        }
      });
}

void Traffic::Lie(World::Node& node, std::string& reply) {
  if (node.liar != Liar::kForges && node.liar != Liar::kEpochs) return;
  swarm::v1::ClientResponse response;
  if (!response.ParseFromString(reply)) return;
  if (node.liar == Liar::kEpochs) {
    response.set_epoch(response.epoch() + random_.Uniform(1000));
  } else if (response.has_receipts() || response.code() != 0) {
    // Whatever it was asked: it is stored everywhere.
    response.set_code(0);
    response.clear_refusal();
    swarm::v1::Receipts& receipts = *response.mutable_receipts();
    swarm::v1::Receipt model;
    if (receipts.receipts_size() > 0) model = receipts.receipts(0);
    for (const routing::NodeRecord& other : world_.consensus()->nodes()) {
      swarm::v1::Receipt* forged = receipts.add_receipts();
      *forged = model;
      forged->set_node_id(std::string(other.id.bytes()));
      forged->set_epoch(world_.consensus()->epoch());
      if (model.signature().empty()) {
        forged->set_signature(random_.String(64));
      }
    }
    world_.probes().Hit(Probe::kLiarForgedReceipt);
  }
  reply = response.SerializeAsString();
}

void Traffic::EndOfWork() {
  working_ = false;
  for (const auto& client : clients_) {
    client->clock->Correct();
    client->no_directories_until = absl::InfinitePast();
    for (const auto& message : client->outbox) {
      message->next = world_.Now();
      message->retry = kFirstRetry;
    }
  }
}

std::vector<swarm::MailboxAddress> Traffic::mailboxes() const {
  std::vector<swarm::MailboxAddress> addresses;
  for (const auto& mailbox : mailboxes_) addresses.push_back(mailbox->address);
  return addresses;
}

size_t Traffic::waiting() const {
  size_t count = 0;
  for (const auto& client : clients_) {
    for (const auto& message : client->outbox) count += !message->refused_full;
  }
  return count;
}

void Traffic::ReadAllAfresh() {
  final_reads_left_ = devices_.size();
  for (const auto& device : devices_) {
    ++device->generation;
    ledger_.Reinstall(device->number);
    device->cursors.clear();
    Poll(*device, /*final_reading=*/true);
  }
}

std::string Traffic::Unread() const {
  std::string unread;
  for (const auto& device : devices_) {
    if (!device->final_read_done)
      absl::StrAppend(&unread, device->mailbox, " ");
  }
  return unread;
}

}  // namespace messenger::simnet
