#include "client/backup/sealed_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/bytes.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"
#include "crypto/kdf/hkdf.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::StreamHeader;

constexpr absl::string_view kMagic = "NMBACKUP";
constexpr uint32_t kVersion = 1;
constexpr size_t kVersionBytes = 4;
constexpr size_t kSaltBytes = 32;
constexpr size_t kPrefixBytes =
    8 + kVersionBytes + kSaltBytes + StreamHeader::kSize;
constexpr size_t kCommitmentBytes = 32;
constexpr size_t kHeadBytes = kPrefixBytes + kCommitmentBytes;
constexpr size_t kSealedBytes = kChunkBytes + crypto::kStreamOverhead;
constexpr uint64_t kFewestChunks = 4;

struct StreamKeys {
  crypto::SecretBytes<32> key;
  std::string commitment;
};

StreamKeys DeriveKeys(const BackupKey& key, absl::string_view prefix) {
  const absl::string_view salt = prefix.substr(8 + kVersionBytes, kSaltBytes);
  const crypto::SecretBytes<32 + kCommitmentBytes> both =
      crypto::HkdfSha512Expand<32 + kCommitmentBytes>(
          crypto::HkdfSha512Extract(salt, {key.Expose()}).Expose(),
          crypto::KdfLabel::kBackup, prefix);
  StreamKeys keys;
  std::copy_n(both.Expose().begin(), 32, keys.key.MutableExpose().begin());
  keys.commitment = std::string(both.Expose().substr(32));
  return keys;
}

StreamHeader HeaderOf(absl::string_view prefix) {
  return *StreamHeader::FromBytes(
      prefix.substr(kPrefixBytes - StreamHeader::kSize));
}

// The words name the cause, never the path: they may reach a log.
absl::Status SystemError(absl::string_view what, int error) {
  const std::string words = absl::StrCat(what, ": ", strerror(error));
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    return absl::ResourceExhaustedError(words);
  }
  return absl::UnavailableError(words);
}

absl::Status Exists() {
  return absl::AlreadyExistsError("there is a file of this name already");
}

absl::Status NotWhole() {
  return absl::DataLossError(
      "the file is not whole: a part of it, perhaps its end, is missing");
}

absl::Status Damaged() { return absl::DataLossError("the file is damaged"); }

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Never over something that is there; where the file system cannot promise
// that, after a look.
absl::Status RenameToNew(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(),
                RENAME_NOREPLACE) == 0) {
    return absl::OkStatus();
  }
  if (errno == EEXIST) return Exists();
  if (errno != EINVAL && errno != ENOSYS) return SystemError("rename", errno);
  struct stat found;
  if (lstat(to.c_str(), &found) == 0) return Exists();
  if (rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return SystemError("rename", errno);
}

// As many bytes as there are, at most `size`.
absl::StatusOr<std::string> ReadSome(int file, size_t size) {
  std::string bytes(size, '\0');
  size_t filled = 0;
  while (filled < size) {
    const ssize_t count = read(file, bytes.data() + filled, size - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError("the file cannot be read", errno);
    if (count == 0) break;
    filled += static_cast<size_t>(count);
  }
  bytes.resize(filled);
  return bytes;
}

}  // namespace

uint64_t PaddedChunks(uint64_t chunks) {
  uint64_t unit = 1;
  while (2 * kFewestChunks * unit <= chunks) unit *= 2;
  return std::max((chunks + unit - 1) / unit, kFewestChunks) * unit;
}

// ----------------------------------------------------------------- writing --

SealedFileWriter::SealedFileWriter(std::string path, std::string temporary,
                                   int file)
    : path_(std::move(path)), temporary_(std::move(temporary)), file_(file) {}

SealedFileWriter::~SealedFileWriter() {
  if (file_ >= 0) close(file_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

absl::StatusOr<std::unique_ptr<SealedFileWriter>> SealedFileWriter::Create(
    std::string path, const BackupKey& key, crypto::Random& random) {
  struct stat found;
  if (lstat(path.c_str(), &found) == 0) return Exists();
  std::string temporary = absl::StrCat(path, ".XXXXXX");
  const int file = mkostemp(temporary.data(), O_CLOEXEC);  // of mode 0600
  if (file < 0) return SystemError("the file cannot be made", errno);
  std::unique_ptr<SealedFileWriter> writer(
      new SealedFileWriter(std::move(path), std::move(temporary), file));
  const std::string prefix = crypto::ByteWriter()
                                 .Bytes(kMagic)
                                 .U32(kVersion)
                                 .Bytes(random.String(kSaltBytes))
                                 .Bytes(random.String(StreamHeader::kSize))
                                 .Take();
  const StreamKeys keys = DeriveKeys(key, prefix);
  writer->sealer_ =
      std::make_unique<crypto::SecretStreamSealer>(keys.key, HeaderOf(prefix));
  RETURN_IF_ERROR(writer->Write(absl::StrCat(prefix, keys.commitment)));
  return writer;
}

absl::Status SealedFileWriter::Write(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(file_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return SystemError("the file cannot be written", errno);
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

absl::Status SealedFileWriter::WriteChunk(bool last) {
  pending_.resize(kChunkBytes, '\0');
  ++chunks_;
  const absl::Status written = Write(sealer_->Seal(pending_, last));
  pending_.clear();
  return written;
}

absl::Status SealedFileWriter::Append(absl::string_view bytes) {
  while (!bytes.empty()) {
    // A full chunk waits until something follows: it may be the last.
    if (pending_.size() == kChunkBytes) RETURN_IF_ERROR(WriteChunk(false));
    const size_t count = std::min(bytes.size(), kChunkBytes - pending_.size());
    absl::StrAppend(&pending_, bytes.substr(0, count));
    bytes.remove_prefix(count);
  }
  return absl::OkStatus();
}

absl::Status SealedFileWriter::Finish() {
  const uint64_t total = PaddedChunks(chunks_ + 1);
  while (chunks_ < total) RETURN_IF_ERROR(WriteChunk(chunks_ + 1 == total));
  if (fsync(file_) != 0) return SystemError("sync", errno);
  const int closed = close(std::exchange(file_, -1));
  if (closed != 0) return SystemError("close", errno);
  RETURN_IF_ERROR(RenameToNew(temporary_, path_));
  temporary_.clear();
  const int folder =
      open(FolderOf(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return SystemError("open folder", errno);
  const absl::Cleanup close_folder = [folder] { close(folder); };
  return fsync(folder) == 0 ? absl::OkStatus()
                            : SystemError("sync folder", errno);
}

// ----------------------------------------------------------------- reading --

SealedFileReader::~SealedFileReader() {
  close(file_);
  crypto::SecureWipe(chunk_);
}

absl::StatusOr<std::unique_ptr<SealedFileReader>> SealedFileReader::Open(
    const std::string& path, const BackupKey& key) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && errno == ENOENT) {
    return absl::NotFoundError("there is no such file");
  }
  if (file < 0) return SystemError("the file cannot be read", errno);
  std::unique_ptr<SealedFileReader> reader(new SealedFileReader(file));
  ASSIGN_OR_RETURN(const std::string head, ReadSome(file, kHeadBytes));
  crypto::ByteReader fields(head);
  if (fields.Bytes(kMagic.size()) != kMagic) {
    return absl::InvalidArgumentError("the file is no backup");
  }
  const uint32_t version = fields.U32();
  if (fields.ok() && version != kVersion) {
    return absl::FailedPreconditionError(
        "the backup was made by a newer version of this program");
  }
  struct stat found;
  if (fstat(file, &found) != 0) return SystemError("stat", errno);
  if (head.size() < kHeadBytes) return NotWhole();
  const uint64_t sealed = static_cast<uint64_t>(found.st_size) - kHeadBytes;
  reader->left_ = sealed / kSealedBytes;
  if (sealed % kSealedBytes != 0 ||
      PaddedChunks(reader->left_) != reader->left_) {
    return NotWhole();
  }
  const absl::string_view prefix =
      absl::string_view(head).substr(0, kPrefixBytes);
  const StreamKeys keys = DeriveKeys(key, prefix);
  // Both sides are public to whoever has the key, and only to them.
  if (keys.commitment != head.substr(kPrefixBytes)) {
    return absl::UnauthenticatedError(
        "the key is not that of this backup, or the beginning of the file is "
        "damaged");
  }
  reader->opener_ =
      std::make_unique<crypto::SecretStreamOpener>(keys.key, HeaderOf(prefix));
  return reader;
}

absl::Status SealedFileReader::ReadChunk() {
  if (left_ == 0) return Damaged();
  ASSIGN_OR_RETURN(const std::string sealed, ReadSome(file_, kSealedBytes));
  if (sealed.size() < kSealedBytes) return NotWhole();
  absl::StatusOr<crypto::SecretStreamOpener::Piece> piece =
      opener_->Open(sealed);
  if (!piece.ok()) return Damaged();
  --left_;
  // Cut where the size looks right, or something was put behind it.
  if (piece->last != (left_ == 0)) return NotWhole();
  crypto::SecureWipe(chunk_);
  chunk_ = std::move(piece->text);
  position_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<std::string> SealedFileReader::Read(size_t bytes) {
  std::string result;
  while (result.size() < bytes) {
    if (position_ == chunk_.size()) RETURN_IF_ERROR(ReadChunk());
    const size_t count =
        std::min(bytes - result.size(), chunk_.size() - position_);
    result.append(chunk_, position_, count);
    position_ += count;
  }
  return result;
}

absl::Status SealedFileReader::Finish() {
  while (true) {
    if (chunk_.find_first_not_of('\0', position_) != std::string::npos) {
      return Damaged();
    }
    if (left_ == 0) return absl::OkStatus();
    RETURN_IF_ERROR(ReadChunk());
  }
}

}  // namespace messenger::client
