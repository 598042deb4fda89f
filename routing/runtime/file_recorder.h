// A Recorder that appends to a file, for tests of whole binaries
// (--test-recorder-file).
//
// Each record is u16 length of `what`, `what`, u32 length of the bytes, the
// bytes; big-endian. Complete records are on file when Record() returns, so
// that the file of a killed process is good up to its last record.
// Not thread-safe: for one executor.
#ifndef ROUTING_RUNTIME_FILE_RECORDER_H_
#define ROUTING_RUNTIME_FILE_RECORDER_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "routing/runtime/recorder.h"

namespace messenger::routing {

class FileRecorder final : public Recorder {
 public:
  // UNAVAILABLE if the file cannot be opened. Keeps what the file holds.
  static absl::StatusOr<std::unique_ptr<FileRecorder>> Open(
      const std::string& path);
  ~FileRecorder() override;

  FileRecorder(const FileRecorder&) = delete;
  FileRecorder& operator=(const FileRecorder&) = delete;

  void Record(absl::string_view what, absl::string_view bytes) override;

 private:
  explicit FileRecorder(int file) : file_(file) {}
  const int file_;
};

struct RecordedBytes {
  std::string what;
  std::string bytes;
};

// What a recorder's file holds. An incomplete last record is left out.
// INVALID_ARGUMENT never: any bytes are some records and a rest.
std::vector<RecordedBytes> ParseRecords(absl::string_view file_contents);

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_FILE_RECORDER_H_
