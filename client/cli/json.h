// Writes one line of JSON (RFC 8259), for `--json`.
//
//   JsonWriter json;
//   json.BeginObject().Key("text").String("hi").EndObject();
//   std::move(json).Take();   // {"text":"hi"}
//
// The caller keeps the order right; nothing checks it. Not thread-safe.

#ifndef CLIENT_CLI_JSON_H_
#define CLIENT_CLI_JSON_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace messenger::client {

class JsonWriter {
 public:
  JsonWriter& BeginObject();
  JsonWriter& EndObject();
  JsonWriter& BeginArray();
  JsonWriter& EndArray();
  JsonWriter& Key(absl::string_view key);
  // `value` is UTF-8; control characters are escaped.
  JsonWriter& String(absl::string_view value);
  JsonWriter& Int(int64_t value);
  JsonWriter& Bool(bool value);
  JsonWriter& Null();

  std::string Take() && { return std::move(text_); }

 private:
  void Separate();

  std::string text_;
  // For each open object or array: whether it has a value already.
  std::vector<bool> has_value_;
  bool after_key_ = false;
};

}  // namespace messenger::client

#endif  // CLIENT_CLI_JSON_H_
