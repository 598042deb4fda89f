#include "tools/chaos/process_usage.h"

#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "routing/runtime/files.h"

namespace messenger::chaos {
namespace {

absl::Duration Ticks(uint64_t ticks) {
  return absl::Seconds(static_cast<double>(ticks) /
                       static_cast<double>(sysconf(_SC_CLK_TCK)));
}

uint64_t SumOf(const std::vector<absl::string_view>& fields,
               std::initializer_list<size_t> which) {
  uint64_t sum = 0;
  for (const size_t field : which) {
    uint64_t number = 0;
    if (field < fields.size() && absl::SimpleAtoi(fields[field], &number)) {
      sum += number;
    }
  }
  return sum;
}

}  // namespace

uint64_t ResidentBytes(pid_t pid) {
  const auto file = routing::ReadFile(absl::StrCat("/proc/", pid, "/statm"));
  if (!file.ok()) return 0;
  return SumOf(absl::StrSplit(*file, ' '), {1}) *
         static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

absl::Duration ProcessorTime(pid_t pid) {
  const auto file = routing::ReadFile(absl::StrCat("/proc/", pid, "/stat"));
  if (!file.ok()) return absl::ZeroDuration();
  // The name, in parentheses, may contain anything.
  const size_t name_end = file->rfind(')');
  if (name_end == std::string::npos) return absl::ZeroDuration();
  return Ticks(
      SumOf(absl::StrSplit(absl::string_view(*file).substr(name_end), ' '),
            {12, 13}));
}

absl::Duration MachineProcessorTime() {
  const auto file = routing::ReadFile("/proc/stat");
  if (!file.ok()) return absl::ZeroDuration();
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(*file).substr(0, file->find('\n')),
                     absl::ByAnyChar(" "), absl::SkipEmpty());
  // user, nice, system, irq, softirq
  return Ticks(SumOf(fields, {1, 2, 3, 6, 7}));
}

}  // namespace messenger::chaos
