#include "client/session/testing/session_world.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/session/device_keys.h"
#include "client/session/identity_record.h"
#include "client/session/prekey_record.h"
#include "client/session/prekey_secrets.h"
#include "client/session/session.h"
#include "client/session/session_choice.h"
#include "crypto/base/hex.h"
#include "crypto/hash/hash.h"
#include "crypto/identity/account_keys.h"
#include "crypto/identity/recovery_phrase.h"
#include "crypto/kem/xwing.h"

namespace messenger::client {
namespace {

std::string Verdict(const absl::Status& status) {
  return absl::StrCat("verdict=", absl::StatusCodeToString(status.code()));
}

std::string VerdictOfContent(const absl::StatusOr<std::string>& content) {
  return absl::StrCat(
      "content=", content.ok() ? crypto::HexEncode(*content) : "", " ",
      Verdict(content.status()));
}

SessionSummary Summary(const Session& session) {
  return {session.id(), session.generation(), session.created(),
          session.awaiting_reply()};
}

std::vector<SessionSummary> Summaries(const std::vector<Session>& sessions) {
  std::vector<SessionSummary> summaries;
  for (const Session& session : sessions) summaries.push_back(Summary(session));
  return summaries;
}

// What an event has made: all of it, or its SHA-256 if that suffices.
std::string Made(const WorldEvent& event, absl::string_view bytes) {
  if (event.String("digest").empty()) return crypto::HexEncode(bytes);
  return crypto::Sha256(bytes).ToHex();
}

// The record that a node hands out: one of ours by number, or any bytes.
std::string Given(const WorldEvent& event,
                  const std::vector<std::string>& records) {
  if (!event.String("bytes").empty()) return event.Bytes("bytes");
  return records.at(event.Number("record"));
}

// Everything of a session that can be observed from outside.
std::string Describe(const Session& session) {
  return absl::StrJoin(
      {session.id().ToHex().substr(0, 16),
       absl::StrCat(static_cast<int>(session.role())),
       absl::StrCat(absl::ToUnixMillis(session.created())),
       absl::StrCat(absl::ToUnixMillis(session.generation())),
       absl::StrCat(session.awaiting_reply() ? 1 : 0),
       absl::StrCat(session.pq_mutually_authenticated() ? 1 : 0),
       absl::StrCat(session.skipped_keys()),
       absl::StrCat(session.unanswered())},
      ":");
}

}  // namespace

WorldEvent WorldEvent::Parse(absl::string_view text) {
  WorldEvent event;
  const std::vector<absl::string_view> words =
      absl::StrSplit(text, ' ', absl::SkipEmpty());
  event.verb = std::string(words.at(0));
  for (size_t i = 1; i < words.size(); ++i) {
    const std::pair<std::string, std::string> field =
        absl::StrSplit(words[i], absl::MaxSplits('=', 1));
    event.fields.insert(field);
  }
  return event;
}

std::string WorldEvent::Text() const {
  std::string text = verb;
  for (const auto& [key, value] : fields) {
    absl::StrAppend(&text, " ", key, "=", value);
  }
  return text;
}

std::string WorldEvent::String(const std::string& key) const {
  const auto found = fields.find(key);
  return found == fields.end() ? "" : found->second;
}

uint64_t WorldEvent::Number(const std::string& key) const {
  uint64_t value = 0;
  if (!absl::SimpleAtoi(String(key), &value)) std::abort();
  return value;
}

absl::Time WorldEvent::Time(const std::string& key) const {
  return absl::FromUnixMillis(static_cast<int64_t>(Number(key)));
}

std::string WorldEvent::Bytes(const std::string& key) const {
  return crypto::HexDecode(String(key)).value();
}

struct SessionWorld::Device {
  struct Replay {
    SessionId session;
    crypto::Digest256 epoch;
  };

  LocalIdentity self() const { return {record, keys, kem}; }

  std::string StateText() const {
    std::vector<std::string> states;
    for (const Session& session : sessions) states.push_back(Describe(session));
    std::sort(states.begin(), states.end());
    return absl::StrCat("state=", absl::StrJoin(states, ","));
  }

  crypto::AccountKeys account;
  DeviceKeys keys;
  crypto::XWingPrivateKey kem;
  absl::Time added;
  IdentityRecord record;
  std::optional<IdentityRecord> peer = std::nullopt;       // pinned
  std::optional<PrekeyRecord> peer_prekey = std::nullopt;  // newest seen
  PrekeySecrets prekeys = PrekeySecrets();
  std::vector<Session> sessions = {};
  std::map<crypto::Digest256, Replay> replays = {};
  std::vector<absl::Time> refreshes = {};
  // What `restore` goes back to.
  std::vector<std::string> copied_sessions = {};
  std::map<crypto::Digest256, Replay> copied_replays = {};
};

SessionWorld::SessionWorld() = default;
SessionWorld::~SessionWorld() = default;

size_t SessionWorld::session_count(size_t who) const {
  return devices_[who]->sessions.size();
}

absl::Time SessionWorld::next_rotation(size_t who) const {
  return devices_[who]->prekeys.next_rotation();
}

std::string SessionWorld::Apply(const WorldEvent& event,
                                crypto::Random& random) {
  if (event.verb == "device") return MakeDevice(event);
  Device& device = *devices_.at(event.Number("who"));
  std::string outcome;
  if (event.verb == "identity") {
    outcome = MakeIdentity(device, event);
  } else if (event.verb == "learn") {
    outcome = LearnIdentity(device, event);
  } else if (event.verb == "rotate") {
    outcome = RotatePrekeys(device, event, random);
  } else if (event.verb == "fetch") {
    outcome = FetchPrekey(device, event);
  } else if (event.verb == "start") {
    outcome = StartSession(device, event, random);
  } else if (event.verb == "send") {
    outcome = Send(device, event, random);
  } else if (event.verb == "lose") {
    outcome = Lose(device, event, random);
  } else if (event.verb == "deliver") {
    const Blob& blob = blobs_.at(event.Number("blob"));
    std::string bytes = blob.bytes;
    const std::string edited = event.String("flip");
    if (!edited.empty()) {
      const uint64_t bit = event.Number("flip");
      bytes.at(bit / 8) = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    }
    outcome =
        VerdictOfContent(Receive(device, bytes, blob.inbox, event.Time("now")));
  } else if (event.verb == "inject") {
    outcome = VerdictOfContent(Receive(device, event.Bytes("bytes"),
                                       event.Number("inbox") == 1,
                                       event.Time("now")));
  } else if (event.verb == "clean") {
    outcome = Clean(device, event);
  } else if (event.verb == "store") {
    for (Session& session : device.sessions) {
      session = Session::Parse(session.Serialize()).value();
    }
    device.prekeys = PrekeySecrets::Parse(device.prekeys.Serialize()).value();
    device.keys = DeviceKeys::Parse(device.keys.Serialize()).value();
    outcome = "stored=1";
  } else if (event.verb == "copy") {
    device.copied_sessions.clear();
    for (const Session& session : device.sessions) {
      device.copied_sessions.push_back(session.Serialize());
    }
    device.copied_replays = device.replays;
    outcome = "stored=1";
  } else if (event.verb == "restore") {
    device.sessions.clear();
    for (const std::string& bytes : device.copied_sessions) {
      device.sessions.push_back(Session::Parse(bytes).value());
    }
    device.replays = device.copied_replays;
    outcome = "stored=1";
  } else {
    std::abort();
  }
  return absl::StrCat(outcome, " ", device.StateText());
}

std::string SessionWorld::MakeDevice(const WorldEvent& event) {
  crypto::AccountKeys account = crypto::AccountKeys::FromSeed(
      crypto::AccountSeed::FromBytes(event.Bytes("seed")).value());
  DeviceKeys keys = DeviceKeys::Parse(event.Bytes("keys")).value();
  crypto::XWingPrivateKey kem = account.identity_kem();
  const absl::Time now = event.Time("now");
  IdentityRecord record =
      IdentityRecord::First(account, {MakeDeviceEntry(keys, now)}).value();
  identities_.push_back(record.bytes());
  devices_.push_back(
      std::make_unique<Device>(Device{std::move(account), std::move(keys),
                                      std::move(kem), now, std::move(record)}));
  return absl::StrCat("record=", Made(event, identities_.back()));
}

std::string SessionWorld::MakeIdentity(Device& device,
                                       const WorldEvent& event) {
  std::vector<DeviceEntry> entries = {
      MakeDeviceEntry(device.keys, device.added)};
  if (!event.String("extra").empty()) {
    entries.push_back(MakeDeviceEntry(
        DeviceKeys::Parse(event.Bytes("extra")).value(), event.Time("now")));
  }
  device.record = device.record.Next(device.account, entries).value();
  identities_.push_back(device.record.bytes());
  return absl::StrCat("record=", Made(event, identities_.back()));
}

std::string SessionWorld::LearnIdentity(Device& device,
                                        const WorldEvent& event) {
  const absl::StatusOr<IdentityRecord> record =
      IdentityRecord::Verify(Given(event, identities_));
  absl::Status status = record.status();
  if (status.ok() && device.peer.has_value()) {
    status = CheckIdentitySuccession(*device.peer, *record);
  }
  if (status.ok()) device.peer = *record;
  return Verdict(status);
}

std::string SessionWorld::RotatePrekeys(Device& device, const WorldEvent& event,
                                        crypto::Random& random) {
  const absl::Time now = event.Time("now");
  const bool due = device.prekeys.ShouldRotate(device.record, now);
  std::string record;
  if (due) {
    record = device.prekeys.Rotate(device.record, device.keys, now, random)
                 .value()
                 .bytes();
    prekeys_.push_back(record);
  }
  const absl::Time drained = event.String("drained").empty()
                                 ? absl::InfinitePast()
                                 : event.Time("drained");
  std::vector<std::string> deleted;
  for (const crypto::Digest256& epoch :
       device.prekeys.DeleteFinished(now, drained)) {
    deleted.push_back(epoch.ToHex());
    for (auto replay = device.replays.begin();
         replay != device.replays.end();) {
      replay = replay->second.epoch == epoch ? device.replays.erase(replay)
                                             : std::next(replay);
    }
  }
  return absl::StrCat("deleted=", absl::StrJoin(deleted, ","),
                      " record=", Made(event, record),
                      " rotated=", due ? 1 : 0);
}

std::string SessionWorld::FetchPrekey(Device& device, const WorldEvent& event) {
  const absl::StatusOr<PrekeyRecord> record = PrekeyRecord::Verify(
      Given(event, prekeys_), device.peer.value(), event.Time("now"));
  absl::Status status = record.status();
  if (status.ok() && device.peer_prekey.has_value()) {
    status = CheckPrekeySuccession(*device.peer_prekey, *record);
  }
  if (status.ok()) device.peer_prekey = *record;
  return Verdict(status);
}

std::string SessionWorld::StartSession(Device& device, const WorldEvent& event,
                                       crypto::Random& random) {
  const absl::Time now = event.Time("now");
  InitiateOptions options;
  if (event.Number("refresh") == 1) {
    if (!RefreshAllowed(device.refreshes, now)) {
      return "session= verdict=TOO_OFTEN";
    }
    options.generation = now;
  }
  if (!device.peer_prekey.has_value()) return "session= verdict=NO_RECORD";
  absl::StatusOr<Session> session =
      Initiate(device.self(), device.peer.value(), *device.peer_prekey, options,
               now, random);
  std::string id;
  if (session.ok()) {
    if (event.Number("refresh") == 1) device.refreshes.push_back(now);
    id = session->id().ToHex();
    device.sessions.push_back(*std::move(session));
  }
  return absl::StrCat("session=", id, " ", Verdict(session.status()));
}

std::string SessionWorld::Send(Device& device, const WorldEvent& event,
                               crypto::Random& random) {
  Session& session =
      device.sessions.at(PreferredSession(Summaries(device.sessions)));
  absl::StatusOr<Session::Encrypted> encrypted =
      session.Encrypt(event.Bytes("content"), random);
  const std::string made =
      Made(event, encrypted.ok() ? encrypted->blob : std::string());
  if (encrypted.ok()) {
    blobs_.push_back({std::move(encrypted->blob), session.awaiting_reply()});
    session = std::move(encrypted->next);
  }
  return absl::StrCat("blob=", made, " session=", session.id().ToHex(), " ",
                      Verdict(encrypted.status()));
}

std::string SessionWorld::Lose(Device& device, const WorldEvent& event,
                               crypto::Random& random) {
  Session& session =
      device.sessions.at(PreferredSession(Summaries(device.sessions)));
  for (uint64_t i = 0; i < event.Number("count"); ++i) {
    session = std::move(session.Encrypt("", random).value().next);
  }
  return absl::StrCat("session=", session.id().ToHex());
}

std::string SessionWorld::Clean(Device& device, const WorldEvent& event) {
  const absl::Time now = event.Time("now");
  std::vector<size_t> gone = SessionsToDelete(Summaries(device.sessions), now);
  std::vector<std::string> deleted;
  std::reverse(gone.begin(), gone.end());
  for (const size_t i : gone) {
    deleted.push_back(device.sessions[i].id().ToHex());
    device.sessions.erase(device.sessions.begin() + static_cast<long>(i));
  }
  std::sort(deleted.begin(), deleted.end());
  for (Session& session : device.sessions) {
    std::optional<Session> next = session.DropExpiredKeys(now);
    if (next.has_value()) session = *std::move(next);
  }
  return absl::StrCat("deleted=", absl::StrJoin(deleted, ","));
}

absl::StatusOr<std::string> SessionWorld::Receive(Device& device,
                                                  absl::string_view blob,
                                                  bool inbox, absl::Time now) {
  std::optional<SessionId> only;
  if (inbox) {
    const absl::StatusOr<crypto::Digest256> replay_key = InitReplayKey(blob);
    if (!replay_key.ok()) return replay_key.status();
    const auto known = device.replays.find(*replay_key);
    if (known == device.replays.end()) return AcceptSession(device, blob, now);
    only = known->second.session;
  }
  for (Session& session : device.sessions) {
    if (only.has_value() && session.id() != *only) continue;
    absl::StatusOr<Session::Decrypted> decrypted =
        session.Decrypt(blob, now, device.kem);
    if (absl::IsNotFound(decrypted.status())) continue;
    if (!decrypted.ok()) return decrypted.status();
    session = std::move(decrypted->next);
    return std::move(decrypted->content);
  }
  return absl::NotFoundError("nobody's");
}

absl::StatusOr<std::string> SessionWorld::AcceptSession(Device& device,
                                                        absl::string_view blob,
                                                        absl::Time now) {
  absl::StatusOr<Accepted> accepted =
      Accept(device.self(), device.prekeys, blob, now);
  if (!accepted.ok()) return accepted.status();
  const absl::Status succession =
      CheckIdentitySuccession(device.peer.value(), accepted->peer_identity);
  if (!succession.ok()) return succession;
  device.peer = accepted->peer_identity;
  device.replays[accepted->replay_key] = {accepted->session.id(),
                                          accepted->prekey_record_hash};
  device.sessions.push_back(std::move(accepted->session));
  return std::move(accepted->content);
}

}  // namespace messenger::client
