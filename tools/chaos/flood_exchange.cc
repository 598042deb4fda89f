#include "tools/chaos/flood_exchange.h"

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "crypto/base/status_macros.h"

namespace messenger::chaos {
namespace {

constexpr char kSeparator = '|';
constexpr absl::string_view kTried = "=tried";
constexpr absl::string_view kWithheld = "=withheld";
constexpr absl::string_view kBytes = "=bytes";
constexpr absl::string_view kEnd = "=end";

absl::Status Damaged() {
  return absl::DataLossError("a file between flood_run and its attackers");
}

void AppendLine(std::string& text, absl::string_view kind,
                absl::string_view what, uint64_t count) {
  absl::StrAppend(&text, kind, "|", what, "|", count, "\n");
}

}  // namespace

std::string TargetsToText(const std::vector<FloodTarget>& targets) {
  std::string text;
  for (const FloodTarget& target : targets) {
    absl::StrAppend(&text, target.inbox.ToHex(), "|", target.read_key.ToHex(),
                    "|", target.write_key.ToHex(), "\n");
  }
  return text;
}

absl::StatusOr<std::vector<FloodTarget>> TargetsFromText(
    absl::string_view text) {
  std::vector<FloodTarget> targets;
  for (const absl::string_view line :
       absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields =
        absl::StrSplit(line, kSeparator);
    if (fields.size() != 3) return Damaged();
    ASSIGN_OR_RETURN(const auto inbox, crypto::AccountId::FromHex(fields[0]));
    ASSIGN_OR_RETURN(const auto read_key,
                     crypto::Ed25519PublicKey::FromHex(fields[1]));
    ASSIGN_OR_RETURN(const auto write_key,
                     crypto::Ed25519PublicKey::FromHex(fields[2]));
    targets.push_back(
        {.inbox = inbox, .read_key = read_key, .write_key = write_key});
  }
  if (targets.empty()) return Damaged();
  return targets;
}

std::string ReportToText(const AttackReport& report) {
  std::string text;
  for (const auto& [kind, figures] : report) {
    AppendLine(text, kind, kTried, figures.tried);
    AppendLine(text, kind, kWithheld, figures.withheld);
    AppendLine(text, kind, kBytes, figures.accepted_bytes);
    for (const auto& [answer, count] : figures.answers) {
      AppendLine(text, kind, answer, count);
    }
  }
  AppendLine(text, "", kEnd, 0);
  return text;
}

absl::StatusOr<AttackReport> ReportFromText(absl::string_view text) {
  AttackReport report;
  bool ended = false;
  for (const absl::string_view line :
       absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields =
        absl::StrSplit(line, kSeparator);
    uint64_t count = 0;
    if (ended || fields.size() != 3 || !absl::SimpleAtoi(fields[2], &count)) {
      return Damaged();
    }
    if (fields[1] == kEnd) {
      ended = true;
      continue;
    }
    AttackFigures& figures = report[std::string(fields[0])];
    if (fields[1] == kTried) {
      figures.tried = count;
    } else if (fields[1] == kWithheld) {
      figures.withheld = count;
    } else if (fields[1] == kBytes) {
      figures.accepted_bytes = count;
    } else {
      figures.answers[std::string(fields[1])] = count;
    }
  }
  if (!ended) return Damaged();
  return report;
}

}  // namespace messenger::chaos
