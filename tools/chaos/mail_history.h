// What was asked of the swarms and what they answered, and whether the answers
// hold together (tools/chaos/README.md, "What is checked").
//
//   Invoke --> Acked | NotAcked (again and again)      one message
//   BeginRead --> EndRead                              one mailbox
//   FinalRead, FinalListing --> Judge                  when all is healed
//
// Knows nothing of clients and networks. Not thread-safe.

#ifndef TOOLS_CHAOS_MAIL_HISTORY_H_
#define TOOLS_CHAOS_MAIL_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "routing/onion/node_id.h"
#include "swarm/auth/mailbox.h"

namespace messenger::chaos {

using MailboxNumber = size_t;
using MessageNumber = size_t;

struct Verdict {
  uint64_t invoked = 0;
  uint64_t acked = 0;
  // Never confirmed: may be there or not.
  uint64_t unknown = 0;

  // Violations. Acked, and not in the final read of its mailbox.
  uint64_t lost = 0;
  // Listed twice in one read.
  uint64_t doubled = 0;
  // Listed, and never sent to that mailbox.
  uint64_t phantom = 0;
  // Acked, and fewer than W distinct members have signed for it.
  uint64_t false_sent = 0;
  // Acked before a complete read began, and neither in it nor read earlier.
  uint64_t missed = 0;
  // A member signed for it and does not list it in the end.
  uint64_t broken_receipts = 0;
  // Mailboxes that no quorum could be got for in the end.
  uint64_t unread_mailboxes = 0;

  // Figures. Acked, and listed by fewer than W members in the end.
  uint64_t under_replicated = 0;
  // Listings of members that were compared with their receipts.
  uint64_t listings = 0;
  uint64_t receipts = 0;

  uint64_t violations() const {
    return lost + doubled + phantom + false_sent + missed + broken_receipts +
           unread_mailboxes;
  }
};

class MailHistory final {
 public:
  explicit MailHistory(int write_quorum)
      : write_quorum_(static_cast<size_t>(write_quorum)) {}

  MailboxNumber AddMailbox();
  size_t mailboxes() const { return mailboxes_.size(); }

  // Each id once.
  MessageNumber Invoke(MailboxNumber mailbox, const swarm::MessageId& id);
  // The client says "sent".
  void Acked(MessageNumber message);

  // A member's signature for this id was seen and verified.
  void SawReceipt(const swarm::MessageId& id, const routing::NodeId& member);

  // A moment of this history, to give back with EndRead().
  using Moment = uint64_t;
  Moment BeginRead() const { return now_; }
  // `ids` as the client was handed them.
  void EndRead(MailboxNumber mailbox, Moment began,
               const std::vector<swarm::MessageId>& ids, bool complete);

  // All there is in the mailbox, read anew, with a read quorum or without.
  void FinalRead(MailboxNumber mailbox,
                 const std::vector<swarm::MessageId>& ids, bool complete);
  // All that one member lists, whole.
  void FinalListing(MailboxNumber mailbox, const routing::NodeId& member,
                    const std::vector<swarm::MessageId>& ids);

  uint64_t acked() const { return acked_; }
  uint64_t invoked() const { return messages_.size(); }
  Verdict Judge() const;

 private:
  using Ids = absl::flat_hash_set<swarm::MessageId>;
  struct Message {
    swarm::MessageId id;
    MailboxNumber mailbox;
    bool acked = false;
    Moment acked_at = 0;
    std::vector<routing::NodeId> receipts = {};  // distinct
  };
  struct Mailbox {
    Ids read;
    // Acked, and not seen in a complete read since.
    std::vector<MessageNumber> awaited;
    // Complete ones. A sent message is in each of them.
    std::vector<Ids> final_reads;
    absl::flat_hash_map<routing::NodeId, Ids> listings;
  };

  void CheckIds(MailboxNumber mailbox,
                const std::vector<swarm::MessageId>& ids);

  const size_t write_quorum_;
  Moment now_ = 0;
  uint64_t acked_ = 0;
  uint64_t doubled_ = 0;
  uint64_t missed_ = 0;
  uint64_t receipts_ = 0;
  Ids phantoms_;
  std::vector<Message> messages_;
  absl::flat_hash_map<swarm::MessageId, MessageNumber> numbers_;
  std::vector<Mailbox> mailboxes_;
};

}  // namespace messenger::chaos

#endif  // TOOLS_CHAOS_MAIL_HISTORY_H_
