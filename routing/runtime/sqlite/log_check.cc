#include "routing/runtime/sqlite/log_check.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "crypto/base/status_macros.h"
#include "sqlite3.h"

namespace messenger::sqlite {
namespace {

constexpr uint32_t kMagic = 0x377f0682;  // the last bit: big-endian checksums
constexpr uint32_t kVersion = 3'007'000;
constexpr int kHeaderBytes = 32;
constexpr int kFrameHeaderBytes = 24;
// Where the pair of salts is, in both headers.
constexpr int kHeaderSalts = 16;
constexpr int kFrameSalts = 8;
constexpr size_t kSaltsBytes = 8;
constexpr uint32_t kMinPageBytes = 512;
constexpr uint32_t kMaxPageBytes = 65'536;

uint32_t BigEndian32(absl::string_view bytes, size_t at) {
  uint32_t word = 0;
  for (size_t i = at; i < at + 4; ++i) {
    word = word << 8 | static_cast<uint8_t>(bytes[i]);
  }
  return word;
}

uint32_t LittleEndian32(absl::string_view bytes, size_t at) {
  uint32_t word = 0;
  for (size_t i = at + 4; i > at; --i) {
    word = word << 8 | static_cast<uint8_t>(bytes[i - 1]);
  }
  return word;
}

// The running checksum of a log.
class Checksum {
 public:
  explicit Checksum(bool big_endian) : big_endian_(big_endian) {}

  // A multiple of 8 bytes.
  void Add(absl::string_view bytes) {
    for (size_t i = 0; i < bytes.size(); i += 8) {
      first_ += Word(bytes, i) + second_;
      second_ += Word(bytes, i + 4) + first_;
    }
  }
  // As it is written down, whatever the words' order.
  bool Is(absl::string_view bytes, size_t at) const {
    return BigEndian32(bytes, at) == first_ &&
           BigEndian32(bytes, at + 4) == second_;
  }

 private:
  uint32_t Word(absl::string_view bytes, size_t at) const {
    return big_endian_ ? BigEndian32(bytes, at) : LittleEndian32(bytes, at);
  }

  const bool big_endian_;
  uint32_t first_ = 0;
  uint32_t second_ = 0;
};

// A file of a VFS, for reading.
class LogFile {
 public:
  LogFile() = default;
  ~LogFile() {
    if (file() != nullptr && file()->pMethods != nullptr) {
      file()->pMethods->xClose(file());
    }
  }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // False: there is no such file.
  absl::StatusOr<bool> Open(const std::string& path, const std::string& vfs) {
    sqlite3_vfs* const system =
        sqlite3_vfs_find(vfs.empty() ? nullptr : vfs.c_str());
    if (system == nullptr) return absl::InternalError("there is no such VFS");
    int exists = 0;
    if (system->xAccess(system, path.c_str(), SQLITE_ACCESS_EXISTS, &exists) !=
        SQLITE_OK) {
      return Unreadable();
    }
    if (exists == 0) return false;
    // Some keep the pointer for as long as the file is open, and look behind
    // the name for parameters, of which there are none.
    name_ = absl::StrCat(path, absl::string_view("\0\0", 2));
    storage_.resize(
        static_cast<size_t>(system->szOsFile) / sizeof(std::max_align_t) + 1);
    if (system->xOpen(system, name_.c_str(), file(),
                      SQLITE_OPEN_READONLY | SQLITE_OPEN_WAL,
                      nullptr) != SQLITE_OK) {
      return Unreadable();
    }
    sqlite3_int64 size = 0;
    if (file()->pMethods->xFileSize(file(), &size) != SQLITE_OK) {
      return Unreadable();
    }
    size_ = size;
    return true;
  }

  int64_t size() const { return size_; }

  absl::Status Read(int64_t at, std::string& bytes) {
    if (file()->pMethods->xRead(file(), bytes.data(),
                                static_cast<int>(bytes.size()),
                                at) != SQLITE_OK) {
      return Unreadable();
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status Unreadable() {
    return absl::UnavailableError("the database's log cannot be read");
  }
  sqlite3_file* file() {
    return storage_.empty() ? nullptr
                            : reinterpret_cast<sqlite3_file*>(storage_.data());
  }

  std::string name_;
  std::vector<std::max_align_t> storage_;
  int64_t size_ = 0;
};

// The checksum with which the frames go on; nothing if it is no sound header.
std::optional<Checksum> ChecksumOf(absl::string_view header) {
  const uint32_t magic = BigEndian32(header, 0);
  const uint32_t page_bytes = BigEndian32(header, 8);
  if ((magic & ~1u) != kMagic || BigEndian32(header, 4) != kVersion ||
      !std::has_single_bit(page_bytes) || page_bytes < kMinPageBytes ||
      page_bytes > kMaxPageBytes) {
    return std::nullopt;
  }
  Checksum checksum((magic & 1) != 0);
  checksum.Add(header.substr(0, 24));
  if (!checksum.Is(header, 24)) return std::nullopt;
  return checksum;
}

}  // namespace

absl::StatusOr<LogState> CheckLog(const std::string& path,
                                  const std::string& vfs) {
  LogFile log;
  ASSIGN_OR_RETURN(const bool exists,
                   log.Open(absl::StrCat(path, "-wal"), vfs));
  if (!exists || log.size() <= kHeaderBytes) return LogState::kWhole;
  std::string header(kHeaderBytes, '\0');
  RETURN_IF_ERROR(log.Read(0, header));
  std::optional<Checksum> checksum = ChecksumOf(header);
  // Frames, and nothing that says of which log.
  if (!checksum.has_value()) return LogState::kDamaged;
  const absl::string_view salts =
      absl::string_view(header).substr(kHeaderSalts, kSaltsBytes);
  const int64_t frame_bytes = kFrameHeaderBytes + BigEndian32(header, 8);
  std::string frame(static_cast<size_t>(frame_bytes), '\0');
  // The last frame of this log that was seen ends a transaction.
  bool committed = true;
  bool sound = true, torn = false;
  for (int64_t at = kHeaderBytes; at + frame_bytes <= log.size();
       at += frame_bytes) {
    RETURN_IF_ERROR(log.Read(at, frame));
    const absl::string_view bytes = frame;
    const bool of_this_log = bytes.substr(kFrameSalts, kSaltsBytes) == salts;
    if (sound) {
      checksum->Add(bytes.substr(0, kFrameSalts));
      checksum->Add(bytes.substr(kFrameHeaderBytes));
      sound =
          of_this_log && BigEndian32(bytes, 0) != 0 && checksum->Is(bytes, 16);
    } else if (of_this_log && torn && committed) {
      return LogState::kDamaged;
    }
    if (!sound && of_this_log) torn = true;
    if (of_this_log) committed = BigEndian32(bytes, 4) != 0;
  }
  return torn || !committed ? LogState::kTorn : LogState::kWhole;
}

}  // namespace messenger::sqlite
