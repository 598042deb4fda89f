// Turns requests into operations that have been checked in every respect:
// lengths, namespaces, lifetimes, keys and signatures (swarm/SPEC.md, sections
// 3 and 4). Cheap checks come first.
//
// Pure functions; thread-safe. Which node is a member, and whether a retrieval
// was seen before, is for the services. Status codes:
//   INVALID_ARGUMENT     malformed or out of bounds
//   PERMISSION_DENIED    keys that are not the mailbox's
//   UNAUTHENTICATED      a signature that does not verify
//   FAILED_PRECONDITION  a clock is off by more than kClockTolerance

#ifndef SWARM_VALIDATION_REQUEST_VALIDATOR_H_
#define SWARM_VALIDATION_REQUEST_VALIDATOR_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/mailbox.h"
#include "swarm/auth/receipt.h"
#include "swarm/auth/request_auth.h"
#include "swarm/store/message_store.h"

namespace messenger::swarm {

namespace v1 {
class DeleteRequest;
class GetRecordsRequest;
class PurgeRequest;
class PutRecordRequest;
class RegisterRequest;
class ReplicatedItem;
class RetrieveRequest;
class StoreRequest;
}  // namespace v1

// Something to commit, and what a receipt for it says.
struct ValidWrite {
  StoreOp op;
  ReceiptSubject subject;
  // Bits of work that a message carries (section 3.8).
  int work_bits = 0;
};

// `origin`: what a peer brings was checked when it was fresh, so it is held to
// all but freshness and work: no write that a swarm accepted is ever refused
// by a member that got it late.

absl::StatusOr<ValidWrite> ValidateStore(const v1::StoreRequest& request,
                                         absl::Time now, Origin origin);
absl::StatusOr<ValidWrite> ValidateDelete(const v1::DeleteRequest& request,
                                          absl::Time now, Origin origin);
absl::StatusOr<ValidWrite> ValidatePutRecord(
    const v1::PutRecordRequest& request, Origin origin);
absl::StatusOr<ValidWrite> ValidatePurge(const v1::PurgeRequest& request,
                                         absl::Time now, Origin origin);
// PERMISSION_DENIED also for less work than `bits`, from whomever.
absl::StatusOr<ValidWrite> ValidateRegister(const v1::RegisterRequest& request,
                                            int bits, absl::Time now,
                                            Origin origin);

// What a peer brings, of whatever kind; held to freshness only where `origin`
// says so.
absl::StatusOr<ValidWrite> ValidateItem(const v1::ReplicatedItem& item,
                                        int registration_bits, absl::Time now,
                                        Origin origin = Origin::kPeer);

struct ValidRetrieval {
  RetrieveTerms terms;
  MailboxKeys keys;
  uint32_t page_bytes = 0;
  absl::Duration wait;
};
// A retrieval signed for another node than `self` is UNAUTHENTICATED.
absl::StatusOr<ValidRetrieval> ValidateRetrieve(
    const v1::RetrieveRequest& request, const routing::NodeId& self,
    absl::Time now);

struct ValidGetRecords {
  MailboxAddress mailbox;
  MailboxNamespace ns;
  uint32_t page_bytes = 0;
};
absl::StatusOr<ValidGetRecords> ValidateGetRecords(
    const v1::GetRecordsRequest& request);

}  // namespace messenger::swarm

#endif  // SWARM_VALIDATION_REQUEST_VALIDATOR_H_
