#include "client/cli/failure.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/store/keyslot.h"

namespace messenger::client {

Failure StorageFailure(const absl::Status& status, const std::string& folder) {
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
      return {ExitCode::kStorage,
              "The disk is full: nothing was changed. Free some space and try "
              "again."};
    case absl::StatusCode::kDataLoss:
      return {ExitCode::kStorage,
              absl::StrCat("The data in ", folder, " is damaged (",
                           status.message(),
                           "). Restore the account into another folder with "
                           "its 13 words.")};
    case absl::StatusCode::kUnavailable:
      return {ExitCode::kStorage,
              absl::StrCat("The data in ", folder,
                           " cannot be used: ", status.message(), ".")};
    case absl::StatusCode::kUnauthenticated:
      return {ExitCode::kStorage,
              absl::StrCat("The database in ", folder,
                           " is damaged, or the keyslot beside it belongs to "
                           "another one.")};
    default:
      return {ExitCode::kFailure,
              absl::StrCat("Something unforeseen happened: ", status.message(),
                           ".")};
  }
}

std::string Capitalized(absl::string_view words) {
  std::string sentence(words);
  if (!sentence.empty()) sentence[0] = absl::ascii_toupper(sentence[0]);
  return sentence;
}

std::string Sentence(const absl::Status& status) {
  return Capitalized(absl::StrCat(status.message(), "."));
}

Failure PinFailure(const absl::Status& status, const std::string& folder) {
  const std::string sentence = Capitalized(absl::StrCat(status.message(), "."));
  switch (PinRefusalOf(status)) {
    case PinRefusal::kWait:
    case PinRefusal::kDeviceSecret:
      return {ExitCode::kPin, sentence};
    case PinRefusal::kWiped:
      return {ExitCode::kStorage, sentence};
    case PinRefusal::kNone:
      break;
  }
  if (absl::IsInvalidArgument(status) || absl::IsUnauthenticated(status)) {
    return {ExitCode::kPin, sentence};
  }
  return StorageFailure(status, folder);
}

}  // namespace messenger::client
