// Whatever bytes a client sends: no crash, and what the validators accept keeps
// every promise that the code behind them relies on.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "swarm/auth/limits.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/validation/request_validator.h"

namespace messenger::swarm {
namespace {

constexpr uint64_t kMax63 = ~uint64_t{0} >> 1;

void Require(bool holds) {
  if (!holds) std::abort();
}

absl::Time Now() { return absl::FromUnixMillis(1'900'000'000'000); }

void CheckWrite(const absl::StatusOr<ValidWrite>& write,
                const std::string& mailbox) {
  if (!write.ok()) {
    Require(!write.status().message().empty());
    Require(write.status().message().size() <= 120);
    return;
  }
  Require(write->subject.mailbox.bytes() == mailbox);
  if (const auto* put = std::get_if<PutMessage>(&write->op)) {
    Require(!put->payload.empty() && put->payload.size() <= kMaxPayloadBytes);
    Require(put->id == ComputeMessageId(put->mailbox, put->ns, put->payload));
    Require(put->id == write->subject.id);
    Require(put->expiry_ms == write->subject.expiry_ms);
    Require(put->expiry_ms <= kMax63);
    Require((put->ns == MailboxNamespace::kPairwise) ==
            (put->mailbox.kind() == MailboxAddress::Kind::kPairwise));
    Require(put->proof.empty() == (put->ns == MailboxNamespace::kInbox));
  } else if (const auto* erase = std::get_if<DeleteMessages>(&write->op)) {
    const DeleteTerms& terms = erase->terms;
    Require(!terms.ids.empty() && terms.ids.size() <= kMaxDeleteIds);
    Require(terms.timestamp_ms <= kMax63 && terms.effective_ms <= kMax63);
    Require(erase->order_id == DeletionId(terms));
  } else if (const auto* purge = std::get_if<PurgeMessages>(&write->op)) {
    Require(purge->terms.expiry_until_ms <= kMax63);
    Require(purge->order_id == PurgeId(purge->terms));
  } else if (const auto* put = std::get_if<PutRegistration>(&write->op)) {
    Require(put->timestamp_ms <= kMax63);
    Require(!put->proof.empty());
  } else {
    const auto& record = std::get<PutRecord>(write->op);
    Require(record.record.seq <= kMax63);
    Require(record.record.body.size() <= kMaxRecordBodyBytes);
  }
}

}  // namespace
}  // namespace messenger::swarm

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace messenger::swarm;  // The entry point cannot be in it.
  v1::ClientRequest request;
  if (size > kMaxClientRequestBytes ||
      !request.ParseFromArray(data, static_cast<int>(size))) {
    return 0;
  }
  switch (request.request_case()) {
    case v1::ClientRequest::kStore:
      for (const Origin origin : {Origin::kClient, Origin::kPeer}) {
        CheckWrite(ValidateStore(request.store(), Now(), origin),
                   request.store().mailbox());
      }
      break;
    case v1::ClientRequest::kDelete:
      for (const Origin origin : {Origin::kClient, Origin::kPeer}) {
        CheckWrite(ValidateDelete(request.delete_(), Now(), origin),
                   request.delete_().mailbox());
      }
      break;
    case v1::ClientRequest::kPutRecord:
      CheckWrite(ValidatePutRecord(request.put_record(), Origin::kClient),
                 request.put_record().mailbox());
      break;
    case v1::ClientRequest::kPurge:
      for (const Origin origin : {Origin::kClient, Origin::kPeer}) {
        CheckWrite(ValidatePurge(request.purge(), Now(), origin),
                   request.purge().mailbox());
      }
      break;
    case v1::ClientRequest::kRegister:
      for (const Origin origin : {Origin::kClient, Origin::kPeer}) {
        CheckWrite(
            ValidateRegister(request.register_(), /*bits=*/0, Now(), origin),
            request.register_().mailbox());
      }
      break;
    case v1::ClientRequest::kRepair:
      for (const v1::StoreRequest& message : request.repair().messages()) {
        CheckWrite(ValidateStore(message, Now(), Origin::kPeer),
                   message.mailbox());
      }
      break;
    case v1::ClientRequest::kRetrieve: {
      const auto retrieval = ValidateRetrieve(
          request.retrieve(), messenger::routing::NodeId(), Now());
      if (retrieval.ok()) {
        Require(retrieval->terms.limit >= 1 &&
                retrieval->terms.limit <= kMaxPageRows);
        Require(retrieval->page_bytes >= kMinPageBytes &&
                retrieval->page_bytes <= kMaxPageBytes);
        Require(retrieval->terms.cursor <= kMax63);
      }
      break;
    }
    case v1::ClientRequest::kGetRecords: {
      const auto records = ValidateGetRecords(request.get_records());
      if (records.ok()) {
        Require(records->mailbox.kind() == MailboxAddress::Kind::kAccount);
        Require(records->page_bytes <= kMaxPageBytes);
      }
      break;
    }
    case v1::ClientRequest::kTime:
    case v1::ClientRequest::REQUEST_NOT_SET:
      break;
  }
  return 0;
}
