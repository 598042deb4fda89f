#include "client/messenger/testing/crash_story.h"

#include <map>

#include "absl/strings/str_cat.h"

namespace messenger::client {

std::string LongText(size_t bytes, absl::string_view word) {
  std::string text;
  while (text.size() < bytes) absl::StrAppend(&text, word, text.size(), " ");
  return text;
}

void CrashStory::CheckShown(const FaultyDevice& device,
                            const std::set<std::string>& to_show) {
  for (const std::string& text : to_show) {
    if (device.shown().contains(text)) continue;
    story_.Fail(absl::StrCat("lost: never shown to ", device.name(), ": ",
                             text.substr(0, 20)));
  }
  for (const std::string& text : device.shown()) {
    if (to_show.contains(text)) continue;
    story_.Fail(absl::StrCat("phantom: shown to ", device.name(), ": ",
                             text.substr(0, 20)));
  }
}

void CrashStory::CheckTexts(absl::string_view where,
                            const std::vector<std::string>& expected,
                            const std::vector<std::string>& found) {
  if (found == expected) return;
  std::map<std::string, int> counts;
  for (const std::string& text : found) ++counts[text];
  bool explained = false;
  const auto fail = [&](absl::string_view kind, absl::string_view text) {
    explained = true;
    story_.Fail(absl::StrCat(kind, ": ", where, ": ", text.substr(0, 20)));
  };
  for (const std::string& text : expected) {
    if (counts[text] == 0) fail("lost", text);
    if (counts[text] > 1) fail("doubled", text);
    counts.erase(text);
  }
  for (const auto& [text, count] : counts) fail("phantom", text);
  if (!explained) fail("order", "");
}

}  // namespace messenger::client
