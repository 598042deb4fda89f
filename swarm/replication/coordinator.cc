#include "swarm/replication/coordinator.h"

#include <utility>

#include "crypto/base/status_macros.h"
#include "swarm/proto/peer.pb.h"
#include "swarm/proto/storage_codec.h"
#include "swarm/replication/peer_methods.h"

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
    return absl::Status(static_cast<absl::StatusCode>(result.code()),
                        "refused by a member");
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
  uint64_t number = 0;
  ReceiptSubject subject;
  size_t quorum = 0;
  size_t outstanding = 0;
  std::vector<Receipt> receipts;
  bool superseded = false;
  bool no_space_here = false;
  routing::TimerId timer = 0;
  Done done;
};

Coordinator::Coordinator(LocalReplica& local, routing::Transport& transport,
                         routing::Executor& executor)
    : local_(local), transport_(transport), executor_(executor) {}

Coordinator::~Coordinator() {
  for (auto& [number, pending] : writes_) executor_.Cancel(pending->timer);
}

void Coordinator::Write(ValidWrite write, v1::ReplicatedItem item,
                        const Placement& placement, Done done) {
  auto pending = std::make_shared<Pending>(
      Pending{.number = ++last_write_,
              .subject = write.subject,
              .quorum = static_cast<size_t>(placement.write_quorum()),
              .receipts = {},
              .done = std::move(done)});
  const std::weak_ptr<Pending> weak = pending;
  const bool busy = writes_.size() >= kMaxUnderWay;
  writes_.emplace(pending->number, pending);
  if (busy) {
    pending->no_space_here = true;
    executor_.Run([this, weak] {
      if (auto alive = weak.lock()) Answer(*alive);
    });
    return;
  }
  const uint64_t epoch = placement.consensus().epoch();
  const std::vector<routing::NodeId> members =
      placement.Members(write.subject.mailbox);
  pending->outstanding = members.size();
  pending->timer = executor_.RunAfter(kReplicateTimeout, [this, weak] {
    if (auto alive = weak.lock()) Answer(*alive);
  });
  v1::ReplicateRequest request;
  request.set_epoch(epoch);
  *request.add_items() = std::move(item);
  const std::string bytes = request.SerializeAsString();
  for (const routing::NodeId& member : members) {
    if (member == local_.node()) continue;
    const routing::NodeRecord* peer = placement.consensus().Find(member);
    transport_.Call(
        peer->storage, kReplicateMethod, bytes, kReplicateTimeout,
        [this, weak, node = peer->id,
         key = peer->storage_key](absl::StatusOr<std::string> reply) {
          auto alive = weak.lock();
          if (alive == nullptr) return;
          Add(*alive, reply.ok()
                          ? ParseAnswer(alive->subject, node, key, *reply)
                          : absl::StatusOr<Receipt>(reply.status()));
        });
  }
  local_.Commit(
      std::move(write), epoch, [this, weak](absl::StatusOr<Receipt> receipt) {
        auto alive = weak.lock();
        if (alive == nullptr) return;
        alive->no_space_here = absl::IsResourceExhausted(receipt.status());
        Add(*alive, std::move(receipt));
      });
}

void Coordinator::Add(Pending& pending, absl::StatusOr<Receipt> receipt) {
  --pending.outstanding;
  if (receipt.ok()) {
    pending.receipts.push_back(*std::move(receipt));
  } else if (absl::IsAborted(receipt.status())) {
    pending.superseded = true;
  }
  // Also where a majority can no longer be had the rest is waited for: the
  // client adds up receipts of several attempts.
  if (pending.receipts.size() >= pending.quorum || pending.outstanding == 0) {
    Answer(pending);
  }
}

void Coordinator::Answer(Pending& pending) {
  Outcome outcome;
  if (pending.receipts.size() < pending.quorum) {
    if (pending.superseded) {
      outcome.status = absl::AbortedError("a newer record is stored");
    } else if (pending.no_space_here) {
      outcome.status = absl::ResourceExhaustedError(
          "this member has no room for more just now");
    } else {
      outcome.status =
          absl::UnavailableError("too few members confirmed the write");
    }
  }
  outcome.receipts = std::move(pending.receipts);
  executor_.Cancel(pending.timer);
  Done done = std::move(pending.done);
  writes_.erase(pending.number);
  done(std::move(outcome));
}

}  // namespace messenger::swarm
