#include "client/cli/terminal_text.h"

#include "gtest/gtest.h"

namespace messenger::client {
namespace {

TEST(SafeForTerminalTest, KeepsWhatPeopleWrite) {
  EXPECT_EQ(SafeForTerminal("Grüße, 你好 😀\n\tok", true),
            "Grüße, 你好 😀\n\tok");
}

TEST(SafeForTerminalTest, DropsEscapesAndDirectionTricks) {
  EXPECT_EQ(SafeForTerminal("a\x1b[31mb\x07\rc\x7f", true), "a[31mbc");
  EXPECT_EQ(SafeForTerminal("exe\u202efdp\u200b.x\ufeff\u2066y", true),
            "exefdp.xy");
  EXPECT_EQ(SafeForTerminal("\u009b31m", true), "31m");
}

TEST(SafeForTerminalTest, ANameIsOneLine) {
  EXPECT_EQ(SafeForTerminal("Ada\nsays: hi", false), "Adasays: hi");
}

TEST(SafeForTerminalTest, MalformedBytesAreMarked) {
  EXPECT_EQ(SafeForTerminal("a\xff\xc0\xaf\xed\xa0\x80z", true),
            "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
            "\xef\xbf\xbdz");
}

}  // namespace
}  // namespace messenger::client
