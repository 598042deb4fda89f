#include "swarm/repair/reconciler.h"

#include <algorithm>
#include <functional>

#include "absl/container/flat_hash_map.h"
#include "crypto/base/status_macros.h"
#include "swarm/repair/stored_item.h"

namespace messenger::swarm {
namespace {

uint64_t ToMs(absl::Time time) {
  return static_cast<uint64_t>(std::max<int64_t>(absl::ToUnixMillis(time), 0));
}

// An item with the end it has, whichever member has it later.
using Ends = absl::flat_hash_map<std::pair<ItemKind, ObjectId>, uint64_t>;

Ends EndsOf(const std::vector<ItemEntry>& entries) {
  Ends ends;
  for (const ItemEntry& entry : entries) {
    uint64_t& end = ends[{entry.kind, entry.id}];
    end = std::max(end, entry.expiry_ms);
  }
  return ends;
}

bool HasSince(const Ends& ends, const ItemEntry& entry) {
  const auto found = ends.find({entry.kind, entry.id});
  return found != ends.end() && found->second >= entry.expiry_ms;
}

}  // namespace

Reconciler::Reconciler(Options options, const routing::NodeId& peer,
                       uint64_t layout, std::vector<Shard> shards,
                       absl::Time now)
    : options_(std::move(options)),
      peer_(peer),
      layout_(layout),
      started_(options_.clock.Now()),
      view_(options_.store, std::move(shards), ToMs(now + kExpiryMargin)),
      alive_(std::make_shared<bool>(true)) {}

Reconciler::~Reconciler() { *alive_ = false; }

void Reconciler::Start(Done done) {
  done_ = std::move(done);
  absl::StatusOr<std::vector<SetDigest>> groups = view_.Groups();
  if (!groups.ok()) return Fail(std::move(groups).status());
  Ask(AskGroups{SumOf(*groups)});
}

template <typename Level>
void Reconciler::Ask(Level level) {
  std::string request = RenderReconcileAsk({.layout = layout_,
                                            .from_ms = view_.from_ms(),
                                            .level = std::move(level)});
  ++outcome_.steps;
  outcome_.bytes_sent += request.size();
  options_.caller.Call(
      peer_, kReconcileMethod, std::move(request), kReconcileTimeout,
      [this, alive = alive_,
       asked_at = options_.clock.Now()](absl::StatusOr<std::string> reply) {
        if (*alive) TakeAnswer(asked_at, std::move(reply));
      });
}

void Reconciler::TakeAnswer(absl::Time asked_at,
                            absl::StatusOr<std::string> reply) {
  if (!reply.ok()) return Fail(std::move(reply).status());
  outcome_.bytes_received += reply->size();
  absl::StatusOr<ReconcileAnswer> answer = ParseReconcileAnswer(*reply);
  if (!answer.ok()) return Fault(std::move(answer).status());
  if (answer->layout != layout_) {
    return Fail(absl::FailedPreconditionError("another directory"));
  }
  absl::Status taken = absl::InvalidArgumentError("the answer to another step");
  if (outcome_.steps == 1) {
    if (const auto* groups = std::get_if<GroupsAnswer>(&answer->level)) {
      const absl::Time now = options_.clock.Now();
      outcome_.clock_offset =
          absl::FromUnixMillis(static_cast<int64_t>(answer->now_ms)) -
          (asked_at + (now - asked_at) / 2);
      for (const Shard shard : answer->filling) {
        if (view_.Shows(shard)) outcome_.peer_filling.push_back(shard);
      }
      taken = TakeGroups(*groups);
    }
  } else if (!asked_ranges_.empty()) {
    if (const auto* entries = std::get_if<EntriesAnswer>(&answer->level)) {
      taken = TakeEntries(*entries);
    }
  } else if (const auto* windows = std::get_if<WindowsAnswer>(&answer->level)) {
    taken = TakeWindows(*windows);
  }
  if (absl::IsInvalidArgument(taken)) return Fault(std::move(taken));
  if (!taken.ok()) return Fail(std::move(taken));
  Continue();
}

absl::Status Reconciler::TakeGroups(const GroupsAnswer& answer) {
  outcome_.equal = answer.digests.empty();
  if (outcome_.equal) {
    outcome_.completed = view_.shards();
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::vector<SetDigest> ours, view_.Groups());
  for (int group = 0; group < kGroups; ++group) {
    if (ours[group] != answer.digests[group]) groups_.push_back(group);
  }
  for (const Shard shard : view_.shards()) {
    const int group = GroupOf(shard);
    if (ours[group] == answer.digests[group]) {
      outcome_.completed.push_back(shard);
    }
  }
  return absl::OkStatus();
}

absl::Status Reconciler::TakeWindows(const WindowsAnswer& answer) {
  const Shard end = answer.next_shard;
  if (end != 0 && end <= from_shard_) {
    return absl::InvalidArgumentError("windows that lead nowhere");
  }
  const auto asked = [this](Shard shard) {
    return shard >= from_shard_ && view_.Shows(shard) &&
           std::binary_search(asked_groups_.begin(), asked_groups_.end(),
                              GroupOf(shard));
  };
  for (const ShardWindow& window : answer.windows) {
    if (!asked(window.shard) || WindowEndMs(window.window) <= view_.from_ms()) {
      return absl::InvalidArgumentError("windows that were not asked for");
    }
  }
  next_shard_ = end == 0 ? std::nullopt : std::optional<Shard>(end);
  auto theirs = answer.windows.begin();
  for (const Shard shard : view_.shards()) {
    if (!asked(shard) || (end != 0 && shard >= end)) continue;
    under_comparison_.push_back(shard);
    ASSIGN_OR_RETURN(const std::vector<WindowSummary> ours,
                     view_.Windows(shard));
    std::vector<EntryRange> differing;
    auto mine = ours.begin();
    while (mine != ours.end() ||
           (theirs != answer.windows.end() && theirs->shard == shard)) {
      const bool have_theirs =
          theirs != answer.windows.end() && theirs->shard == shard;
      if (!have_theirs ||
          (mine != ours.end() && mine->window < theirs->window)) {
        RETURN_IF_ERROR(GiveRange({shard, mine->window, ""}));
        ++mine;
      } else if (mine == ours.end() || theirs->window < mine->window) {
        differing.push_back({shard, theirs->window, ""});
        ++theirs;
      } else {
        if (mine->digest != theirs->digest) {
          differing.push_back({shard, mine->window, ""});
        }
        ++mine;
        ++theirs;
      }
    }
    // The last is looked at first: registrations in force end after all
    // messages, and are to be here before them.
    ranges_.insert(ranges_.end(), differing.begin(), differing.end());
  }
  from_shard_ = end;
  return absl::OkStatus();
}

absl::Status Reconciler::GiveRange(const EntryRange& range) {
  ASSIGN_OR_RETURN(const std::vector<ItemEntry> ours, view_.Entries(range));
  Compare(range.shard, ours, {});
  return absl::OkStatus();
}

absl::Status Reconciler::TakeEntries(const EntriesAnswer& answer) {
  if (answer.ranges.empty() || answer.ranges.size() > asked_ranges_.size()) {
    return absl::InvalidArgumentError("not the ranges that were asked for");
  }
  // What is unanswered goes back below what answers lead to.
  const std::vector<EntryRange> asked = std::exchange(asked_ranges_, {});
  for (size_t i = asked.size(); i > answer.ranges.size(); --i) {
    ranges_.push_back(asked[i - 1]);
  }
  for (size_t i = 0; i < answer.ranges.size(); ++i) {
    const EntryRange& range = asked[i];
    if (const auto* parts = std::get_if<PartsOfRange>(&answer.ranges[i])) {
      RETURN_IF_ERROR(Descend(range, *parts));
      continue;
    }
    const auto& theirs = std::get<EntriesOfRange>(answer.ranges[i]);
    for (const ItemEntry& entry : theirs) {
      if (WindowOf(entry.expiry_ms) != range.window ||
          entry.expiry_ms < view_.from_ms() ||
          entry.id.bytes().substr(0, range.prefix.size()) != range.prefix) {
        return absl::InvalidArgumentError("entries of another range");
      }
    }
    ASSIGN_OR_RETURN(const std::vector<ItemEntry> ours, view_.Entries(range));
    Compare(range.shard, ours, theirs);
  }
  if (ranges_.size() > kMaxPendingRanges) {
    return absl::InvalidArgumentError("ranges without end");
  }
  return absl::OkStatus();
}

absl::Status Reconciler::Descend(const EntryRange& range,
                                 const PartsOfRange& theirs) {
  if (range.prefix.size() >= kMaxPrefixBytes) {
    return absl::InvalidArgumentError("parts of what is not parted");
  }
  ASSIGN_OR_RETURN(const std::vector<ItemEntry> entries, view_.Entries(range));
  const PartsOfRange ours = PartsOf(entries, range.prefix.size());
  for (size_t i = 0; i < kPartsOfRange; ++i) {
    if (ours[i] == theirs[i]) continue;
    EntryRange part = range;
    part.prefix.push_back(static_cast<char>(i));
    if (theirs[i] == SetDigest()) {
      RETURN_IF_ERROR(GiveRange(part));
    } else {
      ranges_.push_back(std::move(part));
    }
  }
  return absl::OkStatus();
}

void Reconciler::Compare(Shard shard, const std::vector<ItemEntry>& ours,
                         const std::vector<ItemEntry>& theirs) {
  const auto left_out = [this](ItemKind kind) {
    return options_.bug == PlantedBug::kNoTombstoneExchange &&
           (kind == ItemKind::kDeletion || kind == ItemKind::kPurge);
  };
  const Ends our_ends = EndsOf(ours);
  const Ends their_ends = EndsOf(theirs);
  for (const ItemEntry& entry : theirs) {
    if (left_out(entry.kind) || HasSince(our_ends, entry)) continue;
    wants_.push_back({entry.kind, shard, entry.id});
  }
  for (const ItemEntry& entry : ours) {
    if (left_out(entry.kind) || HasSince(their_ends, entry)) continue;
    gives_.push_back({entry.kind, shard, entry.id});
  }
}

bool Reconciler::BoundReached() const {
  return outcome_.steps >= kMaxSteps ||
         outcome_.bytes_sent + outcome_.bytes_received >= kMaxRunBytes ||
         options_.clock.Now() - started_ >= kMaxRunTime;
}

void Reconciler::Continue() {
  const bool bounded = BoundReached();
  const bool gathered = wants_.size() + gives_.size() >= kBatchNames;
  if (!ranges_.empty() && !gathered && !bounded) {
    // Neighbours lie in one window, which both sides read but once.
    const size_t count = std::min(kMaxRangesAsked, ranges_.size());
    asked_ranges_.assign(ranges_.rbegin(), ranges_.rbegin() + count);
    ranges_.resize(ranges_.size() - count);
    return Ask(AskEntries{asked_ranges_});
  }
  if (!wants_.empty() || !gives_.empty()) return StartTransfer();
  if (ranges_.empty()) {
    outcome_.completed.insert(outcome_.completed.end(),
                              under_comparison_.begin(),
                              under_comparison_.end());
    under_comparison_.clear();
    if (!next_shard_.has_value() && groups_.empty()) {
      std::sort(outcome_.completed.begin(), outcome_.completed.end());
      return Finish(End::kComplete, absl::OkStatus());
    }
  }
  if (bounded) {
    std::sort(outcome_.completed.begin(), outcome_.completed.end());
    return Finish(End::kBounded, absl::OkStatus());
  }
  if (!next_shard_.has_value()) {
    const size_t count = std::min(kMaxGroupsAsked, groups_.size());
    asked_groups_.assign(groups_.begin(), groups_.begin() + count);
    groups_.erase(groups_.begin(), groups_.begin() + count);
    from_shard_ = 0;
  }
  Ask(AskWindows{asked_groups_, from_shard_});
}

void Reconciler::StartTransfer() {
  // A stack: what comes first is at its end.
  std::sort(wants_.begin(), wants_.end(),
            [](const ItemKey& a, const ItemKey& b) { return b < a; });
  wants_.erase(std::unique(wants_.begin(), wants_.end()), wants_.end());
  std::sort(gives_.begin(), gives_.end());
  gives_.erase(std::unique(gives_.begin(), gives_.end()), gives_.end());
  FetchMore();
}

void Reconciler::FetchMore() {
  // Kinds decide about others: one has arrived before the next is fetched.
  if (fetches_ == 0 && !wants_.empty()) fetched_kind_ = wants_.back().kind;
  while (fetches_ < kMaxFetches && !wants_.empty() &&
         wants_.back().kind == fetched_kind_) {
    std::vector<ItemKey> names;
    while (!wants_.empty() && wants_.back().kind == fetched_kind_ &&
           names.size() < kMaxFetchNames) {
      names.push_back(wants_.back());
      wants_.pop_back();
    }
    SendFetch(std::move(names));
  }
  if (fetches_ == 0) StartPush();
}

void Reconciler::SendFetch(std::vector<ItemKey> names) {
  ++fetches_;
  std::string request = RenderFetchAsk(layout_, names);
  outcome_.bytes_sent += request.size();
  options_.caller.Call(
      peer_, kFetchMethod, std::move(request), kReconcileTimeout,
      [this, alive = alive_,
       names = std::move(names)](absl::StatusOr<std::string> reply) {
        if (*alive) TakeItems(names, std::move(reply));
      });
}

void Reconciler::TakeItems(const std::vector<ItemKey>& names,
                           absl::StatusOr<std::string> reply) {
  --fetches_;
  const auto fault = [this](absl::Status status) {
    fault_ = true;
    trouble_ = std::move(status);
    FetchDone();
  };
  if (!reply.ok()) {
    if (trouble_.ok()) trouble_ = std::move(reply).status();
    return FetchDone();
  }
  outcome_.bytes_received += reply->size();
  absl::StatusOr<FetchAnswer> answer = ParseFetchAnswer(*reply, names.size());
  if (!answer.ok()) return fault(std::move(answer).status());
  const absl::Time now = options_.clock.Now();
  const Origin origin = options_.bug == PlantedBug::kRepairChecksFreshness
                            ? Origin::kClient
                            : Origin::kPeer;
  size_t next = 0;  // name
  for (const v1::ReplicatedItem& item : answer->items) {
    // It may have ended on the way.
    if (item.has_store() && item.store().expiry_ms() <= ToMs(now)) continue;
    absl::StatusOr<StoreOp> op = options_.validate(item, now, origin);
    if (!op.ok()) {
      // Clocks differ; that proves nothing about the peer.
      if (absl::IsFailedPrecondition(op.status()) ||
          options_.bug == PlantedBug::kRepairChecksFreshness) {
        ++outcome_.refused_here;
        continue;
      }
      return fault(std::move(op).status());
    }
    const std::optional<ItemKey> key = KeyOf(*op);
    while (next < answer->answered && key.has_value() && names[next] != *key) {
      ++next;
      ++outcome_.not_given;
    }
    if (!key.has_value() || next == answer->answered) {
      return fault(absl::InvalidArgumentError("an item nobody asked for"));
    }
    ++next;
    SetOrigin(*op, Origin::kPeer);
    CommitItem(*std::move(op));
  }
  outcome_.not_given += answer->answered - next;
  // The rest, in its order.
  for (size_t i = names.size(); i > answer->answered; --i) {
    wants_.push_back(names[i - 1]);
  }
  FetchDone();
}

void Reconciler::CommitItem(StoreOp op) {
  ++commits_;
  options_.commit(std::move(op),
                  [this, alive = alive_](absl::StatusOr<OpResult> result) {
                    if (!*alive) return;
                    --commits_;
                    if (!result.ok()) {
                      if (trouble_.ok()) trouble_ = std::move(result).status();
                    } else if (*result == OpResult::kDone) {
                      ++outcome_.fetched;
                    } else if (*result == OpResult::kDeleted ||
                               *result == OpResult::kSuperseded) {
                      ++outcome_.not_needed;
                    } else {
                      ++outcome_.refused_here;
                    }
                    FetchDone();
                  });
}

void Reconciler::FetchDone() {
  if (commits_ > 0) return;
  if (!trouble_.ok()) {
    if (fetches_ > 0) return;
    return Finish(fault_ ? End::kPeerFault : End::kFailed, trouble_);
  }
  if (fetches_ > 0 && (wants_.empty() || BoundReached())) return;
  if (BoundReached()) {
    truncated_ = true;
    wants_.clear();
  }
  FetchMore();
}

void Reconciler::StartPush() {
  pusher_ = std::make_unique<ItemPusher>(options_.store, options_.caller, peer_,
                                         layout_);
  pusher_->Push(std::exchange(gives_, {}), [this](ItemPusher::Outcome pushed) {
    outcome_.pushed += pushed.confirmed.size();
    outcome_.refused_there += pushed.refused_count;
    outcome_.bytes_sent += pushed.bytes_sent;
    outcome_.bytes_received += pushed.bytes_received;
    if (absl::IsInvalidArgument(pushed.status)) {
      return Fault(std::move(pushed.status));
    }
    if (!pushed.status.ok()) return Fail(std::move(pushed.status));
    if (truncated_) return Finish(End::kBounded, absl::OkStatus());
    Continue();
  });
}

void Reconciler::Fail(absl::Status status) {
  Finish(End::kFailed, std::move(status));
}
void Reconciler::Fault(absl::Status status) {
  Finish(End::kPeerFault, std::move(status));
}

void Reconciler::Finish(End end, absl::Status status) {
  outcome_.end = end;
  outcome_.status = std::move(status);
  Done done = std::move(done_);
  Outcome outcome = std::move(outcome_);
  *alive_ = false;
  done(std::move(outcome));
}

}  // namespace messenger::swarm
