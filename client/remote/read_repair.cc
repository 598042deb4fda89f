#include "client/remote/read_repair.h"

#include <algorithm>
#include <optional>

#include "swarm/auth/limits.h"
#include "swarm/placement/placement.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::client {
namespace {

constexpr int kReplyCells = 1;
// Complete readings without the message, before a member is taken to lack it.
constexpr int kMissesNeeded = 2;
constexpr int kMaxAttempts = 3;
// What a message of a request has besides its payload.
constexpr size_t kMessageOverheadBytes = 256;

// The one that keeps the message longest, of those that a member will take. A
// stranger's message has no proof: its shortest life is believed.
std::optional<WriterProof> BestProof(const MailboxReader& reader,
                                     const swarm::MailboxKeys& keys,
                                     const RetrievedMessage& message) {
  std::optional<WriterProof> best;
  for (const WriterProof& proof : message.proofs) {
    if (reader.ns() == swarm::MailboxNamespace::kInbox) {
      if (!best || proof.expiry_ms < best->expiry_ms) best = proof;
      continue;
    }
    const absl::StatusOr<crypto::Ed25519Signature> signature =
        crypto::Ed25519Signature::FromBytes(proof.signature);
    if (!signature.ok() || (best && proof.expiry_ms <= best->expiry_ms)) {
      continue;
    }
    if (swarm::VerifyWrite(reader.address(), keys, message.id, proof.expiry_ms,
                           *signature)
            .ok()) {
      best = proof;
    }
  }
  return best;
}

}  // namespace

ReadRepair::~ReadRepair() { context_.executor.Cancel(pause_); }

bool ReadRepair::Expired(const Entry& entry) const {
  return entry.proof.expiry_ms <=
         static_cast<uint64_t>(absl::ToUnixMillis(context_.time.Now()));
}

void ReadRepair::Observe(const MailboxReader& reader,
                         const RetrieveOutcome& outcome) {
  const std::shared_ptr<const swarm::Placement> placement =
      context_.placement.Get();
  if (placement == nullptr) return;
  for (const RetrievedMessage& message : outcome.messages) {
    const auto known = entries_.find({reader.address(), message.id});
    if (known != entries_.end()) {
      known->second.listed_by.insert(message.listed_by.begin(),
                                     message.listed_by.end());
    } else if (outcome.complete &&
               !std::includes(message.listed_by.begin(),
                              message.listed_by.end(), outcome.answered.begin(),
                              outcome.answered.end())) {
      Add(reader, message);
    }
  }
  if (!outcome.complete) return;
  const std::vector<routing::NodeId> members =
      placement->MembersOf(reader.address()).all;
  std::vector<Key> done;
  for (auto it = entries_.lower_bound({reader.address(), swarm::MessageId()});
       it != entries_.end() && it->first.first == reader.address(); ++it) {
    Entry& entry = it->second;
    if (entry.ns != reader.ns()) continue;
    for (const routing::NodeId& member : outcome.answered) {
      if (!entry.listed_by.contains(member)) ++entry.misses[member];
    }
    const bool everywhere = std::all_of(
        members.begin(), members.end(), [&](const routing::NodeId& member) {
          return entry.listed_by.contains(member);
        });
    if (everywhere || Expired(entry)) done.push_back(it->first);
  }
  for (const Key& key : done) Remove(key);
  Pump();
}

void ReadRepair::Add(const MailboxReader& reader,
                     const RetrievedMessage& message) {
  const swarm::MailboxKeys keys{.read_key = reader.read_key().public_key(),
                                .write_key = reader.write_key()};
  const std::optional<WriterProof> proof = BestProof(reader, keys, message);
  if (!proof) return;
  while (!by_number_.empty() &&
         (entries_.size() >= context_.options.repair_entries ||
          bytes_ + message.payload.size() > context_.options.repair_bytes)) {
    Remove(by_number_.begin()->second);
  }
  const Key key(reader.address(), message.id);
  Entry entry{.number = ++last_number_,
              .ns = reader.ns(),
              .keys = keys,
              .payload = message.payload,
              .proof = *proof,
              .listed_by = message.listed_by,
              .misses = {},
              .attempts = {}};
  bytes_ += message.payload.size();
  by_number_.emplace(entry.number, key);
  entries_.emplace(key, std::move(entry));
}

void ReadRepair::Remove(const Key& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  bytes_ -= found->second.payload.size();
  by_number_.erase(found->second.number);
  entries_.erase(found);
}

void ReadRepair::Forget(const swarm::MailboxAddress& mailbox,
                        const std::vector<swarm::MessageId>& ids) {
  for (const swarm::MessageId& id : ids) Remove({mailbox, id});
}

bool ReadRepair::Due(const Entry& entry, const routing::NodeId& member) const {
  const auto misses = entry.misses.find(member);
  if (misses == entry.misses.end() || misses->second < kMissesNeeded ||
      entry.listed_by.contains(member) || Expired(entry)) {
    return false;
  }
  const auto attempts = entry.attempts.find(member);
  return attempts == entry.attempts.end() || attempts->second < kMaxAttempts;
}

void ReadRepair::Pump() {
  if (busy_) return;
  for (const auto& [number, first] : by_number_) {
    for (const auto& [member, misses] : entries_.at(first).misses) {
      if (!Due(entries_.at(first), member)) continue;
      // As many as fit, of the same mailbox for the same member.
      std::vector<Key> keys;
      size_t bytes = 0;
      for (auto it = by_number_.find(number);
           it != by_number_.end() &&
           keys.size() < static_cast<size_t>(swarm::kMaxRepairMessages);
           ++it) {
        const Entry& entry = entries_.at(it->second);
        if (it->second.first != first.first || !Due(entry, member)) continue;
        const size_t more = entry.payload.size() + kMessageOverheadBytes;
        if (bytes + more > swarm::kMaxClientRequestBytes) continue;
        bytes += more;
        keys.push_back(it->second);
      }
      if (!keys.empty()) return Send(member, keys);
    }
  }
}

void ReadRepair::Send(const routing::NodeId& member,
                      const std::vector<Key>& keys) {
  swarm::v1::ClientRequest request;
  for (const Key& key : keys) {
    const Entry& entry = entries_.at(key);
    swarm::v1::StoreRequest& message =
        *request.mutable_repair()->add_messages();
    message.set_mailbox(std::string(key.first.bytes()));
    message.set_ns(static_cast<uint32_t>(entry.ns));
    message.set_payload(entry.payload);
    message.set_expiry_ms(entry.proof.expiry_ms);
    if (entry.keys.write_key.has_value()) {
      message.set_read_key(std::string(entry.keys.read_key.bytes()));
      message.set_write_key(std::string(entry.keys.write_key->bytes()));
      message.set_signature(entry.proof.signature);
    }
  }
  busy_ = true;
  context_.caller.Call(
      member, context_.placement.Get()->MembersOf(keys[0].first).all,
      request.SerializeAsString(), kReplyCells,
      context_.options.request_timeout,
      [this, member, keys,
       weak = std::weak_ptr<const bool>(alive_)](const MemberAnswer& answer) {
        if (!weak.expired()) OnAnswer(member, keys, answer);
      });
}

void ReadRepair::OnAnswer(const routing::NodeId& member,
                          const std::vector<Key>& keys,
                          const MemberAnswer& answer) {
  for (const Key& key : keys) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) continue;
    Entry& entry = found->second;
    ++entry.attempts[member];
    if (answer.status.ok()) {
      // It lists the message from now on, or had deleted it.
      entry.listed_by.insert(member);
    } else {
      entry.misses[member] = kMissesNeeded - 1;
    }
  }
  pause_ = context_.executor.RunAfter(context_.options.repair_pause, [this] {
    busy_ = false;
    Pump();
  });
}

}  // namespace messenger::client
