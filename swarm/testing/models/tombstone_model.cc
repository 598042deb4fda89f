#include "swarm/testing/models/tombstone_model.h"

#include <algorithm>

namespace messenger::swarm {
namespace {

constexpr uint64_t kDay = uint64_t{24} * 3600 * 1000;

}  // namespace

TombstoneModel::Answer TombstoneModel::Message(uint64_t message,
                                               uint64_t expiry_ms) {
  if (!End(message, expiry_ms).has_value()) {
    // One that is there was let live, and stays: nothing it could be refused
    // for has changed. So this one is not there.
    return messages_.contains(message) ? Answer::kDone : Answer::kDeleted;
  }
  uint64_t& author_ms = messages_[message];
  author_ms = std::max(author_ms, expiry_ms);
  return Answer::kDone;
}

TombstoneModel::Answer TombstoneModel::Deletion(
    uint64_t order, uint64_t time_ms, uint64_t effective_ms,
    const std::vector<uint64_t>& messages) {
  deletions_[order] = {time_ms, messages};
  for (const uint64_t message : messages) {
    effects_[message][order] = effective_ms;
  }
  DropTheDeleted();
  return Answer::kDone;
}

TombstoneModel::Answer TombstoneModel::Purge(uint64_t order,
                                             uint64_t until_ms) {
  if (purge_.has_value() && purge_->order != order) {
    if (until_ms < purge_->until_ms) return Answer::kSuperseded;
    if (until_ms == purge_->until_ms && order < purge_->order) {
      return Answer::kSuperseded;
    }
  }
  purge_ = {order, until_ms};
  DropTheDeleted();
  return Answer::kDone;
}

void TombstoneModel::Expire(uint64_t now_ms) {
  std::erase_if(messages_, [&](const auto& message) {
    return *End(message.first, message.second) <= now_ms;
  });
  for (auto order = deletions_.begin(); order != deletions_.end();) {
    if (order->second.time_ms + 31 * kDay > now_ms) {
      ++order;
      continue;
    }
    for (const uint64_t message : order->second.messages) {
      effects_[message].erase(order->first);
    }
    order = deletions_.erase(order);
  }
  if (purge_.has_value() && purge_->until_ms + kDay <= now_ms) purge_.reset();
}

std::map<uint64_t, TombstoneModel::Held> TombstoneModel::Messages() const {
  std::map<uint64_t, Held> held;
  for (const auto& [message, author_ms] : messages_) {
    held[message] = {author_ms, *End(message, author_ms)};
  }
  return held;
}

size_t TombstoneModel::tombstones() const {
  size_t ids = 0;
  for (const auto& [number, order] : deletions_) ids += order.messages.size();
  return ids;
}

std::optional<uint64_t> TombstoneModel::End(uint64_t message,
                                            uint64_t expiry_ms) const {
  uint64_t end_ms = expiry_ms;
  const auto named = effects_.find(message);
  if (named != effects_.end()) {
    for (const auto& [order, effective_ms] : named->second) {
      if (effective_ms == 0) return std::nullopt;
      end_ms = std::min(end_ms, effective_ms);
    }
  }
  if (purge_.has_value() && end_ms <= purge_->until_ms) return std::nullopt;
  return end_ms;
}

void TombstoneModel::DropTheDeleted() {
  std::erase_if(messages_, [&](const auto& message) {
    return !End(message.first, message.second).has_value();
  });
}

}  // namespace messenger::swarm
