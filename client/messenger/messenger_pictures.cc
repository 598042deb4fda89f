// Messenger: profile pictures (client/SPEC.md, section 9.3).

#include <algorithm>
#include <optional>
#include <variant>

#include "client/messenger/messenger.h"
#include "client/messenger/messenger_parts.h"
#include "client/picture/picture_check.h"
#include "client/session/session_choice.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;

// Whose it is, as a content says it.
std::string OwnerBytes(const AccountId& owner, const AccountId& own) {
  return owner == own ? std::string() : std::string(owner.bytes());
}
absl::StatusOr<AccountId> OwnerOf(const Picture& picture,
                                  const AccountId& own) {
  if (picture.of.empty()) return own;
  return AccountId::FromBytes(picture.of);
}

// Of an item that waits; its picture is not in it.
std::optional<Picture> PictureIn(const OutboxItem& item) {
  const absl::StatusOr<Content> content = DecodeContent(item.content);
  if (!content.ok()) return std::nullopt;
  const auto* picture = std::get_if<Picture>(&content->body);
  return picture == nullptr ? std::nullopt : std::optional<Picture>(*picture);
}

}  // namespace

absl::Status Messenger::SetPicture(absl::string_view jpeg) {
  if (!jpeg.empty()) RETURN_IF_ERROR(CheckPicture(jpeg));
  const absl::Time now = env_.clock.Now();
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::optional<PictureRow> before,
                     env_.store.FindPicture(id_));
    if (before ? before->jpeg == jpeg : jpeg.empty()) return absl::OkStatus();
    PictureRow row = {id_, std::string(jpeg), now, /*chosen_here=*/true};
    // Newer than the last one, whatever the clock says.
    if (before) {
      row.changed =
          std::max(row.changed, before->changed + absl::Milliseconds(1));
    }
    RETURN_IF_ERROR(env_.store.MergePicture(row).status());
    // What was sealed and has not left never does.
    ASSIGN_OR_RETURN(const std::vector<OutboxItem> outbox, env_.store.Outbox());
    for (const OutboxItem& item : outbox) {
      const std::optional<Picture> waits = PictureIn(item);
      if (!waits || !waits->of.empty()) continue;
      RETURN_IF_ERROR(
          env_.store.WithdrawOutboxItem(item, now + kMessageLifetime));
    }
    return absl::OkStatus();
  }));
  return env_.store.TruncateLog();
}

absl::Status Messenger::QueuePictures() {
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(
        const std::vector<UntoldPicture> untold,
        env_.store.UntoldPictures(id_, /*first_device=*/keys_.has_value()));
    for (const UntoldPicture& one : untold) {
      const absl::StatusOr<IdentityRecord> record = PinnedIdentity(one.peer);
      if (absl::IsNotFound(record.status())) continue;
      RETURN_IF_ERROR(record.status());
      const absl::StatusOr<DeviceId> device = DeviceId::FromBytes(one.device);
      if (!device.ok() || record->FindDevice(*device) == nullptr) continue;
      ASSIGN_OR_RETURN(const std::vector<Session> sessions,
                       SessionsWith(one.peer, one.device));
      // It does not fit what goes to an inbox.
      if (sessions.empty() ||
          sessions[PreferredSession(Summaries(sessions))].awaiting_reply()) {
        continue;
      }
      ASSIGN_OR_RETURN(const Contact contact, ContactFor(one.peer));
      RETURN_IF_ERROR(
          Tell(contact, one.device, Picture{"", OwnerBytes(one.owner, id_)}));
      RETURN_IF_ERROR(env_.store.MarkPictureTold(one));
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::string> Messenger::ContentOf(const OutboxItem& item) {
  const std::optional<Picture> waits = PictureIn(item);
  if (!waits) return item.content;
  ASSIGN_OR_RETURN(Content content, DecodeContent(item.content));
  ASSIGN_OR_RETURN(const AccountId owner, OwnerOf(*waits, id_));
  ASSIGN_OR_RETURN(const Contact contact, ContactFor(item.peer));
  ASSIGN_OR_RETURN(const std::optional<PictureRow> picture,
                   env_.store.FindPicture(owner));
  if (!picture) {  // The contact was forgotten meanwhile.
    return EncodeFor(contact, content.message_id, content.sent,
                     std::monostate());
  }
  return EncodeFor(contact, content.message_id, picture->changed,
                   Picture{picture->jpeg, waits->of});
}

absl::Status Messenger::PutPictureOff(const OutboxItem& item) {
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(env_.store.WithdrawOutboxItem(
        item, env_.clock.Now() + kMessageLifetime));
    return env_.store.ForgetPicturesTold(item.peer, item.device);
  }));
  return absl::CancelledError("a picture does not go to an inbox");
}

absl::Status Messenger::ApplyOwnPicture(const Picture& picture,
                                        absl::Time chosen) {
  ASSIGN_OR_RETURN(const AccountId owner, OwnerOf(picture, id_));
  return env_.store
      .MergePicture({owner, picture.jpeg, chosen, /*chosen_here=*/false})
      .status();
}

}  // namespace messenger::client
