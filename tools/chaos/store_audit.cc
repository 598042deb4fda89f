#include "tools/chaos/store_audit.h"

#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "swarm/node/storage_process.h"
#include "swarm/store/store_check.h"

namespace messenger::chaos {
namespace {

constexpr size_t kRowsAtOnce = 1000;

}  // namespace

void StoreAudit::Look(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (absl::StrContains(name, ".damaged-") && !absl::EndsWith(name, "-wal") &&
        !absl::EndsWith(name, "-shm")) {
      ++damaged_stores_;
    }
  }
  const std::string path =
      absl::StrCat(folder, "/", swarm::StorageProcess::kStoreFileName);
  if (!std::filesystem::exists(path, error)) return;
  absl::StatusOr<std::unique_ptr<swarm::StoreCheck>> check =
      swarm::StoreCheck::Open(path, /*vfs=*/"");
  absl::StatusOr<bool> more = check.ok();
  if (!check.ok()) more = check.status();
  while (more.ok() && *more) {
    more = (*check)->Step(kRowsAtOnce);
    damaged_messages_ += (*check)->TakeDamaged().size();
  }
  if (more.ok()) {
    ++stores_;
  } else if (absl::IsDataLoss(more.status())) {
    ++damaged_stores_;
  } else {
    ++unread_;
  }
}

void StoreAudit::Add(const StoreAudit& other) {
  stores_ += other.stores_;
  damaged_stores_ += other.damaged_stores_;
  damaged_messages_ += other.damaged_messages_;
  unread_ += other.unread_;
}

}  // namespace messenger::chaos
