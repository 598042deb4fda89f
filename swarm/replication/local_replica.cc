#include "swarm/replication/local_replica.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace messenger::swarm {

LocalReplica::LocalReplica(const routing::NodeId& node,
                           const crypto::Ed25519PrivateKey& storage_key,
                           const routing::Clock& clock,
                           GroupCommitter& committer)
    : node_(node),
      storage_key_(storage_key),
      clock_(clock),
      committer_(committer) {}

void LocalReplica::Commit(ValidWrite write, uint64_t epoch, Done done) {
  // The committer forgets its callbacks when it goes, and outlives `this`.
  committer_.Submit(
      std::move(write.op),
      [this, subject = write.subject, epoch,
       done = std::move(done)](absl::StatusOr<OpResult> result) mutable {
        if (!result.ok()) return done(std::move(result).status());
        switch (*result) {
          case OpResult::kDone:
          case OpResult::kDeleted:
            return done(SignReceipt(
                storage_key_, subject, node_, epoch,
                static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now()))));
          case OpResult::kSuperseded:
            return done(absl::AbortedError("a newer record is stored"));
          case OpResult::kTooManyRecords:
            return done(absl::ResourceExhaustedError(
                "the account has too many records here"));
        }
        done(absl::InternalError("unknown outcome"));
      });
}

}  // namespace messenger::swarm
