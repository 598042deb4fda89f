#include "swarm/testing/models/quota_model.h"

#include <algorithm>
#include <limits>

namespace messenger::swarm {
namespace {

using Answer = QuotaModel::Answer;

constexpr uint64_t kDay = uint64_t{24} * 3600 * 1000;
constexpr uint64_t kMebibyte = uint64_t{1024} * 1024;
constexpr uint64_t kOwnerIds = 310'000;
constexpr int kRecords = 15;

struct Bound {
  uint64_t messages = 0;
  uint64_t bytes = 0;
};

uint64_t For(QuotaModel::From from, uint64_t bound) {
  return from == QuotaModel::From::kPeer ? bound * 5 / 4 : bound;
}

Bound BoundOf(QuotaModel::Class of, QuotaModel::From from) {
  return of == QuotaModel::Class::kStranger
             ? Bound{For(from, 200), For(from, 2 * kMebibyte)}
             : Bound{For(from, 10'000), For(from, 64 * kMebibyte)};
}

}  // namespace

QuotaModel::QuotaModel(const std::vector<Class>& boxes) {
  for (const Class of : boxes) boxes_.emplace_back().of = of;
}

bool QuotaModel::LetsIn(const Box& box, From from) const {
  return box.registration.has_value() &&
         (from == From::kPeer || now_ms_ < box.registration->first + 30 * kDay);
}

bool QuotaModel::IsFilledTo(uint64_t percent) const {
  return space_.capacity_bytes > 0 &&
         100 * space_.used_bytes >= percent * space_.capacity_bytes;
}

bool QuotaModel::HasRoom(Class of, uint64_t box_bytes, From from) const {
  if (IsFilledTo(95)) return false;
  const bool fair = box_bytes <= space_.fair_bytes;
  if (from == From::kPeer) return fair || !IsFilledTo(90);
  if (of == Class::kContact) return fair || !IsFilledTo(80);
  return !IsFilledTo(box_bytes <= space_.median_bytes ? 90 : 80);
}

void QuotaModel::Box::Remove(uint64_t message) {
  const auto held = messages.find(message);
  if (held == messages.end()) return;
  bytes -= held->second.bytes;
  messages.erase(held);
}

void QuotaModel::Box::RemoveUntil(uint64_t end_ms) {
  std::erase_if(messages, [&](const auto& message) {
    if (message.second.expiry_ms > end_ms) return false;
    bytes -= message.second.bytes;
    return true;
  });
}

Answer QuotaModel::Judge(int number, uint64_t message, uint64_t bytes,
                         uint64_t expiry_ms, From from) const {
  const Box& box = boxes_[number];
  if (!LetsIn(box, from)) return Answer::kNotRegistered;
  Bound taken = {box.messages.size(), box.bytes};
  const auto held = box.messages.find(message);
  if (held != box.messages.end()) {
    if (held->second.expiry_ms > now_ms_) return Answer::kDone;
    // It has ended, so this is a new one in its place.
    taken = {taken.messages - 1, taken.bytes - held->second.bytes};
  }
  if (box.named.contains(message) ||
      (box.purge.has_value() && expiry_ms <= box.purge->first)) {
    return Answer::kDeleted;
  }
  const Bound bound = BoundOf(box.of, from);
  if (taken.messages + 1 > bound.messages ||
      taken.bytes + bytes > bound.bytes) {
    return Answer::kMailboxFull;
  }
  return HasRoom(box.of, taken.bytes, from) ? Answer::kDone : Answer::kNodeFull;
}

Answer QuotaModel::Message(int number, uint64_t message, uint64_t bytes,
                           uint64_t expiry_ms, From from) {
  const Answer answer = Judge(number, message, bytes, expiry_ms, from);
  if (answer == Answer::kNotRegistered) return answer;
  Box& box = boxes_[number];
  const auto held = box.messages.find(message);
  if (held != box.messages.end() && held->second.expiry_ms > now_ms_) {
    held->second.expiry_ms = std::max(held->second.expiry_ms, expiry_ms);
    return answer;
  }
  box.Remove(message);
  if (answer != Answer::kDone) return answer;
  box.messages[message] = {bytes, expiry_ms};
  box.bytes += bytes;
  space_.used_bytes += bytes;
  return answer;
}

Answer QuotaModel::Deletion(int number, uint64_t order, uint64_t time_ms,
                            const std::vector<uint64_t>& messages, From from) {
  Box& box = boxes_[number];
  if (!LetsIn(box, from)) return Answer::kNotRegistered;
  if (box.deletions.contains(order)) return Answer::kDone;
  if (box.owner_ids + messages.size() > For(from, kOwnerIds)) {
    return Answer::kOwnerLimit;
  }
  box.deletions[order] = {time_ms, messages};
  box.owner_ids += messages.size();
  for (const uint64_t message : messages) {
    ++box.named[message];
    box.Remove(message);
  }
  return Answer::kDone;
}

Answer QuotaModel::Replace(std::optional<Version>& stored, Version version) {
  if (stored.has_value() && version < *stored) return Answer::kSuperseded;
  stored = version;
  return Answer::kDone;
}

Answer QuotaModel::Purge(int number, uint64_t order, uint64_t until_ms,
                         From from) {
  Box& box = boxes_[number];
  if (!LetsIn(box, from)) return Answer::kNotRegistered;
  const Answer answer = Replace(box.purge, {until_ms, order});
  if (answer == Answer::kDone) box.RemoveUntil(until_ms);
  return answer;
}

Answer QuotaModel::Registration(int box, uint64_t number, uint64_t time_ms) {
  return Replace(boxes_[box].registration, {time_ms, number});
}

Answer QuotaModel::Record(int box_number, int ns, int key, uint64_t number,
                          uint64_t seq, From from) {
  Box& box = boxes_[box_number];
  if (!LetsIn(box, from)) return Answer::kNotRegistered;
  const auto stored = box.records.find({ns, key});
  if (stored != box.records.end()) {
    if (Version{seq, number} < stored->second) return Answer::kSuperseded;
  } else if (std::count_if(box.records.begin(), box.records.end(),
                           [&](const auto& one) {
                             return one.first.first == ns;
                           }) >= kRecords) {
    return Answer::kOwnerLimit;
  }
  box.records[{ns, key}] = {seq, number};
  return Answer::kDone;
}

void QuotaModel::Expire(uint64_t now_ms) {
  for (Box& box : boxes_) {
    box.RemoveUntil(now_ms);
    std::erase_if(box.deletions, [&](const auto& deletion) {
      const Order& order = deletion.second;
      if (order.time_ms + 31 * kDay > now_ms) return false;
      box.owner_ids -= order.messages.size();
      for (const uint64_t message : order.messages) {
        if (--box.named[message] == 0) box.named.erase(message);
      }
      return true;
    });
    const auto ended = [&](const auto& kept, uint64_t days) {
      return kept.has_value() && kept->first + days * kDay <= now_ms;
    };
    if (ended(box.purge, 1)) box.purge.reset();
    if (!ended(box.registration, 60)) continue;
    box.registration.reset();
    box.records.clear();
  }
}

QuotaModel::Usage QuotaModel::UsageOf(int number) const {
  const Box& box = boxes_[number];
  return {
      box.registration.has_value() ? box.registration->first + 30 * kDay : 0,
      box.messages.size(),
      box.bytes,
      box.deletions.size(),
      box.owner_ids,
      box.records.size()};
}

int QuotaModel::WorkBits(int number) const {
  const Box& box = boxes_[number];
  const Bound bound = BoundOf(box.of, From::kClient);
  const auto bits = [](uint64_t taken, uint64_t most) {
    // 12 + 8 x (taken / most - 1 / 2) / (1 / 2)
    return 2 * taken < most ? 0 : 12 + 8 * (2 * taken - most) / most;
  };
  return static_cast<int>(std::max(bits(box.messages.size(), bound.messages),
                                   bits(box.bytes, bound.bytes)));
}

uint64_t QuotaModel::FairBytes(uint64_t used_bytes,
                               uint64_t capacity_bytes) const {
  const auto cut_to = [&](uint64_t size) {
    uint64_t left = 0;
    for (const Box& box : boxes_) left += std::min(box.bytes, size);
    return left;
  };
  uint64_t most = std::numeric_limits<uint64_t>::max();
  const uint64_t bytes = cut_to(most);
  // As much less of them as it takes to bring the node to 80 %.
  if (capacity_bytes == 0 || 100 * used_bytes <= 80 * capacity_bytes ||
      bytes == 0) {
    return most;
  }
  const uint64_t kept = bytes * (80 * capacity_bytes) / (100 * used_bytes);
  // The largest size that does.
  uint64_t least = 0;
  most = bytes;
  while (least < most) {
    const uint64_t size = most - (most - least) / 2;
    if (cut_to(size) <= kept) {
      least = size;
    } else {
      most = size - 1;
    }
  }
  return least;
}

}  // namespace messenger::swarm
