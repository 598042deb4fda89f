#include "tools/bench/report.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace messenger::bench {
namespace {

using Line = std::array<std::string, 6>;

std::string Word(ReportRow::Met met) {
  switch (met) {
    case ReportRow::Met::kYes:
      return "yes";
    case ReportRow::Met::kNo:
      return "NO";
    case ReportRow::Met::kNoBar:
      break;
  }
  return "-";
}

}  // namespace

ReportRow::Met IsMet(bool met) {
  return met ? ReportRow::Met::kYes : ReportRow::Met::kNo;
}

std::string Report::ToText(const std::string& title) const {
  std::vector<Line> lines = {
      {"what", "measured", "peer or limit, same run", "ratio", "bar", "met"}};
  for (const ReportRow& row : rows_) {
    lines.push_back(
        {row.what, row.measured, row.limit, row.ratio, row.bar, Word(row.met)});
  }
  std::array<size_t, 6> widths = {};
  for (const Line& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      widths[i] = std::max(widths[i], line[i].size());
    }
  }
  std::string text = absl::StrCat("## ", title, "\n\n");
  for (size_t n = 0; n < lines.size(); ++n) {
    for (size_t i = 0; i < widths.size(); ++i) {
      absl::StrAppend(&text, "| ", lines[n][i],
                      std::string(widths[i] - lines[n][i].size() + 1, ' '));
    }
    absl::StrAppend(&text, "|\n");
    if (n > 0) continue;
    for (const size_t width : widths) {
      absl::StrAppend(&text, "|", std::string(width + 2, '-'));
    }
    absl::StrAppend(&text, "|\n");
  }
  return text;
}

}  // namespace messenger::bench
