#include "client/messenger/refusal_words.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "client/remote/write_refusal.h"

namespace messenger::client {
namespace {

constexpr char kStays[] =
    "your text stays in the outbox and is tried again every few minutes, for "
    "14 days";

}  // namespace

absl::Status InWords(const absl::Status& status, absl::string_view who) {
  const WriteRefusal refusal = RefusalOf(status);
  const std::string name(who.empty() ? "the recipient" : who);
  std::string words;
  switch (refusal.reason) {
    case RefusalReason::kNotRegistered:
      words =
          absl::StrCat("nobody reads the mailbox of ", name,
                       ": they have not been online for 30 days, or never; ",
                       kStays, " and goes out once they have been online");
      break;
    case RefusalReason::kMailboxFull:
      words =
          absl::StrCat("the mailbox of ", name,
                       " is full until they have read what is in it; ", kStays);
      break;
    case RefusalReason::kWorkNeeded:
      words = absl::StrCat(
          "the inbox of ", name,
          " is crowded, and taking a text from somebody "
          "new costs more computing (",
          refusal.work_bits, " bits) than this program does; ", kStays,
          "; if you know another way to reach them, ask them to write first");
      break;
    case RefusalReason::kNodeFull:
      words = absl::StrCat("the storage nodes that keep the mailbox of ", name,
                           " have no space left; ", kStays);
      break;
    case RefusalReason::kBusy:
      words = absl::StrCat("the storage nodes that keep the mailbox of ", name,
                           " are too busy just now; ", kStays);
      break;
    case RefusalReason::kWrongSwarm:
      words = absl::StrCat("the mailbox of ", name,
                           " is moving to other storage nodes; ", kStays);
      break;
    case RefusalReason::kClockSkew:
      words = absl::StrCat(
          "the clocks of this device and of the storage nodes disagree; ",
          kStays, "; set this device's clock, if it is wrong");
      break;
    case RefusalReason::kStaleChallenge:  // of readings
    case RefusalReason::kFilling:
      words = absl::StrCat("the storage nodes that keep the mailbox of ", name,
                           " are still fetching what belongs there; ", kStays);
      break;
    case RefusalReason::kOwnerLimit:
      words = "this account keeps more in its storage nodes than it may; " +
              std::string(kStays);
      break;
    case RefusalReason::kNone:
      return status;
  }
  return WithRefusal(absl::Status(status.code(), words), refusal);
}

}  // namespace messenger::client
