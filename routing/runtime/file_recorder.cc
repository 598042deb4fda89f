#include "routing/runtime/file_recorder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/status/status.h"
#include "crypto/base/bytes.h"

namespace messenger::routing {

absl::StatusOr<std::unique_ptr<FileRecorder>> FileRecorder::Open(
    const std::string& path) {
  const int file =
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return absl::UnavailableError("cannot open the record");
  return std::unique_ptr<FileRecorder>(new FileRecorder(file));
}

FileRecorder::~FileRecorder() { ::close(file_); }

void FileRecorder::Record(absl::string_view what, absl::string_view bytes) {
  crypto::ByteWriter writer;
  writer.Var16(what).Var32(bytes);
  const std::string record = writer.Take();
  absl::string_view rest = record;
  while (!rest.empty()) {
    const ssize_t n = ::write(file_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    // A full disk ends the record; a test then misses what it looks for.
    if (n <= 0) return;
    rest.remove_prefix(static_cast<size_t>(n));
  }
}

std::vector<RecordedBytes> ParseRecords(absl::string_view file_contents) {
  std::vector<RecordedBytes> records;
  crypto::ByteReader reader(file_contents);
  while (reader.remaining() > 0) {
    RecordedBytes record;
    record.what = std::string(reader.Var16());
    record.bytes = std::string(reader.Var32());
    if (!reader.ok()) break;
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace messenger::routing
