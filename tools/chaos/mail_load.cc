#include "tools/chaos/mail_load.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "client/remote/onion_requester.h"
#include "client/remote/swarm_client_options.h"
#include "crypto/base/status_macros.h"
#include "routing/directory/consensus.h"
#include "routing/endpoint/endpoint_handler.h"
#include "swarm/auth/limits.h"
#include "swarm/placement/placement.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::chaos {
namespace {

using ::messenger::swarm::MailboxNamespace;
using ::messenger::swarm::MessageId;

// Below what an inbox takes from strangers, with room for attempts that were
// not confirmed.
constexpr uint64_t kMessagesOfAnInbox = 150;
// Long enough that nothing expires in a run.
constexpr absl::Duration kLife = absl::Hours(48);
// Between two looks at a directory that does not have all nodes yet.
constexpr absl::Duration kRefreshPause = absl::Milliseconds(500);
constexpr absl::Duration kDirectoryInterval = absl::Seconds(4);
constexpr absl::Duration kTimeTimeout = absl::Seconds(4);
constexpr absl::Duration kReadPause = absl::Milliseconds(300);

// Less patient than people: a run has many members to try and little time.
client::SwarmClientOptions Patience() {
  client::SwarmClientOptions options;
  options.request_timeout = absl::Seconds(6);
  options.write_attempts = 6;
  options.write_pause = absl::Milliseconds(500);
  options.write_deadline = absl::Seconds(20);
  options.read_deadline = absl::Seconds(20);
  return options;
}

}  // namespace

struct MailLoad::Mailbox {
  size_t reader;
  MailboxNamespace ns;
  // A pairwise one has the two keys, an inbox the account.
  std::optional<crypto::Ed25519PrivateKey> read_key;
  std::optional<crypto::Ed25519PrivateKey> write_key;
  std::optional<crypto::AccountKeys> account;
  uint64_t stored = 0;
  client::Cursors cursors;
  // Members that listed all of it at the end.
  std::set<routing::NodeId> listed;

  client::MailboxReader Reader() const {
    return account ? client::MailboxReader::Inbox(account->id(),
                                                  account->signing_key())
                   : client::MailboxReader::Pairwise(*read_key,
                                                     write_key->public_key());
  }
  client::StoreTarget Target() const {
    return account ? client::StoreTarget::Inbox(account->id())
                   : client::StoreTarget::Pairwise(read_key->public_key(),
                                                   *write_key);
  }
};

struct MailLoad::Client {
  std::unique_ptr<MailClient> mail;
  size_t under_way = 0;
  std::deque<std::shared_ptr<Outgoing>> due_again;
  std::vector<MailboxNumber> reads;
  size_t next_read = 0;
  std::optional<MailboxNumber> inbox;
  bool inbox_coming = false;
  absl::Time last_ack;
};

struct MailLoad::Outgoing {
  MessageNumber number;
  MailboxNumber mailbox;
  std::string payload;
  absl::Time expiry;
};

MailLoad::MailLoad(const MailLoadOptions& options,
                   const routing::NetworkConfig& config,
                   const routing::Clock& clock, routing::EventLoop& loop,
                   crypto::Random& keys, crypto::Random& chance)
    : options_(options),
      config_(config),
      clock_(clock),
      loop_(loop),
      keys_(keys),
      chance_(chance) {
  events_.on_receipt = [this](const MessageId& id,
                              const routing::NodeId& member) {
    history_->SawReceipt(id, member);
  };
  for (int i = 0; i < options_.clients; ++i) {
    auto client = std::make_unique<Client>();
    client->mail =
        std::make_unique<MailClient>(config_,
                                     i % 2 == 0 ? routing::RoutingMode::kOnion
                                                : routing::RoutingMode::kProxy,
                                     clock_, loop_, keys_, events_, Patience());
    clients_.push_back(std::move(client));
  }
}

MailLoad::~MailLoad() = default;

absl::Status MailLoad::Refresh(absl::Duration limit) {
  size_t connected = 0;
  absl::Status first_error;
  for (const auto& client : clients_) {
    client->mail->directory().Refresh([&](absl::Status status) {
      ++connected;
      first_error.Update(status);
    });
  }
  if (!loop_.RunUntil([&] { return connected == clients_.size(); }, limit)) {
    return absl::UnavailableError("the directory did not come");
  }
  return first_error;
}

bool MailLoad::KnowWholeSwarms() const {
  return std::all_of(clients_.begin(), clients_.end(), [](const auto& client) {
    const auto directory = client->mail->directory().holder().current();
    const auto size = static_cast<size_t>(directory->params().swarm_size);
    const swarm::ShardMembers members =
        swarm::Placement(directory).MembersOf(swarm::Shard{0});
    return members.serving.size() >= size && members.target.size() >= size;
  });
}

absl::Status MailLoad::Connect(absl::Duration limit) {
  const absl::Time deadline = clock_.Now() + limit;
  while (true) {
    RETURN_IF_ERROR(Refresh(limit));
    // A relay may still give a directory from before all nodes had joined.
    if (KnowWholeSwarms()) break;
    if (clock_.Now() >= deadline) {
      return absl::UnavailableError("the directory has too few storage nodes");
    }
    loop_.RunUntil([] { return false; }, kRefreshPause);
  }
  for (const auto& client : clients_) {
    client->mail->directory().Start(kDirectoryInterval);
  }
  const routing::NetworkParams& params =
      clients_[0]->mail->directory().holder().current()->params();
  swarm_size_ = params.swarm_size;
  history_ = std::make_unique<MailHistory>(params.write_quorum());
  return absl::OkStatus();
}

void MailLoad::MakeMailbox(
    MailboxNamespace ns, size_t reader,
    std::function<void(absl::StatusOr<MailboxNumber>)> done) {
  auto mailbox = std::make_unique<Mailbox>();
  mailbox->reader = reader;
  mailbox->ns = ns;
  if (ns == MailboxNamespace::kInbox) {
    mailbox->account.emplace(crypto::AccountKeys::Generate(keys_));
  } else {
    mailbox->read_key.emplace(crypto::Ed25519PrivateKey::Generate(keys_));
    mailbox->write_key.emplace(crypto::Ed25519PrivateKey::Generate(keys_));
  }
  const MailboxNumber number = history_->AddMailbox();
  mailboxes_.push_back(std::move(mailbox));
  clients_[reader]->mail->swarm().Register(
      mailboxes_.back()->Reader(),
      [this, reader, number,
       done = std::move(done)](absl::StatusOr<client::StoreOutcome> outcome) {
        if (!outcome.ok()) return done(outcome.status());
        clients_[reader]->reads.push_back(number);
        done(number);
      });
}

void MailLoad::MakeInbox(size_t reader) {
  Client& client = *clients_[reader];
  if (client.inbox_coming) return;
  client.inbox_coming = true;
  MakeMailbox(MailboxNamespace::kInbox, reader,
              [this, reader](absl::StatusOr<MailboxNumber> number) {
                clients_[reader]->inbox_coming = false;
                if (number.ok()) clients_[reader]->inbox = *number;
              });
}

absl::Status MailLoad::Start(absl::Duration limit) {
  RETURN_IF_ERROR(Connect(limit));
  size_t made = 0;
  absl::Status first_error;
  for (size_t reader = 0; reader < clients_.size(); ++reader) {
    for (int i = 0; i < options_.pairwise_mailboxes; ++i) {
      MakeMailbox(MailboxNamespace::kPairwise, reader,
                  [&](absl::StatusOr<MailboxNumber> number) {
                    ++made;
                    first_error.Update(number.status());
                    if (number.ok()) pairwise_.push_back(*number);
                  });
    }
    MakeInbox(reader);
  }
  const size_t wanted =
      clients_.size() * static_cast<size_t>(options_.pairwise_mailboxes);
  if (!loop_.RunUntil([&] { return made == wanted; }, limit)) {
    return absl::UnavailableError("the mailboxes could not be made");
  }
  RETURN_IF_ERROR(first_error);
  writing_ = true;
  last_ack_ = clock_.Now();
  for (size_t i = 0; i < clients_.size(); ++i) {
    clients_[i]->last_ack = last_ack_;
    Fill(i);
    Poll(i);
  }
  return absl::OkStatus();
}

MailLoad::Outgoing MailLoad::NewMessage(size_t client) {
  Outgoing message;
  message.mailbox = pairwise_[chance_.Uniform(pairwise_.size())];
  if (chance_.Uniform(options_.inbox_share) == 0) {
    const size_t reader = chance_.Uniform(clients_.size());
    std::optional<MailboxNumber>& inbox = clients_[reader]->inbox;
    if (inbox) {
      message.mailbox = *inbox;
      if (mailboxes_[*inbox]->stored + 1 >= kMessagesOfAnInbox) {
        inbox.reset();
        MakeInbox(reader);
      }
    } else {
      MakeInbox(reader);
    }
  }
  const uint64_t size_draw = chance_.Uniform(256);
  const bool to_inbox =
      mailboxes_[message.mailbox]->ns == MailboxNamespace::kInbox;
  size_t size = options_.small_bytes;
  if (size_draw % 16 == 1) size = options_.text_bytes;
  if (size_draw == 0 && !to_inbox) size = options_.large_bytes;
  ++mailboxes_[message.mailbox]->stored;
  message.payload =
      absl::StrCat(client, "/", history_->invoked(), "/").substr(0, size);
  message.payload += chance_.String(size - message.payload.size());
  message.expiry = clock_.Now() + kLife;
  const client::StoreTarget target = mailboxes_[message.mailbox]->Target();
  message.number = history_->Invoke(
      message.mailbox,
      swarm::ComputeMessageId(target.mailbox, target.ns, message.payload));
  return message;
}

void MailLoad::Fill(size_t client) {
  Client& c = *clients_[client];
  while (trying_ && c.under_way < static_cast<size_t>(options_.at_once)) {
    std::shared_ptr<Outgoing> message;
    if (!c.due_again.empty()) {
      message = std::move(c.due_again.front());
      c.due_again.pop_front();
      --waiting_;
    } else if (writing_ && !AllInvoked()) {
      message = std::make_shared<Outgoing>(NewMessage(client));
    } else {
      return;
    }
    Store(client, std::move(message));
  }
}

void MailLoad::Store(size_t client, std::shared_ptr<Outgoing> message) {
  ++clients_[client]->under_way;
  ++under_way_;
  ++figures_.attempts;
  const Outgoing& m = *message;
  clients_[client]->mail->swarm().Store(
      mailboxes_[m.mailbox]->Target(), m.payload, m.expiry,
      [this, client, message](absl::StatusOr<client::StoreOutcome> outcome) {
        OnStored(client, message, outcome.ok());
      });
}

void MailLoad::OnStored(size_t client, std::shared_ptr<Outgoing> message,
                        bool acked) {
  Client& c = *clients_[client];
  --c.under_way;
  --under_way_;
  if (acked) {
    const absl::Time now = clock_.Now();
    if (writing_) {
      figures_.longest_silence =
          std::max(figures_.longest_silence, now - last_ack_);
      figures_.longest_silence_of_one =
          std::max(figures_.longest_silence_of_one, now - c.last_ack);
    }
    last_ack_ = now;
    c.last_ack = now;
    history_->Acked(message->number);
  } else {
    ++figures_.failures;
    ++waiting_;
    loop_.RunAfter(options_.retry_after, [this, client, message] {
      clients_[client]->due_again.push_back(message);
      Fill(client);
    });
  }
  Fill(client);
}

void MailLoad::Poll(size_t client) {
  if (!trying_) return;
  Client& c = *clients_[client];
  const MailboxNumber number = c.reads[c.next_read++ % c.reads.size()];
  Mailbox& mailbox = *mailboxes_[number];
  const MailHistory::Moment began = history_->BeginRead();
  c.mail->swarm().Retrieve(
      mailbox.Reader(), mailbox.cursors,
      [this, client, number,
       began](absl::StatusOr<client::RetrieveOutcome> outcome) {
        if (outcome.ok()) {
          std::vector<MessageId> ids;
          for (const auto& message : outcome->messages) {
            ids.push_back(message.id);
          }
          const bool whole = outcome->complete && !outcome->more;
          history_->EndRead(number, began, ids, whole);
          mailboxes_[number]->cursors = std::move(outcome->cursors);
          ++(whole ? figures_.complete_reads : figures_.incomplete_reads);
        } else {
          ++figures_.failed_reads;
        }
        loop_.RunAfter(options_.poll_pause, [this, client] { Poll(client); });
      });
}

void MailLoad::StopWriting() {
  const absl::Time now = clock_.Now();
  figures_.longest_silence =
      std::max(figures_.longest_silence, now - last_ack_);
  for (const auto& client : clients_) {
    figures_.longest_silence_of_one =
        std::max(figures_.longest_silence_of_one, now - client->last_ack);
  }
  writing_ = false;
}

std::shared_ptr<const routing::Consensus> MailLoad::NewestDirectory() const {
  std::shared_ptr<const routing::Consensus> newest;
  for (const auto& client : clients_) {
    const auto consensus = client->mail->directory().holder().current();
    if (newest == nullptr ||
        (consensus != nullptr && consensus->epoch() > newest->epoch())) {
      newest = consensus;
    }
  }
  return newest;
}

int MailLoad::RunningStorageNodes() {
  const auto newest = NewestDirectory();
  if (newest == nullptr) return 0;
  int running = 0;
  for (const routing::NodeRecord& node : newest->nodes()) {
    if (node.running && node.storage_role) ++running;
  }
  return running;
}

void MailLoad::AskWhetherAllHold(int nodes, std::function<void(bool)> done) {
  struct Answers {
    int outstanding = 0;
    int hold = 0;
    int others = 0;
  };
  auto answers = std::make_shared<Answers>();
  const auto directory = NewestDirectory();
  if (directory == nullptr || clients_.empty()) return done(false);
  swarm::v1::ClientRequest request;
  request.mutable_time();
  for (const routing::NodeRecord& node : directory->nodes()) {
    if (!node.storage_role) continue;
    ++answers->outstanding;
    clients_[keys_.Uniform(clients_.size())]->mail->requester().Send(
        {.destination = node.id,
         .swarm = {node.id},
         .service = routing::kSwarmStorageService,
         .bytes = request.SerializeAsString(),
         .timeout = kTimeTimeout},
        [answers, nodes, done](absl::StatusOr<std::string> reply,
                               const client::RequestRoute&) {
          swarm::v1::ClientResponse response;
          const bool holds = reply.ok() && response.ParseFromString(*reply) &&
                             response.has_time() && !response.time().filling();
          ++(holds ? answers->hold : answers->others);
          if (--answers->outstanding > 0) return;
          done(answers->hold >= nodes && answers->others == 0);
        });
  }
  if (answers->outstanding == 0) done(false);
}

void MailLoad::ReadToEnd(size_t client, MailboxNumber mailbox,
                         client::Cursors cursors,
                         std::shared_ptr<std::vector<MessageId>> ids,
                         std::function<void(bool complete)> done) {
  clients_[client]->mail->swarm().Retrieve(
      mailboxes_[mailbox]->Reader(), std::move(cursors),
      [this, client, mailbox, ids, done = std::move(done)](
          absl::StatusOr<client::RetrieveOutcome> outcome) mutable {
        if (!outcome.ok()) return done(false);
        std::vector<MessageId> of_this_call;
        for (const auto& message : outcome->messages) {
          of_this_call.push_back(message.id);
        }
        history_->EndRead(mailbox, history_->BeginRead(), of_this_call,
                          /*complete=*/false);
        ids->insert(ids->end(), of_this_call.begin(), of_this_call.end());
        if (!outcome->more) return done(outcome->complete);
        ReadToEnd(client, mailbox, std::move(outcome->cursors), ids,
                  std::move(done));
      });
}

void MailLoad::FinalReadOf(MailboxNumber mailbox, int tries,
                           std::function<void()> done) {
  auto ids = std::make_shared<std::vector<MessageId>>();
  const size_t reader = mailboxes_[mailbox]->reader;
  ReadToEnd(reader, mailbox, {}, ids,
            [this, mailbox, tries, ids, done = std::move(done)](bool complete) {
              // Several calls read on where the last one stopped, and members
              // are not all at the same place: what comes twice in two calls
              // is no double.
              std::sort(ids->begin(), ids->end());
              ids->erase(std::unique(ids->begin(), ids->end()), ids->end());
              history_->FinalRead(mailbox, *ids, complete);
              const bool all = mailboxes_[mailbox]->listed.size() >=
                               static_cast<size_t>(swarm_size_);
              if ((complete && all) || tries <= 1) return done();
              loop_.RunAfter(kReadPause, [this, mailbox, tries, done] {
                FinalReadOf(mailbox, tries - 1, done);
              });
            });
}

void MailLoad::ReadEverything(int tries, absl::Duration limit) {
  trying_ = false;
  absl::flat_hash_map<std::string, MailboxNumber> by_address;
  for (MailboxNumber i = 0; i < mailboxes_.size(); ++i) {
    by_address[std::string(mailboxes_[i]->Reader().address().bytes())] = i;
  }
  events_.on_listing = [this, by_address](const std::string& address,
                                          const routing::NodeId& member,
                                          const std::vector<MessageId>& ids) {
    const auto found = by_address.find(address);
    if (found == by_address.end()) return;
    mailboxes_[found->second]->listed.insert(member);
    history_->FinalListing(found->second, member, ids);
  };
  MailboxNumber next = 0;
  size_t finished = 0;
  std::function<void()> read_next = [&] {
    if (next >= mailboxes_.size()) return;
    FinalReadOf(next++, tries, [&] {
      ++finished;
      read_next();
    });
  };
  for (size_t i = 0; i < clients_.size(); ++i) read_next();
  loop_.RunUntil([&] { return finished >= mailboxes_.size(); }, limit);
  // What has not come by now must not come when its callbacks are gone.
  clients_.clear();
  events_.on_listing = nullptr;
}

}  // namespace messenger::chaos
