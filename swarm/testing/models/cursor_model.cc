#include "swarm/testing/models/cursor_model.h"

#include <algorithm>

namespace messenger::swarm {
namespace {

constexpr uint64_t kDay = uint64_t{24} * 3600 * 1000;
// A row's share of a page besides its payload.
constexpr uint64_t kRowBytes = 142;

}  // namespace

bool CursorModel::Message(uint64_t message, uint64_t bytes, uint64_t expiry_ms,
                          uint64_t now_ms) {
  for (auto& [place, row] : rows_) {
    if (row.message != message) continue;
    if (expiry_ms <= row.author_ms) return true;
    if (row.end_ms > now_ms) {
      row.author_ms = expiry_ms;
      row.end_ms = *End(message, expiry_ms);
      return true;
    }
    // Readers have passed it by, so it comes as a new one.
    rows_.erase(place);
    break;
  }
  const std::optional<uint64_t> end_ms = End(message, expiry_ms);
  if (!end_ms.has_value()) return false;
  ++last_place_;
  rows_[last_place_] = {last_place_, message, bytes, expiry_ms, *end_ms};
  return true;
}

void CursorModel::Deletion(uint64_t time_ms, uint64_t effective_ms,
                           const std::vector<uint64_t>& messages) {
  for (const uint64_t message : messages) {
    effects_[message].push_back({time_ms + 31 * kDay, effective_ms});
  }
  ApplyOrders();
}

void CursorModel::Purge(uint64_t until_ms) {
  purged_until_ms_ = std::max(purged_until_ms_, until_ms);
  ApplyOrders();
}

void CursorModel::ApplyOrders() {
  for (auto& [place, row] : rows_) {
    row.end_ms = End(row.message, row.author_ms).value_or(0);
  }
  std::erase_if(rows_,
                [](const auto& entry) { return entry.second.end_ms == 0; });
}

void CursorModel::Drop(uint64_t message) {
  std::erase_if(rows_, [&](const auto& entry) {
    return entry.second.message == message;
  });
}

void CursorModel::DropAll() {
  rows_.clear();
  effects_.clear();
  purged_until_ms_ = 0;
}

void CursorModel::Expire(uint64_t now_ms) {
  std::erase_if(
      rows_, [&](const auto& entry) { return entry.second.end_ms <= now_ms; });
  for (auto& [message, effects] : effects_) {
    std::erase_if(effects, [&](const Effect& effect) {
      return effect.kept_until_ms <= now_ms;
    });
  }
  std::erase_if(effects_,
                [](const auto& entry) { return entry.second.empty(); });
  if (purged_until_ms_ + kDay <= now_ms) purged_until_ms_ = 0;
}

CursorModel::Page CursorModel::List(uint64_t after_place, uint64_t now_ms,
                                    size_t limit_rows,
                                    uint64_t limit_bytes) const {
  Page page;
  uint64_t bytes = 0;
  for (const auto& [place, row] : rows_) {
    if (place <= after_place || row.end_ms <= now_ms) continue;
    bytes += row.bytes + kRowBytes;
    page.more = page.rows.size() == limit_rows || bytes > limit_bytes;
    if (page.more) break;
    page.rows.push_back(row);
  }
  return page;
}

std::optional<uint64_t> CursorModel::End(uint64_t message,
                                         uint64_t expiry_ms) const {
  uint64_t end_ms = expiry_ms;
  const auto named = effects_.find(message);
  if (named != effects_.end()) {
    for (const Effect& effect : named->second) {
      end_ms = std::min(end_ms, effect.effective_ms);
    }
  }
  if (end_ms == 0 || end_ms <= purged_until_ms_) return std::nullopt;
  return end_ms;
}

}  // namespace messenger::swarm
