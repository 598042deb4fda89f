#include "routing/runtime/sqlite/testing/simulated_disk.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "sqlite3.h"

namespace messenger::sqlite {
namespace {

using Fate = SimulatedFile::Fate;

// What SQLite's VFS for Unix says of a disk: a write does not touch its
// neighbours' bytes.
constexpr int kReportedSectorBytes = 4096;
constexpr int kDeviceCharacteristics = SQLITE_IOCAP_POWERSAFE_OVERWRITE;
constexpr int kMaxPathBytes = 512;

// Between the Julian epoch, SQLite's, and that of Unix.
constexpr int64_t kUnixEpochJulianMs = 210'866'760'000'000;
constexpr int64_t kFixedUnixMs = 1'767'225'600'000;  // 2026-01-01

std::string UniqueName() {
  static std::atomic<int> number = 0;
  return absl::StrCat("simulated-disk-", ++number);
}

absl::string_view Folder(absl::string_view name) {
  return name.substr(0, name.rfind('/') + 1);
}

}  // namespace

struct SimulatedDisk::SharedMemory {
  std::vector<std::unique_ptr<char[]>> regions;
  std::vector<Handle*> users;
};

struct SimulatedDisk::Node {
  SimulatedFile file;
  bool linked = true;
  // All of the living process.
  std::vector<Handle*> handles;
  std::shared_ptr<SharedMemory> shared_memory;

  Node() = default;
  explicit Node(std::string content) : file(std::move(content)) {}
};

struct SimulatedDisk::Handle {
  SimulatedDisk* disk = nullptr;
  std::string name;
  uint64_t process = 0;
  bool writable = false;
  bool delete_on_close = false;
  // A journal that this handle created: its first sync is the folder's, too.
  bool syncs_folder = false;
  std::shared_ptr<Node> node;
  int lock = SQLITE_LOCK_NONE;
  // Also held by a dead handle: SQLite writes to it without asking.
  std::shared_ptr<SharedMemory> shared_memory;
  int shm_shared = 0;  // bit masks of the locks held
  int shm_exclusive = 0;
};

// --- SQLite's function tables ---

struct SimulatedDisk::Vfs {
  struct File {
    sqlite3_file base;
    Handle* handle;
  };

  static SimulatedDisk& Disk(sqlite3_vfs* vfs) {
    return *static_cast<SimulatedDisk*>(vfs->pAppData);
  }
  static Handle& HandleOf(sqlite3_file* file) {
    return *reinterpret_cast<File*>(file)->handle;
  }

  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file,
                  int flags, int* out_flags) {
    file->pMethods = nullptr;
    auto handle = std::make_unique<Handle>();
    const int code = Disk(vfs).Open(name, flags, *handle);
    if (code != SQLITE_OK) return code;
    handle->node->handles.push_back(handle.get());
    reinterpret_cast<File*>(file)->handle = handle.release();
    file->pMethods = &kMethods;
    if (out_flags != nullptr) *out_flags = flags;
    return SQLITE_OK;
  }
  static int Delete(sqlite3_vfs* vfs, const char* name, int sync_folder) {
    return Disk(vfs).Delete(name, sync_folder != 0);
  }
  static int Access(sqlite3_vfs* vfs, const char* name, int flags,
                    int* result) {
    return Disk(vfs).Access(name, flags, result);
  }
  static int FullPathname(sqlite3_vfs*, const char* name, int size, char* out) {
    const std::string full =
        name[0] == '/' ? std::string(name) : absl::StrCat("/", name);
    if (full.size() >= static_cast<size_t>(size)) return SQLITE_CANTOPEN;
    std::memcpy(out, full.c_str(), full.size() + 1);
    return SQLITE_OK;
  }
  static int Randomness(sqlite3_vfs* vfs, int size, char* out) {
    Disk(vfs).random_.Fill(absl::MakeSpan(out, static_cast<size_t>(size)));
    return size;
  }
  // Nobody else could do anything in the meantime.
  static int Sleep(sqlite3_vfs*, int microseconds) { return microseconds; }
  static int CurrentTimeInt64(sqlite3_vfs* vfs, sqlite3_int64* out) {
    const routing::Clock* const clock = Disk(vfs).clock_;
    *out = kUnixEpochJulianMs +
           (clock == nullptr ? kFixedUnixMs : absl::ToUnixMillis(clock->Now()));
    return SQLITE_OK;
  }
  static int CurrentTime(sqlite3_vfs* vfs, double* out) {
    sqlite3_int64 ms = 0;
    CurrentTimeInt64(vfs, &ms);
    *out = static_cast<double>(ms) / 86'400'000.0;
    return SQLITE_OK;
  }

  static int Close(sqlite3_file* file) {
    Handle* const handle = reinterpret_cast<File*>(file)->handle;
    handle->disk->Close(*handle);
    delete handle;
    return SQLITE_OK;
  }
  static int Read(sqlite3_file* file, void* out, int length,
                  sqlite3_int64 offset) {
    Handle& handle = HandleOf(file);
    return handle.disk->Read(handle, out, static_cast<uint64_t>(length),
                             static_cast<uint64_t>(offset));
  }
  static int Write(sqlite3_file* file, const void* bytes, int length,
                   sqlite3_int64 offset) {
    Handle& handle = HandleOf(file);
    return handle.disk->Write(handle,
                              absl::string_view(static_cast<const char*>(bytes),
                                                static_cast<size_t>(length)),
                              static_cast<uint64_t>(offset));
  }
  static int Truncate(sqlite3_file* file, sqlite3_int64 size) {
    Handle& handle = HandleOf(file);
    return handle.disk->Truncate(handle, static_cast<uint64_t>(size));
  }
  static int Sync(sqlite3_file* file, int) {
    Handle& handle = HandleOf(file);
    return handle.disk->Sync(handle);
  }
  static int FileSize(sqlite3_file* file, sqlite3_int64* out) {
    Handle& handle = HandleOf(file);
    if (!handle.disk->IsAlive(handle)) return SQLITE_IOERR_FSTAT;
    *out = static_cast<sqlite3_int64>(handle.node->file.size());
    return SQLITE_OK;
  }
  static int Lock(sqlite3_file* file, int level) {
    Handle& handle = HandleOf(file);
    if (!handle.disk->IsAlive(handle)) return SQLITE_IOERR_LOCK;
    return SimulatedDisk::Lock(handle, level);
  }
  static int Unlock(sqlite3_file* file, int level) {
    Handle& handle = HandleOf(file);
    if (!handle.disk->IsAlive(handle)) return SQLITE_IOERR_UNLOCK;
    handle.lock = std::min(handle.lock, level);
    return SQLITE_OK;
  }
  static int CheckReservedLock(sqlite3_file* file, int* out) {
    Handle& handle = HandleOf(file);
    if (!handle.disk->IsAlive(handle)) return SQLITE_IOERR_CHECKRESERVEDLOCK;
    *out = 0;
    for (const Handle* other : handle.node->handles) {
      if (other->lock >= SQLITE_LOCK_RESERVED) *out = 1;
    }
    return SQLITE_OK;
  }
  static int FileControl(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
  static int SectorSize(sqlite3_file*) { return kReportedSectorBytes; }
  static int DeviceCharacteristics(sqlite3_file*) {
    return kDeviceCharacteristics;
  }
  static int ShmMap(sqlite3_file* file, int region, int size, int extend,
                    volatile void** out) {
    *out = nullptr;
    Handle& handle = HandleOf(file);
    if (!handle.disk->IsAlive(handle)) return SQLITE_IOERR_SHMMAP;
    return SimulatedDisk::ShmMap(handle, region, size, extend != 0, out);
  }
  static int ShmLock(sqlite3_file* file, int offset, int n, int flags) {
    Handle& handle = HandleOf(file);
    if (!handle.disk->IsAlive(handle)) return SQLITE_IOERR_SHMLOCK;
    return SimulatedDisk::ShmLock(handle, offset, n, flags);
  }
  static void ShmBarrier(sqlite3_file*) {}
  static int ShmUnmap(sqlite3_file* file, int /*delete_flag*/) {
    SimulatedDisk::ShmUnmap(HandleOf(file));
    return SQLITE_OK;
  }

  static const sqlite3_io_methods kMethods;
  sqlite3_vfs table = {};
};

const sqlite3_io_methods SimulatedDisk::Vfs::kMethods = {
    .iVersion = 2,
    .xClose = Close,
    .xRead = Read,
    .xWrite = Write,
    .xTruncate = Truncate,
    .xSync = Sync,
    .xFileSize = FileSize,
    .xLock = Lock,
    .xUnlock = Unlock,
    .xCheckReservedLock = CheckReservedLock,
    .xFileControl = FileControl,
    .xSectorSize = SectorSize,
    .xDeviceCharacteristics = DeviceCharacteristics,
    .xShmMap = ShmMap,
    .xShmLock = ShmLock,
    .xShmBarrier = ShmBarrier,
    .xShmUnmap = ShmUnmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

SimulatedDisk::SimulatedDisk(crypto::Random& random,
                             const routing::Clock* clock)
    : random_(random),
      clock_(clock),
      name_(UniqueName()),
      vfs_(std::make_unique<Vfs>()) {
  sqlite3_vfs& table = vfs_->table;
  table.iVersion = 2;
  table.szOsFile = sizeof(Vfs::File);
  table.mxPathname = kMaxPathBytes;
  table.zName = name_.c_str();
  table.pAppData = this;
  table.xOpen = Vfs::Open;
  table.xDelete = Vfs::Delete;
  table.xAccess = Vfs::Access;
  table.xFullPathname = Vfs::FullPathname;
  table.xRandomness = Vfs::Randomness;
  table.xSleep = Vfs::Sleep;
  table.xCurrentTime = Vfs::CurrentTime;
  table.xCurrentTimeInt64 = Vfs::CurrentTimeInt64;
  if (sqlite3_vfs_register(&table, /*makeDflt=*/0) != SQLITE_OK) std::abort();
  // 0 would mean a seed of SQLite's own choice.
  const int seed = static_cast<int>(random_.Uniform((1u << 31) - 1)) + 1;
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, seed, nullptr);
}

SimulatedDisk::~SimulatedDisk() { sqlite3_vfs_unregister(&vfs_->table); }

// --- Files ---

bool SimulatedDisk::Chance(double probability) {
  return probability > 0 && random_.UnitDouble() < probability;
}

bool SimulatedDisk::IsAlive(const Handle& handle) {
  if (powered_ && handle.process == process_) return true;
  ++counters_.calls_after_crash;
  return false;
}

SimulatedDisk::Outcome SimulatedDisk::Begin(double error_rate) {
  ++operations_;
  if (on_operation_) on_operation_(operations_);
  if (operations_ == crashing_operation_) return Outcome::kPowerFails;
  if (operations_ == failing_operation_ || Chance(error_rate)) {
    return Outcome::kFails;
  }
  return Outcome::kDone;
}

int SimulatedDisk::Open(const char* name, int flags, Handle& handle) {
  if (!powered_) {
    ++counters_.calls_after_crash;
    return SQLITE_IOERR;
  }
  handle.disk = this;
  handle.process = process_;
  handle.writable = (flags & SQLITE_OPEN_READWRITE) != 0;
  if (name == nullptr) {  // a temporary file
    handle.node = std::make_shared<Node>();
    handle.node->linked = false;
    return SQLITE_OK;
  }
  handle.name = name;
  handle.delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  const auto found = names_.find(name);
  if (found != names_.end()) {
    if ((flags & SQLITE_OPEN_EXCLUSIVE) != 0) return SQLITE_CANTOPEN;
    handle.node = found->second;
    return SQLITE_OK;
  }
  if ((flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
  handle.node = std::make_shared<Node>();
  names_.emplace(name, handle.node);
  folder_changes_.push_back(
      {.is_creation = true, .name = name, .node = handle.node});
  handle.syncs_folder =
      (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL |
                SQLITE_OPEN_WAL)) != 0;
  return SQLITE_OK;
}

void SimulatedDisk::Close(Handle& handle) {
  ShmUnmap(handle);
  std::erase(handle.node->handles, &handle);
  if (handle.delete_on_close && powered_ && handle.process == process_) {
    Unlink(handle.name);
  }
}

int SimulatedDisk::Read(Handle& handle, void* out, uint64_t length,
                        uint64_t offset) {
  if (!IsAlive(handle)) return SQLITE_IOERR_READ;
  ++counters_.reads;
  if (counters_.reads == failing_read_ || Chance(error_rates_.read)) {
    ++counters_.read_errors;
    return SQLITE_IOERR_READ;
  }
  const std::string& content = handle.node->file.content();
  const uint64_t there =
      offset < content.size() ? std::min(length, content.size() - offset) : 0;
  if (there > 0) std::memcpy(out, content.data() + offset, there);
  if (there == length) return SQLITE_OK;
  std::memset(static_cast<char*>(out) + there, 0, length - there);
  return SQLITE_IOERR_SHORT_READ;
}

int SimulatedDisk::Write(Handle& handle, absl::string_view bytes,
                         uint64_t offset) {
  if (!IsAlive(handle)) return SQLITE_IOERR_WRITE;
  if (!handle.writable) return SQLITE_READONLY;
  ++counters_.writes;
  Node& node = *handle.node;
  const Outcome outcome = Begin(error_rates_.write);
  if (outcome == Outcome::kFails) {
    ++counters_.write_errors;
    constexpr uint64_t kSector = SimulatedFile::kSectorBytes;
    bytes = bytes.substr(
        0, random_.Uniform((bytes.size() - 1) / kSector + 1) * kSector);
  }
  const uint64_t size = node.file.size();
  const uint64_t end = offset + bytes.size();
  const uint64_t growth = bytes.empty() || end <= size ? 0 : end - size;
  const bool full = capacity_bytes_ > 0 && growth > 0 &&
                    used_bytes_ + growth > capacity_bytes_;
  if (!full) {
    node.file.Write(offset, bytes);
    if (node.linked) used_bytes_ += growth;
  }
  if (outcome == Outcome::kPowerFails) {
    PowerOff(crashing_mode_);
  } else if (full) {
    ++counters_.disk_full;
    return SQLITE_FULL;
  }
  return outcome == Outcome::kDone ? SQLITE_OK : SQLITE_IOERR_WRITE;
}

int SimulatedDisk::Truncate(Handle& handle, uint64_t size) {
  if (!IsAlive(handle)) return SQLITE_IOERR_TRUNCATE;
  if (!handle.writable) return SQLITE_READONLY;
  ++counters_.truncations;
  const Outcome outcome = Begin(error_rates_.write);
  if (outcome == Outcome::kFails) {
    ++counters_.truncation_errors;
    return SQLITE_IOERR_TRUNCATE;
  }
  Node& node = *handle.node;
  if (node.linked) used_bytes_ += size - node.file.size();
  node.file.Truncate(size);
  if (outcome == Outcome::kDone) return SQLITE_OK;
  PowerOff(crashing_mode_);
  return SQLITE_IOERR_TRUNCATE;
}

int SimulatedDisk::Sync(Handle& handle) {
  if (!IsAlive(handle)) return SQLITE_IOERR_FSYNC;
  ++counters_.syncs;
  switch (Begin(error_rates_.sync)) {
    case Outcome::kPowerFails:
      PowerOff(crashing_mode_);
      return SQLITE_IOERR_FSYNC;
    case Outcome::kFails:
      ++counters_.sync_errors;
      if (failed_sync_gives_up_) handle.node->file.GiveUpUnsynced();
      return SQLITE_IOERR_FSYNC;
    case Outcome::kDone:
      break;
  }
  handle.node->file.Sync();
  if (handle.syncs_folder) {
    SyncFolder(handle.name);
    handle.syncs_folder = false;
  }
  // The folder knows of the file now, and of what happened to its name before.
  const auto creation =
      std::find_if(folder_changes_.begin(), folder_changes_.end(),
                   [&](const FolderChange& change) {
                     return change.is_creation && change.node == handle.node;
                   });
  if (creation != folder_changes_.end()) {
    folder_changes_.erase(std::remove_if(folder_changes_.begin(), creation + 1,
                                         [&](const FolderChange& change) {
                                           return change.name == handle.name;
                                         }),
                          creation + 1);
  }
  return SQLITE_OK;
}

void SimulatedDisk::Unlink(const std::string& name) {
  const auto found = names_.find(name);
  if (found == names_.end()) return;
  used_bytes_ -= found->second->file.size();
  found->second->linked = false;
  folder_changes_.push_back(
      {.is_creation = false, .name = name, .node = found->second});
  names_.erase(found);
}

int SimulatedDisk::Delete(const std::string& name, bool sync_folder) {
  if (!powered_) {
    ++counters_.calls_after_crash;
    return SQLITE_IOERR_DELETE;
  }
  if (!names_.contains(name)) return SQLITE_IOERR_DELETE_NOENT;
  ++counters_.deletions;
  switch (Begin(error_rates_.write)) {
    case Outcome::kPowerFails:
      Unlink(name);
      PowerOff(crashing_mode_);
      return SQLITE_IOERR_DELETE;
    case Outcome::kFails:
      ++counters_.deletion_errors;
      return SQLITE_IOERR_DELETE;
    case Outcome::kDone:
      break;
  }
  Unlink(name);
  if (sync_folder) SyncFolder(name);
  return SQLITE_OK;
}

void SimulatedDisk::SyncFolder(const std::string& name) {
  std::erase_if(folder_changes_, [&](const FolderChange& change) {
    return Folder(change.name) == Folder(name);
  });
}

int SimulatedDisk::Access(const std::string& name, int flags, int* result) {
  *result = 0;
  if (!powered_) {
    ++counters_.calls_after_crash;
    return SQLITE_IOERR_ACCESS;
  }
  const auto found = names_.find(name);
  // For SQLite, an empty file does not exist.
  *result = found != names_.end() &&
            (flags != SQLITE_ACCESS_EXISTS || found->second->file.size() > 0);
  return SQLITE_OK;
}

// --- Locks and shared memory ---

int SimulatedDisk::Lock(Handle& handle, int level) {
  if (handle.lock >= level) return SQLITE_OK;
  int others = SQLITE_LOCK_NONE;
  for (const Handle* other : handle.node->handles) {
    if (other != &handle) others = std::max(others, other->lock);
  }
  if (level == SQLITE_LOCK_SHARED) {
    if (others >= SQLITE_LOCK_PENDING) return SQLITE_BUSY;
  } else if (others >= SQLITE_LOCK_RESERVED) {
    return SQLITE_BUSY;
  } else if (level == SQLITE_LOCK_EXCLUSIVE && others >= SQLITE_LOCK_SHARED) {
    // Nobody new comes in while this one waits for the readers to leave.
    handle.lock = SQLITE_LOCK_PENDING;
    return SQLITE_BUSY;
  }
  handle.lock = level;
  return SQLITE_OK;
}

int SimulatedDisk::ShmMap(Handle& handle, int region, int size, bool extend,
                          volatile void** out) {
  if (handle.shared_memory == nullptr) {
    std::shared_ptr<SharedMemory>& shared = handle.node->shared_memory;
    if (shared == nullptr) shared = std::make_shared<SharedMemory>();
    shared->users.push_back(&handle);
    handle.shared_memory = shared;
  }
  auto& regions = handle.shared_memory->regions;
  const auto index = static_cast<size_t>(region);
  if (index >= regions.size() && !extend) return SQLITE_OK;
  while (index >= regions.size()) {
    regions.push_back(std::make_unique<char[]>(static_cast<size_t>(size)));
  }
  *out = regions[index].get();
  return SQLITE_OK;
}

int SimulatedDisk::ShmLock(Handle& handle, int offset, int n, int flags) {
  if (handle.shared_memory == nullptr) return SQLITE_IOERR_SHMLOCK;
  const int mask = ((1 << n) - 1) << offset;
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    handle.shm_shared &= ~mask;
    handle.shm_exclusive &= ~mask;
    return SQLITE_OK;
  }
  const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  for (const Handle* other : handle.shared_memory->users) {
    if (other == &handle) continue;
    const int held = other->shm_exclusive | (exclusive ? other->shm_shared : 0);
    if ((held & mask) != 0) return SQLITE_BUSY;
  }
  (exclusive ? handle.shm_exclusive : handle.shm_shared) |= mask;
  return SQLITE_OK;
}

void SimulatedDisk::ShmUnmap(Handle& handle) {
  if (handle.shared_memory == nullptr) return;
  std::erase(handle.shared_memory->users, &handle);
  if (handle.shared_memory->users.empty() &&
      handle.node->shared_memory == handle.shared_memory) {
    handle.node->shared_memory = nullptr;
  }
  handle.shared_memory = nullptr;
  handle.shm_shared = 0;
  handle.shm_exclusive = 0;
}

// --- Loss of power ---

void SimulatedDisk::EndProcess() {
  ++process_;
  for (const auto& [name, node] : names_) {
    node->handles.clear();
    node->shared_memory = nullptr;
  }
}

void SimulatedDisk::PowerOff(CrashMode mode) {
  powered_ = false;
  crash_mode_ = mode;
  EndProcess();
}

void SimulatedDisk::Crash(CrashMode mode) {
  // The disk may be off already, and is to come back in its own mode then.
  if (powered_) PowerOff(mode);
  Restart();
}

void SimulatedDisk::Kill() {
  if (!powered_) return;
  ++counters_.kills;
  EndProcess();
}

void SimulatedDisk::CrashAt(uint64_t operation, CrashMode mode) {
  crashing_operation_ = operation;
  crashing_mode_ = mode;
}

void SimulatedDisk::Restart() {
  if (powered_) return;
  powered_ = true;
  ++counters_.crashes;
  const CrashMode mode = crash_mode_;
  const auto is_kept = [&] {
    return mode == CrashMode::kKeepUnsynced ||
           (mode == CrashMode::kRandom && random_.Uniform(2) == 0);
  };
  // First the names as the folder has them for certain, then what else of the
  // changes has reached the disk.
  for (auto it = folder_changes_.rbegin(); it != folder_changes_.rend(); ++it) {
    if (it->is_creation) {
      names_.erase(it->name);
    } else {
      names_[it->name] = it->node;
    }
  }
  for (const FolderChange& change : folder_changes_) {
    if (!is_kept()) {
      ++(change.is_creation ? counters_.creations_dropped
                            : counters_.deletions_dropped);
    } else if (change.is_creation) {
      names_[change.name] = change.node;
    } else if (const auto found = names_.find(change.name);
               found != names_.end() && found->second == change.node) {
      names_.erase(found);
    }
  }
  folder_changes_.clear();
  const auto fate = [&](bool is_truncation) {
    const bool torn =
        !is_truncation && mode == CrashMode::kRandom && random_.Uniform(3) == 0;
    if (torn) {
      ++counters_.writes_torn;
      return Fate::kTorn;
    }
    if (is_kept()) {
      ++(is_truncation ? counters_.truncations_kept : counters_.writes_kept);
      return Fate::kKept;
    }
    ++(is_truncation ? counters_.truncations_dropped
                     : counters_.writes_dropped);
    return Fate::kDropped;
  };
  for (const auto& [name, node] : names_) {
    node->linked = true;
    node->handles.clear();
    node->shared_memory = nullptr;
    node->file.LosePower(fate, random_);
  }
  CountUsedBytes();
}

void SimulatedDisk::CountUsedBytes() {
  used_bytes_ = 0;
  for (const auto& [name, node] : names_) used_bytes_ += node->file.size();
}

// --- Damage ---

std::optional<SimulatedDisk::Flip> SimulatedDisk::FlipBit(
    absl::string_view file) {
  constexpr int kTries = 64;
  uint64_t total = 0;
  for (const auto& [name, node] : names_) {
    if (file.empty() || file == name) total += node->file.size();
  }
  if (total == 0) return std::nullopt;
  for (int i = 0; i < kTries; ++i) {
    uint64_t at = random_.Uniform(total);
    for (const auto& [name, node] : names_) {
      if (!file.empty() && file != name) continue;
      if (at >= node->file.size()) {
        at -= node->file.size();
        continue;
      }
      if (!node->file.IsDurable(at)) break;
      const int bit = static_cast<int>(random_.Uniform(8));
      node->file.FlipBit(at, bit);
      ++counters_.bits_flipped;
      return Flip{.file = name, .offset = at, .bit = bit};
    }
  }
  return std::nullopt;
}

bool SimulatedDisk::TruncateFile(absl::string_view file, uint64_t size) {
  const auto found = names_.find(std::string(file));
  if (found == names_.end() || found->second->file.size() <= size) return false;
  found->second->file.CutOff(size);
  CountUsedBytes();
  ++counters_.files_cut_off;
  return true;
}

SimulatedDisk::Image SimulatedDisk::Snapshot() const {
  Image image;
  for (const auto& [name, node] : names_) {
    image.emplace(name, node->file.content());
  }
  return image;
}

void SimulatedDisk::Restore(const Image& image) {
  EndProcess();
  names_.clear();
  folder_changes_.clear();
  for (const auto& [name, content] : image) {
    names_.emplace(name, std::make_shared<Node>(content));
  }
  CountUsedBytes();
  ++counters_.restores;
}

void SimulatedDisk::Wipe() {
  EndProcess();
  names_.clear();
  folder_changes_.clear();
  used_bytes_ = 0;
  ++counters_.wipes;
}

}  // namespace messenger::sqlite
