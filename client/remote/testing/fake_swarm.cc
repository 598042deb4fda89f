#include "client/remote/testing/fake_swarm.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "swarm/auth/receipt.h"
#include "swarm/auth/record.h"
#include "swarm/auth/registration.h"
#include "swarm/auth/request_auth.h"
#include "swarm/placement/placement.h"
#include "swarm/proto/storage_codec.h"

namespace messenger::client {
namespace {

using ::messenger::swarm::MailboxAddress;
using ::messenger::swarm::MailboxNamespace;

constexpr absl::Duration kTolerance = absl::Seconds(120);

// The times a member checks: of signing, and the latest end of a message.
std::optional<uint64_t> SignedAt(const swarm::v1::ClientRequest& request) {
  if (request.has_retrieve()) return request.retrieve().timestamp_ms();
  if (request.has_register_()) return request.register_().timestamp_ms();
  if (request.has_delete_()) return request.delete_().timestamp_ms();
  return std::nullopt;
}

std::string MailboxOf(const swarm::v1::ClientRequest& request) {
  if (request.has_retrieve()) return request.retrieve().mailbox();
  if (request.has_register_()) return request.register_().mailbox();
  if (request.has_delete_()) return request.delete_().mailbox();
  if (request.has_store()) return request.store().mailbox();
  if (request.has_put_record()) return request.put_record().mailbox();
  return "";
}

}  // namespace

FakeSwarm::FakeSwarm(int nodes)
    : paper_(nodes, routing::TestNetwork::SmallParams(), random_, clock_.Now()),
      directory_(paper_.trust(), clock_),
      nodes_(nodes),
      requester_(executor_, [this](const routing::NodeId& node, uint8_t,
                                   std::string request, routing::Reply reply) {
        Deliver(node, std::move(request), std::move(reply));
      }) {
  Reissue([](routing::TestNetwork::Draft&) {});
}

void FakeSwarm::Reissue(
    const std::function<void(routing::TestNetwork::Draft&)>& edit) {
  if (!directory_.Accept(paper_.Reissue(edit)->wire()).ok()) std::abort();
}

std::vector<int> FakeSwarm::Members(const MailboxAddress& mailbox) {
  std::vector<int> members;
  for (const routing::NodeId& id :
       swarm::Placement(directory_.current()).Members(mailbox)) {
    members.push_back(paper_.IndexOf(id));
  }
  return members;
}

swarm::v1::ClientResponse FakeSwarm::Refuse(absl::StatusCode code,
                                            swarm::v1::Refusal::Reason reason,
                                            uint32_t work_bits) {
  swarm::v1::ClientResponse response;
  response.set_code(static_cast<uint32_t>(code));
  response.mutable_refusal()->set_reason(reason);
  response.mutable_refusal()->set_work_bits(work_bits);
  return response;
}

bool FakeSwarm::Holds(int i, const Box& box, const std::string& payload) const {
  const auto found = nodes_[i].boxes.find(box);
  return found != nodes_[i].boxes.end() &&
         std::any_of(found->second.begin(), found->second.end(),
                     [&](const swarm::v1::StoredMessage& message) {
                       return message.payload() == payload;
                     });
}

void FakeSwarm::Put(int i, const swarm::v1::StoreRequest& store) {
  const Box box(store.mailbox(), store.ns());
  if (Holds(i, box, store.payload())) return;
  swarm::v1::StoredMessage message;
  message.set_payload(store.payload());
  message.set_expiry_ms(store.expiry_ms());
  message.set_signature(store.signature());
  nodes_[i].boxes[box].push_back(message);
  std::vector<std::shared_ptr<Waiting>> woken;
  std::erase_if(waiting_, [&](const std::shared_ptr<Waiting>& waiting) {
    if (waiting->node != i || waiting->request.mailbox() != store.mailbox()) {
      return false;
    }
    woken.push_back(waiting);
    return true;
  });
  for (const std::shared_ptr<Waiting>& waiting : woken) {
    swarm::v1::ClientResponse response;
    *response.mutable_retrieve() = List(i, waiting->request);
    waiting->reply(response.SerializeAsString());
  }
}

swarm::v1::RetrieveResponse FakeSwarm::List(
    int i, const swarm::v1::RetrieveRequest& request) {
  constexpr uint64_t kIncarnation = 1;
  swarm::v1::RetrieveResponse page;
  page.set_incarnation(kIncarnation);
  const auto& box = nodes_[i].boxes[{request.mailbox(), request.ns()}];
  uint64_t cursor =
      request.incarnation() == kIncarnation ? request.cursor() : 0;
  size_t bytes = 0;
  while (cursor < box.size()) {
    bytes += box[cursor].payload().size() + 64;
    if (bytes > request.page_bytes()) {
      page.set_more(true);
      break;
    }
    *page.add_messages() = box[cursor++];
  }
  page.set_next_cursor(cursor);
  return page;
}

swarm::v1::ClientResponse FakeSwarm::Write(
    int i, const swarm::v1::ClientRequest& request) {
  const MailboxAddress mailbox = *MailboxAddress::FromBytes(MailboxOf(request));
  swarm::ReceiptSubject subject{.id = {}, .mailbox = mailbox};
  if (request.has_store()) {
    subject.id = swarm::ComputeMessageId(
        mailbox, static_cast<MailboxNamespace>(request.store().ns()),
        request.store().payload());
    subject.expiry_ms = request.store().expiry_ms();
  } else if (request.has_register_()) {
    subject.id = swarm::RegistrationId(
        {.mailbox = mailbox,
         .timestamp_ms = request.register_().timestamp_ms(),
         .proof_nonce = request.register_().proof_nonce()});
  } else if (request.has_put_record()) {
    subject.id = swarm::RecordId(
        mailbox, static_cast<MailboxNamespace>(request.put_record().ns()),
        *swarm::RecordFromProto(request.put_record()));
  }
  swarm::v1::ClientResponse response;
  for (const int member : Members(mailbox)) {
    Node& node = nodes_[member];
    if (member != i && (node.silent || node.cut_off)) continue;
    if (request.has_store()) Put(member, request.store());
    if (request.has_register_()) {
      node.registered.insert(request.register_().mailbox());
    }
    swarm::ReceiptToProto(swarm::SignReceipt(paper_.node(member).storage_key,
                                             subject, id(member), 1, 1),
                          *response.mutable_receipts()->add_receipts());
  }
  return response;
}

void FakeSwarm::Deliver(const routing::NodeId& destination, std::string bytes,
                        routing::Reply reply) {
  const int i = paper_.IndexOf(destination);
  Node& node = nodes_[i];
  swarm::v1::ClientRequest request;
  if (!request.ParseFromString(bytes)) std::abort();
  if (node.silent) return;
  node.asked.push_back(request);
  swarm::v1::ClientResponse response;
  const absl::Time now = clock_.Now() + node.clock_offset;
  const std::optional<uint64_t> signed_at = SignedAt(request);
  std::optional<swarm::v1::ClientResponse> scripted;
  if (node.script != nullptr) scripted = node.script(request);
  if (scripted.has_value()) {
    response = *std::move(scripted);
  } else if (node.epoch > 0 && !request.has_time()) {
    response = Refuse(absl::StatusCode::kFailedPrecondition,
                      swarm::v1::Refusal::WRONG_SWARM);
  } else if (request.has_time()) {
    response.mutable_time()->set_now_ms(
        static_cast<uint64_t>(absl::ToUnixMillis(now)));
  } else if (signed_at.has_value() &&
             absl::AbsDuration(
                 absl::FromUnixMillis(static_cast<int64_t>(*signed_at)) - now) >
                 kTolerance) {
    response = Refuse(absl::StatusCode::kFailedPrecondition,
                      swarm::v1::Refusal::REASON_UNSPECIFIED);
  } else if (request.has_store() &&
             absl::FromUnixMillis(
                 static_cast<int64_t>(request.store().expiry_ms())) >
                 now + absl::Hours(24 * 14) + kTolerance) {
    response.set_code(
        static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
  } else if (request.has_retrieve() &&
             request.retrieve().challenge() != node.challenge) {
    response = Refuse(absl::StatusCode::kFailedPrecondition,
                      swarm::v1::Refusal::STALE_CHALLENGE);
    response.mutable_refusal()->set_challenge(node.challenge);
  } else if (request.has_retrieve()) {
    *response.mutable_retrieve() = List(i, request.retrieve());
    if (request.retrieve().wait_ms() > 0 &&
        response.retrieve().messages().empty() && !response.retrieve().more()) {
      auto waiting = std::make_shared<Waiting>(
          Waiting{i, request.retrieve(), std::move(reply)});
      waiting_.push_back(waiting);
      executor_.RunAfter(absl::Milliseconds(request.retrieve().wait_ms()),
                         [this, waiting, response] {
                           const auto left = std::find(waiting_.begin(),
                                                       waiting_.end(), waiting);
                           if (left == waiting_.end()) return;
                           waiting_.erase(left);
                           waiting->reply(response.SerializeAsString());
                         });
      return;
    }
  } else if (request.has_get_records()) {
    response.mutable_get_records();
  } else if (request.has_repair()) {
    for (const swarm::v1::StoreRequest& message : request.repair().messages()) {
      Put(i, message);
    }
    response.mutable_repair()->set_stored(
        static_cast<uint32_t>(request.repair().messages_size()));
  } else {
    response = Write(i, request);
  }
  response.set_epoch(std::max(node.epoch, directory_.current()->epoch()));
  reply(response.SerializeAsString());
}

}  // namespace messenger::client
