#include "client/cli/session_command.h"

#include <cstdio>
#include <utility>

#include "client/cli/arguments.h"
#include "client/cli/failure.h"
#include "client/cli/help_text.h"
#include "client/cli/run.h"
#include "client/cli/terminal_text.h"

namespace messenger::client {
namespace {

constexpr char kVersion[] = "session 0.1";

}  // namespace

ExitCode RunSessionCommand(const std::vector<std::string>& words,
                           const SessionEnvironment& environment) {
  absl::StatusOr<Arguments> arguments = Arguments::Parse(words);
  if (!arguments.ok()) {
    std::fprintf(stderr, "%s; session --help explains.\n",
                 Capitalized(arguments.status().message()).c_str());
    return ExitCode::kUsage;
  }
  if (arguments->has("version")) {
    std::printf("%s\n", kVersion);
    return ExitCode::kOk;
  }
  if (arguments->has("help") || arguments->words().empty()) {
    const bool asked = arguments->has("help");
    std::fputs(kHelpText, asked ? stdout : stderr);
    return asked ? ExitCode::kOk : ExitCode::kUsage;
  }
  return Run(*std::move(arguments), environment).Execute();
}

}  // namespace messenger::client
