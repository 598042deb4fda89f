#include "swarm/service/storage_service.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/base/status_macros.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/mailbox.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/proto/peer.pb.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/proto/storage_codec.h"
#include "swarm/store/store_op.h"
#include "swarm/validation/admission.h"

namespace messenger::swarm {
namespace {

constexpr size_t kMaxMessageWords = 120;

uint64_t Milliseconds(absl::Time time) {
  return static_cast<uint64_t>(absl::ToUnixMillis(time));
}

absl::string_view MailboxBytesOf(const v1::ClientRequest& request) {
  switch (request.request_case()) {
    case v1::ClientRequest::kStore:
      return request.store().mailbox();
    case v1::ClientRequest::kDelete:
      return request.delete_().mailbox();
    case v1::ClientRequest::kPutRecord:
      return request.put_record().mailbox();
    case v1::ClientRequest::kRegister:
      return request.register_().mailbox();
    case v1::ClientRequest::kPurge:
      return request.purge().mailbox();
    default:
      return "";
  }
}

absl::StatusOr<ValidWrite> ValidateWrite(const v1::ClientRequest& request,
                                         int registration_bits,
                                         absl::Time now) {
  switch (request.request_case()) {
    case v1::ClientRequest::kStore:
      return ValidateStore(request.store(), now, Origin::kClient);
    case v1::ClientRequest::kDelete:
      return ValidateDelete(request.delete_(), now, Origin::kClient);
    case v1::ClientRequest::kPutRecord:
      return ValidatePutRecord(request.put_record(), Origin::kClient);
    case v1::ClientRequest::kRegister:
      return ValidateRegister(request.register_(), registration_bits, now,
                              Origin::kClient);
    case v1::ClientRequest::kPurge:
      return ValidatePurge(request.purge(), now, Origin::kClient);
    default:
      return absl::InternalError("not a write");
  }
}

// Of what is passed on, nothing that this node does not know.
template <typename Request>
void MoveKnown(Request& from, Request& to) {
  from.DiscardUnknownFields();
  to = std::move(from);
}

v1::ReplicatedItem ItemOf(v1::ClientRequest& request) {
  v1::ReplicatedItem item;
  switch (request.request_case()) {
    case v1::ClientRequest::kStore:
      // Work is for the member that is asked.
      request.mutable_store()->clear_work_hour();
      request.mutable_store()->clear_work_nonce();
      MoveKnown(*request.mutable_store(), *item.mutable_store());
      break;
    case v1::ClientRequest::kDelete:
      MoveKnown(*request.mutable_delete_(), *item.mutable_delete_());
      break;
    case v1::ClientRequest::kPutRecord:
      MoveKnown(*request.mutable_put_record(), *item.mutable_put_record());
      break;
    case v1::ClientRequest::kRegister:
      MoveKnown(*request.mutable_register_(), *item.mutable_register_());
      break;
    case v1::ClientRequest::kPurge:
      MoveKnown(*request.mutable_purge(), *item.mutable_purge());
      break;
    default:
      break;
  }
  return item;
}

// The writer's signature, at the end of a pairwise message's proof.
std::string SignatureIn(const std::string& proof) {
  return proof.size() < crypto::Ed25519Signature::kSize
             ? std::string()
             : proof.substr(proof.size() - crypto::Ed25519Signature::kSize);
}

}  // namespace

StorageService::StorageService(Options options)
    : options_(std::move(options)), nonces_(options_.random) {}

void StorageService::Count(v1::Refusal::Reason reason) {
  switch (reason) {
    case v1::Refusal::NOT_REGISTERED:
      ++counters_.not_registered;
      break;
    case v1::Refusal::MAILBOX_FULL:
      ++counters_.mailbox_full;
      break;
    case v1::Refusal::NODE_FULL:
      ++counters_.node_full;
      break;
    case v1::Refusal::WORK_NEEDED:
      ++counters_.work_needed;
      break;
    case v1::Refusal::WRONG_SWARM:
      ++counters_.wrong_swarm;
      break;
    case v1::Refusal::CLOCK_SKEW:
      ++counters_.clock_skew;
      break;
    case v1::Refusal::FILLING:
      ++counters_.filling;
      break;
    default:
      break;
  }
}

void StorageService::Answer(const absl::Status& status,
                            v1::ClientResponse response,
                            routing::Reply& reply) {
  if (!status.ok()) ++counters_.refused;
  if (absl::IsAlreadyExists(status)) ++counters_.replayed;
  response.set_code(static_cast<uint32_t>(status.code()));
  response.set_message(
      std::string(status.message().substr(0, kMaxMessageWords)));
  if (const std::optional<v1::Refusal> refusal = RefusalOf(status)) {
    Count(refusal->reason());
    *response.mutable_refusal() = *refusal;
  }
  reply(response.SerializeAsString());
}

void StorageService::Handle(uint8_t service, std::string request,
                            routing::Reply reply) {
  if (service != routing::kSwarmStorageService) {
    return reply(absl::UnimplementedError("no such service"));
  }
  ++counters_.requests;
  v1::ClientResponse response;
  v1::ClientRequest parsed;
  if (request.size() > kMaxClientRequestBytes ||
      !parsed.ParseFromString(request)) {
    return Answer(absl::InvalidArgumentError("malformed request"),
                  std::move(response), reply);
  }
  const std::shared_ptr<const Placement> placement = options_.placement.Get();
  if (placement == nullptr ||
      placement->consensus().valid_until() <= options_.clock.Now()) {
    return Answer(absl::UnavailableError("this node has no current directory"),
                  std::move(response), reply);
  }
  response.set_epoch(placement->consensus().epoch());
  absl::Status status;
  switch (parsed.request_case()) {
    case v1::ClientRequest::kStore:
    case v1::ClientRequest::kDelete:
    case v1::ClientRequest::kPutRecord:
    case v1::ClientRequest::kRegister:
    case v1::ClientRequest::kPurge:
      return Write(std::move(parsed), placement, std::move(reply));
    case v1::ClientRequest::kRetrieve:
      return Retrieve(parsed.retrieve(), *placement, std::move(reply));
    case v1::ClientRequest::kRepair:
      return Repair(parsed.repair(), *placement, std::move(reply));
    case v1::ClientRequest::kGetRecords:
      status = GetRecords(parsed.get_records(), *placement, response);
      break;
    case v1::ClientRequest::kTime:
      response.mutable_time()->set_now_ms(Milliseconds(options_.clock.Now()));
      response.mutable_time()->set_filling(options_.health.filling());
      break;
    case v1::ClientRequest::REQUEST_NOT_SET:
      status = absl::InvalidArgumentError("unknown kind of request");
      break;
  }
  Answer(status, std::move(response), reply);
}

absl::Status StorageService::CheckMember(const MailboxAddress& mailbox,
                                         const Placement& placement) {
  if (placement.IsMember(mailbox, options_.self) ||
      options_.bug == PlantedBug::kMembershipUnchecked) {
    return absl::OkStatus();
  }
  return Refused(absl::StatusCode::kFailedPrecondition,
                 v1::Refusal::WRONG_SWARM, "the mailbox is in another swarm");
}

absl::Status StorageService::CheckHolds(const MailboxAddress& mailbox) {
  if (options_.health.holds(ShardOf(mailbox))) return absl::OkStatus();
  return Refused(absl::StatusCode::kUnavailable, v1::Refusal::FILLING,
                 "this node is still fetching what it should hold");
}

absl::Status StorageService::CheckWrite(const MailboxAddress& mailbox,
                                        const v1::ClientRequest& request,
                                        const Placement& placement) {
  // Membership and registration before signatures: they cost a hash.
  RETURN_IF_ERROR(CheckMember(mailbox, placement));
  if (!options_.health.clock_fit()) {
    return Refused(absl::StatusCode::kFailedPrecondition,
                   v1::Refusal::CLOCK_SKEW, "this node's clock is off");
  }
  if (request.request_case() == v1::ClientRequest::kStore &&
      options_.store.Usage(mailbox).registered_until_ms <=
          Milliseconds(options_.clock.Now())) {
    // What is not all here says nothing about what there is.
    RETURN_IF_ERROR(CheckHolds(mailbox));
    return Refused(absl::StatusCode::kPermissionDenied,
                   v1::Refusal::NOT_REGISTERED,
                   "nobody has registered this mailbox");
  }
  return absl::OkStatus();
}

absl::Status StorageService::CheckAdmission(const ValidWrite& write,
                                            uint64_t now_ms) {
  const absl::Status admitted =
      Admit(write, options_.store.Usage(write.subject.mailbox),
            options_.store.Space(), now_ms);
  if (admitted.ok()) return admitted;
  // Whoever repeats what is stored already gets the receipts for it.
  const ItemKey key = *KeyOf(write.op);
  const absl::StatusOr<std::vector<StoreOp>> stored =
      options_.store.Load(absl::MakeConstSpan(&key, 1));
  return stored.ok() && !stored->empty() ? absl::OkStatus() : admitted;
}

void StorageService::Write(v1::ClientRequest request,
                           std::shared_ptr<const Placement> placement,
                           routing::Reply reply) {
  v1::ClientResponse response;
  response.set_epoch(placement->consensus().epoch());
  const absl::Time now = options_.clock.Now();
  const absl::StatusOr<MailboxAddress> mailbox =
      MailboxAddress::FromBytes(MailboxBytesOf(request));
  absl::Status status = mailbox.ok() ? CheckWrite(*mailbox, request, *placement)
                                     : mailbox.status();
  if (!status.ok()) return Answer(status, std::move(response), reply);
  absl::StatusOr<ValidWrite> write = ValidateWrite(
      request, placement->consensus().params().registration_bits, now);
  status =
      write.ok() ? CheckAdmission(*write, Milliseconds(now)) : write.status();
  if (!status.ok()) return Answer(status, std::move(response), reply);
  options_.coordinator.Write(
      *std::move(write), ItemOf(request), std::move(placement),
      [this, response = std::move(response),
       reply = std::move(reply)](Coordinator::Outcome outcome) mutable {
        v1::Receipts& receipts = *response.mutable_receipts();
        for (const Receipt& receipt : outcome.receipts) {
          ReceiptToProto(receipt, *receipts.add_receipts());
        }
        Answer(outcome.status, std::move(response), reply);
      });
}

// One call's messages, answered when the last is on disk or refused.
struct RepairCall {
  v1::ClientResponse response;
  absl::Status status;
  int outstanding = 1;
};

void StorageService::Repair(const v1::RepairRequest& request,
                            const Placement& placement, routing::Reply reply) {
  auto call = std::make_shared<RepairCall>();
  call->response.set_epoch(placement.consensus().epoch());
  call->response.mutable_repair();
  auto finish = std::make_shared<absl::AnyInvocable<void(absl::Status)>>(
      [this, call, reply = std::move(reply)](absl::Status status) mutable {
        call->status.Update(status);
        if (--call->outstanding > 0) return;
        Answer(call->status, std::move(call->response), reply);
      });
  const absl::Time now = options_.clock.Now();
  if (request.messages().empty() ||
      request.messages_size() > kMaxRepairMessages) {
    return (*finish)(absl::InvalidArgumentError("no valid number of messages"));
  }
  for (const v1::StoreRequest& message : request.messages()) {
    // An inbox's message proves nothing: it is held to what strangers are.
    const absl::StatusOr<MailboxAddress> mailbox =
        MailboxAddress::FromBytes(message.mailbox());
    absl::Status status =
        mailbox.ok() ? CheckMember(*mailbox, placement) : mailbox.status();
    if (!status.ok()) {
      call->status.Update(status);
      continue;
    }
    absl::StatusOr<ValidWrite> write = ValidateStore(
        message, now,
        mailbox->kind() == MailboxAddress::Kind::kPairwise ? Origin::kPeer
                                                           : Origin::kClient);
    status =
        write.ok() ? CheckAdmission(*write, Milliseconds(now)) : write.status();
    if (!status.ok()) {
      call->status.Update(status);
      continue;
    }
    ++call->outstanding;
    options_.local.Commit(
        *std::move(write), placement.consensus().epoch(),
        [this, call, finish](absl::StatusOr<Receipt> receipt) {
          if (receipt.ok()) {
            ++counters_.repaired;
            v1::RepairResponse& done = *call->response.mutable_repair();
            done.set_stored(done.stored() + 1);
          }
          (*finish)(receipt.status());
        });
  }
  (*finish)(absl::OkStatus());
}

absl::StatusOr<ValidRetrieval> StorageService::OpenRetrieval(
    const v1::RetrieveRequest& request, const Placement& placement) {
  const absl::Time now = options_.clock.Now();
  ASSIGN_OR_RETURN(const MailboxAddress mailbox,
                   MailboxAddress::FromBytes(request.mailbox()));
  RETURN_IF_ERROR(CheckMember(mailbox, placement));
  RETURN_IF_ERROR(CheckHolds(mailbox));
  ASSIGN_OR_RETURN(ValidRetrieval retrieval,
                   ValidateRetrieve(request, options_.self, now));
  if (options_.bug == PlantedBug::kNoncesIgnored) return retrieval;
  RETURN_IF_ERROR(nonces_.Use(retrieval.keys.read_key, retrieval.terms.nonce,
                              retrieval.terms.challenge, now));
  return retrieval;
}

void StorageService::Retrieve(const v1::RetrieveRequest& request,
                              const Placement& placement,
                              routing::Reply reply) {
  v1::ClientResponse response;
  response.set_epoch(placement.consensus().epoch());
  absl::StatusOr<ValidRetrieval> retrieval = OpenRetrieval(request, placement);
  if (!retrieval.ok()) {
    return Answer(retrieval.status(), std::move(response), reply);
  }
  const absl::Status status = ListPage(*retrieval, response);
  const bool empty =
      response.retrieve().messages().empty() && !response.retrieve().more();
  if (!status.ok() || !empty || retrieval->wait <= absl::ZeroDuration()) {
    return Answer(status, std::move(response), reply);
  }
  const MailboxAddress mailbox = retrieval->terms.mailbox;
  const absl::Duration wait = retrieval->wait;
  auto shared_reply = std::make_shared<routing::Reply>(std::move(reply));
  const bool waits = options_.waiters.Wait(
      mailbox, wait,
      [this, retrieval = *std::move(retrieval), response,
       shared_reply](bool came) mutable {
        absl::Status status;
        if (came) {
          ++counters_.pushed;
          response.clear_retrieve();
          status = CheckHolds(retrieval.terms.mailbox);
          if (status.ok()) status = ListPage(retrieval, response);
        }
        Answer(status, std::move(response), *shared_reply);
      });
  if (!waits) {
    Answer(Refused(absl::StatusCode::kResourceExhausted, v1::Refusal::BUSY,
                   "too many wait already"),
           std::move(response), *shared_reply);
  }
}

absl::Status StorageService::ListPage(const ValidRetrieval& retrieval,
                                      v1::ClientResponse& response) {
  const RetrieveTerms& terms = retrieval.terms;
  const MessageStore& store = options_.store;
  // A cursor of another incarnation counts nothing of what is here.
  uint64_t cursor = terms.incarnation == store.incarnation() ? terms.cursor : 0;
  ASSIGN_OR_RETURN(MessagePage page,
                   store.List(terms.mailbox, terms.ns, cursor,
                              Milliseconds(options_.clock.Now()), terms.limit,
                              retrieval.page_bytes));
  v1::RetrieveResponse& retrieved = *response.mutable_retrieve();
  retrieved.set_incarnation(store.incarnation());
  for (StoredMessage& message : page.messages) {
    cursor = message.seq;
    // What the disk got wrong never leaves the node.
    if (ComputeMessageId(terms.mailbox, terms.ns, message.payload) !=
        message.id) {
      ++counters_.damaged_payloads;
      options_.health.on_damaged_item(
          {ItemKind::kMessage, ShardOf(terms.mailbox), message.id});
      continue;
    }
    v1::StoredMessage& out = *retrieved.add_messages();
    out.set_payload(std::move(message.payload));
    out.set_expiry_ms(message.expiry_ms);
    out.set_signature(SignatureIn(message.proof));
    if (message.author_expiry_ms != message.expiry_ms) {
      out.set_author_expiry_ms(message.author_expiry_ms);
    }
  }
  retrieved.set_next_cursor(cursor);
  retrieved.set_more(page.more);
  return absl::OkStatus();
}

absl::Status StorageService::GetRecords(const v1::GetRecordsRequest& request,
                                        const Placement& placement,
                                        v1::ClientResponse& response) {
  ASSIGN_OR_RETURN(const ValidGetRecords valid, ValidateGetRecords(request));
  RETURN_IF_ERROR(CheckMember(valid.mailbox, placement));
  RETURN_IF_ERROR(CheckHolds(valid.mailbox));
  ASSIGN_OR_RETURN(const std::vector<Record> records,
                   options_.store.Records(valid.mailbox, valid.ns));
  v1::GetRecordsResponse& out = *response.mutable_get_records();
  size_t bytes = 0;
  for (const Record& record : records) {
    bytes += record.body.size() + kRecordOverheadBytes;
    if (bytes > valid.page_bytes) {
      out.set_truncated(true);
      break;
    }
    RecordToProto(record, *out.add_records());
  }
  return absl::OkStatus();
}

}  // namespace messenger::swarm
