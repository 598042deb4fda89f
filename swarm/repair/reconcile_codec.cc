#include "swarm/repair/reconcile_codec.h"

#include <limits>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/bytes.h"
#include "crypto/base/status_macros.h"

namespace messenger::swarm {
namespace {

constexpr uint64_t kMaxNumber = std::numeric_limits<int64_t>::max();

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(what);
}

absl::StatusOr<Shard> ParseShard(uint32_t value) {
  if (value >= kShards) return Malformed("no valid shard");
  return static_cast<Shard>(value);
}

absl::StatusOr<ItemKind> ParseKind(uint32_t value) {
  if (value < 1 || value > kItemKinds) return Malformed("no valid kind");
  return static_cast<ItemKind>(value);
}

absl::StatusOr<AskWindows> ParseWindows(const v1::WindowsRequest& proto) {
  AskWindows ask;
  if (proto.groups_size() == 0 ||
      proto.groups_size() > static_cast<int>(kMaxGroupsAsked)) {
    return Malformed("no valid number of groups");
  }
  for (const uint32_t group : proto.groups()) {
    if (group >= kGroups ||
        (!ask.groups.empty() && static_cast<int>(group) <= ask.groups.back())) {
      return Malformed("groups out of order");
    }
    ask.groups.push_back(static_cast<int>(group));
  }
  ASSIGN_OR_RETURN(ask.from_shard, ParseShard(proto.from_shard()));
  return ask;
}

absl::StatusOr<AskEntries> ParseEntries(const v1::EntriesRequest& proto) {
  AskEntries ask;
  if (proto.ranges_size() == 0 ||
      proto.ranges_size() > static_cast<int>(kMaxRangesAsked)) {
    return Malformed("no valid number of ranges");
  }
  for (const v1::EntryRange& range : proto.ranges()) {
    if (range.prefix().size() > kMaxPrefixBytes) {
      return Malformed("the prefix is too long");
    }
    ASSIGN_OR_RETURN(const Shard shard, ParseShard(range.shard()));
    ask.ranges.push_back({shard, range.window(), range.prefix()});
  }
  return ask;
}

absl::StatusOr<AskScrub> ParseScrub(const v1::ScrubRequest& proto) {
  AskScrub ask;
  ASSIGN_OR_RETURN(ask.shard, ParseShard(proto.shard()));
  ask.window = proto.window();
  ASSIGN_OR_RETURN(ask.salt, ScrubSalt::FromBytes(proto.salt()));
  if (!proto.after().empty()) {
    ASSIGN_OR_RETURN(ask.after, ObjectId::FromBytes(proto.after()));
  }
  return ask;
}

absl::StatusOr<std::vector<SetDigest>> ParseDigests(absl::string_view bytes,
                                                    size_t count) {
  if (bytes.size() != count * SetDigest::kSize) {
    return Malformed("no valid number of digests");
  }
  std::vector<SetDigest> digests;
  digests.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    digests.push_back(*SetDigest::FromBytes(
        bytes.substr(i * SetDigest::kSize, SetDigest::kSize)));
  }
  return digests;
}

std::string RenderDigests(const std::vector<SetDigest>& digests) {
  std::string bytes;
  for (const SetDigest& digest : digests) bytes += digest.ToBytes();
  return bytes;
}

absl::StatusOr<GroupsAnswer> ParseGroups(const v1::GroupsResponse& proto) {
  GroupsAnswer answer;
  if (proto.equal()) return answer;
  ASSIGN_OR_RETURN(answer.digests, ParseDigests(proto.digests(), kGroups));
  return answer;
}

absl::StatusOr<WindowsAnswer> ParseWindows(const v1::WindowsResponse& proto) {
  if (proto.windows_size() > static_cast<int>(kMaxWindowsAnswered)) {
    return Malformed("too many windows");
  }
  WindowsAnswer answer;
  for (const v1::WindowDigest& window : proto.windows()) {
    ShardWindow parsed;
    ASSIGN_OR_RETURN(parsed.shard, ParseShard(window.shard()));
    parsed.window = window.window();
    parsed.count = window.count();
    ASSIGN_OR_RETURN(parsed.digest, SetDigest::FromBytes(window.digest()));
    if (!answer.windows.empty()) {
      const ShardWindow& last = answer.windows.back();
      if (std::tie(parsed.shard, parsed.window) <=
          std::tie(last.shard, last.window)) {
        return Malformed("windows out of order");
      }
    }
    answer.windows.push_back(parsed);
  }
  ASSIGN_OR_RETURN(answer.next_shard, ParseShard(proto.next_shard()));
  if (answer.next_shard != 0 && !answer.windows.empty() &&
      answer.windows.back().shard >= answer.next_shard) {
    return Malformed("windows out of order");
  }
  return answer;
}

absl::StatusOr<EntriesOfRange> ParseEntryBytes(absl::string_view bytes) {
  if (bytes.size() % kEntryBytes != 0 ||
      bytes.size() / kEntryBytes > kMaxEntriesOfRange) {
    return Malformed("no valid number of entries");
  }
  EntriesOfRange entries;
  entries.reserve(bytes.size() / kEntryBytes);
  for (; !bytes.empty(); bytes.remove_prefix(kEntryBytes)) {
    ItemEntry entry;
    ASSIGN_OR_RETURN(entry.kind, ParseKind(static_cast<uint8_t>(bytes[0])));
    entry.id = *ObjectId::FromBytes(bytes.substr(1, ObjectId::kSize));
    crypto::ByteReader reader(bytes.substr(1 + ObjectId::kSize, 8));
    entry.expiry_ms = reader.U64();
    if (entry.expiry_ms > kMaxNumber) return Malformed("no valid time");
    if (!entries.empty() && !(entries.back() < entry)) {
      return Malformed("entries out of order");
    }
    entries.push_back(entry);
  }
  return entries;
}

absl::StatusOr<EntriesAnswer> ParseEntries(const v1::EntriesResponse& proto) {
  if (proto.ranges_size() > static_cast<int>(kMaxRangesAsked)) {
    return Malformed("too many ranges");
  }
  EntriesAnswer answer;
  for (const v1::RangeEntries& range : proto.ranges()) {
    if (!range.parts().empty()) {
      if (!range.entries().empty()) return Malformed("entries and parts");
      ASSIGN_OR_RETURN(PartsOfRange parts,
                       ParseDigests(range.parts(), kPartsOfRange));
      answer.ranges.emplace_back(std::move(parts));
    } else {
      ASSIGN_OR_RETURN(EntriesOfRange entries,
                       ParseEntryBytes(range.entries()));
      answer.ranges.emplace_back(std::move(entries));
    }
  }
  return answer;
}

absl::StatusOr<ScrubAnswer> ParseScrub(const v1::ScrubResponse& proto) {
  constexpr size_t kLeafBytes = ObjectId::kSize + ScrubHash::kSize;
  absl::string_view bytes = proto.leaves();
  if (bytes.size() % kLeafBytes != 0 ||
      bytes.size() / kLeafBytes > kMaxLeaves) {
    return Malformed("no valid number of leaves");
  }
  ScrubAnswer answer;
  for (; !bytes.empty(); bytes.remove_prefix(kLeafBytes)) {
    ScrubLeaf leaf;
    leaf.id = *ObjectId::FromBytes(bytes.substr(0, ObjectId::kSize));
    leaf.hash =
        *ScrubHash::FromBytes(bytes.substr(ObjectId::kSize, ScrubHash::kSize));
    if (!answer.leaves.empty() && !(answer.leaves.back().id < leaf.id)) {
      return Malformed("leaves out of order");
    }
    answer.leaves.push_back(leaf);
  }
  answer.more = proto.more();
  if (answer.more && answer.leaves.empty()) {
    return Malformed("more after nothing");
  }
  return answer;
}

struct AskRenderer {
  v1::ReconcileRequest& proto;

  void operator()(const AskGroups& ask) const {
    proto.mutable_groups()->set_digest(ask.whole.ToBytes());
  }
  void operator()(const AskWindows& ask) const {
    v1::WindowsRequest& windows = *proto.mutable_windows();
    for (const int group : ask.groups) {
      windows.add_groups(static_cast<uint32_t>(group));
    }
    windows.set_from_shard(ask.from_shard);
  }
  void operator()(const AskEntries& ask) const {
    v1::EntriesRequest& entries = *proto.mutable_entries();
    for (const EntryRange& range : ask.ranges) {
      v1::EntryRange& out = *entries.add_ranges();
      out.set_shard(range.shard);
      out.set_window(range.window);
      out.set_prefix(range.prefix);
    }
  }
  void operator()(const AskScrub& ask) const {
    v1::ScrubRequest& scrub = *proto.mutable_scrub();
    scrub.set_shard(ask.shard);
    scrub.set_window(ask.window);
    scrub.set_salt(std::string(ask.salt.bytes()));
    if (!ask.after.IsZero()) scrub.set_after(std::string(ask.after.bytes()));
  }
};

struct AnswerRenderer {
  v1::ReconcileResponse& proto;

  void operator()(const GroupsAnswer& answer) const {
    v1::GroupsResponse& groups = *proto.mutable_groups();
    groups.set_equal(answer.digests.empty());
    groups.set_digests(RenderDigests(answer.digests));
  }
  void operator()(const WindowsAnswer& answer) const {
    v1::WindowsResponse& windows = *proto.mutable_windows();
    for (const ShardWindow& window : answer.windows) {
      v1::WindowDigest& out = *windows.add_windows();
      out.set_shard(window.shard);
      out.set_window(window.window);
      out.set_count(window.count);
      out.set_digest(window.digest.ToBytes());
    }
    windows.set_next_shard(answer.next_shard);
  }
  void operator()(const EntriesAnswer& answer) const {
    v1::EntriesResponse& entries = *proto.mutable_entries();
    for (const auto& range : answer.ranges) {
      v1::RangeEntries& out = *entries.add_ranges();
      if (const auto* parts = std::get_if<PartsOfRange>(&range)) {
        out.set_parts(RenderDigests(*parts));
        continue;
      }
      crypto::ByteWriter writer;
      for (const ItemEntry& entry : std::get<EntriesOfRange>(range)) {
        writer.U8(static_cast<uint8_t>(entry.kind))
            .Bytes(entry.id.bytes())
            .U64(entry.expiry_ms);
      }
      out.set_entries(std::move(writer).Take());
    }
  }
  void operator()(const ScrubAnswer& answer) const {
    v1::ScrubResponse& scrub = *proto.mutable_scrub();
    for (const ScrubLeaf& leaf : answer.leaves) {
      absl::StrAppend(scrub.mutable_leaves(), leaf.id.bytes(),
                      leaf.hash.bytes());
    }
    scrub.set_more(answer.more);
  }
};

}  // namespace

absl::StatusOr<ReconcileAsk> ParseReconcileAsk(absl::string_view bytes) {
  v1::ReconcileRequest proto;
  if (bytes.size() > kMaxReconcileBytes ||
      !proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Malformed("no valid comparison");
  }
  ReconcileAsk ask;
  ask.layout = proto.layout();
  ask.from_ms = proto.from_ms();
  if (ask.from_ms > kMaxNumber) return Malformed("no valid time");
  switch (proto.level_case()) {
    case v1::ReconcileRequest::kGroups: {
      AskGroups groups;
      ASSIGN_OR_RETURN(groups.whole,
                       SetDigest::FromBytes(proto.groups().digest()));
      ask.level = groups;
      return ask;
    }
    case v1::ReconcileRequest::kWindows: {
      ASSIGN_OR_RETURN(ask.level, ParseWindows(proto.windows()));
      return ask;
    }
    case v1::ReconcileRequest::kEntries: {
      ASSIGN_OR_RETURN(ask.level, ParseEntries(proto.entries()));
      return ask;
    }
    case v1::ReconcileRequest::kScrub: {
      ASSIGN_OR_RETURN(ask.level, ParseScrub(proto.scrub()));
      return ask;
    }
    case v1::ReconcileRequest::LEVEL_NOT_SET:
      break;
  }
  return Malformed("no level");
}

std::string RenderReconcileAsk(const ReconcileAsk& ask) {
  v1::ReconcileRequest proto;
  proto.set_layout(ask.layout);
  proto.set_from_ms(ask.from_ms);
  std::visit(AskRenderer{proto}, ask.level);
  return proto.SerializeAsString();
}

absl::StatusOr<ReconcileAnswer> ParseReconcileAnswer(absl::string_view bytes) {
  v1::ReconcileResponse proto;
  if (bytes.size() > kMaxReconcileBytes ||
      !proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Malformed("no valid answer");
  }
  ReconcileAnswer answer;
  answer.layout = proto.layout();
  answer.now_ms = proto.now_ms();
  if (answer.now_ms > kNeverMs) return Malformed("no valid time");
  if (proto.filling_size() > kShards) return Malformed("too many shards");
  for (const uint32_t value : proto.filling()) {
    ASSIGN_OR_RETURN(const Shard shard, ParseShard(value));
    if (!answer.filling.empty() && shard <= answer.filling.back()) {
      return Malformed("shards out of order");
    }
    answer.filling.push_back(shard);
  }
  switch (proto.level_case()) {
    case v1::ReconcileResponse::kGroups: {
      ASSIGN_OR_RETURN(answer.level, ParseGroups(proto.groups()));
      return answer;
    }
    case v1::ReconcileResponse::kWindows: {
      ASSIGN_OR_RETURN(answer.level, ParseWindows(proto.windows()));
      return answer;
    }
    case v1::ReconcileResponse::kEntries: {
      ASSIGN_OR_RETURN(answer.level, ParseEntries(proto.entries()));
      return answer;
    }
    case v1::ReconcileResponse::kScrub: {
      ASSIGN_OR_RETURN(answer.level, ParseScrub(proto.scrub()));
      return answer;
    }
    case v1::ReconcileResponse::LEVEL_NOT_SET:
      break;
  }
  return Malformed("no level");
}

std::string RenderReconcileAnswer(const ReconcileAnswer& answer) {
  v1::ReconcileResponse proto;
  proto.set_layout(answer.layout);
  proto.set_now_ms(answer.now_ms);
  for (const Shard shard : answer.filling) proto.add_filling(shard);
  std::visit(AnswerRenderer{proto}, answer.level);
  return proto.SerializeAsString();
}

size_t AnswerBytes(const std::variant<EntriesOfRange, PartsOfRange>& range) {
  constexpr size_t kFraming = 2 * (1 + 3);
  if (const auto* entries = std::get_if<EntriesOfRange>(&range)) {
    return entries->size() * kEntryBytes + kFraming;
  }
  return kPartsOfRange * SetDigest::kSize + kFraming;
}

absl::StatusOr<FetchAsk> ParseFetchAsk(absl::string_view bytes) {
  v1::FetchRequest proto;
  if (bytes.size() > kMaxFetchRequestBytes ||
      !proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Malformed("no valid request for items");
  }
  if (proto.names_size() == 0 ||
      proto.names_size() > static_cast<int>(kMaxFetchNames)) {
    return Malformed("no valid number of names");
  }
  FetchAsk ask;
  ask.layout = proto.layout();
  absl::flat_hash_set<ItemKey> seen;
  for (const v1::ItemName& name : proto.names()) {
    ItemKey key;
    ASSIGN_OR_RETURN(key.kind, ParseKind(name.kind()));
    ASSIGN_OR_RETURN(key.shard, ParseShard(name.shard()));
    ASSIGN_OR_RETURN(key.id, ObjectId::FromBytes(name.id()));
    if (!seen.insert(key).second) return Malformed("a name twice");
    ask.names.push_back(key);
  }
  return ask;
}

std::string RenderFetchAsk(uint64_t layout, absl::Span<const ItemKey> names) {
  v1::FetchRequest proto;
  proto.set_layout(layout);
  for (const ItemKey& key : names) {
    v1::ItemName& name = *proto.add_names();
    name.set_kind(static_cast<uint32_t>(key.kind));
    name.set_shard(key.shard);
    name.set_id(std::string(key.id.bytes()));
  }
  return proto.SerializeAsString();
}

absl::StatusOr<FetchAnswer> ParseFetchAnswer(absl::string_view bytes,
                                             size_t asked) {
  v1::FetchResponse proto;
  if (bytes.size() > kMaxFetchResponseBytes ||
      !proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Malformed("no valid items");
  }
  FetchAnswer answer;
  answer.answered = proto.answered();
  if (answer.answered == 0 || answer.answered > asked ||
      static_cast<size_t>(proto.items_size()) > answer.answered) {
    return Malformed("not what was asked for");
  }
  for (v1::ReplicatedItem& item : *proto.mutable_items()) {
    answer.items.push_back(std::move(item));
  }
  return answer;
}

}  // namespace messenger::swarm
