#include "client/cli/line_editor.h"

#include <string>

#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using Event = LineEditor::Event;

class LineEditorTest : public ::testing::Test {
 protected:
  Event Type(absl::string_view keys) {
    Event last = Event::kNone;
    for (const char key : keys) last = editor_.Feed(key);
    return last;
  }
  // What a terminal of that width shows, without the codes around it.
  std::string Row(int columns) {
    const std::string row = editor_.Render("> ", columns);
    const size_t begin = sizeof(LineEditor::kClear) - 1;
    return row.substr(begin, row.find('\r', begin) - begin);
  }

  LineEditor editor_;
};

TEST_F(LineEditorTest, EnterGivesTheLineAndBeginsAnother) {
  EXPECT_EQ(Type("grüße 👍"), Event::kNone);
  EXPECT_EQ(Type("\r"), Event::kLine);
  EXPECT_EQ(editor_.TakeLine(), "grüße 👍");
  EXPECT_EQ(editor_.text(), "");
}

TEST_F(LineEditorTest, KeysMoveAndErase) {
  Type("wörld\x1b[D\x1b[D\x7f\x1b[3~");  // left, left, backspace, delete
  EXPECT_EQ(editor_.text(), "wöd");
  Type(
      "\x01"
      "hello \x05!");  // Ctrl-A, Ctrl-E
  EXPECT_EQ(editor_.text(), "hello wöd!");
  Type("\x17");  // Ctrl-W
  EXPECT_EQ(editor_.text(), "hello ");
  Type("\x1b[H\x1b[C\x0b");  // Home, right, Ctrl-K
  EXPECT_EQ(editor_.text(), "h");
  Type("\x15");  // Ctrl-U
  EXPECT_EQ(editor_.text(), "");
  Type("\x7f\x1b[D\x1b[C\x1b[3~x");  // where there is nothing to do
  EXPECT_EQ(editor_.text(), "x");
}

TEST_F(LineEditorTest, EarlierLinesComeBack) {
  for (const char* line : {"one", "two"}) {
    Type(line);
    editor_.TakeLine();
  }
  Type("\x1b[A\x1b[A\x1b[A");
  EXPECT_EQ(editor_.text(), "one");
  Type("\x1b[B");
  EXPECT_EQ(editor_.text(), "two");
  Type("\x1b[B\x1b[B");
  EXPECT_EQ(editor_.text(), "");
}

TEST_F(LineEditorTest, WhatIsPastedIsOneLineAndEndsNothing) {
  EXPECT_EQ(Type("\x1b[200~first\rsecond\x03\x04\x1b[201~"), Event::kNone);
  EXPECT_EQ(editor_.text(), "first\nsecond");
  EXPECT_EQ(Row(80), "> first\u21b5second");
  EXPECT_EQ(Type("\r"), Event::kLine);
}

TEST_F(LineEditorTest, ControlsAndMalformedBytesAreNoText) {
  Type("a\x02\xff\xc3(\x1bZ\x1b[999zb");
  EXPECT_EQ(editor_.text(), "a(b");
  EXPECT_EQ(Type("\x04"), Event::kEnd);
  EXPECT_EQ(Type("\x03"), Event::kEnd);
}

TEST_F(LineEditorTest, ALongLineShowsThePartAroundTheCursor) {
  Type("0123456789abcdefghij");
  EXPECT_EQ(Row(13), "> abcdefghij");
  Type("\x01");
  EXPECT_EQ(Row(13), "> 0123456789");
  EXPECT_EQ(
      editor_.Render("> ", 13).substr(editor_.Render("> ", 13).rfind('\r')),
      "\r\x1b[2C");
}

TEST_F(LineEditorTest, WideCharactersTakeTwoColumns) {
  Type("日本語日本語日本語");
  EXPECT_EQ(Row(13), "> 本語日本語");
  EXPECT_EQ(editor_.Render("日> ", 13), "\r\x1b[K日> 語日本語\r\x1b[12C");
  EXPECT_EQ(ColumnsOf("e"), 1);
  EXPECT_EQ(ColumnsOf("👍"), 2);
  EXPECT_EQ(ColumnsOf("\u0301"), 0);
}

}  // namespace
}  // namespace messenger::client
