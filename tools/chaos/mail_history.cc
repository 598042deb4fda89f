#include "tools/chaos/mail_history.h"

#include <algorithm>
#include <utility>

namespace messenger::chaos {

using ::messenger::routing::NodeId;
using ::messenger::swarm::MessageId;

MailboxNumber MailHistory::AddMailbox() {
  mailboxes_.emplace_back();
  return mailboxes_.size() - 1;
}

MessageNumber MailHistory::Invoke(MailboxNumber mailbox, const MessageId& id) {
  const MessageNumber number = messages_.size();
  messages_.push_back({.id = id, .mailbox = mailbox});
  numbers_.emplace(id, number);
  return number;
}

void MailHistory::Acked(MessageNumber message) {
  Message& m = messages_[message];
  if (m.acked) return;
  m.acked = true;
  m.acked_at = ++now_;
  ++acked_;
  Mailbox& mailbox = mailboxes_[m.mailbox];
  if (!mailbox.read.contains(m.id)) mailbox.awaited.push_back(message);
}

void MailHistory::SawReceipt(const MessageId& id, const NodeId& member) {
  const auto found = numbers_.find(id);
  if (found == numbers_.end()) return;
  std::vector<NodeId>& receipts = messages_[found->second].receipts;
  if (std::find(receipts.begin(), receipts.end(), member) == receipts.end()) {
    receipts.push_back(member);
    ++receipts_;
  }
}

void MailHistory::CheckIds(MailboxNumber mailbox,
                           const std::vector<MessageId>& ids) {
  Ids once;
  for (const MessageId& id : ids) {
    if (!once.insert(id).second) ++doubled_;
    const auto found = numbers_.find(id);
    if (found == numbers_.end() ||
        messages_[found->second].mailbox != mailbox) {
      phantoms_.insert(id);
    }
  }
}

void MailHistory::EndRead(MailboxNumber mailbox, Moment began,
                          const std::vector<MessageId>& ids, bool complete) {
  CheckIds(mailbox, ids);
  Mailbox& box = mailboxes_[mailbox];
  box.read.insert(ids.begin(), ids.end());
  std::vector<MessageNumber> still_awaited;
  for (const MessageNumber number : box.awaited) {
    const Message& message = messages_[number];
    if (box.read.contains(message.id)) continue;
    if (complete && message.acked_at <= began) {
      ++missed_;  // once
    } else {
      still_awaited.push_back(number);
    }
  }
  box.awaited = std::move(still_awaited);
}

void MailHistory::FinalRead(MailboxNumber mailbox,
                            const std::vector<MessageId>& ids, bool complete) {
  CheckIds(mailbox, ids);
  if (complete) {
    mailboxes_[mailbox].final_reads.emplace_back(ids.begin(), ids.end());
  }
}

void MailHistory::FinalListing(MailboxNumber mailbox, const NodeId& member,
                               const std::vector<MessageId>& ids) {
  mailboxes_[mailbox].listings[member] = Ids(ids.begin(), ids.end());
}

Verdict MailHistory::Judge() const {
  Verdict verdict;
  verdict.invoked = messages_.size();
  verdict.acked = acked_;
  verdict.unknown = messages_.size() - acked_;
  verdict.doubled = doubled_;
  verdict.phantom = phantoms_.size();
  verdict.missed = missed_;
  verdict.receipts = receipts_;
  for (const Mailbox& mailbox : mailboxes_) {
    if (mailbox.final_reads.empty()) ++verdict.unread_mailboxes;
    verdict.listings += mailbox.listings.size();
  }
  for (const Message& message : messages_) {
    const Mailbox& mailbox = mailboxes_[message.mailbox];
    for (const NodeId& member : message.receipts) {
      const auto listing = mailbox.listings.find(member);
      if (listing != mailbox.listings.end() &&
          !listing->second.contains(message.id)) {
        ++verdict.broken_receipts;
      }
    }
    if (!message.acked) continue;
    if (message.receipts.size() < write_quorum_) ++verdict.false_sent;
    if (std::any_of(
            mailbox.final_reads.begin(), mailbox.final_reads.end(),
            [&](const Ids& ids) { return !ids.contains(message.id); })) {
      ++verdict.lost;
    }
    const auto holders = static_cast<size_t>(
        std::count_if(mailbox.listings.begin(), mailbox.listings.end(),
                      [&](const auto& listing) {
                        return listing.second.contains(message.id);
                      }));
    if (holders < write_quorum_) ++verdict.under_replicated;
  }
  return verdict;
}

}  // namespace messenger::chaos
