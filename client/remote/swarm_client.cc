#include "client/remote/swarm_client.h"

#include <utility>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "client/remote/member_caller.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/request_auth.h"
#include "swarm/placement/current_placement.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/proto/storage_codec.h"

namespace messenger::client {
namespace {

uint64_t Milliseconds(absl::Time time) {
  return static_cast<uint64_t>(absl::ToUnixMillis(time));
}

}  // namespace

struct SwarmClient::State {
  using Operation =
      std::variant<std::unique_ptr<SwarmWrite>, std::unique_ptr<SwarmRetrieval>,
                   std::unique_ptr<SwarmRecordReading>>;

  State(OnionRequester& requester, const routing::ConsensusHolder& directory,
        const routing::Clock& the_clock, routing::Executor& the_executor,
        crypto::Random& the_random, SwarmClientOptions the_options)
      : caller(requester),
        placement(directory),
        clock(the_clock),
        executor(the_executor),
        random(the_random),
        options(the_options) {}

  // Takes the operation out before telling, so that `done` may do anything.
  template <typename T>
  Done<T> Ending(uint64_t number, Done<T> done) {
    return [this, number,
            done = std::move(done)](absl::StatusOr<T> result) mutable {
      // Destroys the operation that is calling; it expects that.
      Done<T> tell = std::move(done);
      operations.erase(number);
      tell(std::move(result));
    };
  }

  void Write(const swarm::v1::ClientRequest& request,
             const swarm::ReceiptSubject& subject, Done<StoreOutcome> done) {
    const uint64_t number = ++last_operation;
    auto write = std::make_unique<SwarmWrite>(
        caller, placement, executor, random, options,
        request.SerializeAsString(), subject, Ending(number, std::move(done)));
    SwarmWrite& started = *write;
    operations.emplace(number, std::move(write));
    started.Start();
  }

  // Fails without asking anybody.
  template <typename T>
  void Refuse(absl::Status status, Done<T> done) {
    executor.Run([weak = std::weak_ptr<const bool>(alive),
                  status = std::move(status),
                  done = std::move(done)]() mutable {
      if (!weak.expired()) done(std::move(status));
    });
  }

  MemberCaller caller;
  swarm::CurrentPlacement placement;
  const routing::Clock& clock;
  routing::Executor& executor;
  crypto::Random& random;
  const SwarmClientOptions options;
  uint64_t last_operation = 0;
  absl::flat_hash_map<uint64_t, Operation> operations;
  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);
};

SwarmClient::SwarmClient(OnionRequester& requester,
                         const routing::ConsensusHolder& directory,
                         const routing::Clock& clock,
                         routing::Executor& executor, crypto::Random& random,
                         SwarmClientOptions options)
    : state_(std::make_unique<State>(requester, directory, clock, executor,
                                     random, options)) {}

SwarmClient::~SwarmClient() = default;

void SwarmClient::Store(const StoreTarget& target, const std::string& payload,
                        absl::Time expiry, Done<StoreOutcome> done) {
  if (payload.empty() || payload.size() > swarm::kMaxPayloadBytes) {
    return state_->Refuse(
        absl::InvalidArgumentError("no valid size of a message"),
        std::move(done));
  }
  const uint64_t expiry_ms = Milliseconds(expiry);
  const swarm::MessageId id =
      swarm::ComputeMessageId(target.mailbox, target.ns, payload);
  swarm::v1::ClientRequest request;
  swarm::v1::StoreRequest& store = *request.mutable_store();
  store.set_mailbox(std::string(target.mailbox.bytes()));
  store.set_ns(static_cast<uint32_t>(target.ns));
  store.set_payload(payload);
  store.set_expiry_ms(expiry_ms);
  if (target.write_key != nullptr && target.read_key.has_value()) {
    store.set_read_key(std::string(target.read_key->bytes()));
    store.set_write_key(std::string(target.write_key->public_key().bytes()));
    store.set_signature(std::string(
        swarm::SignWrite(*target.write_key, id, expiry_ms).bytes()));
  }
  state_->Write(request,
                {.id = id, .mailbox = target.mailbox, .expiry_ms = expiry_ms},
                std::move(done));
}

void SwarmClient::Delete(const MailboxReader& reader,
                         const std::vector<swarm::MessageId>& ids,
                         Done<StoreOutcome> done) {
  if (ids.empty() || ids.size() > swarm::kMaxDeleteIds) {
    return state_->Refuse(absl::InvalidArgumentError("no valid number of ids"),
                          std::move(done));
  }
  const swarm::DeleteTerms terms{
      .mailbox = reader.address(),
      .ns = reader.ns(),
      .timestamp_ms = Milliseconds(state_->clock.Now()),
      .nonce = state_->random.Fixed<swarm::RequestNonce>(),
      .ids = ids};
  swarm::v1::ClientRequest request;
  swarm::v1::DeleteRequest& order = *request.mutable_delete_();
  order.set_mailbox(std::string(terms.mailbox.bytes()));
  order.set_ns(static_cast<uint32_t>(terms.ns));
  for (const swarm::MessageId& id : ids) {
    order.add_ids(std::string(id.bytes()));
  }
  order.set_timestamp_ms(terms.timestamp_ms);
  order.set_nonce(std::string(terms.nonce.bytes()));
  order.set_reader_key(std::string(reader.read_key().public_key().bytes()));
  if (reader.write_key().has_value()) {
    order.set_write_key(std::string(reader.write_key()->bytes()));
  }
  order.set_signature(
      std::string(swarm::SignDelete(reader.read_key(), terms).bytes()));
  state_->Write(request,
                {.id = swarm::DeletionId(terms),
                 .mailbox = reader.address(),
                 .expiry_ms = 0},
                std::move(done));
}

void SwarmClient::PutRecord(const crypto::AccountId& account,
                            const crypto::Ed25519PrivateKey& account_key,
                            swarm::MailboxNamespace ns,
                            const swarm::RecordKey& key, uint64_t seq,
                            std::string body, Done<StoreOutcome> done) {
  if (body.empty() || body.size() > swarm::kMaxRecordBodyBytes) {
    return state_->Refuse(
        absl::InvalidArgumentError("no valid size of a record"),
        std::move(done));
  }
  const swarm::MailboxAddress mailbox =
      swarm::MailboxAddress::ForAccount(account);
  swarm::Record record;
  record.key = key;
  record.seq = seq;
  record.body = std::move(body);
  swarm::SignRecord(account_key, mailbox, ns, record);
  swarm::v1::ClientRequest request;
  swarm::v1::PutRecordRequest& put = *request.mutable_put_record();
  put.set_mailbox(std::string(mailbox.bytes()));
  put.set_ns(static_cast<uint32_t>(ns));
  swarm::RecordToProto(record, put);
  state_->Write(request,
                {.id = swarm::RecordId(mailbox, ns, record),
                 .mailbox = mailbox,
                 .expiry_ms = 0},
                std::move(done));
}

void SwarmClient::Retrieve(MailboxReader reader, Cursors cursors,
                           Done<RetrieveOutcome> done) {
  const uint64_t number = ++state_->last_operation;
  auto retrieval = std::make_unique<SwarmRetrieval>(
      state_->caller, state_->placement, state_->executor, state_->clock,
      state_->random, state_->options, std::move(reader), std::move(cursors),
      state_->Ending(number, std::move(done)));
  SwarmRetrieval& started = *retrieval;
  state_->operations.emplace(number, std::move(retrieval));
  started.Start();
}

void SwarmClient::GetRecords(const crypto::AccountId& account,
                             swarm::MailboxNamespace ns,
                             Done<std::vector<swarm::Record>> done) {
  const uint64_t number = ++state_->last_operation;
  auto reading = std::make_unique<SwarmRecordReading>(
      state_->caller, state_->placement, state_->executor, state_->options,
      swarm::MailboxAddress::ForAccount(account), ns,
      state_->Ending(number, std::move(done)));
  SwarmRecordReading& started = *reading;
  state_->operations.emplace(number, std::move(reading));
  started.Start();
}

size_t SwarmClient::operations() const { return state_->operations.size(); }

}  // namespace messenger::client
