// Whatever bytes a peer sends: no crash, and what parses is within its bounds
// and renders to something that parses to the same.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <variant>

#include "absl/strings/string_view.h"
#include "swarm/repair/reconcile_codec.h"

namespace messenger::swarm {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckAsk(absl::string_view bytes) {
  const auto ask = ParseReconcileAsk(bytes);
  if (!ask.ok()) return;
  if (const auto* windows = std::get_if<AskWindows>(&ask->level)) {
    Require(windows->groups.size() <= kMaxGroupsAsked);
    for (const int group : windows->groups) Require(group < kGroups);
  } else if (const auto* entries = std::get_if<AskEntries>(&ask->level)) {
    Require(entries->ranges.size() <= kMaxRangesAsked);
    for (const EntryRange& range : entries->ranges) {
      Require(range.shard < kShards);
      Require(range.prefix.size() <= kMaxPrefixBytes);
    }
  }
  const std::string rendered = RenderReconcileAsk(*ask);
  const auto again = ParseReconcileAsk(rendered);
  Require(again.ok());
  Require(RenderReconcileAsk(*again) == rendered);
}

void CheckAnswer(absl::string_view bytes) {
  const auto answer = ParseReconcileAnswer(bytes);
  if (!answer.ok()) return;
  Require(answer->filling.size() <= static_cast<size_t>(kShards));
  if (const auto* entries = std::get_if<EntriesAnswer>(&answer->level)) {
    Require(entries->ranges.size() <= kMaxRangesAsked);
    for (const auto& range : entries->ranges) {
      if (const auto* list = std::get_if<EntriesOfRange>(&range)) {
        Require(list->size() <= kMaxEntriesOfRange);
        for (size_t i = 1; i < list->size(); ++i) {
          Require((*list)[i - 1] < (*list)[i]);
        }
      }
    }
  } else if (const auto* scrub = std::get_if<ScrubAnswer>(&answer->level)) {
    Require(scrub->leaves.size() <= kMaxLeaves);
  }
  const std::string rendered = RenderReconcileAnswer(*answer);
  const auto again = ParseReconcileAnswer(rendered);
  Require(again.ok());
  Require(RenderReconcileAnswer(*again) == rendered);
}

void CheckFetch(absl::string_view bytes) {
  const auto ask = ParseFetchAsk(bytes);
  if (ask.ok()) {
    Require(!ask->names.empty() && ask->names.size() <= kMaxFetchNames);
    const auto again = ParseFetchAsk(RenderFetchAsk(ask->layout, ask->names));
    Require(again.ok() && again->names == ask->names);
  }
  const auto answer = ParseFetchAnswer(bytes, /*asked=*/3);
  if (answer.ok()) {
    Require(answer->answered >= 1 && answer->answered <= 3);
    Require(answer->items.size() <= answer->answered);
  }
}

}  // namespace
}  // namespace messenger::swarm

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace messenger::swarm;  // The entry point cannot be in it.
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  CheckAsk(bytes);
  CheckAnswer(bytes);
  CheckFetch(bytes);
  return 0;
}
