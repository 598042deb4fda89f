#include "client/remote/swarm_client.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "client/remote/member_caller.h"
#include "client/remote/network_time.h"
#include "client/remote/read_repair.h"
#include "client/remote/swarm_context.h"
#include "client/remote/swarm_wait.h"
#include "client/remote/work_search.h"
#include "client/remote/write_refusal.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/registration.h"
#include "swarm/auth/request_auth.h"
#include "swarm/placement/current_placement.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/proto/storage_codec.h"

namespace messenger::client {
namespace {

// Mailboxes whose waiting member is remembered.
constexpr size_t kMaxPrimaries = 256;

uint64_t Milliseconds(absl::Time time) {
  return static_cast<uint64_t>(absl::ToUnixMillis(time));
}

// The failure of a write that another clock may cure.
bool MayBeOurClock(const absl::Status& status) {
  const RefusalReason reason = RefusalOf(status).reason;
  // Work counts in its hour only.
  return reason == RefusalReason::kClockSkew ||
         reason == RefusalReason::kWorkNeeded ||
         (reason == RefusalReason::kNone &&
          (absl::IsFailedPrecondition(status) ||
           absl::IsInvalidArgument(status)));
}

// A write as it goes out: signed at the time it is made for.
struct PreparedWrite {
  std::unique_ptr<swarm::v1::ClientRequest> request =
      std::make_unique<swarm::v1::ClientRequest>();
  swarm::ReceiptSubject subject;
};

}  // namespace

struct SwarmClient::State {
  using Operation =
      std::variant<std::unique_ptr<SwarmWrite>, std::unique_ptr<SwarmRetrieval>,
                   std::unique_ptr<SwarmRecordReading>,
                   std::unique_ptr<SwarmWait>, std::unique_ptr<WorkSearch>>;
  using Prepare = std::function<PreparedWrite()>;

  State(OnionRequester& requester, const routing::ConsensusHolder& directory,
        const routing::Clock& clock, routing::Executor& the_executor,
        crypto::Random& random, SwarmClientOptions the_options,
        std::function<void()> the_refresh)
      : caller(requester),
        placement(directory),
        options(the_options),
        time(caller, directory, clock, the_executor, random),
        executor(the_executor),
        refresh(std::move(the_refresh)),
        context{caller,
                placement,
                time,
                the_executor,
                random,
                options,
                [this] { RefreshDirectory(); }},
        repair(context) {}

  void RefreshDirectory() {
    if (refresh == nullptr || refresh_resting) return;
    refresh_resting = true;
    executor.RunAfter(options.directory_refresh_interval,
                      [this, weak = std::weak_ptr<const bool>(alive)] {
                        if (!weak.expired()) refresh_resting = false;
                      });
    refresh();
  }

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

  template <typename T>
  void Run(uint64_t number, std::unique_ptr<T> operation) {
    T& started = *operation;
    operations.emplace(number, std::move(operation));
    started.Start();
  }

  // Prepares and writes. If members seem to have another time, asks for the
  // network's and tries once more.
  void Write(Prepare prepare, Done<StoreOutcome> done) {
    const uint64_t generation = time.generation();
    WriteOnce(prepare(), [this, prepare, generation, done = std::move(done)](
                             absl::StatusOr<StoreOutcome> outcome) mutable {
      if (outcome.ok() || !MayBeOurClock(outcome.status())) {
        return done(std::move(outcome));
      }
      AfterCorrection(
          generation,
          [this, prepare = std::move(prepare), failure = outcome.status(),
           done = std::move(done)](bool changed) mutable {
            if (!changed) return done(std::move(failure));
            WriteOnce(prepare(), std::move(done));
          });
    });
  }

  // `then` learns whether the time is another than that of `generation`.
  void AfterCorrection(uint64_t generation, NetworkTime::Done then) {
    if (time.generation() != generation) return then(true);
    time.Correct(std::move(then));
  }

  void WriteOnce(PreparedWrite write, Done<StoreOutcome> done) {
    const uint64_t number = ++last_operation;
    Run(number, std::make_unique<SwarmWrite>(context, std::move(write.request),
                                             write.subject,
                                             Ending(number, std::move(done))));
  }

  void Register(std::shared_ptr<const MailboxReader> reader, bool corrected,
                Done<StoreOutcome> done) {
    const uint64_t number = ++last_operation;
    const uint64_t generation = time.generation();
    swarm::RegistrationTerms terms{.mailbox = reader->address(),
                                   .timestamp_ms = Milliseconds(time.Now())};
    const std::shared_ptr<const swarm::Placement> known = placement.Get();
    if (known == nullptr) {
      executor.Run([done = std::move(done)]() mutable {
        done(absl::UnavailableError("no directory of the network yet"));
      });
      return;
    }
    const int bits = known->consensus().params().registration_bits;
    Done<uint64_t> found = [this, reader, terms, generation, corrected,
                            done = std::move(done)](
                               absl::StatusOr<uint64_t> nonce) mutable {
      if (!nonce.ok()) return done(nonce.status());
      terms.proof_nonce = *nonce;
      WriteRegistration(
          *reader, terms,
          [this, reader, generation, corrected, done = std::move(done)](
              absl::StatusOr<StoreOutcome> outcome) mutable {
            if (outcome.ok() || corrected || !MayBeOurClock(outcome.status())) {
              return done(std::move(outcome));
            }
            AfterCorrection(
                generation, [this, reader, failure = outcome.status(),
                             done = std::move(done)](bool changed) mutable {
                  if (!changed) return done(std::move(failure));
                  Register(reader, /*corrected=*/true, std::move(done));
                });
          });
    };
    Run(number, std::make_unique<WorkSearch>(
                    executor, bits,
                    [terms, bits](uint64_t from, uint64_t tries) {
                      return swarm::FindRegistrationNonce(terms, bits, from,
                                                          tries);
                    },
                    Ending(number, std::move(found))));
  }

  void WriteRegistration(const MailboxReader& reader,
                         const swarm::RegistrationTerms& terms,
                         Done<StoreOutcome> done) {
    PreparedWrite write{.subject = {.id = swarm::RegistrationId(terms),
                                    .mailbox = terms.mailbox,
                                    .expiry_ms = 0}};
    swarm::v1::RegisterRequest& order = *write.request->mutable_register_();
    order.set_mailbox(std::string(terms.mailbox.bytes()));
    order.set_timestamp_ms(terms.timestamp_ms);
    order.set_proof_nonce(terms.proof_nonce);
    order.set_reader_key(std::string(reader.read_key().public_key().bytes()));
    if (reader.write_key().has_value()) {
      order.set_write_key(std::string(reader.write_key()->bytes()));
    }
    order.set_signature(
        std::string(swarm::SignRegistration(reader.read_key(), terms).bytes()));
    WriteOnce(std::move(write), std::move(done));
  }

  void Retrieve(std::shared_ptr<const MailboxReader> reader, Cursors cursors,
                bool corrected, Done<RetrieveOutcome> done) {
    const uint64_t number = ++last_operation;
    const uint64_t generation = time.generation();
    Done<RetrieveOutcome> read =
        [this, reader, cursors, corrected, generation, done = std::move(done)](
            absl::StatusOr<RetrieveOutcome> outcome) mutable {
          const bool clock = outcome.ok()
                                 ? outcome->clock_refused
                                 : RefusalOf(outcome.status()).reason ==
                                       RefusalReason::kClockSkew;
          if (!clock || corrected) {
            if (outcome.ok()) repair.Observe(*reader, *outcome);
            return done(std::move(outcome));
          }
          AfterCorrection(generation,
                          [this, reader, cursors = std::move(cursors),
                           outcome = std::move(outcome),
                           done = std::move(done)](bool changed) mutable {
                            if (!changed) return done(std::move(outcome));
                            Retrieve(reader, std::move(cursors),
                                     /*corrected=*/true, std::move(done));
                          });
        };
    Run(number, std::make_unique<SwarmRetrieval>(
                    context, reader->Copy(), std::move(cursors),
                    Ending(number, std::move(read))));
  }

  // Whom to wait at: a serving member that runs, not `avoid` if there is
  // another.
  std::optional<routing::NodeId> ChoosePrimary(
      const swarm::MailboxAddress& mailbox,
      const std::optional<routing::NodeId>& avoid) {
    const std::shared_ptr<const swarm::Placement> current = placement.Get();
    if (current == nullptr) return std::nullopt;
    std::vector<routing::NodeId> fit;
    for (const routing::NodeId& node : current->MembersOf(mailbox).serving) {
      if (current->consensus().Find(node)->running) fit.push_back(node);
    }
    const auto known = primaries.find(mailbox);
    if (known != primaries.end() && known->second != avoid &&
        std::find(fit.begin(), fit.end(), known->second) != fit.end()) {
      return known->second;
    }
    if (fit.size() > 1) {
      std::erase_if(fit,
                    [&](const routing::NodeId& id) { return id == avoid; });
    }
    if (fit.empty()) return std::nullopt;
    context.random.Shuffle(fit.begin(), fit.end());
    if (primaries.size() >= kMaxPrimaries) primaries.clear();
    primaries.insert_or_assign(mailbox, fit[0]);
    return fit[0];
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
  const SwarmClientOptions options;
  NetworkTime time;
  routing::Executor& executor;
  const std::function<void()> refresh;
  bool refresh_resting = false;
  SwarmContext context;
  ReadRepair repair;
  absl::flat_hash_map<swarm::MailboxAddress, routing::NodeId> primaries;
  uint64_t last_operation = 0;
  absl::flat_hash_map<uint64_t, Operation> operations;
  std::shared_ptr<const bool> alive = std::make_shared<const bool>(true);
};

SwarmClient::SwarmClient(OnionRequester& requester,
                         const routing::ConsensusHolder& directory,
                         const routing::Clock& clock,
                         routing::Executor& executor, crypto::Random& random,
                         SwarmClientOptions options,
                         std::function<void()> refresh_directory)
    : state_(std::make_unique<State>(requester, directory, clock, executor,
                                     random, options,
                                     std::move(refresh_directory))) {}

SwarmClient::~SwarmClient() = default;

void SwarmClient::Store(const StoreTarget& target, const std::string& payload,
                        absl::Time expiry, Done<StoreOutcome> done) {
  if (payload.empty() || payload.size() > swarm::kMaxPayloadBytes) {
    return state_->Refuse(
        absl::InvalidArgumentError("no valid size of a message"),
        std::move(done));
  }
  std::shared_ptr<const crypto::Ed25519PrivateKey> write_key;
  if (target.write_key != nullptr && target.read_key.has_value()) {
    write_key = std::make_shared<crypto::Ed25519PrivateKey>(
        crypto::Ed25519PrivateKey::FromSeed(target.write_key->seed()));
  }
  state_->Write(
      [this, mailbox = target.mailbox, ns = target.ns,
       read_key = target.read_key, write_key, payload, expiry] {
        const uint64_t expiry_ms =
            Milliseconds(std::min(expiry, Now() + swarm::kMaxTtl));
        const swarm::MessageId id =
            swarm::ComputeMessageId(mailbox, ns, payload);
        PreparedWrite write{
            .subject = {.id = id, .mailbox = mailbox, .expiry_ms = expiry_ms}};
        swarm::v1::StoreRequest& store = *write.request->mutable_store();
        store.set_mailbox(std::string(mailbox.bytes()));
        store.set_ns(static_cast<uint32_t>(ns));
        store.set_payload(payload);
        store.set_expiry_ms(expiry_ms);
        if (write_key != nullptr) {
          store.set_read_key(std::string(read_key->bytes()));
          store.set_write_key(std::string(write_key->public_key().bytes()));
          store.set_signature(
              std::string(swarm::SignWrite(*write_key, id, expiry_ms).bytes()));
        }
        return write;
      },
      std::move(done));
}

void SwarmClient::Register(const MailboxReader& reader,
                           Done<StoreOutcome> done) {
  state_->Register(std::make_shared<const MailboxReader>(reader.Copy()),
                   /*corrected=*/false, std::move(done));
}

void SwarmClient::Delete(const MailboxReader& reader,
                         const std::vector<swarm::MessageId>& ids,
                         Done<StoreOutcome> done) {
  if (ids.empty() || ids.size() > swarm::kMaxDeleteIds) {
    return state_->Refuse(absl::InvalidArgumentError("no valid number of ids"),
                          std::move(done));
  }
  state_->repair.Forget(reader.address(), ids);
  state_->Write(
      [this, reader = std::make_shared<const MailboxReader>(reader.Copy()),
       ids] {
        const swarm::DeleteTerms terms{
            .mailbox = reader->address(),
            .ns = reader->ns(),
            .timestamp_ms = Milliseconds(Now()),
            .nonce = state_->context.random.Fixed<swarm::RequestNonce>(),
            .effective_ms = 0,
            .ids = ids};
        PreparedWrite write{.subject = {.id = swarm::DeletionId(terms),
                                        .mailbox = terms.mailbox,
                                        .expiry_ms = 0}};
        swarm::v1::DeleteRequest& order = *write.request->mutable_delete_();
        order.set_mailbox(std::string(terms.mailbox.bytes()));
        order.set_ns(static_cast<uint32_t>(terms.ns));
        for (const swarm::MessageId& id : ids) {
          order.add_ids(std::string(id.bytes()));
        }
        order.set_timestamp_ms(terms.timestamp_ms);
        order.set_nonce(std::string(terms.nonce.bytes()));
        order.set_reader_key(
            std::string(reader->read_key().public_key().bytes()));
        if (reader->write_key().has_value()) {
          order.set_write_key(std::string(reader->write_key()->bytes()));
        }
        order.set_signature(
            std::string(swarm::SignDelete(reader->read_key(), terms).bytes()));
        return write;
      },
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
  PreparedWrite write{.subject = {.id = swarm::RecordId(mailbox, ns, record),
                                  .mailbox = mailbox,
                                  .expiry_ms = 0}};
  swarm::v1::PutRecordRequest& put = *write.request->mutable_put_record();
  put.set_mailbox(std::string(mailbox.bytes()));
  put.set_ns(static_cast<uint32_t>(ns));
  swarm::RecordToProto(record, put);
  state_->WriteOnce(std::move(write), std::move(done));
}

void SwarmClient::Retrieve(MailboxReader reader, Cursors cursors,
                           Done<RetrieveOutcome> done) {
  state_->Retrieve(std::make_shared<const MailboxReader>(std::move(reader)),
                   std::move(cursors), /*corrected=*/false, std::move(done));
}

void SwarmClient::Wait(MailboxReader reader, Cursors cursors,
                       absl::Duration timeout, Done<RetrieveOutcome> done) {
  const std::optional<routing::NodeId> member =
      state_->ChoosePrimary(reader.address(), std::nullopt);
  if (!member) {
    return state_->Refuse(
        absl::UnavailableError("no member of the swarm is known to run"),
        std::move(done));
  }
  const uint64_t number = ++state_->last_operation;
  auto known = std::make_shared<const MailboxReader>(reader.Copy());
  Done<RetrieveOutcome> waited =
      [state = state_.get(), known, member = *member, done = std::move(done)](
          absl::StatusOr<RetrieveOutcome> outcome) mutable {
        if (outcome.ok()) {
          state->repair.Observe(*known, *outcome);
        } else {
          state->ChoosePrimary(known->address(), member);
        }
        done(std::move(outcome));
      };
  state_->Run(number, std::make_unique<SwarmWait>(
                          state_->context, *member, std::move(reader),
                          std::move(cursors), timeout,
                          state_->Ending(number, std::move(waited))));
}

void SwarmClient::GetRecords(const crypto::AccountId& account,
                             swarm::MailboxNamespace ns,
                             Done<std::vector<swarm::Record>> done) {
  const uint64_t number = ++state_->last_operation;
  state_->Run(number,
              std::make_unique<SwarmRecordReading>(
                  state_->context, swarm::MailboxAddress::ForAccount(account),
                  ns, state_->Ending(number, std::move(done))));
}

absl::Time SwarmClient::Now() const { return state_->time.Now(); }

size_t SwarmClient::operations() const { return state_->operations.size(); }

}  // namespace messenger::client
