#include "swarm/store/fair_queue.h"

#include <utility>

#include "absl/strings/string_view.h"

namespace messenger::swarm {
namespace {

// What an operation takes besides its long parts.
constexpr size_t kFixedBytes = 256;

template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <typename... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

// Empty: no mailbox's, but a note of the node's own.
std::string MailboxOf(const StoreOp& op) {
  const absl::string_view mailbox = std::visit(
      Overloaded{[](const PutMessage& put) { return put.mailbox.bytes(); },
                 [](const PutRecord& put) { return put.mailbox.bytes(); },
                 [](const PutRegistration& put) { return put.mailbox.bytes(); },
                 [](const DeleteMessages& order) {
                   return order.terms.mailbox.bytes();
                 },
                 [](const PurgeMessages& order) {
                   return order.terms.mailbox.bytes();
                 },
                 [](const auto& /*note*/) { return absl::string_view(); }},
      op);
  return std::string(mailbox);
}

size_t SizeOf(const StoreOp& op) {
  return kFixedBytes +
         std::visit(
             Overloaded{
                 [](const PutMessage& put) {
                   return put.payload.size() + put.proof.size();
                 },
                 [](const DeleteMessages& order) {
                   return order.terms.ids.size() * MessageId::kSize +
                          order.proof.size();
                 },
                 [](const PutRecord& put) { return put.record.body.size(); },
                 [](const PurgeMessages& order) { return order.proof.size(); },
                 [](const PutRegistration& put) { return put.proof.size(); },
                 [](const PutHints& hints) {
                   return hints.items.size() * sizeof(ItemKey);
                 },
                 [](const DropHints& hints) {
                   return hints.items.size() * sizeof(ItemKey);
                 },
                 [](const SetFill& fill) {
                   return fill.shards.size() * sizeof(fill.shards[0]);
                 },
                 [](const DropDamaged&) { return size_t{0}; }},
             op);
}

}  // namespace

FairQueue::Class FairQueue::ClassOf(const StoreOp& op, Brought brought) {
  const auto of = [brought](Origin origin, Class of_client) {
    return origin == Origin::kPeer && brought == Brought::kForRepair
               ? Class::kRepair
               : of_client;
  };
  return std::visit(
      Overloaded{
          [&](const PutMessage& put) {
            return of(put.origin, put.ns == MailboxNamespace::kInbox
                                      ? Class::kStranger
                                      : Class::kContact);
          },
          [&](const DeleteMessages& order) {
            return of(order.origin, Class::kOwner);
          },
          [&](const PurgeMessages& order) {
            return of(order.origin, Class::kOwner);
          },
          [&](const PutRecord& put) { return of(put.origin, Class::kOwner); },
          [](const PutRegistration&) { return Class::kOwner; },
          [](const auto& /*note*/) { return Class::kRepair; }},
      op);
}

absl::Status FairQueue::Push(Write& write) {
  const size_t bytes = SizeOf(write.op);
  if (size_ >= kMaxWaiting || bytes_ + bytes > kMaxWaitingBytes) {
    return absl::ResourceExhaustedError("too many writes are waiting");
  }
  const Class write_class = ClassOf(write.op, write.brought);
  ClassQueue& queue = classes_[static_cast<size_t>(write_class)];
  if (write_class == Class::kStranger &&
      (queue.size >= kMaxWaitingOfStrangers ||
       queue.bytes + bytes > kMaxWaitingBytesOfStrangers)) {
    return absl::ResourceExhaustedError("busy: many strangers are waiting");
  }
  const std::string mailbox = MailboxOf(write.op);
  if (!mailbox.empty()) {
    size_t& waiting = waiting_of_[mailbox];
    if (waiting >= kMaxWaitingOfMailbox) {
      return absl::ResourceExhaustedError("busy: the mailbox has many writes");
    }
    ++waiting;
  }
  std::deque<Write>& writes = queue.writes[mailbox];
  if (writes.empty()) queue.turns.push_back(mailbox);
  writes.push_back(std::move(write));
  ++queue.size;
  queue.bytes += bytes;
  ++size_;
  bytes_ += bytes;
  return absl::OkStatus();
}

std::vector<FairQueue::Write> FairQueue::Pop(size_t count) {
  std::vector<Write> popped;
  while (popped.size() < count && size_ > 0) {
    ClassQueue& queue = classes_[class_];
    if (queue.turns.empty() || taken_ == kWeights[class_]) {
      class_ = (class_ + 1) % classes_.size();
      taken_ = 0;
      continue;
    }
    const std::string mailbox = std::move(queue.turns.front());
    queue.turns.pop_front();
    const auto writes = queue.writes.find(mailbox);
    popped.push_back(std::move(writes->second.front()));
    writes->second.pop_front();
    if (writes->second.empty()) {
      queue.writes.erase(writes);
    } else {
      queue.turns.push_back(mailbox);
    }
    ++taken_;
    const size_t bytes = SizeOf(popped.back().op);
    --queue.size;
    queue.bytes -= bytes;
    --size_;
    bytes_ -= bytes;
    const auto waiting = waiting_of_.find(mailbox);
    if (waiting != waiting_of_.end() && --waiting->second == 0) {
      waiting_of_.erase(waiting);
    }
  }
  return popped;
}

}  // namespace messenger::swarm
