#include "routing/runtime/sqlite/testing/simulated_file.h"

#include <algorithm>
#include <cstring>

namespace messenger::sqlite {

bool SimulatedFile::IsDurable(uint64_t offset) const {
  for (const Change& change : journal_) {
    if (change.is_truncation) {
      if (offset >= change.offset) return false;
    } else if (offset >= std::min(change.offset, change.old_size) &&
               offset < change.offset + change.length) {
      return false;
    }
  }
  return offset < content_.size();
}

void SimulatedFile::Put(uint64_t offset, absl::string_view bytes) {
  const uint64_t end = offset + bytes.size();
  if (end > content_.size()) content_.resize(end);
  std::memcpy(content_.data() + offset, bytes.data(), bytes.size());
}

void SimulatedFile::Write(uint64_t offset, absl::string_view bytes) {
  if (bytes.empty()) return;
  Change change;
  change.offset = offset;
  change.length = bytes.size();
  change.old_size = content_.size();
  if (offset < content_.size()) {
    change.bytes.assign(content_, offset, bytes.size());
  }
  journal_.push_back(std::move(change));
  Put(offset, bytes);
}

void SimulatedFile::Truncate(uint64_t size) {
  if (size == content_.size()) return;
  Change change;
  change.is_truncation = true;
  change.offset = size;
  change.old_size = content_.size();
  if (size < content_.size()) change.bytes.assign(content_, size);
  journal_.push_back(std::move(change));
  content_.resize(size);
}

void SimulatedFile::Undo(Change& change) {
  if (change.is_truncation) {
    // Zeros stand for what an enlarging one did not cut off.
    content_.resize(std::min(change.offset, change.old_size));
    content_.append(change.bytes);
    return;
  }
  std::string written(content_, change.offset, change.length);
  std::memcpy(content_.data() + change.offset, change.bytes.data(),
              change.bytes.size());
  content_.resize(change.old_size);
  change.bytes = std::move(written);
}

void SimulatedFile::Redo(const Change& change) {
  if (change.is_truncation) {
    content_.resize(change.offset);
  } else {
    Put(change.offset, change.bytes);
  }
}

void SimulatedFile::GiveUpUnsynced() {
  for (Change& change : journal_) change.given_up = true;
  has_given_up_ = !journal_.empty();
}

void SimulatedFile::Sync() {
  if (!has_given_up_) {
    journal_.clear();
    return;
  }
  // Take everything back, make durable what this sync covers, and write the
  // rest again as the program sees it: where a newer write covers it, that
  // changes nothing.
  const std::string seen = content_;
  std::vector<Change> changes = std::move(journal_);
  journal_.clear();
  for (auto it = changes.rbegin(); it != changes.rend(); ++it) Undo(*it);
  for (const Change& change : changes) {
    if (!change.given_up) Redo(change);
  }
  for (const Change& change : changes) {
    if (!change.given_up || change.offset >= seen.size()) continue;
    // Behind a truncation that is given up, the disk still has old bytes.
    const uint64_t length =
        change.is_truncation ? content_.size() : change.length;
    Write(change.offset, absl::string_view(seen).substr(change.offset, length));
  }
  Truncate(seen.size());
  GiveUpUnsynced();
}

void SimulatedFile::LosePower(absl::FunctionRef<Fate(bool)> fate,
                              crypto::Random& random) {
  for (auto it = journal_.rbegin(); it != journal_.rend(); ++it) Undo(*it);
  for (const Change& change : journal_) {
    const Fate drawn = fate(change.is_truncation);
    if (drawn == Fate::kDropped) continue;
    if (drawn == Fate::kKept || change.is_truncation) {
      Redo(change);
      continue;
    }
    const absl::string_view bytes = change.bytes;
    const uint64_t end = change.offset + change.length;
    for (uint64_t at = change.offset; at < end;) {
      const uint64_t next =
          std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
      if (random.Uniform(2) == 0) {
        Put(at, bytes.substr(at - change.offset, next - at));
      }
      at = next;
    }
  }
  journal_.clear();
  has_given_up_ = false;
}

void SimulatedFile::FlipBit(uint64_t offset, int bit) {
  content_[offset] = static_cast<char>(content_[offset] ^ (1 << bit));
}

void SimulatedFile::CutOff(uint64_t size) {
  if (size < content_.size()) content_.resize(size);
  journal_.clear();
  has_given_up_ = false;
}

}  // namespace messenger::sqlite
