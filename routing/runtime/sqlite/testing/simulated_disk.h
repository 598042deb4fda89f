// A disk that a test can break, under the real SQLite engine: a VFS of its own
// name, to be given to `sqlite::Database::Options::vfs`.
//
//   SimulatedDisk disk(random);
//   auto db = Database::Open("/node.db", {.vfs = disk.name()});
//   ...
//   disk.Crash();        // the power fails: un-synced writes may be gone
//   db.reset();          // what was open is dead: every call is an I/O error
//   db = Database::Open("/node.db", {.vfs = disk.name()});
//
// One disk is one machine with at most one process and one thread; several
// connections to one file lock each other out as in SQLite's own VFS for Unix,
// whose answers this one gives where nothing is broken.
//
// What survives a loss of power:
//   - what was written before the file's last successful sync: always;
//   - each write and truncation since then: kept, dropped or, for a write, torn
//     between sectors, independently of all others, so in any order;
//   - a file's existence: from its first sync on, as file systems have it;
//   - a deletion: at once if SQLite asks for a sync of the folder, else from
//     the next sync of the folder on, or from the first sync of a new file of
//     the same name; until then the old file may be back, whole. The first sync
//     of a new journal or log also syncs the folder, as in the VFS for Unix;
//   - locks and shared memory: never.
// A VFS has no rename. There is one flat name space: every folder exists.
//
// Everything is a function of `random` and of the calls. SQLite's own
// randomness (the salts of its logs) belongs to the process, so each new disk
// seeds that, too, and one seed gives one sequence of bytes; except for keyed
// databases, whose salts come from the cryptographic library.
//
// Not thread-safe. Neither copied nor moved. All databases on it must be closed
// before it is destroyed.

#ifndef ROUTING_RUNTIME_SQLITE_TESTING_SIMULATED_DISK_H_
#define ROUTING_RUNTIME_SQLITE_TESTING_SIMULATED_DISK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "crypto/random/random.h"
#include "routing/runtime/clock.h"
#include "routing/runtime/sqlite/testing/simulated_file.h"

namespace messenger::sqlite {

class SimulatedDisk final {
 public:
  // What becomes of the operations that are not synced.
  enum class CrashMode { kRandom, kDropUnsynced, kKeepUnsynced };

  struct Counters {
    // What was asked for. Operations are all but reads.
    uint64_t reads = 0;
    uint64_t writes = 0;
    uint64_t syncs = 0;
    uint64_t truncations = 0;
    uint64_t deletions = 0;
    // What went wrong.
    uint64_t crashes = 0;
    uint64_t kills = 0;
    uint64_t writes_kept = 0;  // un-synced when the power failed
    uint64_t writes_dropped = 0;
    uint64_t writes_torn = 0;
    uint64_t truncations_kept = 0;
    uint64_t truncations_dropped = 0;
    uint64_t creations_dropped = 0;
    uint64_t deletions_dropped = 0;
    uint64_t calls_after_crash = 0;  // through handles that are dead
    uint64_t read_errors = 0;
    uint64_t write_errors = 0;
    uint64_t sync_errors = 0;
    uint64_t truncation_errors = 0;
    uint64_t deletion_errors = 0;
    uint64_t disk_full = 0;
    uint64_t bits_flipped = 0;
    uint64_t files_cut_off = 0;
    uint64_t restores = 0;
    uint64_t wipes = 0;
  };

  // Probabilities; `write` is also that of truncations and deletions.
  struct ErrorRates {
    double read = 0;
    double write = 0;
    double sync = 0;
  };

  struct Flip {
    std::string file;
    uint64_t offset = 0;
    int bit = 0;
  };

  // The content of every file, by name.
  using Image = std::map<std::string, std::string>;

  // `random` and `clock` must outlive the disk. Without a clock it is always
  // 2026-01-01.
  explicit SimulatedDisk(crypto::Random& random,
                         const routing::Clock* clock = nullptr);
  ~SimulatedDisk();
  SimulatedDisk(const SimulatedDisk&) = delete;
  SimulatedDisk& operator=(const SimulatedDisk&) = delete;

  // Of the VFS; unlike that of any other disk of the process.
  const std::string& name() const { return name_; }
  const Counters& counters() const { return counters_; }

  // --- Loss of power ---

  // The power fails and comes back. Whatever is open answers every call with
  // an I/O error until it is closed.
  void Crash(CrashMode mode = CrashMode::kRandom);
  // The process dies and the machine does not: as `Crash`, but every write
  // stays where it is, synced or not.
  void Kill();

  // How many writes, syncs, truncations and deletions there were.
  uint64_t operations() const { return operations_; }
  // Called before each operation with its number, from 1.
  void set_on_operation(std::function<void(uint64_t)> on_operation) {
    on_operation_ = std::move(on_operation);
  }
  // The power fails during the operation of that number, which then counts as
  // un-synced as well; opening and all else fails until `Restart`. For a number
  // that has not passed; 0: never.
  void CrashAt(uint64_t operation, CrashMode mode = CrashMode::kRandom);
  bool powered() const { return powered_; }
  // Nothing if the power is on.
  void Restart();

  // --- Errors ---

  // A failed write may have written its first sectors.
  void SetErrorRate(double rate) { error_rates_ = {rate, rate, rate}; }
  void SetErrorRates(const ErrorRates& rates) { error_rates_ = rates; }
  // That one operation fails, or that one read; numbers count from 1, 0: none.
  void FailOperation(uint64_t operation) { failing_operation_ = operation; }
  void FailRead(uint64_t read) { failing_read_ = read; }
  // Whether what a failed sync did not write is given up
  // (SimulatedFile::GiveUpUnsynced), as on Linux; else the next sync writes it.
  void set_failed_sync_gives_up(bool gives_up) {
    failed_sync_gives_up_ = gives_up;
  }
  // Writes that would make the files larger than this together fail with
  // SQLITE_FULL. 0: no bound.
  void SetCapacity(uint64_t bytes) { capacity_bytes_ = bytes; }
  uint64_t used_bytes() const { return used_bytes_; }

  // --- Damage. Works at once, also under an open database. ---

  // In a durable byte of the named file, or of any; none if there is none.
  std::optional<Flip> FlipBit(absl::string_view file = "");
  // Whether there is such a file that is longer.
  bool TruncateFile(absl::string_view file, uint64_t size);
  // Everything that programs would read now, synced or not.
  Image Snapshot() const;
  // Replaces all files, by durable ones; what is open is dead.
  void Restore(const Image& image);
  // Deletes all files; what is open is dead.
  void Wipe();

 private:
  // A file's place among the names, its locks and shared memory.
  struct Node;
  // The shared memory of all connections to a file.
  struct SharedMemory;
  // An open file.
  struct Handle;
  // SQLite's function table, in terms of the methods below.
  struct Vfs;

  // A creation or deletion that the folder does not know of for certain.
  struct FolderChange {
    bool is_creation = false;
    std::string name;
    std::shared_ptr<Node> node;
  };

  enum class Outcome { kDone, kFails, kPowerFails };

  int Open(const char* name, int flags, Handle& handle);
  void Close(Handle& handle);
  int Read(Handle& handle, void* out, uint64_t length, uint64_t offset);
  int Write(Handle& handle, absl::string_view bytes, uint64_t offset);
  int Truncate(Handle& handle, uint64_t size);
  int Sync(Handle& handle);
  int Delete(const std::string& name, bool sync_folder);
  int Access(const std::string& name, int flags, int* result);
  static int Lock(Handle& handle, int level);
  static int ShmMap(Handle& handle, int region, int size, bool extend,
                    volatile void** out);
  static int ShmLock(Handle& handle, int offset, int n, int flags);
  static void ShmUnmap(Handle& handle);

  // Counts an operation and says how it ends.
  Outcome Begin(double error_rate);
  bool Chance(double probability);
  // Whether the handle still works; counts the calls where not.
  bool IsAlive(const Handle& handle);
  void Unlink(const std::string& name);
  // Everything that happened in the folder of `name` is durable.
  void SyncFolder(const std::string& name);
  // What is open is dead.
  void EndProcess();
  void PowerOff(CrashMode mode);
  void CountUsedBytes();

  crypto::Random& random_;
  const routing::Clock* const clock_;
  const std::string name_;
  std::unique_ptr<Vfs> vfs_;
  Counters counters_;

  std::map<std::string, std::shared_ptr<Node>> names_;
  // By rising time.
  std::vector<FolderChange> folder_changes_;
  // Handles of an earlier process are dead.
  uint64_t process_ = 0;

  uint64_t operations_ = 0;
  std::function<void(uint64_t)> on_operation_;
  bool powered_ = true;
  CrashMode crash_mode_ = CrashMode::kRandom;
  uint64_t crashing_operation_ = 0;
  CrashMode crashing_mode_ = CrashMode::kRandom;

  ErrorRates error_rates_;
  uint64_t failing_operation_ = 0;
  uint64_t failing_read_ = 0;
  bool failed_sync_gives_up_ = true;
  uint64_t capacity_bytes_ = 0;
  uint64_t used_bytes_ = 0;
};

}  // namespace messenger::sqlite

#endif  // ROUTING_RUNTIME_SQLITE_TESTING_SIMULATED_DISK_H_
