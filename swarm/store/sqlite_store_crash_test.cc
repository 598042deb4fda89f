// Crash enumeration: a fixed script, and a loss of power (or one I/O error) at
// its first operation on the disk, at its second, at its third, to the last.
//
// After each, invariants I12 and I14 of the design hold: the file is sound, all
// that Apply() returned for is there, nothing is there in halves, and the rest
// of the script goes on as if nothing had been. The store in memory is the
// model. That a payload is the one its id names (I13) is checked in every
// reading.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/status_macros.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/sqlite/database.h"
#include "routing/runtime/sqlite/testing/simulated_disk.h"
#include "swarm/store/in_memory_store.h"
#include "swarm/store/sqlite_store.h"
#include "swarm/store/testing/store_script.h"

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using sqlite::SimulatedDisk;
using CrashMode = SimulatedDisk::CrashMode;

constexpr char kPath[] = "/store.db";
constexpr size_t kSteps = 100;
constexpr uint64_t kScriptSeed = 20;

// A store on a disk, and what it should hold.
class StoreRun {
 public:
  // All runs draw the same script; `seed` is that of the disk.
  explicit StoreRun(uint64_t seed)
      : random_(seed), model_random_(1), disk_(random_), model_(model_random_) {
    crypto::SeededRandom script_random(kScriptSeed);
    script_ = DrawStoreScript(kSteps, script_random);
  }

  SimulatedDisk& disk() { return disk_; }
  bool done() const { return next_ == script_.size(); }
  size_t next() const { return next_; }

  absl::Status Open() {
    store_.reset();
    absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(
        {.path = kPath, .capacity_bytes = 0, .vfs = disk_.name()}, random_);
    RETURN_IF_ERROR(store.status());
    if (incarnation_ != 0 && (*store)->incarnation() != incarnation_) {
      return absl::InternalError("another incarnation");
    }
    store_ = *std::move(store);
    incarnation_ = store_->incarnation();
    if (store_->log_was_damaged()) {
      return absl::InternalError("a crash was taken for damage");
    }
    return absl::OkStatus();
  }
  void Close() { store_.reset(); }

  // The next step, on the store and, if it succeeds there, on the model.
  absl::Status Step() {
    const StoreStep& step = script_[next_];
    if (store_ == nullptr || std::holds_alternative<ReopenStore>(step)) {
      RETURN_IF_ERROR(Open());
    }
    ASSIGN_OR_RETURN(const StepResult result, DoStep(step, *store_));
    const StepResult expected = DoStep(step, model_).value();
    ++next_;
    if (!(result == expected)) {
      return absl::InternalError(absl::StrCat("result of step ", next_ - 1));
    }
    return absl::OkStatus();
  }
  absl::Status StepToTheEnd() {
    while (!done()) RETURN_IF_ERROR(Step());
    return absl::OkStatus();
  }

  // After a failed step. Whether or not it has happened after all, it has done
  // so as a whole; the model follows. `may_have_happened`: it was in flight
  // when the power failed.
  absl::Status Settle(bool may_have_happened) {
    ASSIGN_OR_RETURN(const StoreState found, ReadState(*store_));
    if (found == ReadState(model_).value()) return Compare();
    if (!may_have_happened) {
      return absl::InternalError("a failed step changed something");
    }
    DoStep(script_[next_], model_).IgnoreError();
    ++next_;
    return Compare();
  }

  // INTERNAL unless the store holds what the model does, under numbers that
  // stay (no reader's cursor goes wrong).
  absl::Status Compare() {
    ASSIGN_OR_RETURN(const StoreState found, ReadState(*store_));
    if (!(found == ReadState(model_).value())) {
      return absl::InternalError(absl::StrCat("state after step ", next_));
    }
    ASSIGN_OR_RETURN(const auto numbers, ReadNumbers(*store_));
    for (const auto& [seq, id] : numbers) {
      const auto [known, is_new] = numbers_.emplace(seq, id);
      if (known->second != id) {
        return absl::InternalError("a number used twice");
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckFile() {
    sqlite::Database::Options options;
    options.vfs = disk_.name();
    options.read_only = true;
    ASSIGN_OR_RETURN(const std::unique_ptr<sqlite::Database> database,
                     sqlite::Database::Open(kPath, options));
    ASSIGN_OR_RETURN(sqlite::Statement * check,
                     database->Prepared("PRAGMA integrity_check"));
    ASSIGN_OR_RETURN(const bool row, check->Step());
    return row && check->Text(0) == "ok"
               ? absl::OkStatus()
               : absl::DataLossError("integrity_check");
  }

 private:
  crypto::SeededRandom random_;
  crypto::SeededRandom model_random_;
  SimulatedDisk disk_;
  InMemoryStore model_;
  std::unique_ptr<SqliteStore> store_;
  uint64_t incarnation_ = 0;
  std::vector<StoreStep> script_;
  size_t next_ = 0;
  std::map<uint64_t, MessageId> numbers_;
};

// Ends the test at the first operation that shows a fault.
class SqliteStoreCrashTest : public ::testing::TestWithParam<CrashMode> {};

absl::Status CrashAndGoOn(StoreRun& run) {
  run.disk().Restart();
  run.disk().CrashAt(0);
  RETURN_IF_ERROR(run.Open());
  RETURN_IF_ERROR(run.CheckFile());
  if (run.done()) return run.Compare();
  RETURN_IF_ERROR(run.Settle(/*may_have_happened=*/true));
  RETURN_IF_ERROR(run.StepToTheEnd());
  return run.Compare();
}

TEST_P(SqliteStoreCrashTest, KeepsWhatItAcknowledgedAtEveryOperation) {
  uint64_t k = 1;
  for (;; ++k) {
    StoreRun run(k);
    run.disk().CrashAt(k, GetParam());
    absl::Status status = run.Open();
    if (status.ok()) status = run.StepToTheEnd();
    run.Close();  // the last checkpoint is a part of it
    if (run.disk().powered()) {
      ASSERT_THAT(status, IsOk());
      break;
    }
    // An error means that the power has failed, never a wrong answer.
    if (!status.ok()) {
      ASSERT_THAT(status, StatusIs(absl::StatusCode::kUnavailable)) << k;
    }
    ASSERT_THAT(CrashAndGoOn(run), IsOk())
        << "operation " << k << ", step " << run.next();
  }
  EXPECT_GT(k, kSteps * 5) << "the script does too little";
  RecordProperty("crashes", static_cast<int>(k - 1));
}

INSTANTIATE_TEST_SUITE_P(, SqliteStoreCrashTest,
                         ::testing::Values(CrashMode::kRandom,
                                           CrashMode::kDropUnsynced,
                                           CrashMode::kKeepUnsynced),
                         [](const auto& info) {
                           switch (info.param) {
                             case CrashMode::kRandom:
                               return "Torn";
                             case CrashMode::kDropUnsynced:
                               return "Lost";
                             case CrashMode::kKeepUnsynced:
                               return "Kept";
                           }
                           return "";
                         });

// Goes through the script although each step may fail once; then the power
// fails, and what was acknowledged is there.
absl::Status GoOnAfterErrors(StoreRun& run, int& errors) {
  for (int tries = 0; !run.Open().ok(); ++tries, ++errors) {
    if (tries > 1) return absl::InternalError("does not open");
  }
  while (!run.done()) {
    const absl::Status status = run.Step();
    if (status.ok()) continue;
    ++errors;
    if (!absl::IsUnavailable(status)) return status;
    RETURN_IF_ERROR(run.Step());
  }
  run.disk().FailOperation(0);
  run.disk().FailRead(0);
  RETURN_IF_ERROR(run.Compare());
  run.disk().Crash(CrashMode::kDropUnsynced);
  RETURN_IF_ERROR(run.Open());
  RETURN_IF_ERROR(run.CheckFile());
  return run.Compare();
}

TEST(SqliteStoreErrorTest, OneFailedOperationIsAnErrorOrNoMatter) {
  int errors = 0;
  uint64_t k = 1;
  for (;; ++k) {
    StoreRun run(k);
    run.disk().FailOperation(k);
    ASSERT_THAT(GoOnAfterErrors(run, errors), IsOk())
        << "operation " << k << ", step " << run.next();
    if (run.disk().operations() < k) break;
  }
  EXPECT_GT(errors, static_cast<int>(k) / 4);
  RecordProperty("errors", errors);
}

TEST(SqliteStoreErrorTest, OneFailedReadIsAnErrorOrNoMatter) {
  int errors = 0;
  uint64_t k = 1;
  for (;; ++k) {
    StoreRun run(k);
    run.disk().FailRead(k);
    ASSERT_THAT(GoOnAfterErrors(run, errors), IsOk())
        << "read " << k << ", step " << run.next();
    if (run.disk().counters().reads < k) break;
  }
  EXPECT_GT(errors, 0);
  RecordProperty("errors", errors);
}

}  // namespace
}  // namespace messenger::swarm
