// A console that keeps what a command prints. It has the files of this
// process, and no input.

#ifndef CLIENT_CLI_COLLECTED_CONSOLE_H_
#define CLIENT_CLI_COLLECTED_CONSOLE_H_

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "client/cli/process_console.h"
#include "client/daemon/console.h"

namespace messenger::client {

class CollectedConsole final : public Console {
 public:
  CollectedConsole() : file_(open_memstream(&text_, &size_)) {}
  ~CollectedConsole() override {
    std::fclose(file_);
    std::free(text_);
  }
  CollectedConsole(const CollectedConsole&) = delete;
  CollectedConsole& operator=(const CollectedConsole&) = delete;

  // Standard output and standard error, without the last line break.
  std::string text() {
    std::fflush(file_);
    return std::string(
        absl::StripSuffix(absl::string_view(text_, size_), "\n"));
  }

  std::FILE* out() override { return file_; }
  std::FILE* err() override { return file_; }
  bool Flushed() override { return true; }
  bool at_terminal() const override { return false; }
  absl::StatusOr<std::string> ReadInput(size_t, absl::string_view) override {
    return absl::InvalidArgumentError("there is no standard input");
  }
  absl::StatusOr<std::string> ReadLine(absl::string_view) override {
    return absl::InvalidArgumentError("there is no standard input");
  }
  absl::StatusOr<std::string> ReadFile(const std::string& path) override {
    return process_.ReadFile(path);
  }
  std::string AbsolutePath(const std::string& path) const override {
    return process_.AbsolutePath(path);
  }
  std::string network_file() const override { return process_.network_file(); }

 private:
  ProcessConsole process_;
  char* text_ = nullptr;
  size_t size_ = 0;
  std::FILE* const file_;
};

}  // namespace messenger::client

#endif  // CLIENT_CLI_COLLECTED_CONSOLE_H_
