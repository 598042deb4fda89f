#include "swarm/repair/reconcile_codec.h"

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/proto/peer.pb.h"

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::SizeIs;

constexpr absl::StatusCode kMalformed = absl::StatusCode::kInvalidArgument;
constexpr uint64_t kTooLate = uint64_t{1} << 63;

// Well-formed messages of every level, of any size that is allowed.
class Messages final {
 public:
  explicit Messages(uint64_t seed) : random_(seed) {}

  size_t UpTo(size_t bound) { return random_.Uniform(bound + 1); }
  Shard AnyShard() { return static_cast<Shard>(random_.Uniform(kShards)); }
  Window AnyWindow() { return static_cast<Window>(random_.U64()); }
  SetDigest Digest() {
    return *SetDigest::FromBytes(random_.String(SetDigest::kSize));
  }
  // `count` different ids, rising.
  std::vector<ObjectId> Ids(size_t count) {
    std::set<ObjectId> ids;
    while (ids.size() < count) ids.insert(random_.Fixed<ObjectId>());
    return std::vector<ObjectId>(ids.begin(), ids.end());
  }
  // Different numbers below `bound`, rising.
  template <typename Number>
  std::vector<Number> Rising(size_t count, uint64_t bound) {
    std::set<Number> numbers;
    while (numbers.size() < count) {
      numbers.insert(static_cast<Number>(random_.Uniform(bound)));
    }
    return std::vector<Number>(numbers.begin(), numbers.end());
  }

  ReconcileAsk Ask(int level) {
    ReconcileAsk ask{.layout = random_.U64(),
                     .from_ms = random_.U64() >> 1,
                     .level = AskGroups{Digest()}};
    if (level == 1) {
      ask.level = AskWindows{
          Rising<int>(1 + UpTo(kMaxGroupsAsked - 1), kGroups), AnyShard()};
    } else if (level == 2) {
      AskEntries entries;
      for (size_t i = 1 + UpTo(kMaxRangesAsked - 1); i > 0; --i) {
        entries.ranges.push_back(
            {AnyShard(), AnyWindow(), random_.String(UpTo(kMaxPrefixBytes))});
      }
      ask.level = std::move(entries);
    } else if (level == 3) {
      ask.level =
          AskScrub{AnyShard(), AnyWindow(), random_.Fixed<ScrubSalt>(),
                   UpTo(1) == 0 ? ObjectId() : random_.Fixed<ObjectId>()};
    }
    return ask;
  }
  ReconcileAnswer Answer(int level) {
    ReconcileAnswer answer{.layout = random_.U64(),
                           .now_ms = random_.Uniform(kNeverMs + 1),
                           .filling = Rising<Shard>(UpTo(50), kShards),
                           .level = GroupsAnswer{}};
    if (level == 0 && UpTo(3) > 0) {
      answer.level = GroupsAnswer{Digests(kGroups)};
    } else if (level == 1) {
      answer.level = Windows(UpTo(kMaxWindowsAnswered));
    } else if (level == 2) {
      EntriesAnswer entries;
      for (size_t i = UpTo(3); i > 0; --i) {
        if (UpTo(1) == 0) {
          entries.ranges.push_back(Digests(kPartsOfRange));
        } else {
          entries.ranges.push_back(Entries(UpTo(kMaxEntriesOfRange)));
        }
      }
      answer.level = std::move(entries);
    } else if (level == 3) {
      ScrubAnswer scrub;
      for (const ObjectId& id : Ids(UpTo(kMaxLeaves))) {
        scrub.leaves.push_back({id, random_.Fixed<ScrubHash>()});
      }
      scrub.more = !scrub.leaves.empty() && UpTo(1) == 0;
      answer.level = std::move(scrub);
    }
    return answer;
  }
  WindowsAnswer Windows(size_t count) {
    WindowsAnswer answer;
    std::set<std::pair<Shard, Window>> windows;
    while (windows.size() < count) {
      windows.insert(
          {static_cast<Shard>(random_.Uniform(kShards - 1)), AnyWindow()});
    }
    for (const auto& [shard, window] : windows) {
      answer.windows.push_back(
          {shard, window, static_cast<uint32_t>(random_.U64()), Digest()});
    }
    if (UpTo(1) == 0) answer.next_shard = kShards - 1;
    return answer;
  }
  std::vector<SetDigest> Digests(size_t count) {
    std::vector<SetDigest> digests;
    for (size_t i = 0; i < count; ++i) digests.push_back(Digest());
    return digests;
  }
  EntriesOfRange Entries(size_t count) {
    EntriesOfRange entries;
    for (const ObjectId& id : Ids(count)) {
      entries.push_back({static_cast<ItemKind>(1 + random_.Uniform(kItemKinds)),
                         id, random_.U64() >> 1});
    }
    return entries;
  }
  std::vector<ItemKey> Names(size_t count) {
    std::vector<ItemKey> names;
    for (const ObjectId& id : Ids(count)) {
      names.push_back({static_cast<ItemKind>(1 + random_.Uniform(kItemKinds)),
                       AnyShard(), id});
    }
    return names;
  }

  crypto::SeededRandom& random() { return random_; }

 private:
  crypto::SeededRandom random_;
};

constexpr int kLevels = 4;

// --- round trips ---

TEST(ReconcileCodecTest, WhatIsAskedComesBack) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    for (int level = 0; level < kLevels; ++level) {
      const ReconcileAsk ask = Messages(seed).Ask(level);
      const auto parsed = ParseReconcileAsk(RenderReconcileAsk(ask));
      ASSERT_THAT(parsed, IsOk()) << seed << " " << level;
      EXPECT_EQ(parsed->layout, ask.layout);
      EXPECT_EQ(parsed->from_ms, ask.from_ms);
      ASSERT_EQ(parsed->level.index(), static_cast<size_t>(level));
      // Nothing is lost or changed on the way.
      EXPECT_EQ(RenderReconcileAsk(*parsed), RenderReconcileAsk(ask));
    }
  }
}

TEST(ReconcileCodecTest, WhatIsAnsweredComesBack) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    for (int level = 0; level < kLevels; ++level) {
      const ReconcileAnswer answer = Messages(seed).Answer(level);
      const std::string bytes = RenderReconcileAnswer(answer);
      ASSERT_LE(bytes.size(), kMaxReconcileBytes);
      const auto parsed = ParseReconcileAnswer(bytes);
      ASSERT_THAT(parsed, IsOk()) << seed << " " << level;
      EXPECT_EQ(parsed->layout, answer.layout);
      EXPECT_EQ(parsed->now_ms, answer.now_ms);
      EXPECT_EQ(parsed->filling, answer.filling);
      ASSERT_EQ(parsed->level.index(), static_cast<size_t>(level));
      EXPECT_EQ(RenderReconcileAnswer(*parsed), bytes);
    }
  }
}

TEST(ReconcileCodecTest, EntriesComeBackOneByOne) {
  const EntriesOfRange entries = Messages(1).Entries(kMaxEntriesOfRange);
  const auto parsed = ParseReconcileAnswer(
      RenderReconcileAnswer({.layout = 0,
                             .now_ms = 0,
                             .filling = {},
                             .level = EntriesAnswer{{entries}}}));
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(std::get<EntriesOfRange>(
                std::get<EntriesAnswer>(parsed->level).ranges.at(0)),
            entries);
}

TEST(ReconcileCodecTest, NamesComeBack) {
  const std::vector<ItemKey> names = Messages(2).Names(kMaxFetchNames);
  const std::string bytes = RenderFetchAsk(77, names);
  EXPECT_LE(bytes.size(), kMaxFetchRequestBytes);
  const auto parsed = ParseFetchAsk(bytes);
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->layout, 77u);
  EXPECT_EQ(parsed->names, names);
}

TEST(ReconcileCodecTest, AFrameIsNeverLongerThanAnswerBytesSays) {
  Messages messages(3);
  const auto empty = RenderReconcileAnswer({.layout = ~uint64_t{0},
                                            .now_ms = kNeverMs,
                                            .filling = {},
                                            .level = EntriesAnswer{}});
  for (const size_t count :
       {size_t{0}, size_t{1}, size_t{3}, size_t{400}, kMaxEntriesOfRange}) {
    EntriesAnswer answer;
    size_t bytes = empty.size() + 3;  // the length of all ranges
    for (int i = 0; i < 2; ++i) {
      answer.ranges.push_back(messages.Entries(count));
      answer.ranges.push_back(messages.Digests(kPartsOfRange));
    }
    for (const auto& range : answer.ranges) bytes += AnswerBytes(range);
    EXPECT_LE(RenderReconcileAnswer({.layout = ~uint64_t{0},
                                     .now_ms = kNeverMs,
                                     .filling = {},
                                     .level = answer})
                  .size(),
              bytes);
  }
}

// --- hostile bytes ---

TEST(ReconcileCodecTest, WhateverIsCutOffIsRefusedOrWithinBounds) {
  // A cut may end before an optional field; what comes out then is in order.
  for (int level = 0; level < kLevels; ++level) {
    const std::string ask = RenderReconcileAsk(Messages(4).Ask(level));
    for (size_t size = 0; size < ask.size(); ++size) {
      const auto parsed = ParseReconcileAsk(ask.substr(0, size));
      if (!parsed.ok()) {
        EXPECT_THAT(parsed, StatusIs(kMalformed));
        continue;
      }
      EXPECT_THAT(ParseReconcileAsk(RenderReconcileAsk(*parsed)), IsOk());
    }
    EXPECT_THAT(ParseReconcileAsk(ask.substr(0, ask.size() - 1)),
                StatusIs(kMalformed));
    const std::string answer = RenderReconcileAnswer(Messages(5).Answer(level));
    for (size_t size = 0; size < answer.size(); ++size) {
      const auto parsed = ParseReconcileAnswer(answer.substr(0, size));
      if (!parsed.ok()) {
        EXPECT_THAT(parsed, StatusIs(kMalformed));
        continue;
      }
      EXPECT_THAT(ParseReconcileAnswer(RenderReconcileAnswer(*parsed)), IsOk());
    }
    EXPECT_THAT(ParseReconcileAnswer(answer.substr(0, answer.size() - 1)),
                StatusIs(kMalformed));
  }
  const std::string fetch = RenderFetchAsk(1, Messages(6).Names(3));
  for (size_t size = 0; size < fetch.size(); ++size) {
    const auto parsed = ParseFetchAsk(fetch.substr(0, size));
    if (parsed.ok()) {
      EXPECT_LT(parsed->names.size(), 3u);
    } else {
      EXPECT_THAT(parsed, StatusIs(kMalformed));
    }
  }
}

void ExpectInBounds(const ReconcileAsk& ask) {
  EXPECT_LT(ask.from_ms, kTooLate);
  if (const auto* windows = std::get_if<AskWindows>(&ask.level)) {
    EXPECT_LE(windows->groups.size(), kMaxGroupsAsked);
    EXPECT_TRUE(std::is_sorted(windows->groups.begin(), windows->groups.end(),
                               std::less_equal<>()));
    EXPECT_LT(windows->groups.back(), kGroups);
    EXPECT_LT(windows->from_shard, kShards);
  } else if (const auto* entries = std::get_if<AskEntries>(&ask.level)) {
    EXPECT_GE(entries->ranges.size(), 1u);
    EXPECT_LE(entries->ranges.size(), kMaxRangesAsked);
    for (const EntryRange& range : entries->ranges) {
      EXPECT_LT(range.shard, kShards);
      EXPECT_LE(range.prefix.size(), kMaxPrefixBytes);
    }
  }
}

void ExpectInBounds(const ReconcileAnswer& answer) {
  EXPECT_LE(answer.now_ms, kNeverMs);
  EXPECT_LE(answer.filling.size(), static_cast<size_t>(kShards));
  if (const auto* groups = std::get_if<GroupsAnswer>(&answer.level)) {
    EXPECT_TRUE(groups->digests.empty() ||
                groups->digests.size() == static_cast<size_t>(kGroups));
  } else if (const auto* windows = std::get_if<WindowsAnswer>(&answer.level)) {
    EXPECT_LE(windows->windows.size(), kMaxWindowsAnswered);
    for (size_t i = 1; i < windows->windows.size(); ++i) {
      const ShardWindow& a = windows->windows[i - 1];
      const ShardWindow& b = windows->windows[i];
      EXPECT_LT(std::make_pair(a.shard, a.window),
                std::make_pair(b.shard, b.window));
    }
  } else if (const auto* entries = std::get_if<EntriesAnswer>(&answer.level)) {
    EXPECT_LE(entries->ranges.size(), kMaxRangesAsked);
    for (const auto& range : entries->ranges) {
      if (const auto* parts = std::get_if<PartsOfRange>(&range)) {
        EXPECT_THAT(*parts, SizeIs(kPartsOfRange));
        continue;
      }
      const auto& list = std::get<EntriesOfRange>(range);
      EXPECT_LE(list.size(), kMaxEntriesOfRange);
      for (size_t i = 1; i < list.size(); ++i) EXPECT_LT(list[i - 1], list[i]);
    }
  } else {
    const auto& scrub = std::get<ScrubAnswer>(answer.level);
    EXPECT_LE(scrub.leaves.size(), kMaxLeaves);
    EXPECT_FALSE(scrub.more && scrub.leaves.empty());
    for (size_t i = 1; i < scrub.leaves.size(); ++i) {
      EXPECT_LT(scrub.leaves[i - 1].id, scrub.leaves[i].id);
    }
  }
}

// What a header of this library promises of any bytes at all.
TEST(ReconcileCodecTest, WhateverIsChangedIsRefusedOrWithinBounds) {
  int refused = 0;
  int taken = 0;
  const auto count = [&](const absl::Status& status) {
    if (!status.ok()) {
      EXPECT_THAT(status, StatusIs(kMalformed));
    }
    ++(status.ok() ? taken : refused);
  };
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    Messages messages(seed);
    const auto change = [&](std::string bytes) {
      for (size_t i = 1 + messages.UpTo(3); i > 0; --i) {
        const size_t at = messages.UpTo(bytes.size() - 1);
        if (messages.UpTo(3) == 0) {
          bytes.insert(at, bytes.substr(messages.UpTo(at), messages.UpTo(100)));
        } else {
          bytes[at] ^= static_cast<char>(1 << messages.UpTo(7));
        }
      }
      return bytes;
    };
    const int level = static_cast<int>(seed % kLevels);
    const auto ask =
        ParseReconcileAsk(change(RenderReconcileAsk(messages.Ask(level))));
    count(ask.status());
    if (ask.ok()) ExpectInBounds(*ask);
    if (seed >= 400) continue;  // answers are large
    const auto answer = ParseReconcileAnswer(
        change(RenderReconcileAnswer(messages.Answer(level))));
    count(answer.status());
    if (answer.ok()) ExpectInBounds(*answer);
  }
  EXPECT_GT(refused, 500);
  EXPECT_GT(taken, 500);
}

// --- a well-formed message and one edit ---

struct AskEdit {
  const char* name;
  int level;
  std::function<void(v1::ReconcileRequest&)> edit;
};

class MalformedAskTest : public ::testing::TestWithParam<AskEdit> {};

TEST_P(MalformedAskTest, IsRefused) {
  v1::ReconcileRequest request;
  ASSERT_TRUE(request.ParseFromString(
      RenderReconcileAsk(Messages(7).Ask(GetParam().level))));
  ASSERT_THAT(ParseReconcileAsk(request.SerializeAsString()), IsOk());
  GetParam().edit(request);
  EXPECT_THAT(ParseReconcileAsk(request.SerializeAsString()),
              StatusIs(kMalformed));
}

INSTANTIATE_TEST_SUITE_P(
    All, MalformedAskTest,
    ::testing::Values(
        AskEdit{"NoLevel", 0, [](auto& ask) { ask.clear_level(); }},
        AskEdit{"TooLate", 0, [](auto& ask) { ask.set_from_ms(kTooLate); }},
        AskEdit{"ShortDigest", 0,
                [](auto& ask) { ask.mutable_groups()->set_digest("short"); }},
        AskEdit{"NoGroups", 1,
                [](auto& ask) { ask.mutable_windows()->clear_groups(); }},
        AskEdit{"TooManyGroups", 1,
                [](auto& ask) {
                  ask.mutable_windows()->clear_groups();
                  for (uint32_t i = 0; i < 65; ++i) {
                    ask.mutable_windows()->add_groups(i);
                  }
                }},
        AskEdit{"NoSuchGroup", 1,
                [](auto& ask) {
                  ask.mutable_windows()->clear_groups();
                  ask.mutable_windows()->add_groups(256);
                }},
        AskEdit{"AGroupTwice", 1,
                [](auto& ask) {
                  ask.mutable_windows()->clear_groups();
                  ask.mutable_windows()->add_groups(5);
                  ask.mutable_windows()->add_groups(5);
                }},
        AskEdit{"FromNoShard", 1,
                [](auto& ask) { ask.mutable_windows()->set_from_shard(4096); }},
        AskEdit{"NoRanges", 2,
                [](auto& ask) { ask.mutable_entries()->clear_ranges(); }},
        AskEdit{"TooManyRanges", 2,
                [](auto& ask) {
                  while (ask.entries().ranges_size() < 65) {
                    ask.mutable_entries()->add_ranges();
                  }
                }},
        AskEdit{"RangeOfNoShard", 2,
                [](auto& ask) {
                  ask.mutable_entries()->mutable_ranges(0)->set_shard(4096);
                }},
        AskEdit{"LongPrefix", 2,
                [](auto& ask) {
                  ask.mutable_entries()->mutable_ranges(0)->set_prefix(
                      std::string(9, 'p'));
                }},
        AskEdit{"ScrubOfNoShard", 3,
                [](auto& ask) { ask.mutable_scrub()->set_shard(4096); }},
        AskEdit{"NoSalt", 3,
                [](auto& ask) { ask.mutable_scrub()->clear_salt(); }},
        AskEdit{"LongSalt", 3,
                [](auto& ask) {
                  ask.mutable_scrub()->set_salt(std::string(33, 's'));
                }},
        AskEdit{"AfterNoId", 3,
                [](auto& ask) { ask.mutable_scrub()->set_after("short"); }}),
    [](const auto& info) { return info.param.name; });

struct AnswerEdit {
  const char* name;
  int level;
  std::function<void(v1::ReconcileResponse&)> edit;
};

class MalformedAnswerTest : public ::testing::TestWithParam<AnswerEdit> {
 protected:
  // With something of everything in it.
  static ReconcileAnswer Full(int level) {
    Messages messages(8);
    ReconcileAnswer answer{.layout = 1,
                           .now_ms = 2,
                           .filling = {3, 4},
                           .level = GroupsAnswer{messages.Digests(kGroups)}};
    if (level == 1) {
      WindowsAnswer windows = messages.Windows(kMaxWindowsAnswered);
      windows.next_shard = kShards - 1;
      answer.level = std::move(windows);
    } else if (level == 2) {
      answer.level = EntriesAnswer{{messages.Entries(kMaxEntriesOfRange),
                                    messages.Digests(kPartsOfRange)}};
    } else if (level == 3) {
      ScrubAnswer scrub;
      for (const ObjectId& id : messages.Ids(kMaxLeaves)) {
        scrub.leaves.push_back({id, {}});
      }
      scrub.more = true;
      answer.level = std::move(scrub);
    }
    return answer;
  }
};

TEST_P(MalformedAnswerTest, IsRefused) {
  v1::ReconcileResponse response;
  ASSERT_TRUE(
      response.ParseFromString(RenderReconcileAnswer(Full(GetParam().level))));
  ASSERT_THAT(ParseReconcileAnswer(response.SerializeAsString()), IsOk());
  GetParam().edit(response);
  EXPECT_THAT(ParseReconcileAnswer(response.SerializeAsString()),
              StatusIs(kMalformed));
}

// One more of `size` bytes, at the end of a list of such.
void AddOne(std::string& list, size_t size) { list.append(size, '\xff'); }
// The first two of `size` bytes change places.
void SwapFirst(std::string& list, size_t size) {
  std::rotate(list.begin(), list.begin() + static_cast<ptrdiff_t>(size),
              list.begin() + static_cast<ptrdiff_t>(2 * size));
}
// The second becomes like the first.
void RepeatFirst(std::string& list, size_t size) {
  std::copy_n(list.begin(), size, list.begin() + static_cast<ptrdiff_t>(size));
}

constexpr size_t kLeafBytes = 64;

INSTANTIATE_TEST_SUITE_P(
    All, MalformedAnswerTest,
    ::testing::Values(
        AnswerEdit{"NoLevel", 0, [](auto& answer) { answer.clear_level(); }},
        AnswerEdit{"TooLate", 0,
                   [](auto& answer) { answer.set_now_ms(kNeverMs + 1); }},
        AnswerEdit{"FillingNoShard", 0,
                   [](auto& answer) { answer.add_filling(4096); }},
        AnswerEdit{"FillingOneTwice", 0,
                   [](auto& answer) { answer.add_filling(4); }},
        AnswerEdit{"FillingOutOfOrder", 0,
                   [](auto& answer) { answer.add_filling(1); }},
        AnswerEdit{"TooFewGroups", 0,
                   [](auto& answer) {
                     answer.mutable_groups()->mutable_digests()->resize(255 *
                                                                        32);
                   }},
        AnswerEdit{"TooManyGroups", 0,
                   [](auto& answer) {
                     AddOne(*answer.mutable_groups()->mutable_digests(), 32);
                   }},
        AnswerEdit{
            "NoGroups", 0,
            [](auto& answer) { answer.mutable_groups()->clear_digests(); }},
        AnswerEdit{"TooManyWindows", 1,
                   [](auto& answer) {
                     auto& last = *answer.mutable_windows()->add_windows();
                     last.set_shard(kShards - 2);
                     last.set_window(~uint32_t{0});
                     last.set_digest(std::string(32, 'd'));
                   }},
        AnswerEdit{"WindowsOutOfOrder", 1,
                   [](auto& answer) {
                     answer.mutable_windows()->mutable_windows()->SwapElements(
                         0, 1);
                   }},
        AnswerEdit{"AWindowTwice", 1,
                   [](auto& answer) {
                     *answer.mutable_windows()->mutable_windows(0) =
                         answer.windows().windows(1);
                   }},
        AnswerEdit{"WindowOfNoShard", 1,
                   [](auto& answer) {
                     auto& windows = *answer.mutable_windows();
                     windows.mutable_windows(windows.windows_size() - 1)
                         ->set_shard(4096);
                   }},
        AnswerEdit{
            "WindowWithoutDigest", 1,
            [](auto& answer) {
              answer.mutable_windows()->mutable_windows(0)->clear_digest();
            }},
        AnswerEdit{"NextIsNoShard", 1,
                   [](auto& answer) {
                     answer.mutable_windows()->set_next_shard(4096);
                   }},
        AnswerEdit{"NextIsNotNext", 1,
                   [](auto& answer) {
                     auto& windows = *answer.mutable_windows();
                     windows.set_next_shard(
                         windows.windows(windows.windows_size() - 1).shard());
                   }},
        AnswerEdit{"TooManyRanges", 2,
                   [](auto& answer) {
                     while (answer.entries().ranges_size() < 65) {
                       answer.mutable_entries()->add_ranges();
                     }
                   }},
        AnswerEdit{"EntriesAndParts", 2,
                   [](auto& answer) {
                     auto& ranges = *answer.mutable_entries();
                     ranges.mutable_ranges(0)->set_parts(
                         ranges.ranges(1).parts());
                   }},
        AnswerEdit{"TooManyEntries", 2,
                   [](auto& answer) {
                     auto& list = *answer.mutable_entries()
                                       ->mutable_ranges(0)
                                       ->mutable_entries();
                     list += '\x05' + std::string(32, '\xff') +
                             std::string(8, '\1');
                   }},
        AnswerEdit{"HalfAnEntry", 2,
                   [](auto& answer) {
                     answer.mutable_entries()
                         ->mutable_ranges(0)
                         ->mutable_entries()
                         ->pop_back();
                   }},
        AnswerEdit{"EntriesOutOfOrder", 2,
                   [](auto& answer) {
                     SwapFirst(*answer.mutable_entries()
                                    ->mutable_ranges(0)
                                    ->mutable_entries(),
                               kEntryBytes);
                   }},
        AnswerEdit{"AnEntryTwice", 2,
                   [](auto& answer) {
                     RepeatFirst(*answer.mutable_entries()
                                      ->mutable_ranges(0)
                                      ->mutable_entries(),
                                 kEntryBytes);
                   }},
        AnswerEdit{"EntryOfNoKind", 2,
                   [](auto& answer) {
                     (*answer.mutable_entries()
                           ->mutable_ranges(0)
                           ->mutable_entries())[0] = 6;
                   }},
        AnswerEdit{"EntryOfKindZero", 2,
                   [](auto& answer) {
                     (*answer.mutable_entries()
                           ->mutable_ranges(0)
                           ->mutable_entries())[0] = 0;
                   }},
        AnswerEdit{"EntryThatEndsTooLate", 2,
                   [](auto& answer) {
                     (*answer.mutable_entries()
                           ->mutable_ranges(0)
                           ->mutable_entries())[33] = '\x80';
                   }},
        AnswerEdit{"TooFewParts", 2,
                   [](auto& answer) {
                     answer.mutable_entries()
                         ->mutable_ranges(1)
                         ->mutable_parts()
                         ->resize(255 * 32);
                   }},
        AnswerEdit{"TooManyLeaves", 3,
                   [](auto& answer) {
                     AddOne(*answer.mutable_scrub()->mutable_leaves(),
                            kLeafBytes);
                   }},
        AnswerEdit{"HalfALeaf", 3,
                   [](auto& answer) {
                     answer.mutable_scrub()->mutable_leaves()->pop_back();
                   }},
        AnswerEdit{"LeavesOutOfOrder", 3,
                   [](auto& answer) {
                     SwapFirst(*answer.mutable_scrub()->mutable_leaves(),
                               kLeafBytes);
                   }},
        AnswerEdit{"ALeafTwice", 3,
                   [](auto& answer) {
                     RepeatFirst(*answer.mutable_scrub()->mutable_leaves(),
                                 kLeafBytes);
                   }},
        AnswerEdit{
            "MoreAfterNothing", 3,
            [](auto& answer) { answer.mutable_scrub()->clear_leaves(); }}),
    [](const auto& info) { return info.param.name; });

TEST(ReconcileCodecTest, TooLongAFrameIsNotParsed) {
  // Unknown fields would be skipped; the length alone refuses it.
  const std::string padding =
      "\xfa\x7f" + std::string("\x80\x80\x04") + std::string(65536, 'p');
  const std::string ask = RenderReconcileAsk(Messages(9).Ask(0));
  EXPECT_THAT(ParseReconcileAsk(ask + padding), StatusIs(kMalformed));
  const std::string answer = RenderReconcileAnswer(Messages(9).Answer(0));
  EXPECT_THAT(ParseReconcileAnswer(answer + padding), StatusIs(kMalformed));
  const std::string fetch = RenderFetchAsk(1, Messages(9).Names(1));
  EXPECT_THAT(ParseFetchAsk(fetch + padding), StatusIs(kMalformed));
}

// --- fetches ---

class FetchCodecTest : public ::testing::Test {
 protected:
  static absl::StatusCode Parse(std::function<void(v1::FetchRequest&)> edit) {
    v1::FetchRequest request;
    EXPECT_TRUE(
        request.ParseFromString(RenderFetchAsk(1, Messages(10).Names(256))));
    edit(request);
    return ParseFetchAsk(request.SerializeAsString()).status().code();
  }
  static absl::StatusCode ParseAnswer(int items, uint32_t answered,
                                      size_t asked) {
    v1::FetchResponse response;
    for (int i = 0; i < items; ++i) {
      response.add_items()->mutable_store()->set_payload("x");
    }
    response.set_answered(answered);
    const auto answer = ParseFetchAnswer(response.SerializeAsString(), asked);
    if (answer.ok()) {
      EXPECT_EQ(answer->answered, answered);
      EXPECT_THAT(answer->items, SizeIs(items));
    }
    return answer.status().code();
  }
};

TEST_F(FetchCodecTest, NamesAreValidAndDifferent) {
  EXPECT_EQ(Parse([](auto&) {}), absl::StatusCode::kOk);
  EXPECT_EQ(Parse([](auto& ask) { ask.clear_names(); }), kMalformed);
  EXPECT_EQ(Parse([](auto& ask) {
              auto& name = *ask.add_names();
              name = ask.names(0);
              name.set_shard(name.shard() ^ 1);
            }),
            kMalformed)
      << "257 names";
  const std::vector<std::function<void(v1::FetchRequest&)>> edits = {
      [](auto& ask) { *ask.mutable_names(0) = ask.names(1); },
      [](auto& ask) { ask.mutable_names(0)->set_kind(0); },
      [](auto& ask) { ask.mutable_names(0)->set_kind(6); },
      [](auto& ask) { ask.mutable_names(0)->set_shard(4096); },
      [](auto& ask) { ask.mutable_names(0)->set_id("short"); }};
  for (size_t i = 0; i < edits.size(); ++i) {
    EXPECT_EQ(Parse(edits[i]), kMalformed) << i;
  }
}

TEST_F(FetchCodecTest, AnAnswerDealsWithSomeOfWhatWasAsked) {
  EXPECT_EQ(ParseAnswer(/*items=*/3, /*answered=*/5, /*asked=*/5),
            absl::StatusCode::kOk);
  EXPECT_EQ(ParseAnswer(/*items=*/0, /*answered=*/1, /*asked=*/5),
            absl::StatusCode::kOk);
  EXPECT_EQ(ParseAnswer(/*items=*/0, /*answered=*/0, /*asked=*/5), kMalformed)
      << "would be asked for again for ever";
  EXPECT_EQ(ParseAnswer(/*items=*/0, /*answered=*/6, /*asked=*/5), kMalformed);
  EXPECT_EQ(ParseAnswer(/*items=*/4, /*answered=*/3, /*asked=*/5), kMalformed);
}

}  // namespace
}  // namespace messenger::swarm
