#include "tools/bench/report.h"

#include "gtest/gtest.h"

namespace messenger::bench {
namespace {

TEST(ReportTest, ColumnsAreAlignedAndRowsWithoutABarSaySo) {
  Report report;
  report.Add({.what = "a",
              .measured = "2 us",
              .limit = "1 us",
              .ratio = "2.00",
              .bar = "<= 3",
              .met = IsMet(true)});
  report.Add({.what = "longer", .measured = "9 us"});
  EXPECT_EQ(
      report.ToText("Title"),
      "## Title\n\n"
      "| what   | measured | peer or limit, same run | ratio | bar  | met |\n"
      "|--------|----------|-------------------------|-------|------|-----|\n"
      "| a      | 2 us     | 1 us                    | 2.00  | <= 3 | yes |\n"
      "| longer | 9 us     | -                       | -     | -    | -   |\n");
}

TEST(ReportTest, ABarThatIsMissedCannotBeOverlooked) {
  Report report;
  report.Add({.what = "a", .measured = "b", .met = IsMet(false)});
  EXPECT_NE(report.ToText("t").find("| NO"), std::string::npos);
}

}  // namespace
}  // namespace messenger::bench
