#include "client/vault/vault_contents.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "client/store/client_store.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"

namespace messenger::client {
namespace {

using ::messenger::crypto::AccountId;
using ::messenger::crypto::ByteReader;
using ::messenger::crypto::ByteWriter;

constexpr uint8_t kVersion = 1;
constexpr size_t kKeyBytes = 32;
constexpr size_t kHeadBytes = 16;
constexpr size_t kMaxFieldBytes = 255;
// Year 9999, as times travel elsewhere (content.cc).
constexpr int64_t kMaxTimeMs = 253'402'300'799'999;
// Of values that are of no contact and that no version so far has named: a
// stolen device must not crowd out contacts with them.
constexpr size_t kMaxOtherValueBytes = 4'096;
constexpr uint8_t kHasRecord = 1;
constexpr uint8_t kHasTimer = 2;
constexpr uint8_t kHasToken = 4;

constexpr absl::string_view kContactPrefix = "contact/";
constexpr size_t kHexIdBytes = 2 * AccountId::kSize;

constexpr std::array<std::pair<VaultField, absl::string_view>, 6> kFields = {{
    {VaultField::kName, "name"},
    {VaultField::kStanding, "standing"},
    {VaultField::kVerified, "verified"},
    {VaultField::kMuted, "muted"},
    {VaultField::kArchived, "archived"},
    {VaultField::kPinned, "pinned"},
}};

absl::Status Malformed() {
  return absl::InvalidArgumentError("a vault is malformed");
}

void WriteShort(ByteWriter& out, absl::string_view bytes) {
  out.U8(static_cast<uint8_t>(bytes.size())).Bytes(bytes);
}

std::string ReadShort(ByteReader& in) {
  const size_t size = in.U8();
  return std::string(in.Bytes(size));
}

void WriteTime(ByteWriter& out, int64_t time_ms) {
  out.U64(static_cast<uint64_t>(time_ms));
}

// Checked with everything else by IsSound().
int64_t ReadTime(ByteReader& in) { return static_cast<int64_t>(in.U64()); }

bool IsSoundTime(int64_t time_ms) {
  return time_ms >= 0 && time_ms <= kMaxTimeMs;
}

std::string EncodeContact(const AccountId& account,
                          const VaultContact& contact) {
  ByteWriter out;
  out.Bytes(account.bytes());
  out.U8(static_cast<uint8_t>(contact.fields.size()));
  for (const auto& [field, value] : contact.fields) {
    out.U8(static_cast<uint8_t>(field));
    WriteShort(out, value.value);
    WriteTime(out, value.changed_ms);
  }
  out.U8(static_cast<uint8_t>((contact.record ? kHasRecord : 0) |
                              (contact.timer ? kHasTimer : 0) |
                              (contact.token.empty() ? 0 : kHasToken)));
  if (contact.record) {
    out.U64(contact.record->seq).Bytes(contact.record->head);
  }
  if (contact.timer) {
    out.U32(contact.timer->seconds).U32(contact.timer->revision);
  }
  out.Bytes(contact.token);
  return out.Take();
}

bool DecodeFields(ByteReader& in, VaultContact& contact) {
  const size_t fields = in.U8();
  for (size_t i = 0; i < fields && in.ok(); ++i) {
    const uint8_t field = in.U8();
    VaultValue value;
    value.value = ReadShort(in);
    value.changed_ms = ReadTime(in);
    if (field < 1 || field > kFields.size() || !IsSoundTime(value.changed_ms)) {
      return false;
    }
    contact.fields.emplace(static_cast<VaultField>(field), std::move(value));
  }
  return in.ok();
}

// Of lists that do not rise strictly something is lost here, and the caller
// sees it.
bool DecodeContact(ByteReader& in, VaultContents& contents) {
  const absl::StatusOr<AccountId> account =
      AccountId::FromBytes(in.Bytes(AccountId::kSize));
  VaultContact contact;
  if (!account.ok() || !DecodeFields(in, contact)) return false;
  const uint8_t flags = in.U8();
  if ((flags & kHasRecord) != 0) {
    VaultRecordMark mark;
    mark.seq = in.U64();
    mark.head = std::string(in.Bytes(kHeadBytes));
    contact.record = std::move(mark);
  }
  if ((flags & kHasTimer) != 0) {
    VaultTimer timer;
    timer.seconds = in.U32();
    timer.revision = in.U32();
    if (!CheckTimer(absl::Seconds(timer.seconds)).ok()) return false;
    contact.timer = timer;
  }
  if ((flags & kHasToken) != 0) {
    contact.token = std::string(in.Bytes(kInviteTokenBytes));
  }
  contents.contacts.emplace(*account, std::move(contact));
  return in.ok();
}

bool DecodeValues(ByteReader& in, VaultContents& contents) {
  const size_t values = in.U16();
  for (size_t i = 0; i < values && in.ok(); ++i) {
    std::string name = ReadShort(in);
    VaultValue value;
    value.value = std::string(in.Var16());
    value.changed_ms = ReadTime(in);
    if (name.empty() || name.size() > kMaxStateNameBytes ||
        value.value.size() > kMaxStateValueBytes ||
        !IsSoundTime(value.changed_ms)) {
      return false;
    }
    contents.values.emplace(std::move(name), std::move(value));
  }
  return in.ok();
}

bool DecodeRest(ByteReader& in, VaultContents& contents) {
  const size_t keys = in.U8();
  if (keys > kMaxVaultBackupKeys) return false;
  for (size_t i = 0; i < keys && in.ok(); ++i) {
    VaultBackupKey key;
    key.made_ms = ReadTime(in);
    key.key = std::string(in.Bytes(kKeyBytes));
    if (!IsSoundTime(key.made_ms)) return false;
    contents.keys.insert(std::move(key));
  }
  const size_t unread = in.U8();
  if (unread > kMaxVaultUnread) return false;
  for (size_t i = 0; i < unread && in.ok(); ++i) {
    const auto device = DeviceId::FromBytes(in.Bytes(DeviceId::kSize));
    if (device.ok()) contents.unread.insert(*device);
  }
  return in.ok();
}

bool Replaces(const VaultValue& a, const VaultValue& b) {
  return std::tie(a.changed_ms, a.value) > std::tie(b.changed_ms, b.value);
}

// Zero is the longest: it never vanishes. Wraps to the greatest number.
bool Replaces(const VaultTimer& a, const VaultTimer& b) {
  if (a.revision != b.revision) return a.revision > b.revision;
  return a.seconds - 1 < b.seconds - 1;
}

template <typename Map>
void MergeValues(const Map& from, Map& into) {
  for (const auto& [name, value] : from) {
    const auto [it, fresh] = into.try_emplace(name, value);
    if (!fresh && Replaces(value, it->second)) it->second = value;
  }
}

void MergeContact(const VaultContact& from, VaultContact& into) {
  MergeValues(from.fields, into.fields);
  if (from.record && (!into.record || *into.record < *from.record)) {
    into.record = from.record;
  }
  if (from.timer && (!into.timer || Replaces(*from.timer, *into.timer))) {
    into.timer = from.timer;
  }
  into.token = std::max(into.token, from.token);
}

// The higher, the longer it stays: blocked, verified, then who changed last.
std::tuple<int, int64_t> RankOf(const VaultContact& contact) {
  const auto text = [&contact](VaultField field) -> absl::string_view {
    const auto it = contact.fields.find(field);
    return it == contact.fields.end() ? "" : it->second.value;
  };
  const bool blocked = text(VaultField::kStanding) ==
                       absl::StrCat(static_cast<int>(Standing::kBlocked));
  const bool verified = !text(VaultField::kVerified).empty();
  int64_t changed_ms = 0;
  for (const auto& [field, value] : contact.fields) {
    changed_ms = std::max(changed_ms, value.changed_ms);
  }
  return {blocked ? 2 : (verified ? 1 : 0), changed_ms};
}

bool IsOwn(absl::string_view name) {
  return absl::StartsWith(name, "profile/") ||
         absl::StartsWith(name, "settings/");
}

void TrimValues(VaultContents& contents) {
  size_t bytes = 0;
  std::erase_if(contents.values, [&bytes](const auto& value) {
    if (IsOwn(value.first)) return false;
    bytes += value.first.size() + value.second.value.size();
    return bytes > kMaxOtherValueBytes;
  });
}

}  // namespace

void AddValue(const StateEntry& value, VaultContents& contents) {
  const VaultValue kept = {
      value.value,
      std::clamp<int64_t>(absl::ToUnixMillis(value.changed), 0, kMaxTimeMs)};
  absl::string_view name = value.name;
  if (absl::ConsumePrefix(&name, kContactPrefix) && name.size() > kHexIdBytes &&
      name[kHexIdBytes] == '/') {
    const auto account = AccountId::FromHex(name.substr(0, kHexIdBytes));
    const absl::string_view rest = name.substr(kHexIdBytes + 1);
    for (const auto& [field, field_name] : kFields) {
      if (!account.ok() || rest != field_name) continue;
      if (kept.value.size() > kMaxFieldBytes) return;
      contents.contacts[*account].fields[field] = kept;
      return;
    }
  }
  if (value.name.empty() || value.name.size() > kMaxStateNameBytes ||
      value.value.size() > kMaxStateValueBytes) {
    return;
  }
  contents.values[value.name] = kept;
}

std::vector<StateEntry> ValuesOf(const VaultContents& contents) {
  const std::string no_device(kMessageIdBytes, '\0');
  std::vector<StateEntry> values;
  const auto add = [&](std::string name, const VaultValue& value) {
    values.push_back({std::move(name), value.value,
                      absl::FromUnixMillis(value.changed_ms), no_device});
  };
  for (const auto& [name, value] : contents.values) add(name, value);
  for (const auto& [account, contact] : contents.contacts) {
    for (const auto& [field, name] : kFields) {
      const auto it = contact.fields.find(field);
      if (it == contact.fields.end()) continue;
      add(absl::StrCat(kContactPrefix, account.ToHex(), "/", name), it->second);
    }
  }
  return values;
}

size_t TrimToFit(size_t bytes, VaultContents& contents) {
  TrimValues(contents);
  size_t size = EncodeVault(contents).size();
  if (size <= bytes) return 0;
  std::vector<std::pair<std::tuple<int, int64_t>, AccountId>> order;
  for (const auto& [account, contact] : contents.contacts) {
    order.emplace_back(RankOf(contact), account);
  }
  std::sort(order.begin(), order.end());
  size_t left_out = 0;
  for (const auto& [rank, account] : order) {
    if (size <= bytes) break;
    const auto it = contents.contacts.find(account);
    size -= EncodeContact(account, it->second).size();
    contents.contacts.erase(it);
    ++left_out;
  }
  return left_out;
}

void KeepNewest(std::set<VaultBackupKey>& keys) {
  while (keys.size() > kMaxVaultBackupKeys) keys.erase(keys.begin());
}

void Merge(const VaultContents& from, VaultContents& into) {
  MergeValues(from.values, into.values);
  for (const auto& [account, contact] : from.contacts) {
    MergeContact(contact, into.contacts[account]);
  }
  into.keys.insert(from.keys.begin(), from.keys.end());
  KeepNewest(into.keys);
  into.unread.insert(from.unread.begin(), from.unread.end());
}

std::string EncodeVault(const VaultContents& contents) {
  ByteWriter out;
  out.U8(kVersion).U16(static_cast<uint16_t>(contents.values.size()));
  for (const auto& [name, value] : contents.values) {
    WriteShort(out, name);
    out.Var16(value.value);
    WriteTime(out, value.changed_ms);
  }
  out.U16(static_cast<uint16_t>(contents.contacts.size()));
  for (const auto& [account, contact] : contents.contacts) {
    out.Bytes(EncodeContact(account, contact));
  }
  out.U8(static_cast<uint8_t>(contents.keys.size()));
  for (const VaultBackupKey& key : contents.keys) {
    WriteTime(out, key.made_ms);
    out.Bytes(key.key);
  }
  out.U8(static_cast<uint8_t>(contents.unread.size()));
  for (const DeviceId& device : contents.unread) out.Bytes(device.bytes());
  return out.Take();
}

absl::StatusOr<VaultContents> DecodeVault(absl::string_view bytes) {
  ByteReader in(bytes);
  VaultContents contents;
  if (in.U8() != kVersion || !DecodeValues(in, contents)) return Malformed();
  const size_t contacts = in.U16();
  for (size_t i = 0; i < contacts; ++i) {
    if (!DecodeContact(in, contents)) return Malformed();
  }
  if (!DecodeRest(in, contents)) return Malformed();
  // Refuses another order, what is there twice, and unknown flags.
  const size_t used = bytes.size() - in.remaining();
  if (EncodeVault(contents) != bytes.substr(0, used) ||
      bytes.find_first_not_of('\0', used) != absl::string_view::npos) {
    return Malformed();
  }
  return contents;
}

}  // namespace messenger::client
