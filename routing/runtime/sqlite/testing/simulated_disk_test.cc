#include "routing/runtime/sqlite/testing/simulated_disk.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "crypto/base/secret_bytes.h"
#include "crypto/base/status_macros.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/sqlite/database.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "sqlite3.h"

namespace messenger::sqlite {
namespace {

using CrashMode = SimulatedDisk::CrashMode;
using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr char kPath[] = "/test.db";
constexpr char kLog[] = "/test.db-wal";

constexpr std::array kModes = {CrashMode::kRandom, CrashMode::kDropUnsynced,
                               CrashMode::kKeepUnsynced};

// --- As a real disk, where nothing is broken ---

// Statements of up to four connections to one file (@ in the text), and what
// SQLite answers to them.
struct Script {
  std::string name;
  std::vector<std::pair<int, std::string>> steps;
};

std::string Transcript(const Script& script, const char* vfs,
                       const std::string& path) {
  std::array<sqlite3*, 4> connections = {};
  std::string transcript;
  for (const auto& [number, text] : script.steps) {
    sqlite3*& db = connections[static_cast<size_t>(number)];
    absl::StrAppend(&transcript, number, "> ", text, "\n");
    int code = SQLITE_OK;
    if (absl::StartsWith(text, "open")) {
      const int flags = text == "open read-only"
                            ? SQLITE_OPEN_READONLY
                            : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
      code = sqlite3_open_v2(path.c_str(), &db, flags, vfs);
      sqlite3_extended_result_codes(db, 1);
    } else if (text == "close") {
      code = sqlite3_close(db);
      db = nullptr;
    } else {
      const std::string sql = absl::StrReplaceAll(text, {{"@", path}});
      const auto row = [](void* out, int n, char** values, char**) {
        for (int i = 0; i < n; ++i) {
          absl::StrAppend(static_cast<std::string*>(out),
                          values[i] == nullptr ? "NULL" : values[i], "|");
        }
        absl::StrAppend(static_cast<std::string*>(out), "\n");
        return 0;
      };
      code = sqlite3_exec(db, sql.c_str(), row, &transcript, nullptr);
    }
    absl::StrAppend(&transcript, "= ", code, "\n");
  }
  for (sqlite3* db : connections) sqlite3_close(db);
  return transcript;
}

constexpr char kFill[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE "
    "i<500) INSERT INTO t(v) SELECT zeroblob(i*7) FROM n";
constexpr char kCreate[] = "CREATE TABLE t(i INTEGER PRIMARY KEY, v)";
constexpr char kSum[] = "SELECT count(*), sum(i), sum(length(v)) FROM t";
constexpr char kCheck[] = "PRAGMA integrity_check";

const std::vector<Script>& Scripts() {
  static const auto* const scripts = new std::vector<Script>{
      {"WriteAheadLog",
       {{0, "open"},
        {0, "PRAGMA journal_mode=WAL"},
        {0, kCreate},
        {1, "open read-only"},
        {0, kFill},
        {1, kSum},
        {1, "BEGIN"},
        {1, kSum},
        {0, "DELETE FROM t WHERE i%3=0"},
        {0, "PRAGMA wal_checkpoint(PASSIVE)"},
        {0, "PRAGMA wal_checkpoint(RESTART)"},
        {1, kSum},
        {1, "COMMIT"},
        {1, kSum},
        {1, "DELETE FROM t"},
        {0, "PRAGMA wal_checkpoint(TRUNCATE)"},
        {0, kFill},
        {1, kSum},
        {2, "open"},
        {2, "BEGIN IMMEDIATE"},
        {0, "INSERT INTO t(v) VALUES(1)"},
        {2, "INSERT INTO t(v) VALUES(2)"},
        {1, kSum},
        {2, "COMMIT"},
        {0, "INSERT INTO t(v) VALUES(3)"},
        {1, kSum},
        {2, "PRAGMA journal_mode=DELETE"},
        {0, "close"},
        {1, "close"},
        {2, "PRAGMA journal_mode=DELETE"},
        {2, kSum},
        {2, kCheck},
        {2, "close"},
        {1, "open read-only"},
        {1, kSum}}},
      {"RollbackJournal",
       {{0, "open"},
        {0, kCreate},
        {0, kFill},
        {1, "open"},
        {1, kSum},
        {0, "BEGIN"},
        {0, "DELETE FROM t WHERE i>100"},
        {1, kSum},
        {1, "INSERT INTO t(v) VALUES(1)"},
        {0, "ROLLBACK"},
        {1, kSum},
        {1, "BEGIN; SELECT 1 FROM t LIMIT 1"},
        {0, "INSERT INTO t(v) VALUES(2)"},
        {0, "BEGIN EXCLUSIVE"},
        {1, "COMMIT"},
        {0, "INSERT INTO t(v) VALUES(2)"},
        {0, "PRAGMA cache_size=5"},
        {0, "BEGIN"},
        {0, "UPDATE t SET v=zeroblob(300)"},
        {1, kSum},
        {0, "COMMIT"},
        {1, kSum},
        {0, "PRAGMA journal_mode=TRUNCATE"},
        {0, "DELETE FROM t WHERE i%2=0"},
        {1, kSum},
        {0, "PRAGMA journal_mode=PERSIST"},
        {0, "DELETE FROM t WHERE i%5=0"},
        {1, kSum},
        {1, kCheck}}},
      {"SpaceIsGivenBack",
       {{0, "open"},
        {0, "PRAGMA auto_vacuum=INCREMENTAL"},
        {0, kCreate},
        {0, kFill},
        {0, "DELETE FROM t WHERE i>100"},
        {0, "PRAGMA freelist_count"},
        {0, "PRAGMA incremental_vacuum(10)"},
        {0, "PRAGMA page_count"},
        {0, "VACUUM"},
        {0, "PRAGMA page_count"},
        {0, "PRAGMA journal_mode=WAL"},
        {0, kFill},
        {0, "DELETE FROM t WHERE i>50"},
        {0, "VACUUM"},
        {0, "PRAGMA wal_checkpoint(TRUNCATE)"},
        {0, "PRAGMA page_count"},
        {0, kSum},
        {0, kCheck}}},
      {"TwoFilesInOneTransaction",
       {{0, "open"},
        {0, kCreate},
        {0, "ATTACH '@.other' AS other"},
        {0, "CREATE TABLE other.u(i)"},
        {0, "BEGIN; INSERT INTO t(v) VALUES(1); INSERT INTO u VALUES(2)"},
        {0, "COMMIT"},
        {0, "BEGIN; INSERT INTO t(v) VALUES(3); INSERT INTO u VALUES(4)"},
        {0, "ROLLBACK"},
        {1, "open"},
        {1, "ATTACH '@.other' AS other"},
        {1, "SELECT v, u.i FROM t, u"}}},
      {"OneProcessOnly",
       {{0, "open"},
        {0, "PRAGMA locking_mode=EXCLUSIVE"},
        {0, "PRAGMA journal_mode=WAL"},
        {0, kCreate},
        {0, kFill},
        {1, "open"},
        {1, kSum},
        {0, "PRAGMA locking_mode=NORMAL"},
        {0, kSum},
        {1, kSum},
        {0, "close"},
        {1, kCheck}}},
      {"ReadingWhatIsNotThere",
       {{0, "open read-only"}, {0, kSum}, {1, "open"}, {1, kSum}}},
  };
  return *scripts;
}

class ContractTest : public ::testing::TestWithParam<Script> {};

TEST_P(ContractTest, AnswersAsTheVfsForUnix) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/contract-",
                                        getpid(), "-", GetParam().name);
  for (const char* suffix : {"", ".other"}) {
    std::remove(absl::StrCat(path, suffix).c_str());
  }
  crypto::SeededRandom random(1);
  SimulatedDisk disk(random);
  const std::string real = Transcript(GetParam(), nullptr, path);
  EXPECT_EQ(Transcript(GetParam(), disk.name().c_str(), path), real);
  for (const char* suffix : {"-wal", "-shm", "-journal"}) {
    const std::string name = absl::StrCat(path, suffix);
    EXPECT_EQ(disk.Snapshot().contains(name), access(name.c_str(), F_OK) == 0)
        << suffix;
  }
}

INSTANTIATE_TEST_SUITE_P(, ContractTest, ::testing::ValuesIn(Scripts()),
                         [](const auto& info) { return info.param.name; });

// --- Broken disks ---

// A table of batches. A batch is one transaction: some rows whose content says
// what it is, and the end of some rows of an earlier batch.
class SimulatedDiskTest : public ::testing::Test {
 protected:
  static constexpr int kRows = 4;

  explicit SimulatedDiskTest(uint64_t seed = 1)
      : random_(seed), disk_(std::make_unique<SimulatedDisk>(random_)) {}
  ~SimulatedDiskTest() override { db_.reset(); }

  absl::Status Open(bool full = true) {
    db_.reset();
    Database::Options options;
    options.vfs = disk_->name();
    options.synchronous_full = full;
    ASSIGN_OR_RETURN(db_, Database::Open(kPath, options));
    return db_->Exec(
        "CREATE TABLE IF NOT EXISTS t(batch INTEGER, row INTEGER, v BLOB, "
        "PRIMARY KEY(batch, row)); CREATE INDEX IF NOT EXISTS by_v ON t(v)");
  }

  static std::string Content(int64_t batch, int64_t row) {
    return absl::StrCat(batch, "/", row, "/",
                        std::string((batch * 7919 + row * 271) % 1500, 'x'));
  }

  absl::Status Add(int64_t batch) {
    return db_->Transaction([&]() -> absl::Status {
      ASSIGN_OR_RETURN(Statement * insert,
                       db_->Prepared("INSERT INTO t VALUES(?,?,?)"));
      for (int row = 0; row < kRows; ++row) {
        RETURN_IF_ERROR(insert->BindInt(1, batch)
                            .BindInt(2, row)
                            .BindBlob(3, Content(batch, row))
                            .Run());
        insert->Reset();
      }
      ASSIGN_OR_RETURN(Statement * erase,
                       db_->Prepared("DELETE FROM t WHERE batch=? AND row>=?"));
      return erase->BindInt(1, batch / 2).BindInt(2, kRows / 2).Run();
    });
  }

  // Rows of each batch; DATA_LOSS if one is not what was written.
  absl::StatusOr<std::map<int64_t, int>> Batches() {
    ASSIGN_OR_RETURN(Statement * select,
                     db_->Prepared("SELECT batch, row, v FROM t"));
    std::map<int64_t, int> batches;
    absl::StatusOr<bool> row = select->Step();
    for (; row.ok() && *row; row = select->Step()) {
      if (select->Blob(2) != Content(select->Int(0), select->Int(1))) {
        select->Reset();
        return absl::DataLossError("a row with the content of another");
      }
      ++batches[select->Int(0)];
    }
    select->Reset();
    if (!row.ok()) return row.status();
    return batches;
  }

  // The last batch, if all of 1..last are there as their transactions left
  // them.
  absl::StatusOr<int64_t> LastOfAll() {
    RETURN_IF_ERROR(IntegrityCheck());
    ASSIGN_OR_RETURN(const auto batches, Batches());
    const auto last = static_cast<int64_t>(batches.size());
    for (const auto& [batch, rows] : batches) {
      // An earlier batch lost its rows to the one of twice its number, and
      // batch 1 to its own successors only.
      const bool cut = batch * 2 <= last || batch == 0;
      if (batch > last || rows != (cut ? kRows / 2 : kRows)) {
        return absl::DataLossError(
            absl::StrCat("batch ", batch, " of ", last, ": ", rows, " rows"));
      }
    }
    return last;
  }

  absl::Status IntegrityCheck() {
    ASSIGN_OR_RETURN(Statement * check,
                     db_->Prepared("PRAGMA integrity_check(1)"));
    ASSIGN_OR_RETURN(const bool row, check->Step());
    const std::string text = row ? check->Text(0) : "nothing";
    check->Reset();
    return text == "ok" ? absl::OkStatus() : absl::DataLossError(text);
  }

  // Batches from `next` on until an error or `end`; returns the last that
  // succeeded.
  int64_t AddUntilError(int64_t next, int64_t end) {
    while (next < end && Add(next).ok()) ++next;
    return next - 1;
  }

  crypto::SeededRandom random_;
  std::unique_ptr<SimulatedDisk> disk_;
  std::unique_ptr<Database> db_;
};

TEST_F(SimulatedDiskTest, KeepsRowsAcrossOpenings) {
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(AddUntilError(1, 50), 49);
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(LastOfAll().value(), 49);
  db_.reset();
  EXPECT_THAT(disk_->Snapshot(), ElementsAre(Pair(kPath, ::testing::_)))
      << "the last connection takes the log with it";
  EXPECT_EQ(disk_->used_bytes(), disk_->Snapshot()[kPath].size());
}

TEST_F(SimulatedDiskTest, TheTimeIsThatOfTheClock) {
  routing::SimulatedClock clock(absl::FromUnixSeconds(1'900'000'000));
  SimulatedDisk disk(random_, &clock);
  Database::Options options;
  options.vfs = disk.name();
  auto db = Database::Open(kPath, options).value();
  clock.Advance(absl::Seconds(5));
  Statement* now =
      db->Prepared("SELECT CAST(strftime('%s','now') AS INTEGER)").value();
  ASSERT_TRUE(now->Step().value());
  EXPECT_EQ(now->Int(0), 1'900'000'005);
}

TEST_F(SimulatedDiskTest, WhatIsOpenIsDeadAfterACrash) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Add(1), IsOk());
  disk_->Crash();
  EXPECT_THAT(Add(2), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Batches(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_GT(disk_->counters().calls_after_crash, 0);
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(LastOfAll().value(), 1);
  EXPECT_THAT(Add(2), IsOk());
}

TEST_F(SimulatedDiskTest, LocksDieWithTheProcess) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(db_->Exec("BEGIN IMMEDIATE; INSERT INTO t VALUES(9,9,9)"),
              IsOk());
  const std::unique_ptr<Database> dead = std::move(db_);
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(Add(1), StatusIs(absl::StatusCode::kUnavailable))
      << "it is locked, and waiting takes no time";
  disk_->Kill();
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(Add(1), IsOk());
  EXPECT_EQ(LastOfAll().value(), 1);
}

TEST_F(SimulatedDiskTest, NothingWorksWithoutPower) {
  ASSERT_THAT(Open(), IsOk());
  uint64_t seen = 0;
  disk_->set_on_operation([&](uint64_t number) { seen = number; });
  disk_->CrashAt(disk_->operations() + 3, CrashMode::kDropUnsynced);
  EXPECT_LT(AddUntilError(1, 10), 9);
  EXPECT_FALSE(disk_->powered());
  EXPECT_EQ(seen, disk_->operations()) << "there were no others";
  disk_->set_on_operation(nullptr);
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kUnavailable));
  disk_->Restart();
  EXPECT_THAT(Open(), IsOk());
  EXPECT_EQ(disk_->counters().crashes, 1);
}

class CrashTest : public SimulatedDiskTest,
                  public ::testing::WithParamInterface<int> {
 protected:
  CrashTest() : SimulatedDiskTest(static_cast<uint64_t>(GetParam())) {}

  // Crashes at `crashes` random operations, and adds batches in between.
  // Returns how many commits were lost.
  int64_t CrashOften(int crashes, bool full, CrashMode mode) {
    int64_t lost = 0;
    int64_t last = 0;
    for (int i = 0; i < crashes; ++i) {
      disk_->CrashAt(disk_->operations() + 1 + random_.Uniform(120), mode);
      if (Open(full).ok()) {
        EXPECT_GE(LastOfAll().value_or(last), last);
        last = AddUntilError(last + 1, last + 1000);
      }
      EXPECT_FALSE(disk_->powered());
      disk_->Restart();
      EXPECT_THAT(Open(full), IsOk());
      const absl::StatusOr<int64_t> found = LastOfAll();
      EXPECT_THAT(found, IsOk()) << "crash " << i;
      if (!found.ok()) return lost;
      EXPECT_LE(*found, last + 1) << "crash " << i;
      lost += std::max<int64_t>(0, last - *found);
      last = *found;
    }
    return lost;
  }
};

TEST_P(CrashTest, WithFullSyncsNothingCommittedIsLost) {
  for (const CrashMode mode : kModes) {
    disk_->Wipe();
    EXPECT_EQ(CrashOften(/*crashes=*/4, /*full=*/true, mode), 0)
        << static_cast<int>(mode);
  }
}

TEST_P(CrashTest, WithoutFullSyncsOnlyTheLatestCommitsAreLost) {
  EXPECT_GT(
      CrashOften(/*crashes=*/10, /*full=*/false, CrashMode::kDropUnsynced), 0);
  EXPECT_GT(disk_->counters().writes_dropped, 0);
}

TEST_P(CrashTest, WithoutFullSyncsAKilledProcessLosesNothing) {
  int64_t last = 0;
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(Open(/*full=*/false), IsOk());
    last = AddUntilError(last + 1, last + 2 + random_.Uniform(40));
    disk_->Kill();
    ASSERT_THAT(Open(/*full=*/false), IsOk());
    EXPECT_EQ(LastOfAll().value(), last);
  }
}

TEST_P(CrashTest, OneSeedGivesOneSequenceOfBytes) {
  const auto run = [&] {
    crypto::SeededRandom random(static_cast<uint64_t>(GetParam()));
    random_ = random;
    disk_ = std::make_unique<SimulatedDisk>(random_);
    disk_->SetErrorRate(0.002);
    for (int i = 0; i < 3; ++i) {
      if (Open().ok()) AddUntilError(100 * i + 1, 100 * i + 30);
      disk_->Crash();
    }
    db_.reset();
    return std::make_pair(disk_->Snapshot(), disk_->operations());
  };
  const auto first = run();
  EXPECT_TRUE(run() == first);
}

// What is there is right: acknowledged batches whole, others whole or not at
// all. (A batch whose commit failed may be there after a restart: its frames
// are in the log.)
TEST_P(CrashTest, IoErrorsLeaveNothingInHalves) {
  std::map<int64_t, bool> acked;
  int64_t next = 1;
  for (int round = 0; round < 6; ++round) {
    disk_->SetErrorRate(0.01);
    const absl::Status opened = Open();
    if (!opened.ok()) {
      EXPECT_THAT(opened, StatusIs(absl::StatusCode::kUnavailable));
    }
    for (int i = 0; i < 20 && opened.ok(); ++i, ++next) {
      const absl::Status added = Add(next);
      acked[next] = added.ok();
      if (!added.ok()) {
        EXPECT_THAT(added, StatusIs(absl::StatusCode::kUnavailable));
      }
    }
    disk_->SetErrorRate(0);
    if (round % 2 == 0) disk_->Crash();
    ASSERT_THAT(Open(), IsOk());
    ASSERT_THAT(IntegrityCheck(), IsOk());
    const absl::StatusOr<std::map<int64_t, int>> batches = Batches();
    ASSERT_THAT(batches, IsOk());
    for (const auto& [batch, is_acked] : acked) {
      const auto found = batches->find(batch);
      if (found == batches->end()) {
        EXPECT_FALSE(is_acked) << batch;
        continue;
      }
      const bool whole = found->second == kRows;
      const bool cut = found->second == kRows / 2;
      EXPECT_TRUE(whole || cut) << batch << ": " << found->second;
      // What deleted its rows did so whole, too.
      for (const int64_t later : {2 * batch, 2 * batch + 1}) {
        if (batches->contains(later)) {
          EXPECT_TRUE(cut) << batch;
        }
      }
    }
  }
  const SimulatedDisk::Counters& counters = disk_->counters();
  EXPECT_GT(counters.read_errors + counters.write_errors +
                counters.sync_errors + counters.truncation_errors,
            0);
}

TEST_P(CrashTest, AFullDiskKeepsWhatItHas) {
  ASSERT_THAT(Open(), IsOk());
  int64_t last = AddUntilError(1, 20);
  disk_->SetCapacity(disk_->used_bytes() + 50'000 + random_.Uniform(50'000));
  absl::Status status;
  while (status.ok()) {
    status = Add(last + 1);
    last += status.ok();
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(LastOfAll().value(), last);
  EXPECT_GT(disk_->counters().disk_full, 0);
  if (GetParam() % 2 == 0) disk_->Crash();
  disk_->SetCapacity(0);
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(LastOfAll().value(), last);
  EXPECT_EQ(AddUntilError(last + 1, last + 20), last + 19);
  EXPECT_EQ(LastOfAll().value(), last + 19);
}

// SQLite's log has checksums: a damaged frame and all after it are not there.
TEST_P(CrashTest, ABitFlippedInTheLogOnlyCutsItShort) {
  ASSERT_THAT(Open(), IsOk());
  const int64_t last = AddUntilError(1, 25);
  disk_->Kill();
  ASSERT_TRUE(disk_->FlipBit(kLog).has_value());
  ASSERT_THAT(Open(), IsOk());
  EXPECT_LT(LastOfAll().value(), last);
}

TEST_P(CrashTest, ABitFlippedInTheFileIsFoundOrChangesOneRowOrNothing) {
  ASSERT_THAT(Open(), IsOk());
  AddUntilError(1, 25);
  db_.reset();
  const SimulatedDisk::Image image = disk_->Snapshot();
  int found = 0;
  int silent = 0;
  for (int i = 0; i < 40; ++i) {
    disk_->Restore(image);
    const std::optional<SimulatedDisk::Flip> flip = disk_->FlipBit();
    ASSERT_TRUE(flip.has_value());
    EXPECT_EQ(flip->file, kPath);
    EXPECT_TRUE(disk_->Snapshot() != image);
    absl::Status status = Open();
    if (status.ok()) status = IntegrityCheck();
    if (status.ok()) status = Batches().status();
    if (status.ok()) {
      ++silent;  // a byte that nobody uses
      continue;
    }
    ++found;
    // A flipped version number in the header is not damage to SQLite.
    if (flip->offset >= 100) {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss))
          << flip->offset << "." << flip->bit;
    }
  }
  EXPECT_GT(found, 0);
  EXPECT_GT(silent, 0);
  EXPECT_EQ(disk_->counters().bits_flipped, 40);
  db_.reset();
}

INSTANTIATE_TEST_SUITE_P(Seeds, CrashTest, ::testing::Range(0, 40));

TEST_F(SimulatedDiskTest, AnOldCopyIsAnOldState) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_EQ(AddUntilError(1, 10), 9);
  const SimulatedDisk::Image image = disk_->Snapshot();
  ASSERT_EQ(AddUntilError(10, 20), 19);
  disk_->Restore(image);
  EXPECT_THAT(Add(20), StatusIs(absl::StatusCode::kUnavailable));
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(LastOfAll().value(), 9);
}

TEST_F(SimulatedDiskTest, AWipedDiskIsEmpty) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_THAT(Add(1), IsOk());
  disk_->Wipe();
  EXPECT_EQ(disk_->used_bytes(), 0);
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(LastOfAll().value(), 0);
  EXPECT_FALSE(SimulatedDisk(random_).FlipBit().has_value());
}

TEST_F(SimulatedDiskTest, ACutOffFileIsDataLoss) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_EQ(AddUntilError(1, 30), 29);
  db_.reset();
  EXPECT_FALSE(disk_->TruncateFile("/other.db", 0));
  ASSERT_TRUE(disk_->TruncateFile(kPath, 5 * 4096 + 100));
  absl::Status status = Open();
  if (status.ok()) status = IntegrityCheck();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(SimulatedDiskTest, OneOperationFailsAndTheNextWorks) {
  ASSERT_THAT(Open(), IsOk());
  disk_->FailOperation(disk_->operations() + 2);
  EXPECT_THAT(Add(1), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(LastOfAll().value(), 0);
  EXPECT_THAT(Add(1), IsOk());
  ASSERT_THAT(Open(), IsOk());
  disk_->FailRead(disk_->counters().reads + 1);
  EXPECT_THAT(Batches(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(LastOfAll().value(), 1);
}

TEST_F(SimulatedDiskTest, AFailingDiskIsNotADamagedFile) {
  ASSERT_THAT(Open(), IsOk());
  ASSERT_EQ(AddUntilError(1, 30), 29);
  ASSERT_THAT(db_->Exec("DELETE FROM t WHERE batch>5"), IsOk());
  int errors = 0;
  for (uint64_t k = 1;; ++k) {
    ASSERT_THAT(Open(), IsOk());
    const uint64_t before = disk_->counters().reads;
    disk_->FailRead(before + k);
    const absl::Status status = db_->QuickCheck();
    if (disk_->counters().reads < before + k) break;
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable)) << k;
    ++errors;
  }
  EXPECT_GT(errors, 5);
}

// Rollback journals, whose creation and deletion decide. Only EXTRA syncs the
// folder after the deletion; with FULL, the last commit may be undone.
TEST_F(SimulatedDiskTest, ARollbackJournalSurvivesEveryCrash) {
  for (const CrashMode mode : kModes) {
    for (uint64_t k = 1;; ++k) {
      SimulatedDisk disk(random_);
      Database::Options options;
      options.vfs = disk.name();
      auto db = Database::Open(kPath, options).value();
      ASSERT_THAT(
          db->Exec("PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA;"
                   "CREATE TABLE a(i);"
                   "CREATE TABLE b(v); INSERT INTO a VALUES(0);"
                   "INSERT INTO b VALUES(zeroblob(9000))"),
          IsOk());
      disk.CrashAt(disk.operations() + k, mode);
      const absl::Status updated =
          db->Exec("BEGIN; UPDATE a SET i=1; UPDATE b SET v=1; COMMIT");
      const bool finished = disk.powered();
      disk.CrashAt(0);
      disk.Restart();
      db = Database::Open(kPath, options).value();
      Statement* select =
          db->Prepared("SELECT a.i, length(b.v) FROM a, b").value();
      ASSERT_TRUE(select->Step().value());
      const bool is_new = select->Int(0) == 1;
      EXPECT_EQ(select->Int(1), is_new ? 1 : 9000) << k;
      if (updated.ok()) {
        EXPECT_TRUE(is_new) << k;
      }
      EXPECT_THAT(db->QuickCheck(), IsOk());
      select->Reset();
      db.reset();
      if (finished) break;
      ASSERT_LT(k, 100);
    }
  }
}

TEST_F(SimulatedDiskTest, AKeyedDatabaseWorksToo) {
  const auto key = crypto::SecretBytes<32>::FromBytes(std::string(32, 'k'));
  Database::Options options;
  options.vfs = disk_->name();
  options.key = &*key;
  ASSERT_THAT(Database::Open(kPath, options)
                  .value()
                  ->Exec("CREATE TABLE t(v); INSERT INTO t VALUES('a marker')"),
              IsOk());
  disk_->Crash();
  EXPECT_THAT(Database::Open(kPath, options).status(), IsOk());
  options.key = nullptr;
  EXPECT_THAT(Database::Open(kPath, options).status(),
              StatusIs(absl::StatusCode::kDataLoss));
  for (const auto& [name, content] : disk_->Snapshot()) {
    EXPECT_THAT(content, ::testing::Not(HasSubstr("a marker")));
  }
}

}  // namespace
}  // namespace messenger::sqlite
