#include "swarm/replication/coordinator.h"

#include <optional>
#include <set>
#include <utility>

#include "crypto/base/status_macros.h"
#include "swarm/proto/peer.pb.h"
#include "swarm/proto/refusal.h"
#include "swarm/proto/storage_codec.h"
#include "swarm/replication/peer_methods.h"
#include "swarm/store/store_op.h"

namespace messenger::swarm {
namespace {

// A peer's receipt is worth what its signature is worth: a client would count
// it only if it verifies, so neither does the coordinator.
absl::StatusOr<Receipt> ParseAnswer(const ReceiptSubject& subject,
                                    const routing::NodeId& node,
                                    const crypto::Ed25519PublicKey& key,
                                    const std::string& reply) {
  v1::ReplicateResponse response;
  if (!response.ParseFromString(reply) || response.results_size() != 1) {
    return absl::UnavailableError("a member answered nonsense");
  }
  const v1::ItemResult& result = response.results(0);
  if (result.code() != 0) {
    const absl::Status status(static_cast<absl::StatusCode>(result.code()),
                              "refused by a member");
    return result.has_refusal() ? WithRefusal(status, result.refusal())
                                : status;
  }
  ASSIGN_OR_RETURN(Receipt receipt, ReceiptFromProto(result.receipt()));
  if (receipt.node != node) {
    return absl::UnauthenticatedError("another member's receipt");
  }
  RETURN_IF_ERROR(VerifyReceipt(key, subject, receipt));
  return receipt;
}

}  // namespace

struct Coordinator::Pending {
  explicit Pending(const ReceiptSubject& the_subject) : subject(the_subject) {}

  uint64_t number = 0;
  bool stranger = false;
  ReceiptSubject subject;
  std::optional<ItemKey> item;
  ShardMembers members;
  std::shared_ptr<const Placement> placement;
  size_t outstanding = 0;
  std::set<routing::NodeId> confirmed;
  std::vector<Receipt> receipts;
  // What members said that refused for good, by code; own refusals first.
  std::vector<absl::Status> refusals;
  bool local_failed = false;
  // Members that may still get it, if they are told again.
  std::vector<routing::NodeId> missed;
  routing::TimerId timer = 0;
  Done done;  // null: answered
};

Coordinator::Coordinator(LocalReplica& local, routing::Transport& transport,
                         routing::Executor& executor, NoteHint note_hint)
    : local_(local),
      transport_(transport),
      executor_(executor),
      note_hint_(std::move(note_hint)) {}

Coordinator::~Coordinator() {
  for (auto& [number, pending] : writes_) executor_.Cancel(pending->timer);
}

void Coordinator::Write(ValidWrite write, v1::ReplicatedItem item,
                        std::shared_ptr<const Placement> placement, Done done) {
  const auto* put = std::get_if<PutMessage>(&write.op);
  const bool stranger = put != nullptr && put->ns == MailboxNamespace::kInbox;
  if (writes_.size() >= kMaxUnderWay ||
      (stranger && strangers_under_way_ >= kMaxStrangersUnderWay)) {
    executor_.Run([done = std::move(done)]() mutable {
      done({.status =
                Refused(absl::StatusCode::kResourceExhausted, v1::Refusal::BUSY,
                        "too many writes are under way"),
            .receipts = {}});
    });
    return;
  }
  auto pending = std::make_shared<Pending>(write.subject);
  pending->number = ++last_write_;
  pending->stranger = stranger;
  if (stranger) ++strangers_under_way_;
  pending->item = KeyOf(write.op);
  pending->members = placement->MembersOf(write.subject.mailbox);
  pending->placement = placement;
  pending->done = std::move(done);
  const std::weak_ptr<Pending> weak = pending;
  writes_.emplace(pending->number, pending);
  const uint64_t epoch = placement->consensus().epoch();
  pending->outstanding = pending->members.all.size();
  pending->timer = executor_.RunAfter(kReplicateTimeout, [this, weak] {
    if (auto alive = weak.lock()) Answer(*alive);
  });
  v1::ReplicateRequest request;
  request.set_epoch(epoch);
  *request.add_items() = std::move(item);
  const std::string bytes = request.SerializeAsString();
  for (const routing::NodeId& member : pending->members.all) {
    if (member == local_.node()) continue;
    const routing::NodeRecord* peer = placement->consensus().Find(member);
    transport_.Call(
        peer->storage, kReplicateMethod, bytes, kReplicateTimeout,
        [this, weak, node = peer->id,
         key = peer->storage_key](absl::StatusOr<std::string> reply) {
          auto alive = weak.lock();
          if (alive == nullptr) return;
          Add(*alive, node,
              reply.ok() ? ParseAnswer(alive->subject, node, key, *reply)
                         : absl::StatusOr<Receipt>(reply.status()));
        });
  }
  local_.Commit(std::move(write), epoch,
                [this, weak](absl::StatusOr<Receipt> receipt) {
                  auto alive = weak.lock();
                  if (alive == nullptr) return;
                  alive->local_failed = !receipt.ok();
                  Add(*alive, local_.node(), std::move(receipt));
                });
}

void Coordinator::Add(Pending& pending, const routing::NodeId& node,
                      absl::StatusOr<Receipt> receipt) {
  --pending.outstanding;
  if (receipt.ok()) {
    pending.confirmed.insert(node);
    pending.receipts.push_back(*std::move(receipt));
  } else {
    const bool here = node == local_.node();
    const v1::Refusal::Reason reason = ReasonOf(receipt.status());
    const bool filling = reason == v1::Refusal::FILLING;
    const bool for_good = absl::IsAborted(receipt.status()) ||
                          (RefusalOf(receipt.status()).has_value() && !filling);
    if (for_good || filling ||
        (here && absl::IsResourceExhausted(receipt.status()))) {
      pending.refusals.insert(
          here ? pending.refusals.begin() : pending.refusals.end(),
          receipt.status());
    }
    // A member whose disk is full, that is busy or filling may take it later.
    if (!for_good && !here) pending.missed.push_back(node);
  }
  // Also where a majority can no longer be had the rest is waited for: the
  // client adds up receipts of several attempts.
  const bool last = pending.outstanding == 0;
  if (pending.done != nullptr &&
      (last ||
       pending.placement->HasWriteQuorum(pending.members, pending.confirmed))) {
    const std::weak_ptr<Pending> weak = writes_.at(pending.number);
    Answer(pending);
    if (weak.expired()) return;  // `done` has destroyed this
  }
  if (last) End(pending);
}

void Coordinator::Answer(Pending& pending) {
  if (pending.done == nullptr) return;
  Outcome outcome;
  if (pending.placement->HasWriteQuorum(pending.members, pending.confirmed)) {
    ++counters_.written;
    if (pending.members.in_transition()) ++counters_.joint;
  } else if (!pending.refusals.empty()) {
    outcome.status = pending.refusals.front();
  } else {
    outcome.status =
        absl::UnavailableError("too few members confirmed the write");
  }
  outcome.receipts = pending.receipts;
  executor_.Cancel(pending.timer);
  std::exchange(pending.done, nullptr)(std::move(outcome));
}

void Coordinator::End(Pending& pending) {
  if (pending.item.has_value() && !pending.local_failed) {
    for (const routing::NodeId& node : pending.missed) {
      ++counters_.hinted;
      note_hint_(node, *pending.item);
    }
  }
  if (pending.stranger) --strangers_under_way_;
  writes_.erase(pending.number);
}

}  // namespace messenger::swarm
