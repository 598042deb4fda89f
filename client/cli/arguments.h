// The command line of `session`, taken apart.
//
//   session [options] COMMAND [SUBCOMMAND] [arguments] [options]
//
// A plain value.

#ifndef CLIENT_CLI_ARGUMENTS_H_
#define CLIENT_CLI_ARGUMENTS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace messenger::client {

class Arguments {
 public:
  // INVALID_ARGUMENT: an unknown option, one that lacks its value or has one
  // too many, or is given twice. After "--" everything is a word.
  static absl::StatusOr<Arguments> Parse(const std::vector<std::string>& words);

  // Of options that are for people, without the dashes.
  static std::vector<std::string> OptionNames();
  // Whether a word "--option" takes the next one as its value.
  static bool TakesNextWord(absl::string_view word);

  // Command, subcommand and arguments, in order.
  const std::vector<std::string>& words() const { return words_; }
  std::string word(size_t index) const {
    return index < words_.size() ? words_[index] : std::string();
  }

  bool has(absl::string_view option) const {
    return options_.find(std::string(option)) != options_.end();
  }
  // Empty when it was not given.
  std::string option(absl::string_view option) const;

 private:
  std::vector<std::string> words_;
  std::map<std::string, std::string> options_;
};

}  // namespace messenger::client

#endif  // CLIENT_CLI_ARGUMENTS_H_
