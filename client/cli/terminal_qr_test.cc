#include "client/cli/terminal_qr.h"

#include <qrencode.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::Each;
using ::testing::Not;

constexpr char kLink[] =
    "session:05d2ad010eeb72d72e561d9de7bd7b6989af77dcabffa03a5111a6c859ae5c3a72"
    "?t=00112233445566778899aabbccddeeff";
constexpr size_t kQuietZone = 4;

using Modules = std::vector<std::vector<bool>>;  // rows; true: dark

// The modules as somebody sees them who looks at a dark terminal.
Modules Seen(const std::string& drawn) {
  Modules rows;
  for (absl::string_view line :
       absl::StrSplit(drawn, '\n', absl::SkipEmpty())) {
    std::vector<bool> upper, lower;
    while (!line.empty()) {
      if (absl::ConsumePrefix(&line, " ")) {
        upper.push_back(true), lower.push_back(true);
      } else if (absl::ConsumePrefix(&line, "\u2580")) {
        upper.push_back(false), lower.push_back(true);
      } else if (absl::ConsumePrefix(&line, "\u2584")) {
        upper.push_back(true), lower.push_back(false);
      } else if (absl::ConsumePrefix(&line, "\u2588")) {
        upper.push_back(false), lower.push_back(false);
      } else {
        ADD_FAILURE() << "not of a QR code: " << line;
        return rows;
      }
    }
    rows.push_back(upper);
    rows.push_back(lower);
  }
  return rows;
}

TEST(TerminalQrTest, ShowsEveryModuleAndAQuietZone) {
  const auto drawn = TerminalQr(kLink, QrColors::kOfTerminal);
  ASSERT_THAT(drawn, IsOk());
  Modules seen = Seen(*drawn);
  QRcode* const code = QRcode_encodeString8bit(kLink, 0, QR_ECLEVEL_M);
  ASSERT_NE(code, nullptr);
  const size_t width = static_cast<size_t>(code->width);
  // One row more than there is, without light.
  ASSERT_EQ(seen.size(), width + 2 * kQuietZone + 1);
  EXPECT_THAT(seen.back(), Each(true));
  seen.pop_back();
  for (size_t row = 0; row < seen.size(); ++row) {
    ASSERT_EQ(seen[row].size(), width + 2 * kQuietZone);
    for (size_t column = 0; column < seen[row].size(); ++column) {
      const bool inside = row >= kQuietZone && row < width + kQuietZone &&
                          column >= kQuietZone && column < width + kQuietZone;
      const bool dark =
          inside &&
          (code->data[(row - kQuietZone) * width + (column - kQuietZone)] &
           1) != 0;
      ASSERT_EQ(seen[row][column], dark) << row << ", " << column;
    }
  }
  QRcode_free(code);
}

TEST(TerminalQrTest, OwnColorsAreSetAndTakenBackInEachLine) {
  const auto plain = TerminalQr(kLink, QrColors::kOfTerminal);
  const auto colored = TerminalQr(kLink, QrColors::kOwn);
  ASSERT_THAT(colored, IsOk());
  for (const absl::string_view line :
       absl::StrSplit(*colored, '\n', absl::SkipEmpty())) {
    EXPECT_TRUE(absl::StartsWith(line, "\x1b[38;5;231;48;5;16m"));
    EXPECT_TRUE(absl::EndsWith(line, "\x1b[0m"));
  }
  EXPECT_EQ(absl::StrReplaceAll(
                *colored, {{"\x1b[38;5;231;48;5;16m", ""}, {"\x1b[0m", ""}}),
            *plain);
}

TEST(TerminalQrTest, BytesThatAreNoTextAreDrawnToo) {
  const auto drawn =
      TerminalQr(std::string("a\0b\xff", 4), QrColors::kOfTerminal);
  ASSERT_THAT(drawn, IsOk());
  EXPECT_THAT(*TerminalQr("a", QrColors::kOfTerminal), Not(*drawn));
}

TEST(TerminalQrTest, WhatDoesNotFitIsRefused) {
  EXPECT_THAT(TerminalQr("", QrColors::kOfTerminal),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(TerminalQr(std::string(3000, 'x'), QrColors::kOfTerminal),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace messenger::client
