#include "client/cli/json.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace messenger::client {
namespace {

TEST(JsonWriterTest, WritesNestedValues) {
  JsonWriter json;
  json.BeginObject().Key("n").Int(-5).Key("list").BeginArray();
  json.String("a").Bool(true).Null().BeginObject().EndObject();
  json.EndArray().Key("last").Bool(false).EndObject();
  EXPECT_EQ(std::move(json).Take(),
            R"({"n":-5,"list":["a",true,null,{}],"last":false})");
}

TEST(JsonWriterTest, EscapesWhatBreaksALineOrATerminal) {
  JsonWriter json;
  json.String(std::string("q\" b\\ n\n e\x1b d\x7f z\0", 17) + "ä");
  EXPECT_EQ(std::move(json).Take(),
            "\"q\\\" b\\\\ n\\n e\\u001b d\\u007f z\\u0000ä\"");
}

}  // namespace
}  // namespace messenger::client
