#include "swarm/node/background_check.h"

#include <utility>

#include "absl/status/statusor.h"

namespace messenger::swarm {

BackgroundCheck::BackgroundCheck(SqliteStore& store, std::string path,
                                 const routing::Clock& clock,
                                 routing::Executor& disk, Findings findings)
    : store_(store),
      path_(std::move(path)),
      clock_(clock),
      disk_(disk),
      findings_(std::move(findings)) {}

void BackgroundCheck::Start() {
  disk_.Run([this] { Look(); });
}

void BackgroundCheck::Look() {
  const auto now_ms = static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now()));
  if (store_.NeedsCheck(now_ms)) {
    absl::StatusOr<std::unique_ptr<StoreCheck>> check =
        StoreCheck::Open(path_, /*vfs=*/"");
    if (check.ok()) {
      check_ = *std::move(check);
      return Step();
    }
    if (absl::IsDataLoss(check.status())) {
      return findings_.on_damage(check.status());
    }
  }
  disk_.RunAfter(kLook, [this] { Look(); });
}

void BackgroundCheck::Step() {
  const absl::StatusOr<bool> more = check_->Step(kSliceRows);
  for (const ItemKey& item : check_->TakeDamaged()) findings_.on_item(item);
  if (absl::IsDataLoss(more.status())) {
    return findings_.on_damage(more.status());
  }
  if (more.ok() && *more) {
    disk_.RunAfter(kPause, [this] { Step(); });
    return;
  }
  check_.reset();
  // One that could not be read to its end is read again.
  if (more.ok()) {
    const absl::Status noted = store_.SetChecked(
        static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now())));
    if (absl::IsDataLoss(noted)) return findings_.on_damage(noted);
  }
  disk_.RunAfter(kLook, [this] { Look(); });
}

}  // namespace messenger::swarm
