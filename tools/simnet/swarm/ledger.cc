#include "tools/simnet/swarm/ledger.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace messenger::simnet {
namespace {

// Enough to find it in a trace.
std::string Short(const swarm::MessageId& id) {
  return absl::BytesToHexString(id.bytes().substr(0, 4));
}

}  // namespace

absl::string_view CheckName(Check check) {
  static constexpr std::array<absl::string_view, kChecks> kNames = {
      "lost", "phantom", "duplicate", "resurrected", "late", "record"};
  return kNames[static_cast<size_t>(check)];
}

bool IsCheckName(absl::string_view name) {
  for (size_t i = 0; i < kChecks; ++i) {
    if (CheckName(static_cast<Check>(i)) == name) return true;
  }
  return false;
}

Ledger::Ledger(Rules rules, Listener* listener)
    : rules_(rules), listener_(listener) {
  if (listener_ != nullptr) listener_->OnRules(rules_);
}

void Ledger::Violate(Check check, std::string detail) {
  Violate(CheckName(check), std::move(detail));
}

void Ledger::Violate(absl::string_view check, std::string detail) {
  if (violations_.size() >= kMaxViolations) return;
  violations_.push_back({std::string(check), std::move(detail)});
}

void Ledger::Explain(absl::string_view more) {
  if (!violations_.empty()) {
    absl::StrAppend(&violations_.back().detail, "\n    ", more);
  }
}

void Ledger::Sending(int mailbox, const swarm::MessageId& id, absl::Time expiry,
                     absl::Time now) {
  if (listener_ != nullptr) listener_->OnSending(mailbox, id, expiry, now);
  const auto [it, fresh] = messages_.try_emplace(id);
  if (!fresh) return;  // a retry is the same message
  Message& message = it->second;
  message.mailbox = mailbox;
  message.expiry = expiry;
  message.begun = now;
  by_mailbox_[mailbox].push_back(id);
  ++figures_.begun;
  // A purge is also about what is yet to arrive.
  Apply(message);
}

void Ledger::Sent(const swarm::MessageId& id, absl::Time now, std::string how) {
  if (listener_ != nullptr) listener_->OnSent(id, now, how);
  const auto it = messages_.find(id);
  if (it == messages_.end()) {
    return Violate(Check::kPhantom,
                   absl::StrCat(Short(id), " was sent by nobody"));
  }
  if (it->second.sent != absl::InfiniteFuture()) return;
  it->second.sent = now;
  it->second.how = std::move(how);
  ++figures_.sent;
}

// Orders add up: a purge is also about what ends in time only because its life
// was made shorter, in whichever order the two came.
void Ledger::Apply(Message& message) const {
  const auto purges = purges_.find(message.mailbox);
  if (purges == purges_.end()) return;
  for (const Purge& purge : purges->second) {
    if (std::min(message.expiry, message.may_end) <= purge.expiry_until) {
      // At the earliest: the sooner the oracle stops insisting the better.
      message.may_end =
          std::min(message.may_end, std::max(purge.begun, message.begun));
    }
    if (std::min(message.expiry, message.must_end) <= purge.expiry_until) {
      // At the latest: only when all that it takes has been confirmed.
      absl::Time end = std::max(purge.confirmed, message.begun);
      if (message.expiry > purge.expiry_until) {
        end = std::max(end, message.must_confirmed);
      }
      message.must_end = std::min(message.must_end, end);
    }
  }
}

void Ledger::Deleting(const std::vector<swarm::MessageId>& ids,
                      absl::Time effective, absl::Time now) {
  if (listener_ != nullptr) listener_->OnDeleting(ids, effective, now);
  for (const swarm::MessageId& id : ids) {
    const auto it = messages_.find(id);
    if (it == messages_.end()) continue;
    Message& message = it->second;
    message.may_end = std::min(message.may_end, std::max(effective, now));
    Apply(message);
  }
}

void Ledger::Deleted(const std::vector<swarm::MessageId>& ids,
                     absl::Time effective, absl::Time now) {
  if (listener_ != nullptr) listener_->OnDeleted(ids, effective, now);
  for (const swarm::MessageId& id : ids) {
    const auto it = messages_.find(id);
    if (it == messages_.end()) continue;
    Message& message = it->second;
    message.must_end = std::min(message.must_end, std::max(effective, now));
    message.must_confirmed = std::min(message.must_confirmed, now);
    Apply(message);
    ++figures_.deleted;
  }
}

void Ledger::Purging(int mailbox, absl::Time expiry_until, absl::Time now) {
  if (listener_ != nullptr) listener_->OnPurging(mailbox, expiry_until, now);
  purges_[mailbox].push_back({expiry_until, now});
  for (const swarm::MessageId& id : by_mailbox_[mailbox]) Apply(messages_[id]);
}

void Ledger::Purged(int mailbox, absl::Time expiry_until, absl::Time now) {
  if (listener_ != nullptr) listener_->OnPurged(mailbox, expiry_until, now);
  for (Purge& purge : purges_[mailbox]) {
    if (purge.expiry_until == expiry_until) {
      purge.confirmed = std::min(purge.confirmed, now);
    }
  }
  for (const swarm::MessageId& id : by_mailbox_[mailbox]) {
    Message& message = messages_[id];
    const bool before = message.must_end <= now;
    Apply(message);
    figures_.deleted += !before && message.must_end <= now;
  }
}

int Ledger::AddDevice(int mailbox) {
  const int device = static_cast<int>(devices_.size());
  if (listener_ != nullptr) listener_->OnDeviceAdded(device, mailbox);
  devices_.push_back({mailbox, {}});
  return device;
}

void Ledger::Reinstall(int device) {
  if (listener_ != nullptr) listener_->OnReinstall(device);
  devices_[device].seen.clear();
}

bool Ledger::MustExist(const Message& message, absl::Time until) const {
  return message.sent != absl::InfiniteFuture() &&
         std::min(message.expiry, message.may_end) >
             until + kExpiryMargin + rules_.clock_error;
}

void Ledger::Read(int device, const Reading& reading, absl::Time now) {
  if (listener_ != nullptr) listener_->OnRead(device, reading, now);
  Device& reader = devices_[device];
  ++figures_.readings;
  figures_.complete_readings += reading.complete;
  absl::flat_hash_set<swarm::MessageId> once;
  for (const swarm::MessageId& id : reading.ids) {
    if (!once.insert(id).second) {
      Violate(Check::kDuplicate,
              absl::StrCat(Short(id), " twice in one reading"));
    }
    const auto it = messages_.find(id);
    if (it == messages_.end() || it->second.mailbox != reader.mailbox) {
      Violate(Check::kPhantom,
              absl::StrCat(Short(id), " in mailbox ", reader.mailbox,
                           ", sent by nobody"));
      continue;
    }
    Message& message = it->second;
    message.read = true;
    if (reader.seen.insert(id).second) {
      ++figures_.messages_read;
    } else {
      ++figures_.repeats;
    }
    // A reading takes a while, and what it lists it may have listed early.
    if (message.expiry + kExpiryMargin + rules_.clock_error +
            rules_.late_error <
        reading.begun) {
      Violate(Check::kLate,
              absl::StrCat(Short(id), " read ",
                           absl::FormatDuration(now - message.expiry),
                           " after its expiry"));
    }
    if (message.must_end + rules_.clock_error < reading.begun) {
      if (reading.final_reading) {
        Violate(Check::kResurrected,
                absl::StrCat(Short(id), " read after its deletion"));
      }
      ++figures_.read_after_deletion;
    }
  }
  if (!reading.complete) return;
  for (const swarm::MessageId& id : by_mailbox_[reader.mailbox]) {
    const Message& message = messages_[id];
    if (message.sent > reading.begun || !MustExist(message, now)) continue;
    if (reader.seen.contains(id)) continue;
    if (rules_.hiding_members && !reading.final_reading) {
      ++figures_.missed_by_hiding;
      continue;
    }
    Violate(Check::kLost,
            absl::StrCat(Short(id), " of mailbox ", reader.mailbox, ", sent ",
                         absl::FormatDuration(reading.begun - message.sent),
                         " before, is not in a complete reading of device ",
                         device, reading.final_reading ? " (final)" : "", "; ",
                         message.how));
  }
}

void Ledger::PuttingRecord(const std::string& name, uint64_t seq) {
  if (listener_ != nullptr) listener_->OnPuttingRecord(name, seq);
  records_[name].begun.insert(seq);
}

void Ledger::PutRecordDone(const std::string& name, uint64_t seq) {
  if (listener_ != nullptr) listener_->OnPutRecordDone(name, seq);
  RecordHistory& history = records_[name];
  history.confirmed = std::max(history.confirmed, seq);
  ++figures_.records_written;
}

uint64_t Ledger::ConfirmedRecord(const std::string& name) const {
  const auto it = records_.find(name);
  return it == records_.end() ? 0 : it->second.confirmed;
}

void Ledger::GotRecord(const std::string& name, uint64_t confirmed_before,
                       uint64_t seq) {
  if (listener_ != nullptr) listener_->OnGotRecord(name, confirmed_before, seq);
  ++figures_.records_read;
  if (seq != 0 && records_[name].begun.count(seq) == 0) {
    Violate(Check::kRecord,
            absl::StrCat("version ", seq, " was written by nobody"));
  }
  if (seq < confirmed_before) {
    Violate(Check::kRecord, absl::StrCat("version ", seq, " after ",
                                         confirmed_before, " was confirmed"));
  }
}

const Ledger::Message* Ledger::Find(const swarm::MessageId& id) const {
  const auto it = messages_.find(id);
  return it == messages_.end() ? nullptr : &it->second;
}

std::vector<swarm::MessageId> Ledger::MessagesThatMustExist(
    absl::Time until) const {
  std::vector<swarm::MessageId> ids;
  for (const auto& [mailbox, all] : by_mailbox_) {
    for (const swarm::MessageId& id : all) {
      if (MustExist(messages_.at(id), until)) ids.push_back(id);
    }
  }
  return ids;
}

}  // namespace messenger::simnet
