// Stores against the model of reading on: readers with pages of all sizes, some
// of whom come back with an old cursor, while messages come, come again, end,
// are deleted and lost, and the power fails. An operation is a write or a page.
//
// Beside the model stands the law itself: no reader is shown a message twice,
// and whoever has read to the end has been shown everything that is there.

#include "swarm/testing/models/cursor_model.h"

#include <array>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"
#include "swarm/auth/item.h"
#include "swarm/auth/limits.h"
#include "swarm/placement/rendezvous.h"
#include "swarm/testing/models/engine.h"

namespace messenger::swarm {
namespace {

constexpr uint64_t kMinute = 60'000;
constexpr uint64_t kHour = 60 * kMinute;
constexpr uint64_t kDay = 24 * kHour;
constexpr int kBoxes = 4;
constexpr int kReaders = 3;  // of each
constexpr uint64_t kMessages = 40;

struct Reader {
  uint64_t incarnation = 0;
  uint64_t cursor = 0;
  uint64_t place = 0;
  std::set<uint64_t> shown;  // places
};

class CursorModelTest : public ::testing::TestWithParam<EngineKind> {
 protected:
  static MailboxAddress Box(int box) {
    return BoxNumber(box, box % 2 == 0 ? MailboxAddress::Kind::kAccount
                                       : MailboxAddress::Kind::kPairwise);
  }
  // An id stands for one payload; some fill a page.
  static uint64_t BytesOf(int box, uint64_t message) {
    if (message % 50 == 0) {
      return box % 2 == 0 ? kMaxStrangerPayloadBytes : kMaxPayloadBytes;
    }
    return 1 + message * 7919 % 300;
  }

  void Write(MessageStore& store) {
    const int box = static_cast<int>(dice_.Uniform(kBoxes));
    CursorModel& model = models_[box];
    // Others come into play as time goes on; else all would be deleted.
    const uint64_t message = now_ / (kHour / 2) + dice_.Uniform(kMessages);
    const Origin origin =
        dice_.Uniform(2) == 0 ? Origin::kClient : Origin::kPeer;
    const uint64_t some_time =
        now_ + 1 + dice_.Uniform(dice_.Uniform(2) == 0 ? kHour / 3 : 2 * kDay);
    switch (dice_.Uniform(40)) {
      case 0: {
        const uint64_t effective = dice_.Uniform(2) == 0 ? 0 : some_time;
        // Some come late, and so leave soon. No effect is later than the end
        // of what there was at the order's time.
        const uint64_t time =
            now_ - dice_.Uniform(effective == 0 ? 31 * kDay : 12 * kDay);
        model.Deletion(time, effective, {message, message + 1});
        Expect(DeletionOf(Box(box), ++number_, time, effective,
                          {message, message + 1}, origin));
        break;
      }
      case 1:
        if (dice_.Uniform(6) == 0) {
          // Each reaches further than the one before.
          model.Purge(now_);
          Expect(PurgeOf(Box(box), ++number_, now_, origin));
          break;
        }
        model.Drop(message);
        Expect(DropDamaged{
            {ItemKind::kMessage, ShardOf(Box(box)), IdNumber(message)}});
        break;
      default: {
        const uint64_t bytes = BytesOf(box, message);
        const bool taken = model.Message(message, bytes, some_time, now_);
        deleted_ += !taken;
        Expect(MessageOf(Box(box), message, bytes, some_time, origin),
               taken ? OpResult::kDone : OpResult::kDeleted);
      }
    }
    if (dice_.Uniform(20'000) == 0) GiveUpShard(store, box);
  }
  // The node leaves the shard of a mailbox and comes back to it.
  void GiveUpShard(MessageStore& store, int box) {
    Apply(store);
    while (true) {
      const auto erased =
          store.EraseShard(ShardOf(Box(box)), 1 + dice_.Uniform(50));
      ASSERT_TRUE(erased.ok());
      if (*erased == 0) break;
    }
    models_[box].DropAll();
    Register(box);
  }
  void Register(int box) { Expect(RegistrationOf(Box(box), ++number_, now_)); }
  void Expect(StoreOp op, OpResult result = OpResult::kDone) {
    ops_.push_back(std::move(op));
    expected_.push_back(result);
  }
  void Apply(MessageStore& store) {
    const auto results = store.Apply(ops_, now_);
    ASSERT_TRUE(results.ok());
    ASSERT_EQ(*results, expected_);
    ops_.clear();
    expected_.clear();
  }

  void Read(const MessageStore& store) {
    const int box = static_cast<int>(dice_.Uniform(kBoxes));
    const uint64_t of_box = dice_.Uniform(kReaders);
    Reader& reader = readers_[box][of_box];
    if (reader.incarnation != store.incarnation()) {
      // Its cursor counts nothing of what is here.
      reader = {.incarnation = store.incarnation(), .shown = {}};
      ++beginnings_;
    }
    const uint64_t rows = 1 + dice_.Uniform(dice_.Uniform(2) == 0 ? 4 : 256);
    const uint64_t bytes = PageBytes(models_[box], reader.place);
    const CursorModel::Page expected =
        models_[box].List(reader.place, now_, rows, bytes);
    ComparePage(store, box, reader.cursor, rows, bytes, expected);
    if (HasFatalFailure()) return;
    for (const CursorModel::Row& row : expected.rows) {
      ASSERT_TRUE(reader.shown.insert(row.place).second) << "shown twice";
      reader.place = row.place;
      reader.cursor = seqs_[box].at(row.place);
    }
    if (bytes == kMaxPageBytes && expected.more) {
      ASSERT_FALSE(expected.rows.empty()) << "the largest page holds any";
    }
    if (!expected.more) ExpectAllShown(box, reader);
    // Somebody goes back to yesterday's copy of his cursor.
    Reader& copy = copies_[box][of_box];
    if (dice_.Uniform(100) == 0) copy = reader;
    if (dice_.Uniform(200) == 0) reader = copy;
  }
  uint64_t PageBytes(const CursorModel& model, uint64_t place) {
    switch (dice_.Uniform(4)) {
      case 0:
        return kMaxPageBytes;
      case 1:
        return dice_.Uniform(1000);
      case 2:
        return kMinPageBytes;
      default: {
        // Just what is there, or one less.
        uint64_t bytes = 0;
        for (const CursorModel::Row& row :
             model.List(place, now_, 1 + dice_.Uniform(5), kMaxPageBytes)
                 .rows) {
          bytes += row.bytes + kRowOverheadBytes;
        }
        return bytes - (bytes > 0 ? dice_.Uniform(2) : 0);
      }
    }
  }
  void ComparePage(const MessageStore& store, int box, uint64_t cursor,
                   size_t rows, size_t bytes,
                   const CursorModel::Page& expected) {
    const auto page =
        store.List(Box(box), MessagesOf(Box(box)), cursor, now_, rows, bytes);
    ASSERT_TRUE(page.ok());
    ASSERT_EQ(page->more, expected.more);
    ASSERT_EQ(page->messages.size(), expected.rows.size());
    uint64_t last = cursor;
    for (size_t i = 0; i < expected.rows.size(); ++i) {
      const StoredMessage& message = page->messages[i];
      const CursorModel::Row& row = expected.rows[i];
      ASSERT_EQ(NumberOf(message.id), row.message);
      ASSERT_EQ(message.payload.size(), row.bytes);
      ASSERT_EQ(message.expiry_ms, row.end_ms);
      ASSERT_EQ(message.author_expiry_ms, row.author_ms);
      ASSERT_GT(message.seq, last);
      last = message.seq;
      NoteSeq(box, row.place, message.seq);
      if (HasFatalFailure()) return;
    }
    pages_ += page->more;
  }
  // A place keeps its number, and no number is used twice.
  void NoteSeq(int box, uint64_t place, uint64_t seq) {
    const auto [known, fresh] = seqs_[box].try_emplace(place, seq);
    ASSERT_EQ(known->second, seq);
    if (!fresh) return;
    ASSERT_TRUE(used_.insert(seq).second);
    if (known != seqs_[box].begin()) {
      ASSERT_LT(std::prev(known)->second, seq);
    }
    if (std::next(known) != seqs_[box].end()) {
      ASSERT_GT(std::next(known)->second, seq);
    }
  }
  void ExpectAllShown(int box, Reader& reader) {
    const auto& rows = models_[box].rows();
    for (const auto& [place, row] : rows) {
      ASSERT_TRUE(row.end_ms <= now_ || reader.shown.contains(place))
          << "message " << row.message << " is skipped";
    }
    std::erase_if(reader.shown,
                  [&](uint64_t place) { return !rows.contains(place); });
  }
  // From any number that was ever given, also of what is gone, or just below.
  void ReadFromAnywhere(const MessageStore& store) {
    const int box = static_cast<int>(dice_.Uniform(kBoxes));
    if (dice_.Uniform(10) == 0) {
      return ComparePage(store, box, (uint64_t{1} << 63) - 1, 10, kMaxPageBytes,
                         {});
    }
    const auto seq =
        seqs_[box].lower_bound(dice_.Uniform(models_[box].last_place() + 1));
    if (seq == seqs_[box].end()) return;
    const uint64_t below = dice_.Uniform(2);
    ComparePage(store, box, seq->second - below, 3, kMaxPageBytes,
                models_[box].List(seq->first - below, now_, 3, kMaxPageBytes));
  }

  void Wipe(Engine& engine) {
    const uint64_t before = engine.store().incarnation();
    engine.Wipe();
    ASSERT_NE(engine.store().incarnation(), before);
    used_.clear();
    for (int box = 0; box < kBoxes; ++box) {
      models_[box] = CursorModel();
      seqs_[box].clear();
      Register(box);
    }
    Apply(engine.store());
  }

  const uint64_t seed_ = ModelSeed();
  crypto::SeededRandom dice_{seed_};
  uint64_t now_ = 1'900'000'000'000;
  uint64_t number_ = 0;
  std::array<CursorModel, kBoxes> models_;
  std::array<std::array<Reader, kReaders>, kBoxes> readers_;
  std::array<std::array<Reader, kReaders>, kBoxes> copies_;
  std::array<std::map<uint64_t, uint64_t>, kBoxes> seqs_;  // by place
  std::set<uint64_t> used_;
  std::vector<StoreOp> ops_;
  std::vector<OpResult> expected_;
  uint64_t deleted_ = 0;
  uint64_t beginnings_ = 0;
  uint64_t pages_ = 0;  // that were not the last
};

TEST_P(CursorModelTest, ReadersMissNothingAndSeeNothingTwice) {
  Engine engine(GetParam(), seed_);
  const uint64_t length = ModelOperations();
  Wipe(engine);
  uint64_t renewed = now_;
  for (uint64_t operations = 0; operations < length;) {
    now_ += dice_.Uniform(12 * kMinute);
    if (now_ - renewed > 10 * kDay) {
      renewed = now_;
      for (int box = 0; box < kBoxes; ++box) Register(box);
    }
    for (uint64_t n = dice_.Uniform(12); n > 0; --n, ++operations) {
      Write(engine.store());
    }
    Apply(engine.store());
    for (uint64_t n = dice_.Uniform(6); n > 0; --n, ++operations) {
      dice_.Uniform(8) == 0 ? ReadFromAnywhere(engine.store())
                            : Read(engine.store());
    }
    if (dice_.Uniform(6) == 0) {
      ASSERT_TRUE(engine.store().Expire(now_, 1'000'000).ok());
      for (CursorModel& model : models_) model.Expire(now_);
    }
    if (dice_.Uniform(500) == 0) engine.PowerCut();
    if (dice_.Uniform(4000) == 0) Wipe(engine);
    if (HasFatalFailure()) {
      FAIL() << "seed " << seed_ << " at " << operations;
    }
  }
  EXPECT_GT(pages_, length / 50);
  EXPECT_GT(deleted_, length / 200);
  EXPECT_GT(beginnings_, kBoxes * kReaders);
}

INSTANTIATE_TEST_SUITE_P(Stores, CursorModelTest,
                         ::testing::Values(EngineKind::kMemory,
                                           EngineKind::kSqlite),
                         [](const auto& test) {
                           return EngineName(test.param);
                         });

}  // namespace
}  // namespace messenger::swarm
