#include "client/store/vanishing_keys.h"

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/string_view.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

constexpr int64_t kSlotBytes = 32;
// Slots that are read at once: 64 KiB.
constexpr int64_t kSlotsOfReading = 2048;

bool IsZero(absl::string_view slot) {
  return std::all_of(slot.begin(), slot.end(),
                     [](char byte) { return byte == 0; });
}

}  // namespace

absl::StatusOr<std::unique_ptr<VanishingKeys>> VanishingKeys::Open(
    const std::string& path, const std::string& vfs, crypto::Random& random) {
  ASSIGN_OR_RETURN(std::unique_ptr<sqlite::VfsFile> file,
                   sqlite::VfsFile::Open(path, vfs));
  std::unique_ptr<VanishingKeys> keys(
      new VanishingKeys(std::move(file), random));
  ASSIGN_OR_RETURN(const uint64_t size, keys->file_->Size());
  // A slot that was cut short when the file last grew was never synced.
  keys->slots_ = static_cast<int64_t>(size) / kSlotBytes;
  for (int64_t first = 0; first < keys->slots_; first += kSlotsOfReading) {
    const int64_t count = std::min(kSlotsOfReading, keys->slots_ - first);
    ASSIGN_OR_RETURN(
        std::string slots,
        keys->file_->Read(static_cast<uint64_t>(first * kSlotBytes),
                          static_cast<size_t>(count * kSlotBytes)));
    for (int64_t i = 0; i < count; ++i) {
      const auto slot = absl::string_view(slots).substr(
          static_cast<size_t>(i * kSlotBytes), kSlotBytes);
      if (IsZero(slot)) keys->free_.insert(first + i);
    }
    crypto::SecureWipe(slots);
  }
  return keys;
}

absl::StatusOr<VanishingKeys::NewKey> VanishingKeys::Add() {
  NewKey added;
  added.slot = free_.empty() ? slots_ : *free_.begin();
  added.key = random_.Secret<32>();
  // Whatever comes of the writing, the slot may hold the key.
  if (free_.erase(added.slot) == 0) ++slots_;
  unsynced_ = true;
  RETURN_IF_ERROR(file_->Write(static_cast<uint64_t>(added.slot * kSlotBytes),
                               added.key.Expose()));
  return added;
}

absl::Status VanishingKeys::Sync() {
  if (!unsynced_) return absl::OkStatus();
  RETURN_IF_ERROR(file_->Sync());
  unsynced_ = false;
  return absl::OkStatus();
}

absl::StatusOr<crypto::SecretBytes<32>> VanishingKeys::Find(int64_t slot) {
  ASSIGN_OR_RETURN(std::string bytes,
                   file_->Read(static_cast<uint64_t>(slot * kSlotBytes),
                               static_cast<size_t>(kSlotBytes)));
  absl::Cleanup wipe = [&bytes] { crypto::SecureWipe(bytes); };
  if (IsZero(bytes)) return absl::NotFoundError("the key was destroyed");
  return crypto::SecretBytes<32>::FromBytes(bytes);
}

absl::Status VanishingKeys::Destroy(const std::vector<int64_t>& slots) {
  if (slots.empty()) return absl::OkStatus();
  const std::string zeros(static_cast<size_t>(kSlotBytes), 0);
  for (const int64_t slot : slots) {
    RETURN_IF_ERROR(
        file_->Write(static_cast<uint64_t>(slot * kSlotBytes), zeros));
  }
  RETURN_IF_ERROR(file_->Sync());
  unsynced_ = false;
  return absl::OkStatus();
}

void VanishingKeys::Free(const std::vector<int64_t>& slots) {
  free_.insert(slots.begin(), slots.end());
}

absl::Status VanishingKeys::KeepOnly(const std::set<int64_t>& in_use) {
  std::vector<int64_t> others;
  for (int64_t slot = 0; slot < slots_; ++slot) {
    if (!in_use.contains(slot) && !free_.contains(slot)) others.push_back(slot);
  }
  RETURN_IF_ERROR(Destroy(others));
  Free(others);
  return absl::OkStatus();
}

}  // namespace messenger::client
