#include "client/cli/arguments.h"

#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace messenger::client {
namespace {

struct Option {
  absl::string_view name;
  bool takes_value;
};

constexpr std::array<Option, 26> kOptions = {{
    {"data-dir", true},
    {"network-file", true},
    {"routing", true},
    {"json", false},
    {"pin", false},
    {"pin-fd", true},
    {"new-pin-fd", true},
    {"key-fd", true},
    {"duress-pin-fd", true},
    {"device-secret", true},
    {"device-secret-file", true},
    {"no-device-secret", false},
    {"wipe-after", true},
    {"file", true},
    {"name", true},
    {"limit", true},
    {"phrase", false},
    {"uses", true},
    {"days", true},
    {"qr", false},
    {"no-qr", false},
    {"help", false},
    {"version", false},
    {"lock-after", true},
    {"locked-with", true},
    {"test-recorder-file", true},
}};
// The last ones are not for people.
constexpr size_t kPublicOptions = kOptions.size() - 2;

}  // namespace

std::vector<std::string> Arguments::OptionNames() {
  std::vector<std::string> names;
  for (size_t i = 0; i < kPublicOptions; ++i) {
    names.emplace_back(kOptions[i].name);
  }
  return names;
}

bool Arguments::TakesNextWord(absl::string_view word) {
  for (const Option& option : kOptions) {
    if (absl::StripPrefix(word, "--") == option.name) return option.takes_value;
  }
  return false;
}

absl::StatusOr<Arguments> Arguments::Parse(
    const std::vector<std::string>& words) {
  Arguments arguments;
  bool only_words = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (only_words || !absl::StartsWith(word, "--")) {
      arguments.words_.push_back(word);
      continue;
    }
    if (word == "--") {
      only_words = true;
      continue;
    }
    const size_t equals = word.find('=');
    const std::string name = word.substr(
        2, equals == std::string::npos ? std::string::npos : equals - 2);
    const Option* known = nullptr;
    for (const Option& option : kOptions) {
      if (option.name == name) known = &option;
    }
    if (known == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("there is no option --", name));
    }
    std::string value;
    if (known->takes_value) {
      if (equals != std::string::npos) {
        value = word.substr(equals + 1);
      } else if (i + 1 < words.size()) {
        value = words[++i];
      } else {
        return absl::InvalidArgumentError(
            absl::StrCat("the option --", name, " needs a value"));
      }
    } else if (equals != std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("the option --", name, " takes no value"));
    }
    if (!arguments.options_.emplace(name, value).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("the option --", name, " is given twice"));
    }
  }
  return arguments;
}

std::string Arguments::option(absl::string_view option) const {
  const auto found = options_.find(std::string(option));
  return found == options_.end() ? std::string() : found->second;
}

}  // namespace messenger::client
