// The table a benchmark prints: what was measured, what it is compared with,
// and the bar it is held to. Markdown, so that it can be kept as it is.
//
// A plain value; not thread-safe.

#ifndef TOOLS_BENCH_REPORT_H_
#define TOOLS_BENCH_REPORT_H_

#include <string>
#include <utility>
#include <vector>

namespace messenger::bench {

struct ReportRow {
  std::string what;
  std::string measured;
  // What the same run measured beside it: a limit of the machine, or of the
  // best library.
  std::string limit = "-";
  std::string ratio = "-";
  std::string bar = "-";
  enum class Met { kYes, kNo, kNoBar } met = Met::kNoBar;
};

// `kYes` or `kNo`.
ReportRow::Met IsMet(bool met);

class Report final {
 public:
  void Add(ReportRow row) { rows_.push_back(std::move(row)); }

  // A heading, the columns, one line per row.
  std::string ToText(const std::string& title) const;

 private:
  std::vector<ReportRow> rows_;
};

}  // namespace messenger::bench

#endif  // TOOLS_BENCH_REPORT_H_
