#include "swarm/repair/reconcile_responder.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "crypto/base/status_macros.h"
#include "swarm/proto/item_codec.h"
#include "swarm/proto/peer.pb.h"
#include "swarm/repair/set_view.h"
#include "swarm/repair/stored_item.h"

namespace messenger::swarm {
namespace {

// Room for what stands around the answers to ranges in a frame.
constexpr size_t kEnvelopeBytes = 64;
// Items loaded at a time: what one is too many for a frame has been read in
// vain.
constexpr size_t kLoadStep = 16;

absl::StatusOr<GroupsAnswer> Answer(const SetView& view, const AskGroups& ask) {
  GroupsAnswer answer;
  ASSIGN_OR_RETURN(std::vector<SetDigest> groups, view.Groups());
  if (SumOf(groups) != ask.whole) answer.digests = std::move(groups);
  return answer;
}

absl::StatusOr<WindowsAnswer> Answer(const SetView& view,
                                     const AskWindows& ask) {
  WindowsAnswer answer;
  for (const int group : ask.groups) {
    for (int i = 0; i < kShardsPerGroup; ++i) {
      const auto shard = static_cast<Shard>(group * kShardsPerGroup + i);
      if (shard < ask.from_shard || !view.Shows(shard)) continue;
      ASSIGN_OR_RETURN(std::vector<WindowSummary> windows, view.Windows(shard));
      // No honest shard has so many; then its latest ones count.
      if (windows.size() > kMaxWindowsAnswered) {
        windows.erase(windows.begin(), windows.end() - kMaxWindowsAnswered);
      }
      if (answer.windows.size() + windows.size() > kMaxWindowsAnswered) {
        answer.next_shard = shard;
        return answer;
      }
      for (const WindowSummary& window : windows) {
        answer.windows.push_back({shard, window.window,
                                  static_cast<uint32_t>(window.count),
                                  window.digest});
      }
    }
  }
  return answer;
}

absl::StatusOr<EntriesAnswer> Answer(const SetView& view,
                                     const AskEntries& ask) {
  EntriesAnswer answer;
  size_t bytes = kEnvelopeBytes;
  for (const EntryRange& range : ask.ranges) {
    ASSIGN_OR_RETURN(EntriesOfRange entries, view.Entries(range));
    std::variant<EntriesOfRange, PartsOfRange> contents;
    if (entries.size() > kMaxEntriesOfRange &&
        range.prefix.size() < kMaxPrefixBytes) {
      contents = PartsOf(entries, range.prefix.size());
    } else {
      // Ids that agree in kMaxPrefixBytes bytes cannot be made in such numbers.
      if (entries.size() > kMaxEntriesOfRange) {
        entries.resize(kMaxEntriesOfRange);
      }
      contents = std::move(entries);
    }
    bytes += AnswerBytes(contents);
    if (bytes > kMaxReconcileBytes) break;
    answer.ranges.push_back(std::move(contents));
  }
  return answer;
}

absl::StatusOr<ScrubAnswer> Scrub(const SetView& view,
                                  const MessageStore& store,
                                  const AskScrub& ask) {
  ScrubAnswer answer;
  ASSIGN_OR_RETURN(const std::vector<ItemEntry> entries,
                   view.Entries({ask.shard, ask.window, ""}));
  std::vector<ItemKey> keys;
  for (const ItemEntry& entry : entries) {
    if (!ask.after.IsZero() && !(ask.after < entry.id)) continue;
    if (entry.kind != ItemKind::kMessage && entry.kind != ItemKind::kRecord) {
      continue;
    }
    keys.push_back({entry.kind, ask.shard, entry.id});
  }
  size_t bytes = 0;
  for (size_t i = 0; i < keys.size(); i += kLoadStep) {
    if (bytes > ReconcileResponder::kMaxScrubBytes ||
        answer.leaves.size() + kLoadStep > kMaxLeaves) {
      answer.more = !answer.leaves.empty();
      return answer;
    }
    const size_t count = std::min(kLoadStep, keys.size() - i);
    ASSIGN_OR_RETURN(const std::vector<StoreOp> ops,
                     store.Load(absl::MakeConstSpan(keys).subspan(i, count)));
    for (const StoreOp& op : ops) {
      const auto key = KeyOf(op);
      const auto content = ScrubbedContent(op);
      if (!key.has_value() || !content.has_value()) continue;
      bytes += content->size();
      answer.leaves.push_back(
          {key->id, ComputeScrubHash(ask.salt, key->id, *content)});
    }
  }
  return answer;
}

}  // namespace

ReconcileResponder::ReconcileResponder(Options options)
    : options_(std::move(options)), alive_(std::make_shared<bool>(true)) {}

ReconcileResponder::~ReconcileResponder() { *alive_ = false; }

void ReconcileResponder::Serve(routing::Server& server) {
  server.HandleMethod(std::string(kReconcileMethod),
                      {.max_request_bytes = kMaxReconcileBytes,
                       .max_concurrent = kMaxConcurrent},
                      [this](const routing::Peer& peer, std::string request,
                             routing::Reply reply) {
                        Queue(peer, std::move(request), std::move(reply),
                              sessions_, kMaxSessionsPerPeer,
                              &ReconcileResponder::Reconcile);
                      });
  server.HandleMethod(std::string(kFetchMethod),
                      {.max_request_bytes = kMaxFetchRequestBytes,
                       .max_concurrent = kMaxConcurrent},
                      [this](const routing::Peer& peer, std::string request,
                             routing::Reply reply) {
                        Queue(peer, std::move(request), std::move(reply),
                              fetches_, kMaxFetchesPerPeer,
                              &ReconcileResponder::Fetch);
                      });
}

void ReconcileResponder::Queue(const routing::Peer& peer, std::string request,
                               routing::Reply reply, UnderWay& under_way,
                               int limit, Step step) {
  const auto map = options_.maps();
  if (map == nullptr) {
    return reply(absl::UnavailableError("no directory yet"));
  }
  const std::optional<routing::NodeId> caller = map->StorageNode(peer);
  if (!caller.has_value() || *caller == map->self()) {
    ++counters_.strangers;
    return reply(absl::PermissionDeniedError("for storage nodes only"));
  }
  int& calls = under_way[*caller];
  if (calls >= limit) {
    ++counters_.refused;
    return reply(absl::ResourceExhaustedError("too many at a time"));
  }
  ++calls;
  options_.executor.Run([this, alive = alive_, caller = *caller,
                         request = std::move(request), reply = std::move(reply),
                         &under_way, step]() mutable {
    if (!*alive) return;
    absl::StatusOr<std::string> answer = (this->*step)(caller, request);
    if (!answer.ok()) ++counters_.refused;
    const auto calls = under_way.find(caller);
    if (--calls->second == 0) under_way.erase(calls);
    reply(std::move(answer));
  });
}

absl::StatusOr<std::string> ReconcileResponder::Reconcile(
    const routing::NodeId& peer, const std::string& request) {
  ++counters_.steps;
  const auto map = options_.maps();
  if (map == nullptr) return absl::UnavailableError("no directory yet");
  ASSIGN_OR_RETURN(const ReconcileAsk ask, ParseReconcileAsk(request));
  if (ask.layout != map->layout()) {
    return absl::FailedPreconditionError("another directory");
  }
  const SetView view(options_.store, map->SharedWith(peer), ask.from_ms);
  ReconcileAnswer answer;
  answer.layout = map->layout();
  answer.now_ms =
      static_cast<uint64_t>(absl::ToUnixMillis(options_.clock.Now()));
  if (const auto* groups = std::get_if<AskGroups>(&ask.level)) {
    for (const Shard shard : view.shards()) {
      if (!options_.holds(shard)) answer.filling.push_back(shard);
    }
    ASSIGN_OR_RETURN(answer.level, Answer(view, *groups));
  } else if (const auto* windows = std::get_if<AskWindows>(&ask.level)) {
    ASSIGN_OR_RETURN(answer.level, Answer(view, *windows));
  } else if (const auto* entries = std::get_if<AskEntries>(&ask.level)) {
    ASSIGN_OR_RETURN(answer.level, Answer(view, *entries));
  } else {
    ASSIGN_OR_RETURN(answer.level, Scrub(view, options_.store,
                                         std::get<AskScrub>(ask.level)));
  }
  return RenderReconcileAnswer(answer);
}

absl::StatusOr<std::string> ReconcileResponder::Fetch(
    const routing::NodeId& peer, const std::string& request) {
  ++counters_.fetches;
  const auto map = options_.maps();
  if (map == nullptr) return absl::UnavailableError("no directory yet");
  ASSIGN_OR_RETURN(const FetchAsk ask, ParseFetchAsk(request));
  const SetView view(options_.store, map->SharedWith(peer), /*from_ms=*/0);
  v1::FetchResponse response;
  size_t bytes = 0;
  size_t answered = 0;
  while (answered < ask.names.size()) {
    const size_t end = std::min(answered + kLoadStep, ask.names.size());
    std::vector<ItemKey> keys;
    for (size_t i = answered; i < end; ++i) {
      if (view.Shows(ask.names[i].shard)) keys.push_back(ask.names[i]);
    }
    ASSIGN_OR_RETURN(const std::vector<StoreOp> ops, options_.store.Load(keys));
    for (const StoreOp& op : ops) {
      // Damaged here: the peer will get it elsewhere.
      if (!IsIntact(op)) continue;
      v1::ReplicatedItem item = ItemToProto(op);
      if (item.item_case() == v1::ReplicatedItem::ITEM_NOT_SET) continue;
      bytes += item.ByteSizeLong() + 8;
      if (bytes > kMaxFetchItemsBytes && response.items_size() > 0) {
        // Answered is what comes before this one.
        const std::optional<ItemKey> key = KeyOf(op);
        while (!(ask.names[answered] == *key)) ++answered;
        response.set_answered(static_cast<uint32_t>(answered));
        return response.SerializeAsString();
      }
      ++counters_.items_given;
      *response.add_items() = std::move(item);
    }
    answered = end;
  }
  response.set_answered(static_cast<uint32_t>(answered));
  return response.SerializeAsString();
}

}  // namespace messenger::swarm
