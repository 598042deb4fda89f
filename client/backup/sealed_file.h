// A file of sealed chunks (client/SPEC.md, section 18.3): written once, whole
// or not at all, and read from its beginning to its end.
//
// One chunk is in memory at a time. Neither class is thread-safe.

#ifndef CLIENT_BACKUP_SEALED_FILE_H_
#define CLIENT_BACKUP_SEALED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/backup/backup_key.h"
#include "crypto/random/random.h"
#include "crypto/stream/secret_stream.h"

namespace messenger::client {

// What is sealed at once.
inline constexpr size_t kChunkBytes = 65'536;

// The number of chunks of a file with at least `chunks`.
uint64_t PaddedChunks(uint64_t chunks);

// What is not finished leaves no file.
class SealedFileWriter final {
 public:
  // `key` must not seal another file.
  //   ALREADY_EXISTS      there is something at `path`
  //   UNAVAILABLE         no such folder, or it cannot be written to
  //   RESOURCE_EXHAUSTED  the disk is full; so every method
  static absl::StatusOr<std::unique_ptr<SealedFileWriter>> Create(
      std::string path, const BackupKey& key, crypto::Random& random);
  ~SealedFileWriter();
  SealedFileWriter(const SealedFileWriter&) = delete;
  SealedFileWriter& operator=(const SealedFileWriter&) = delete;

  absl::Status Append(absl::string_view bytes);
  // Pads, syncs, and gives the file its name. ALREADY_EXISTS: somebody else
  // has meanwhile.
  absl::Status Finish();

 private:
  SealedFileWriter(std::string path, std::string temporary, int file);

  absl::Status Write(absl::string_view bytes);
  absl::Status WriteChunk(bool last);

  std::string path_;
  std::string temporary_;  // empty once it has its name
  int file_;
  std::unique_ptr<crypto::SecretStreamSealer> sealer_;
  std::string pending_;  // at most a chunk
  uint64_t chunks_ = 0;
};

class SealedFileReader final {
 public:
  // In words for a person:
  //   NOT_FOUND            there is no such file
  //   UNAVAILABLE          it cannot be read; so every method
  //   INVALID_ARGUMENT     it is no backup
  //   FAILED_PRECONDITION  of a newer version
  //   DATA_LOSS            it is not whole
  //   UNAUTHENTICATED      under another key, or the beginning is damaged
  static absl::StatusOr<std::unique_ptr<SealedFileReader>> Open(
      const std::string& path, const BackupKey& key);
  ~SealedFileReader();
  SealedFileReader(const SealedFileReader&) = delete;
  SealedFileReader& operator=(const SealedFileReader&) = delete;

  // The next bytes. DATA_LOSS when a chunk is damaged, or there are not as
  // many.
  absl::StatusOr<std::string> Read(size_t bytes);
  // DATA_LOSS unless all that follows is padding.
  absl::Status Finish();

 private:
  explicit SealedFileReader(int file) : file_(file) {}

  absl::Status ReadChunk();

  int file_;
  std::unique_ptr<crypto::SecretStreamOpener> opener_;
  std::string chunk_;
  size_t position_ = 0;  // in it
  uint64_t left_ = 0;    // chunks
};

}  // namespace messenger::client

#endif  // CLIENT_BACKUP_SEALED_FILE_H_
