#include "tools/simnet/swarm/history_writer.h"

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/auth/mailbox.h"
#include "tools/simnet/swarm/history.h"
#include "tools/simnet/swarm/ledger.h"

namespace messenger::simnet {
namespace {

using ::messenger::testing::IsOk;
using ::testing::SizeIs;

swarm::MessageId Id(char last) {
  swarm::MessageId id;
  id.data()[swarm::MessageId::kSize - 1] = last;
  return id;
}

// What absl::Duration counts.
const absl::Duration kTick = absl::Nanoseconds(1) / 4;

// Histories begin at a time that is not whole.
absl::Time At(absl::Duration since_start) {
  return absl::UnixEpoch() + absl::Hours(1) + 7 * kTick + since_start;
}
absl::Time At(int seconds) { return At(absl::Seconds(seconds)); }

Ledger::Reading CompleteReading(absl::Time begun,
                                std::vector<swarm::MessageId> ids,
                                bool final_reading = false) {
  Ledger::Reading reading;
  reading.begun = begun;
  reading.complete = true;
  reading.final_reading = final_reading;
  reading.ids = std::move(ids);
  return reading;
}

// What a ledger's listener writes of what `live` does.
template <typename Live>
std::string Written(const Ledger::Rules& rules, const Live& live) {
  std::ostringstream out;
  HistoryWriter writer(out, At(0));
  Ledger ledger(rules, &writer);
  live(ledger);
  return std::move(out).str();
}

absl::StatusOr<HistoryVerdict> CheckText(const std::string& text) {
  std::istringstream in(text);
  return CheckHistory(in);
}

// "line: check" of the only finding; empty if there is none.
std::string Finding(const HistoryVerdict& verdict) {
  if (verdict.findings.empty()) return "";
  EXPECT_THAT(verdict.findings, SizeIs(1));
  return absl::StrCat(verdict.findings[0].line, ": ",
                      verdict.findings[0].violation.check);
}

TEST(HistoryWriterTest, WritesEachEventAsALine) {
  const std::string text = Written(Ledger::Rules(), [](Ledger& ledger) {
    const int device = ledger.AddDevice(7);
    ledger.Reinstall(device);
    ledger.Sending(7, Id(1), At(3600), At(1));
    ledger.Sent(Id(1), At(2), "three receipts");
    ledger.Read(device, CompleteReading(At(3), {Id(1), Id(2)}), At(4));
    ledger.Deleting({Id(1)}, At(60), At(5));
    ledger.Deleted({Id(1)}, absl::InfinitePast(), At(6));
    ledger.Purging(7, At(90), At(7));
    ledger.Purged(7, At(90), At(8));
    ledger.PuttingRecord("r", 1);
    ledger.PutRecordDone("r", 1);
    ledger.GotRecord("r", 1, 1);
  });
  const std::string expected = absl::StrReplaceAll(
      R"({"rules":{"clock_error":"0","late_error":"0"}}
{"device_added":{"device":0,"mailbox":7}}
{"reinstalled":{"device":0}}
{"sending":{"at":"1s","mailbox":7,"id":"ONE","expiry":"1h"}}
{"sent":{"at":"2s","id":"ONE","how":"three receipts"}}
{"read":{"at":"4s","device":0,"begun":"3s","complete":true,"ids":["ONE","TWO"]}}
{"deleting":{"at":"5s","ids":["ONE"],"effective":"1m"}}
{"deleted":{"at":"6s","ids":["ONE"]}}
{"purging":{"at":"7s","mailbox":7,"expiry_until":"1m30s"}}
{"purged":{"at":"8s","mailbox":7,"expiry_until":"1m30s"}}
{"putting_record":{"name":"r","seq":"1"}}
{"put_record":{"name":"r","seq":"1"}}
{"got_record":{"name":"r","confirmed_before":"1","seq":"1"}}
)",
      {{"ONE", Id(1).ToHex()}, {"TWO", Id(2).ToHex()}});
  EXPECT_EQ(text, expected);
}

TEST(HistoryWriterTest, WhatWasFoundIsFoundAgainInTheSameWords) {
  Ledger::Rules rules;
  rules.hiding_members = true;
  std::vector<Violation> found;
  const std::string text = Written(rules, [&](Ledger& ledger) {
    const int device = ledger.AddDevice(7);
    ledger.Sending(7, Id(1), At(3600), At(0));
    ledger.Sent(Id(1), At(1), "receipts of 1 \"2\"\n3");
    ledger.Read(device, CompleteReading(At(3), {}), At(4));
    ledger.Read(device, CompleteReading(At(5), {}, /*final_reading=*/true),
                At(6));
    found = ledger.violations();
  });
  ASSERT_THAT(found, SizeIs(1));
  const auto verdict = CheckText(text);
  ASSERT_THAT(verdict, IsOk());
  ASSERT_EQ(Finding(*verdict), "6: lost");
  EXPECT_EQ(verdict->findings[0].violation.detail, found[0].detail);
  EXPECT_EQ(verdict->figures.missed_by_hiding, 1u);
}

// Of a reading as late as the rules allow, and `more`.
absl::StatusOr<HistoryVerdict> CheckReadingAtTheMargin(absl::Duration more) {
  Ledger::Rules rules;
  rules.clock_error = absl::Milliseconds(3) + 2 * kTick;
  rules.late_error = absl::Hours(2) + 2 * kTick;
  return CheckText(Written(rules, [&](Ledger& ledger) {
    const absl::Time expiry = At(absl::Hours(400) + kTick);
    const absl::Time begun = expiry + Ledger::kExpiryMargin +
                             rules.clock_error + rules.late_error + more;
    const int device = ledger.AddDevice(0);
    ledger.Sending(0, Id(1), expiry, At(kTick));
    ledger.Read(device, CompleteReading(begun, {Id(1)}),
                begun + absl::Seconds(1));
  }));
}

TEST(HistoryWriterTest, TimesAreExact) {
  const auto at = CheckReadingAtTheMargin(absl::ZeroDuration());
  ASSERT_THAT(at, IsOk());
  EXPECT_EQ(Finding(*at), "");
  const auto past = CheckReadingAtTheMargin(kTick);
  ASSERT_THAT(past, IsOk());
  EXPECT_EQ(Finding(*past), "4: late");
}

}  // namespace
}  // namespace messenger::simnet
