#include "swarm/service/storage_service.h"

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "crypto/base/status_macros.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/mailbox.h"
#include "swarm/proto/peer.pb.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/proto/storage_codec.h"
#include "swarm/validation/request_validator.h"

namespace messenger::swarm {
namespace {

constexpr size_t kMaxMessageWords = 120;

uint64_t Milliseconds(absl::Time time) {
  return static_cast<uint64_t>(absl::ToUnixMillis(time));
}

absl::string_view MailboxOf(const v1::ClientRequest& request) {
  switch (request.request_case()) {
    case v1::ClientRequest::kStore:
      return request.store().mailbox();
    case v1::ClientRequest::kDelete:
      return request.delete_().mailbox();
    case v1::ClientRequest::kPutRecord:
      return request.put_record().mailbox();
    default:
      return "";
  }
}

absl::StatusOr<ValidWrite> ValidateWrite(const v1::ClientRequest& request,
                                         absl::Time now) {
  switch (request.request_case()) {
    case v1::ClientRequest::kStore:
      return ValidateStore(request.store(), now, Origin::kClient);
    case v1::ClientRequest::kDelete:
      return ValidateDelete(request.delete_(), now, Origin::kClient);
    case v1::ClientRequest::kPutRecord:
      return ValidatePutRecord(request.put_record());
    default:
      return absl::InternalError("not a write");
  }
}

v1::ReplicatedItem ItemOf(v1::ClientRequest& request) {
  v1::ReplicatedItem item;
  switch (request.request_case()) {
    case v1::ClientRequest::kStore:
      request.mutable_store()->DiscardUnknownFields();
      *item.mutable_store() = std::move(*request.mutable_store());
      break;
    case v1::ClientRequest::kDelete:
      request.mutable_delete_()->DiscardUnknownFields();
      *item.mutable_delete_() = std::move(*request.mutable_delete_());
      break;
    case v1::ClientRequest::kPutRecord:
      request.mutable_put_record()->DiscardUnknownFields();
      *item.mutable_put_record() = std::move(*request.mutable_put_record());
      break;
    default:
      break;
  }
  return item;
}

}  // namespace

StorageService::StorageService(const routing::NodeId& self,
                               CurrentPlacement& placement,
                               const MessageStore& store,
                               Coordinator& coordinator,
                               const routing::Clock& clock)
    : self_(self),
      placement_(placement),
      store_(store),
      coordinator_(coordinator),
      clock_(clock),
      nonces_(clock.Now()) {}

void StorageService::Answer(const absl::Status& status,
                            v1::ClientResponse response,
                            routing::Reply& reply) {
  if (!status.ok()) ++counters_.refused;
  if (absl::IsAlreadyExists(status)) ++counters_.replayed;
  response.set_code(static_cast<uint32_t>(status.code()));
  response.set_message(
      std::string(status.message().substr(0, kMaxMessageWords)));
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
  const std::shared_ptr<const Placement> placement = placement_.Get();
  if (placement == nullptr ||
      placement->consensus().valid_until() <= clock_.Now()) {
    return Answer(absl::UnavailableError("this node has no current directory"),
                  std::move(response), reply);
  }
  response.set_epoch(placement->consensus().epoch());
  absl::Status status;
  switch (parsed.request_case()) {
    case v1::ClientRequest::kStore:
    case v1::ClientRequest::kDelete:
    case v1::ClientRequest::kPutRecord:
      return Write(std::move(parsed), *placement, std::move(reply));
    case v1::ClientRequest::kRetrieve:
      status = Retrieve(parsed.retrieve(), *placement, response);
      break;
    case v1::ClientRequest::kGetRecords:
      status = GetRecords(parsed.get_records(), *placement, response);
      break;
    case v1::ClientRequest::kTime:
      response.mutable_time()->set_now_ms(Milliseconds(clock_.Now()));
      break;
    case v1::ClientRequest::REQUEST_NOT_SET:
      status = absl::InvalidArgumentError("unknown kind of request");
      break;
  }
  Answer(status, std::move(response), reply);
}

absl::Status StorageService::CheckMember(const MailboxAddress& mailbox,
                                         const Placement& placement) {
  if (placement.IsMember(mailbox, self_)) return absl::OkStatus();
  ++counters_.wrong_swarm;
  return absl::FailedPreconditionError("the mailbox is in another swarm");
}

void StorageService::Write(v1::ClientRequest request,
                           const Placement& placement, routing::Reply reply) {
  v1::ClientResponse response;
  response.set_epoch(placement.consensus().epoch());
  // Membership before signatures: it costs a hash.
  const absl::StatusOr<MailboxAddress> mailbox =
      MailboxAddress::FromBytes(MailboxOf(request));
  absl::Status status =
      mailbox.ok() ? CheckMember(*mailbox, placement) : mailbox.status();
  if (!status.ok()) return Answer(status, std::move(response), reply);
  absl::StatusOr<ValidWrite> write = ValidateWrite(request, clock_.Now());
  if (!write.ok()) {
    return Answer(write.status(), std::move(response), reply);
  }
  coordinator_.Write(
      *std::move(write), ItemOf(request), placement,
      [this, response = std::move(response),
       reply = std::move(reply)](Coordinator::Outcome outcome) mutable {
        v1::Receipts& receipts = *response.mutable_receipts();
        for (const Receipt& receipt : outcome.receipts) {
          ReceiptToProto(receipt, *receipts.add_receipts());
        }
        Answer(outcome.status, std::move(response), reply);
      });
}

absl::Status StorageService::Retrieve(const v1::RetrieveRequest& request,
                                      const Placement& placement,
                                      v1::ClientResponse& response) {
  const absl::Time now = clock_.Now();
  ASSIGN_OR_RETURN(const MailboxAddress mailbox,
                   MailboxAddress::FromBytes(request.mailbox()));
  RETURN_IF_ERROR(CheckMember(mailbox, placement));
  ASSIGN_OR_RETURN(const ValidRetrieval retrieval,
                   ValidateRetrieve(request, self_, now));
  const RetrieveTerms& terms = retrieval.terms;
  RETURN_IF_ERROR(nonces_.Use(
      retrieval.keys.read_key, terms.nonce,
      absl::FromUnixMillis(static_cast<int64_t>(terms.timestamp_ms)), now));
  // A cursor of another incarnation counts nothing of what is here.
  uint64_t cursor =
      terms.incarnation == store_.incarnation() ? terms.cursor : 0;
  ASSIGN_OR_RETURN(
      MessagePage page,
      store_.List(terms.mailbox, terms.ns, cursor, Milliseconds(now),
                  terms.limit, retrieval.page_bytes));
  v1::RetrieveResponse& retrieved = *response.mutable_retrieve();
  retrieved.set_incarnation(store_.incarnation());
  for (StoredMessage& message : page.messages) {
    cursor = message.seq;
    // What the disk got wrong never leaves the node.
    if (ComputeMessageId(terms.mailbox, terms.ns, message.payload) !=
        message.id) {
      ++counters_.damaged_payloads;
      continue;
    }
    v1::StoredMessage& out = *retrieved.add_messages();
    out.set_payload(std::move(message.payload));
    out.set_expiry_ms(message.expiry_ms);
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
  ASSIGN_OR_RETURN(const std::vector<Record> records,
                   store_.Records(valid.mailbox, valid.ns));
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
