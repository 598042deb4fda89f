// The commands about profile pictures.

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/run.h"
#include "client/cli/terminal_text.h"
#include "client/picture/profile_picture.h"

namespace messenger::client {
namespace {

constexpr char kUsage[] =
    "Say `picture set FILE`, `picture remove`, `picture save FILE`, or only "
    "`picture`.";

}  // namespace

Run::Result Run::PictureCommand() {
  const size_t words = arguments_.words().size();
  const std::string what = arguments_.word(1);
  const bool with_file = what == "set" || what == "save";
  if (words != (words == 1  ? 1
                : with_file ? 3
                            : 2) ||
      (words > 1 && !with_file && what != "remove")) {
    return Failure{ExitCode::kUsage, kUsage};
  }
  if (Result failure = NeedAccount()) return failure;
  if (what == "set") return PictureSet(arguments_.word(2));
  if (what == "save") {
    return SavePicture(messenger_->account_id(), arguments_.word(2),
                       "You have no picture; `picture set FILE` makes one.");
  }
  if (what == "remove") {
    const absl::Status removed = messenger_->SetPicture("");
    if (!removed.ok()) return Refusal(removed, "");
    return SendOut("Removed. Your contacts see no picture any more.");
  }
  const auto picture = store_->FindPicture(messenger_->account_id());
  if (!picture.ok()) return StorageFailure(picture.status(), folder_);
  const bool there = *picture && !(*picture)->jpeg.empty();
  if (json_) {
    JsonWriter json;
    Print(std::move(
        json.BeginObject().Key("has_picture").Bool(there).EndObject()));
  } else {
    Print(there ? "You have a picture; `picture save FILE` writes it to a file."
                : "You have no picture.");
  }
  return std::nullopt;
}

Run::Result Run::PictureSet(const std::string& path) {
  const absl::StatusOr<std::string> file = console_.ReadFile(path);
  if (absl::IsResourceExhausted(file.status())) {
    return Failure{
        ExitCode::kUsage,
        absl::StrCat("The file ", path, " has more than ",
                     kMaxPictureFileBytes >> 20,
                     " MiB; make the picture smaller with an image program.")};
  }
  if (!file.ok()) {
    return Failure{ExitCode::kNotFound,
                   absl::StrCat("The file ", path, " cannot be read.")};
  }
  const absl::StatusOr<std::string> jpeg = MakeProfilePicture(*file);
  if (!jpeg.ok()) return Refusal(jpeg.status(), ". Nothing was changed");
  const absl::Status set = messenger_->SetPicture(*jpeg);
  if (!set.ok()) return Refusal(set, "");
  return SendOut(
      "This is your picture now. Your contacts get it, without anything else "
      "of the file.");
}

Run::Result Run::SavePicture(const AccountId& whose, const std::string& path,
                             absl::string_view nobody) {
  const auto picture = store_->FindPicture(whose);
  if (!picture.ok()) return StorageFailure(picture.status(), folder_);
  if (!*picture || (*picture)->jpeg.empty()) {
    return Failure{ExitCode::kNotFound, std::string(nobody)};
  }
  const std::string& jpeg = (*picture)->jpeg;
  if (Result failure = WriteNewFile(path, jpeg)) return failure;
  if (json_) {
    JsonWriter json;
    json.BeginObject().Key("bytes").Int(static_cast<int64_t>(jpeg.size()));
    Print(std::move(json.EndObject()));
  } else {
    Print(absl::StrCat("Written to ", SafeForTerminal(path, false), "."));
  }
  return std::nullopt;
}

Run::Result Run::ContactPicture() {
  const std::string path = arguments_.option("file");
  if (arguments_.words().size() != 3 || path.empty()) {
    return Failure{ExitCode::kUsage,
                   "Say whose, and where to: session contact picture WHO "
                   "--file F."};
  }
  std::optional<AccountId> who;
  if (Result failure = FindPerson(arguments_.word(2), &who)) return failure;
  return SavePicture(
      *who, path,
      absl::StrCat(NameOf(*who), " has no picture, or it has not come yet."));
}

}  // namespace messenger::client
