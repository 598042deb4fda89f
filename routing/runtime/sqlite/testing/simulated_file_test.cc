#include "routing/runtime/sqlite/testing/simulated_file.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"

namespace messenger::sqlite {
namespace {

using Fate = SimulatedFile::Fate;

// The same file, told naively: what is durable, and what happened since.
class Model {
 public:
  struct Change {
    bool is_truncation;
    bool given_up;
    uint64_t offset;
    std::string bytes;
  };

  static void Apply(const Change& change, std::string& content) {
    if (change.is_truncation) {
      content.resize(change.offset);
      return;
    }
    const uint64_t end = change.offset + change.bytes.size();
    if (content.size() < end) content.resize(end);
    content.replace(change.offset, change.bytes.size(), change.bytes);
  }

  void Write(uint64_t offset, const std::string& bytes) {
    changes_.push_back({false, false, offset, bytes});
  }
  void Truncate(uint64_t size) {
    if (size != Seen().size()) changes_.push_back({true, false, size, ""});
  }
  void Sync() { changes_.clear(); }
  std::string Seen() const {
    std::string seen = durable;
    for (const Change& change : changes_) Apply(change, seen);
    return seen;
  }
  const std::vector<Change>& changes() const { return changes_; }

  std::string durable;

 private:
  std::vector<Change> changes_;
};

class SimulatedFileTest : public ::testing::TestWithParam<int> {
 protected:
  // Some writes and truncations, done to both.
  void Change(SimulatedFile& file, Model& model) {
    for (uint64_t n = random_.Uniform(8); n > 0; --n) {
      const uint64_t at = random_.Uniform(5000);
      if (random_.Uniform(4) == 0) {
        file.Truncate(at);
        model.Truncate(at);
      } else {
        const std::string bytes = random_.String(random_.Uniform(2000) + 1);
        file.Write(at, bytes);
        model.Write(at, bytes);
      }
      ASSERT_TRUE(file.content() == model.Seen());
    }
  }

  crypto::SeededRandom random_{static_cast<uint64_t>(GetParam())};
};

TEST_P(SimulatedFileTest, KeepsWhatIsSyncedAndOfTheRestWhatFateSays) {
  SimulatedFile file;
  Model model;
  for (int round = 0; round < 30; ++round) {
    Change(file, model);
    if (random_.Uniform(2) == 0) {
      file.Sync();
      model.durable = model.Seen();
      model.Sync();
      EXPECT_EQ(file.unsynced(), 0);
      Change(file, model);
    }
    ASSERT_EQ(file.unsynced(), model.changes().size());
    std::string expected = model.durable;
    size_t next = 0;
    file.LosePower(
        [&](bool is_truncation) {
          const Model::Change& change = model.changes()[next++];
          EXPECT_EQ(is_truncation, change.is_truncation);
          if (random_.Uniform(2) == 0) return Fate::kDropped;
          Model::Apply(change, expected);
          return Fate::kKept;
        },
        random_);
    ASSERT_EQ(next, model.changes().size());
    ASSERT_TRUE(file.content() == expected);
    model.durable = expected;
    model.Sync();
  }
}

TEST_P(SimulatedFileTest, WhatAFailedSyncGaveUpNeedsANewWrite) {
  SimulatedFile file;
  Model before;
  Change(file, before);
  file.Sync();
  std::string durable = before.Seen();
  Model lost;
  lost.durable = durable;
  Change(file, lost);
  file.GiveUpUnsynced();
  Model written;
  written.durable = lost.Seen();
  Change(file, written);
  file.Sync();
  EXPECT_TRUE(file.content() == written.Seen()) << "a program does not notice";
  for (const Model::Change& change : written.changes()) {
    Model::Apply(change, durable);
  }
  file.LosePower([](bool) { return Fate::kDropped; }, random_);
  EXPECT_TRUE(file.content() == durable);
}

TEST_P(SimulatedFileTest, ATornWriteIsOldOrNewInEachSector) {
  const std::string old_bytes(10'000, 'o');
  SimulatedFile file(old_bytes);
  const uint64_t at = random_.Uniform(3000);
  const uint64_t length = 2000 + random_.Uniform(3000);
  file.Write(at, std::string(length, 'n'));
  file.LosePower([](bool) { return Fate::kTorn; }, random_);
  ASSERT_EQ(file.size(), old_bytes.size());
  for (uint64_t i = 0; i < file.size(); ++i) {
    const bool is_new = file.content()[i] == 'n';
    if (i < at || i >= at + length) {
      ASSERT_FALSE(is_new) << i;
    } else if (i > at && i % SimulatedFile::kSectorBytes != 0) {
      ASSERT_EQ(is_new, file.content()[i - 1] == 'n') << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, SimulatedFileTest, ::testing::Range(0, 50));

TEST(SimulatedFileDamageTest, KnowsWhichBytesAreDurable) {
  SimulatedFile file(std::string(100, 'x'));
  file.Write(120, "ab");
  EXPECT_TRUE(file.IsDurable(99));
  EXPECT_FALSE(file.IsDurable(110)) << "the hole is not there for certain";
  EXPECT_FALSE(file.IsDurable(121));
  file.Truncate(50);
  EXPECT_TRUE(file.IsDurable(49));
  EXPECT_FALSE(file.IsDurable(50));
}

TEST(SimulatedFileDamageTest, ABitFlipSurvivesEverything) {
  SimulatedFile file(std::string(100, 'a'));
  file.Write(0, "b");
  file.FlipBit(50, 1);
  crypto::SeededRandom random(1);
  file.LosePower([](bool) { return Fate::kDropped; }, random);
  EXPECT_EQ(file.content(), std::string(50, 'a') + "c" + std::string(49, 'a'));
  file.CutOff(51);
  EXPECT_EQ(file.content(), std::string(50, 'a') + "c");
}

}  // namespace
}  // namespace messenger::sqlite
