#include "swarm/replication/local_replica.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/proto/refusal.h"

namespace messenger::swarm {

LocalReplica::LocalReplica(const routing::NodeId& node,
                           const crypto::Ed25519PrivateKey& storage_key,
                           const routing::Clock& clock,
                           GroupCommitter& committer, Holds holds)
    : node_(node),
      storage_key_(storage_key),
      clock_(clock),
      committer_(committer),
      holds_(std::move(holds)) {}

void LocalReplica::Commit(ValidWrite write, uint64_t epoch, Done done,
                          FairQueue::Brought brought) {
  const bool record = std::holds_alternative<PutRecord>(write.op);
  // The committer forgets its callbacks when it goes, and outlives `this`.
  committer_.Submit(
      std::move(write.op),
      [this, subject = write.subject, epoch, record,
       done = std::move(done)](absl::StatusOr<OpResult> result) mutable {
        if (!result.ok()) return done(std::move(result).status());
        const auto sign = [&] {
          done(SignReceipt(
              storage_key_, subject, node_, epoch,
              static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now()))));
        };
        switch (*result) {
          case OpResult::kDone:
          case OpResult::kDeleted:
            return sign();
          case OpResult::kSuperseded:
            // A newer purge or registration does all that this one would.
            if (!record) return sign();
            return done(absl::AbortedError("a newer record is stored"));
          case OpResult::kOwnerLimit:
            return done(Refused(absl::StatusCode::kResourceExhausted,
                                v1::Refusal::OWNER_LIMIT,
                                "the account keeps too much here"));
          case OpResult::kNotRegistered:
            if (!holds_(ShardOf(subject.mailbox))) {
              return done(Refused(absl::StatusCode::kUnavailable,
                                  v1::Refusal::FILLING,
                                  "this node does not know all mailboxes yet"));
            }
            return done(Refused(absl::StatusCode::kPermissionDenied,
                                v1::Refusal::NOT_REGISTERED,
                                "nobody has registered this mailbox"));
          case OpResult::kMailboxFull:
            return done(Refused(absl::StatusCode::kResourceExhausted,
                                v1::Refusal::MAILBOX_FULL,
                                "the mailbox is full"));
          case OpResult::kNodeFull:
            return done(Refused(absl::StatusCode::kResourceExhausted,
                                v1::Refusal::NODE_FULL,
                                "this node is short of space"));
        }
        done(absl::InternalError("unknown outcome"));
      },
      brought);
}

}  // namespace messenger::swarm
