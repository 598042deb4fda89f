// One page of a mailbox: what is asked of one member, and what it said
// (swarm/SPEC.md, sections 4 and 7.2). Pure functions.

#ifndef CLIENT_REMOTE_MAILBOX_PAGE_H_
#define CLIENT_REMOTE_MAILBOX_PAGE_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/remote/mailbox_reader.h"
#include "crypto/random/random.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/mailbox.h"

namespace messenger::swarm::v1 {
class RetrieveResponse;
}  // namespace messenger::swarm::v1

namespace messenger::client {

// With which a message can be brought to a member that lacks it. Unverified.
struct WriterProof {
  uint64_t expiry_ms = 0;
  std::string signature;  // pairwise mailboxes only

  friend bool operator==(const WriterProof&, const WriterProof&) = default;
};

struct RetrievedMessage {
  swarm::MessageId id;
  std::string payload;
  absl::Time expiry;  // as a member says
  // Distinct ones; a member may give a wrong one. At most kMaxProofs.
  std::vector<WriterProof> proofs;
  std::set<routing::NodeId> listed_by;

  static constexpr size_t kMaxProofs = 3;
  // `other` is the same message from elsewhere.
  void Merge(RetrievedMessage other);
};

struct PageTerms {
  routing::NodeId member;
  Cursor cursor;
  absl::Time now;
  int reply_cells = 0;
  // How long the member may wait for something to list.
  absl::Duration wait;
};

// The largest page a reply can have.
inline constexpr int kLargestPageCells = 16;

// A serialised ClientRequest, good for one use.
std::string PageRequest(const MailboxReader& reader, const PageTerms& terms,
                        crypto::Random& random);

struct MailboxPage {
  std::vector<RetrievedMessage> messages;
  Cursor cursor;
  bool more = false;
};

// Nothing if the page makes no sense: every list ends, so a page of the largest
// size that promises more must have led on.
std::optional<MailboxPage> ReadPage(
    const MailboxReader& reader, const PageTerms& terms,
    const swarm::v1::RetrieveResponse& response);

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_MAILBOX_PAGE_H_
