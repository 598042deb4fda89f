#include "crypto/testdata/vector_file.h"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "crypto/base/hex.h"

namespace messenger::crypto {
namespace {

[[noreturn]] void Die(absl::string_view message) {
  std::cerr << message << std::endl;
  std::abort();
}

std::string ParseValue(absl::string_view text, const std::string& where) {
  if (absl::ConsumePrefix(&text, "\"")) {
    if (!absl::ConsumeSuffix(&text, "\"")) Die(where + ": quote is not closed");
    return std::string(text);
  }
  absl::StatusOr<std::string> bytes = HexDecode(text);
  if (!bytes.ok()) Die(where + ": value is no hex");
  return *std::move(bytes);
}

}  // namespace

const std::string& TestVector::Bytes(const std::string& key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) Die("vector " + name_ + " has no " + key);
  return it->second;
}

int TestVector::Number(const std::string& key) const {
  int number = 0;
  if (!absl::SimpleAtoi(Bytes(key), &number)) Die(name_ + ": no number " + key);
  return number;
}

void TestVector::Set(const std::string& key, std::string value) {
  values_[key] = std::move(value);
}

std::vector<TestVector> LoadVectors(const std::string& path,
                                    absl::string_view prefix) {
  std::ifstream file(path);
  if (!file) Die("cannot open " + path);
  std::vector<TestVector> vectors;
  std::string key;
  std::string text;
  std::string line;
  const auto flush = [&] {
    if (!key.empty()) {
      vectors.back().Set(key, ParseValue(text, absl::StrCat(path, ": ", key)));
    }
    key.clear();
  };
  while (std::getline(file, line)) {
    absl::string_view view = line;
    if (view.empty() || view[0] == '#') continue;
    if (absl::StartsWith(view, "  ")) {
      absl::StrAppend(&text, view.substr(2));
      continue;
    }
    flush();
    if (absl::ConsumePrefix(&view, "[")) {
      if (!absl::ConsumeSuffix(&view, "]")) Die(path + ": bad section");
      vectors.emplace_back(std::string(view));
      continue;
    }
    const std::pair<std::string, std::string> pair =
        absl::StrSplit(view, absl::MaxSplits(" =", 1));
    key = pair.first;
    text = std::string(absl::StripPrefix(pair.second, " "));
    if (vectors.empty()) Die(path + ": value before the first section");
  }
  flush();

  std::vector<TestVector> chosen;
  for (TestVector& vector : vectors) {
    if (absl::StartsWith(vector.name(), prefix)) {
      chosen.push_back(std::move(vector));
    }
  }
  if (chosen.empty()) Die(absl::StrCat(path, ": no vectors named ", prefix));
  return chosen;
}

TestVector LoadVector(const std::string& path, absl::string_view name) {
  for (TestVector& vector : LoadVectors(path, name)) {
    if (vector.name() == name) return std::move(vector);
  }
  Die(absl::StrCat(path, ": no vector named ", name));
}

}  // namespace messenger::crypto
