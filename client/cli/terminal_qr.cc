#include "client/cli/terminal_qr.h"

#include <qrencode.h>

#include <limits>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace messenger::client {
namespace {

constexpr int kQuietZone = 4;
// From the colour cube: what "white" and "black" are is the user's choice.
constexpr absl::string_view kWhiteOnBlack = "\x1b[38;5;231;48;5;16m";
constexpr absl::string_view kOwnColorsAgain = "\x1b[0m";

}  // namespace

absl::StatusOr<std::string> TerminalQr(absl::string_view text,
                                       QrColors colors) {
  if (text.empty() ||
      text.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
    return absl::InvalidArgumentError("nothing that a QR code can hold");
  }
  QRcode* const code =
      QRcode_encodeData(static_cast<int>(text.size()),
                        reinterpret_cast<const unsigned char*>(text.data()),
                        /*version=*/0, QR_ECLEVEL_M);
  if (code == nullptr) {
    return absl::InvalidArgumentError("the text is too long for a QR code");
  }
  const absl::Cleanup free_code = [code] { QRcode_free(code); };
  const int width = code->width;
  const int end = width + kQuietZone;
  const auto is_light = [&](int row, int column) {
    // Below the quiet zone there is nothing any more.
    if (row >= end) return false;
    if (row < 0 || row >= width || column < 0 || column >= width) return true;
    return (code->data[row * width + column] & 1) == 0;
  };
  std::string drawn;
  for (int row = -kQuietZone; row < end; row += 2) {
    if (colors == QrColors::kOwn) absl::StrAppend(&drawn, kWhiteOnBlack);
    for (int column = -kQuietZone; column < end; ++column) {
      const bool upper = is_light(row, column);
      const bool lower = is_light(row + 1, column);
      absl::StrAppend(&drawn, upper && lower ? "█"
                              : upper        ? "▀"
                              : lower        ? "▄"
                                             : " ");
    }
    if (colors == QrColors::kOwn) absl::StrAppend(&drawn, kOwnColorsAgain);
    absl::StrAppend(&drawn, "\n");
  }
  return drawn;
}

}  // namespace messenger::client
