// Messenger: invitations, and codes that are scanned (client/SPEC.md, section
// 16).

#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/messenger/messenger.h"
#include "crypto/base/secure_memory.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

bool IsGood(const InviteRow& invite, absl::Time now) {
  return now < invite.expires &&
         (invite.most_uses == 0 || invite.uses < invite.most_uses);
}

}  // namespace

absl::StatusOr<Invite> Messenger::FromRow(const InviteRow& row) const {
  const absl::StatusOr<InviteToken> token = InviteToken::FromBytes(row.token);
  if (!token.ok()) return absl::DataLossError("an invitation is damaged");
  Invite invite(id_);
  invite.link.token = *token;
  invite.expires = row.expires;
  invite.most_uses = row.most_uses;
  invite.uses = row.uses;
  invite.good = IsGood(row, env_.clock.Now());
  return invite;
}

absl::StatusOr<Invite> Messenger::MakeInvite(int most_uses,
                                             absl::Duration lifetime) {
  if (most_uses < 0 || most_uses > kMaxInviteUses) {
    return absl::InvalidArgumentError(
        absl::StrCat("an invitation is good for 1 to ", kMaxInviteUses,
                     " people, or 0 for any number"));
  }
  if (lifetime < kShortestInvite || lifetime > kLongestInvite) {
    return absl::InvalidArgumentError("an invitation lasts 1 to 365 days");
  }
  const absl::Time now = env_.clock.Now();
  InviteRow fresh;
  fresh.token = env_.random.String(kInviteTokenBytes);
  fresh.created = now;
  fresh.expires = now + lifetime;
  fresh.most_uses = most_uses;
  RETURN_IF_ERROR(env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<InviteRow> rows, env_.store.Invites());
    int good = 0;
    for (const InviteRow& row : rows) {
      if (IsGood(row, now)) {
        ++good;
      } else {
        RETURN_IF_ERROR(env_.store.DeleteInvite(row.token));
      }
    }
    if (good >= kMaxInvites) {
      return absl::FailedPreconditionError(
          absl::StrCat(kMaxInvites, " invitations are open; revoke one first"));
    }
    return env_.store.PutInvite(fresh);
  }));
  return FromRow(fresh);
}

absl::StatusOr<std::vector<Invite>> Messenger::Invites() {
  ASSIGN_OR_RETURN(const std::vector<InviteRow> rows, env_.store.Invites());
  std::vector<Invite> invites;
  for (const InviteRow& row : rows) {
    ASSIGN_OR_RETURN(const Invite invite, FromRow(row));
    invites.push_back(invite);
  }
  return invites;
}

absl::Status Messenger::RevokeInvite(const InviteToken& token) {
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<InviteRow> rows, env_.store.Invites());
    for (const InviteRow& row : rows) {
      if (row.token == token.bytes()) return env_.store.DeleteInvite(row.token);
    }
    return absl::NotFoundError("there is no such invitation");
  });
}

absl::Status Messenger::KeepInvite(const ContactLink& link) {
  if (!link.token || link.account == id_) return absl::OkStatus();
  return env_.store.Transaction([&]() -> absl::Status {
    ASSIGN_OR_RETURN(const bool heard, env_.store.HasPeerMailbox(link.account));
    if (heard) return absl::OkStatus();
    return env_.store.PutReceivedInvite(link.account, link.token->bytes());
  });
}

absl::StatusOr<bool> Messenger::TakeInvite(const Contact& contact,
                                           const Content& content) {
  const bool stranger = contact.standing == Standing::kRequest ||
                        contact.standing == Standing::kForgotten;
  if (!stranger || content.invite_token.empty()) return false;
  ASSIGN_OR_RETURN(const std::vector<InviteRow> rows, env_.store.Invites());
  // All of them, so that the time it takes says nothing.
  std::optional<InviteRow> found;
  for (const InviteRow& row : rows) {
    if (crypto::ConstantTimeEquals(row.token, content.invite_token)) {
      found = row;
    }
  }
  if (!found || !IsGood(*found, env_.clock.Now())) return false;
  ++found->uses;
  RETURN_IF_ERROR(env_.store.PutInvite(*found));
  return true;
}

// ------------------------------------------------------------------- codes --

absl::StatusOr<IdentityRecord> Messenger::RecordForCode(
    const crypto::AccountId& account) {
  if (account == id_) {
    return absl::InvalidArgumentError("that is your own account id");
  }
  if (!identity_record_) {
    return absl::FailedPreconditionError(
        "this account has not been published yet");
  }
  absl::StatusOr<IdentityRecord> record = PinnedIdentity(account);
  if (absl::IsNotFound(record.status())) {
    return absl::FailedPreconditionError(
        "the devices of this account are not known yet; write to each other "
        "first, or compare the 60 digits");
  }
  return record;
}

absl::StatusOr<std::string> Messenger::ScannableSafetyCode(
    const crypto::AccountId& account) {
  ASSIGN_OR_RETURN(const IdentityRecord record, RecordForCode(account));
  return SafetyCode(*identity_record_, record);
}

absl::StatusOr<SafetyCodeMatch> Messenger::VerifyScanned(
    const crypto::AccountId& account, absl::string_view scanned) {
  ASSIGN_OR_RETURN(const IdentityRecord record, RecordForCode(account));
  ASSIGN_OR_RETURN(const SafetyCodeMatch match,
                   CompareSafetyCode(*identity_record_, record, scanned));
  if (match == SafetyCodeMatch::kSame) RETURN_IF_ERROR(MarkVerified(account));
  return match;
}

}  // namespace messenger::client
