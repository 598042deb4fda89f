#include "swarm/testing/models/expiry_model.h"

#include <algorithm>

namespace messenger::swarm {
namespace {

constexpr uint64_t kSecond = 1000;
constexpr uint64_t kDay = 24 * 3600 * kSecond;

}  // namespace

bool ExpiryModel::MayLive(uint64_t expiry_ms, uint64_t now_ms, From from) {
  const uint64_t shortest = from == From::kClient ? 10 * kSecond : 1;
  return expiry_ms >= now_ms + shortest &&
         expiry_ms <= now_ms + 14 * kDay + 120 * kSecond;
}

bool ExpiryModel::Box::LetsIn(uint64_t now_ms, From from) const {
  return registration.has_value() &&
         (from == From::kPeer || now_ms < registration->reach + 30 * kDay);
}

std::optional<uint64_t> ExpiryModel::Box::EndOf(uint64_t message,
                                                uint64_t author_ms) const {
  uint64_t end_ms = author_ms;
  for (const auto& [number, order] : deletions) {
    if (std::count(order.messages.begin(), order.messages.end(), message) > 0) {
      end_ms = std::min(end_ms, order.effective_ms);
    }
  }
  if (end_ms == 0) return std::nullopt;
  if (purge.has_value() && end_ms <= purge->reach) return std::nullopt;
  return end_ms;
}

void ExpiryModel::Box::ApplyOrders() {
  for (auto& [message, held] : messages) {
    // Nothing takes an order back, not even that it has been erased.
    held.end_ms =
        std::min(held.end_ms, EndOf(message, held.author_ms).value_or(0));
  }
  std::erase_if(messages,
                [](const auto& entry) { return entry.second.end_ms == 0; });
}

ExpiryModel::Answer ExpiryModel::Replace(std::optional<Version>& stored,
                                         Version version) {
  if (stored.has_value() && version < *stored) return Answer::kSuperseded;
  stored = version;
  return Answer::kDone;
}

ExpiryModel::Answer ExpiryModel::Registration(int box, uint64_t number,
                                              uint64_t time_ms) {
  return Replace(boxes_[box].registration, {time_ms, number});
}

ExpiryModel::Answer ExpiryModel::Purge(int box, uint64_t number,
                                       uint64_t until_ms, uint64_t now_ms,
                                       From from) {
  if (!boxes_[box].LetsIn(now_ms, from)) return Answer::kNotRegistered;
  const Answer answer = Replace(boxes_[box].purge, {until_ms, number});
  boxes_[box].ApplyOrders();
  return answer;
}

ExpiryModel::Answer ExpiryModel::Deletion(int box, uint64_t number,
                                          uint64_t time_ms,
                                          uint64_t effective_ms,
                                          const std::vector<uint64_t>& messages,
                                          uint64_t now_ms, From from) {
  if (!boxes_[box].LetsIn(now_ms, from)) return Answer::kNotRegistered;
  boxes_[box].deletions[number] = {time_ms, effective_ms, messages};
  boxes_[box].ApplyOrders();
  return Answer::kDone;
}

ExpiryModel::Answer ExpiryModel::Record(int box, int key, uint64_t number,
                                        uint64_t seq, uint64_t now_ms,
                                        From from) {
  if (!boxes_[box].LetsIn(now_ms, from)) return Answer::kNotRegistered;
  Version& stored = boxes_[box].records[key];
  if (Version{seq, number} < stored) return Answer::kSuperseded;
  stored = {seq, number};
  return Answer::kDone;
}

ExpiryModel::Answer ExpiryModel::Message(int number, uint64_t message,
                                         uint64_t expiry_ms, uint64_t now_ms,
                                         From from) {
  Box& box = boxes_[number];
  if (!box.LetsIn(now_ms, from)) return Answer::kNotRegistered;
  const auto held = box.messages.find(message);
  if (held != box.messages.end() && expiry_ms <= held->second.author_ms) {
    return Answer::kDone;
  }
  const std::optional<uint64_t> end_ms = box.EndOf(message, expiry_ms);
  if (!end_ms.has_value()) return Answer::kDeleted;
  box.messages[message] = {expiry_ms, *end_ms};
  return Answer::kDone;
}

void ExpiryModel::Hint(uint64_t number, uint64_t until_ms) {
  hints_[number] = std::max(hints_[number], until_ms);
}

std::map<ExpiryModel::Item, uint64_t> ExpiryModel::Ends() const {
  std::map<Item, uint64_t> ends;
  for (int number = 0; number < static_cast<int>(boxes_.size()); ++number) {
    const Box& box = boxes_[number];
    if (box.registration.has_value()) {
      ends[{Kind::kRegistration, number, box.registration->number}] =
          box.registration->reach + 60 * kDay;
    }
    if (box.purge.has_value()) {
      ends[{Kind::kPurge, number, box.purge->number}] = box.purge->reach + kDay;
    }
    for (const auto& [order, terms] : box.deletions) {
      ends[{Kind::kDeletion, number, order}] = terms.time_ms + 31 * kDay;
    }
    for (const auto& [key, record] : box.records) {
      ends[{Kind::kRecord, number, record.number}] = kNever;
    }
    for (const auto& [message, held] : box.messages) {
      ends[{Kind::kMessage, number, message}] = held.end_ms;
    }
  }
  for (const auto& [number, until_ms] : hints_) {
    ends[{Kind::kHint, 0, number}] = until_ms;
  }
  return ends;
}

std::map<uint64_t, uint64_t> ExpiryModel::Listed(int box,
                                                 uint64_t now_ms) const {
  std::map<uint64_t, uint64_t> listed;
  for (const auto& [message, held] : boxes_[box].messages) {
    if (now_ms < held.end_ms) listed[message] = held.end_ms;
  }
  return listed;
}

void ExpiryModel::Erase(const Item& item) {
  Box& box = boxes_[item.box];
  switch (item.kind) {
    case Kind::kRegistration:
      box.registration.reset();
      box.records.clear();
      break;
    case Kind::kPurge:
      box.purge.reset();
      break;
    case Kind::kDeletion:
      box.deletions.erase(item.number);
      break;
    case Kind::kRecord:
      break;  // goes with its registration
    case Kind::kMessage:
      box.messages.erase(item.number);
      break;
    case Kind::kHint:
      hints_.erase(item.number);
  }
}

}  // namespace messenger::swarm
