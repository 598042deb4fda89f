// Stores against the model of bounds: one mailbox after the other is filled to
// its bounds and beyond, in numbers and in bytes, with small and with large
// messages, by clients and by peers, and then the whole node.

#include "swarm/testing/models/quota_model.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"
#include "swarm/auth/limits.h"
#include "swarm/proto/refusal.h"
#include "swarm/testing/models/engine.h"
#include "swarm/validation/admission.h"

namespace messenger::swarm {
namespace {

using Answer = QuotaModel::Answer;
using From = QuotaModel::From;

constexpr uint64_t kMinute = 60'000;
constexpr uint64_t kDay = 24 * 60 * kMinute;
constexpr int kInboxes = 3;  // the first ones; then as many pairwise mailboxes
constexpr int kBoxes = 2 * kInboxes;
// Not a multiple of 100, so that shares of it are no whole bytes.
constexpr uint64_t kCapacity = 6'000'037;

bool IsInbox(int box) { return box < kInboxes; }

MailboxAddress Box(int box) {
  return BoxNumber(box, IsInbox(box) ? MailboxAddress::Kind::kAccount
                                     : MailboxAddress::Kind::kPairwise);
}

OpResult ResultOf(Answer answer) {
  switch (answer) {
    case Answer::kDone:
      return OpResult::kDone;
    case Answer::kDeleted:
      return OpResult::kDeleted;
    case Answer::kSuperseded:
      return OpResult::kSuperseded;
    case Answer::kNotRegistered:
      return OpResult::kNotRegistered;
    case Answer::kMailboxFull:
      return OpResult::kMailboxFull;
    case Answer::kNodeFull:
      return OpResult::kNodeFull;
    case Answer::kOwnerLimit:
      break;
  }
  return OpResult::kOwnerLimit;
}

Origin OriginOf(From from) {
  return from == From::kPeer ? Origin::kPeer : Origin::kClient;
}

// What happens for a while.
struct Phase {
  bool inbox = false;
  uint64_t operations = 0;
  uint64_t most_bytes = 0;        // of a message
  uint64_t ids = 0;               // of a deletion
  uint64_t per_deletion = 0;      // operations
  uint64_t per_purge = 0;         // operations
  uint64_t ms_per_operation = 0;  // at most twice that
};

constexpr Phase kSmallInbox = {true, 1500, 16, 8, 12, 2000, 1000};
// Larger than a stranger's may be: of those, the bound of 200 comes first.
constexpr Phase kLargeInbox = {true, 1500, 20'000, 8, 12, 2000, 1000};
constexpr Phase kSmallPair = {false, 16'000, 16, 8, 60, 100'000, 1000};
constexpr Phase kLargePair = {false, 1800, 66'560, 8, 40, 20'000, 1000};
constexpr Phase kMixed = {true, 4000, 3000, 3, 12, 300, 5 * kMinute};
constexpr Phase kOrders = {true, 800, 16, 1000, 2, 2000, 1000};
const std::vector<Phase> kToTheBounds = {
    kSmallInbox, kLargeInbox, kSmallPair,  kMixed,     kOrders,
    kLargeInbox, kLargePair,  kSmallInbox, kSmallPair, kMixed};

constexpr Phase kManyInAll = {true, 4000, 9216, 20, 40, 400, 30'000};
constexpr Phase kLargeInAll = {false, 1000, 66'560, 4, 40, 400, 30'000};
const std::vector<Phase> kToTheCapacity = {kManyInAll, kLargeInAll, kMixed};

class QuotaModelTest : public ::testing::TestWithParam<EngineKind> {
 protected:
  void Run(uint64_t capacity_bytes, const std::vector<Phase>& phases) {
    Engine engine(GetParam(), seed_, capacity_bytes);
    // Filling mailboxes to their bounds takes a disk a while.
    const uint64_t operations =
        GetParam() == EngineKind::kMemory || capacity_bytes > 0
            ? ModelOperations()
            : ModelOperations(100'000);
    for (size_t next = 0; done_ < operations; ++next) {
      phase_ = phases[next % phases.size()];
      focus_ = static_cast<int>(dice_.Uniform(kInboxes)) +
               (phase_.inbox ? 0 : kInboxes);
      peers_percent_ = 10 + 30 * dice_.Uniform(3);
      // Those of which a peer brings a quarter more are many: not every time.
      if (phase_.ids == 1000 && next / phases.size() % 4 != 0) continue;
      RunPhase(engine, std::min(operations, done_ + phase_.operations));
      if (HasFatalFailure()) return;
      Pause();
    }
  }

  // Days; sometimes until a registration has just lapsed, or just has not.
  void Pause() {
    const uint64_t until = model_.UsageOf(focus_).registered_until_ms;
    if (dice_.Uniform(4) == 0 && until > now_) {
      now_ = until - dice_.Uniform(2);
    } else {
      now_ += dice_.Uniform(dice_.Uniform(3) == 0 ? 40 * kDay : 3 * kDay);
    }
  }

  void RunPhase(Engine& engine, uint64_t until) {
    while (done_ < until) {
      BeginTransaction(engine.store());
      const uint64_t most = dice_.Uniform(2) == 0 ? 2 : 32;
      for (uint64_t n = 1 + dice_.Uniform(most); n > 0; --n) Draw();
      const std::vector<OpResult> results = engine.Apply(ops_, now_);
      ASSERT_EQ(results, expected_) << "seed " << seed_ << " at " << done_;
      done_ += ops_.size();
      if (dice_.Uniform(20) == 0) {
        ASSERT_TRUE(engine.store().Expire(now_, 1'000'000).ok());
        model_.Expire(now_);
      }
      if (dice_.Uniform(400) == 0) engine.PowerCut();
      Compare(engine.store());
      if (HasFatalFailure()) FAIL() << "seed " << seed_ << " at " << done_;
      now_ += dice_.Uniform(2 * phase_.ms_per_operation * 16);
    }
  }

  void BeginTransaction(const MessageStore& store) {
    const NodeSpace space = store.Space();
    // Mailboxes are counted by size to a quarter: too high, then too low.
    const uint64_t median = MedianBytes();
    ASSERT_GE(space.median_mailbox_bytes, median);
    ASSERT_LE(space.median_mailbox_bytes, median + median / 4);
    const uint64_t fair =
        model_.FairBytes(space.used_bytes, space.capacity_bytes);
    ASSERT_LE(space.fair_mailbox_bytes, fair);
    ASSERT_GE(space.fair_mailbox_bytes, fair - fair / 5);
    model_.BeginTransaction(now_, {.used_bytes = space.used_bytes,
                                   .capacity_bytes = space.capacity_bytes,
                                   .median_bytes = space.median_mailbox_bytes,
                                   .fair_bytes = space.fair_mailbox_bytes});
    space_ = space;
    ops_.clear();
    expected_.clear();
    // Some mailboxes are registered late, or never again.
    for (int box = 0; box < kBoxes; ++box) {
      const uint64_t until = model_.UsageOf(box).registered_until_ms;
      if (until > now_ + 10 * kDay ||
          dice_.Uniform(until == 0 ? 200 : 50) > 0) {
        continue;
      }
      const uint64_t time = now_ - dice_.Uniform(2 * kDay);
      ++number_;
      Expect(RegistrationOf(Box(box), number_, time),
             model_.Registration(box, number_, time));
    }
    usage_ = store.Usage(Box(focus_));
  }

  void Draw() {
    const int box = dice_.Uniform(8) == 0
                        ? static_cast<int>(dice_.Uniform(kBoxes))
                        : focus_;
    const From from =
        dice_.Uniform(100) < peers_percent_ ? From::kPeer : From::kClient;
    if (!sizes_[box].empty() && dice_.Uniform(phase_.per_deletion) == 0) {
      return Delete(box, from);
    }
    if (dice_.Uniform(phase_.per_purge) == 0) {
      const uint64_t until = now_ - kDay + dice_.Uniform(15 * kDay);
      ++number_;
      return Expect(PurgeOf(Box(box), number_, until, OriginOf(from)),
                    model_.Purge(box, number_, until, from));
    }
    if (IsInbox(box) && dice_.Uniform(30) == 0) return PutRecord(box, from);
    PutMessage(box, from);
  }

  void PutMessage(int box, From from) {
    const uint64_t expiry = now_ + kDay / 2 + dice_.Uniform(13 * kDay);
    const bool again = !sizes_[box].empty() && dice_.Uniform(6) == 0;
    if (!again) sizes_[box].push_back(SomeSize(box, from));
    // An id stands for one payload.
    const uint64_t message = again ? SomeMessage(box) : sizes_[box].size() - 1;
    const uint64_t bytes = sizes_[box][message];
    Decide(box, message, bytes, expiry, from);
    Expect(MessageOf(Box(box), message, bytes, expiry, OriginOf(from)),
           model_.Message(box, message, bytes, expiry, from));
  }
  void Delete(int box, From from) {
    std::vector<uint64_t> messages(1 + dice_.Uniform(phase_.ids));
    if (phase_.ids < 1000) {
      for (uint64_t& message : messages) message = SomeMessage(box);
      std::sort(messages.begin(), messages.end());
      messages.erase(std::unique(messages.begin(), messages.end()),
                     messages.end());
    } else {
      const uint64_t bound =
          from == From::kPeer ? WithPeerSlack(kOwnerIds) : kOwnerIds;
      const uint64_t left =
          bound - std::min(bound, model_.UsageOf(box).owner_ids);
      const uint64_t wanted = left + dice_.Uniform(2);
      messages.resize(wanted > 0 && wanted <= kMaxDeleteIds ? wanted
                                                            : kMaxDeleteIds);
      // Of what was never here.
      std::iota(messages.begin(), messages.end(), uint64_t{1} << 40);
    }
    // Some come late, and so leave soon.
    const uint64_t time = now_ - dice_.Uniform(30 * kDay);
    ++number_;
    Expect(DeletionOf(Box(box), number_, time, /*effective_ms=*/0, messages,
                      OriginOf(from)),
           model_.Deletion(box, number_, time, messages, from));
  }
  void PutRecord(int box, From from) {
    const int ns = 1 + static_cast<int>(dice_.Uniform(2));
    const int key = static_cast<int>(dice_.Uniform(20));
    const uint64_t seq = dice_.Uniform(5);
    ++number_;
    Expect(RecordOf(Box(box), static_cast<MailboxNamespace>(ns), number_, key,
                    seq, OriginOf(from)),
           model_.Record(box, ns, key, number_, seq, from));
  }

  // What the member that is asked says before anything is written. It decides
  // by what it sees, so only the first of a transaction is in question.
  void Decide(int box, uint64_t message, uint64_t bytes, uint64_t expiry,
              From from) {
    if (!ops_.empty() || box != focus_ || from == From::kPeer ||
        model_.Holds(box, message)) {
      return;
    }
    const Answer answer = model_.Judge(box, message, bytes, expiry, from);
    if (answer == Answer::kDeleted) return;
    const int bits = IsInbox(box) ? model_.WorkBits(box) : 0;
    const auto admitted = [&](int work_bits) {
      return Admit(
          {.op = MessageOf(Box(box), message, bytes, expiry, Origin::kClient),
           .subject = {.id = {}, .mailbox = Box(box), .expiry_ms = 0},
           .work_bits = work_bits},
          usage_, space_, now_);
    };
    v1::Refusal::Reason reason = v1::Refusal::REASON_UNSPECIFIED;
    if (answer == Answer::kNotRegistered) reason = v1::Refusal::NOT_REGISTERED;
    if (answer == Answer::kMailboxFull) reason = v1::Refusal::MAILBOX_FULL;
    if (answer == Answer::kNodeFull) reason = v1::Refusal::NODE_FULL;
    ASSERT_EQ(ReasonOf(admitted(bits)), reason);
    ASSERT_EQ(admitted(bits).ok(), answer == Answer::kDone);
    ++decided_[reason];
    if (answer != Answer::kDone || bits == 0) return;
    const std::optional<v1::Refusal> refusal = RefusalOf(admitted(bits - 1));
    ASSERT_TRUE(refusal.has_value());
    ASSERT_EQ(refusal->reason(), v1::Refusal::WORK_NEEDED);
    ASSERT_EQ(refusal->work_bits(), bits);
    ++decided_[v1::Refusal::WORK_NEEDED];
  }

  // Half of the mailboxes with messages have at most so many bytes.
  uint64_t MedianBytes() const {
    std::vector<uint64_t> bytes;
    for (int box = 0; box < kBoxes; ++box) {
      const uint64_t used = model_.UsageOf(box).bytes;
      if (used > 0) bytes.push_back(used);
    }
    std::sort(bytes.begin(), bytes.end());
    return bytes.empty() ? 0 : bytes[(bytes.size() - 1) / 2];
  }

  // Mostly of those that are there.
  uint64_t SomeMessage(int box) {
    const uint64_t last = sizes_[box].size() - 1;
    return last - std::min(last, dice_.Uniform(IsInbox(box) ? 300 : 14'000));
  }
  uint64_t SomeSize(int box, From from) {
    if (dice_.Uniform(4) == 0) {
      // Just fits, or just does not; makes work rise, or just does not; makes
      // as much as a mailbox in the middle has, or as is fair, or just more.
      const uint64_t quota = IsInbox(box) ? kStrangerBytes : kContactBytes;
      const uint64_t used = model_.UsageOf(box).bytes;
      uint64_t bound = from == From::kPeer ? WithPeerSlack(quota) : quota;
      if (dice_.Uniform(2) == 0) bound = (used / (quota / 16) + 1) * quota / 16;
      if (dice_.Uniform(3) == 0) bound = space_.median_mailbox_bytes;
      if (space_.capacity_bytes > 0 && dice_.Uniform(3) == 0) {
        bound = space_.fair_mailbox_bytes;
      }
      const uint64_t left = bound - std::min(bound, used) + dice_.Uniform(2);
      if (left > 0 && left <= kMaxPayloadBytes) return left;
    }
    const uint64_t most = phase_.most_bytes;
    return dice_.Uniform(2) == 0 ? most : 1 + dice_.Uniform(most);
  }

  void Expect(StoreOp op, Answer answer) {
    ++answers_[answer];
    ops_.push_back(std::move(op));
    expected_.push_back(ResultOf(answer));
  }

  void Compare(const MessageStore& store) {
    StoreTotals sum;
    for (int box = 0; box < kBoxes; ++box) {
      const QuotaModel::Usage expected = model_.UsageOf(box);
      const MailboxUsage actual = store.Usage(Box(box));
      ASSERT_EQ(actual.registered_until_ms, expected.registered_until_ms);
      ASSERT_EQ(actual.messages, expected.messages);
      ASSERT_EQ(actual.bytes, expected.bytes);
      ASSERT_EQ(actual.owner_ids, expected.owner_ids);
      sum.messages += expected.messages;
      sum.payload_bytes += expected.bytes;
      sum.deletions += expected.deletions;
      sum.tombstones += expected.owner_ids;
      sum.records += expected.records;
      sum.registrations += expected.registered_until_ms > 0;
    }
    const auto totals = store.Totals();
    ASSERT_TRUE(totals.ok());
    ASSERT_EQ(totals->messages, sum.messages);
    ASSERT_EQ(totals->payload_bytes, sum.payload_bytes);
    ASSERT_EQ(totals->deletions, sum.deletions);
    ASSERT_EQ(totals->tombstones, sum.tombstones);
    ASSERT_EQ(totals->records, sum.records);
    ASSERT_EQ(totals->registrations, sum.registrations);
  }

  const uint64_t seed_ = ModelSeed();
  crypto::SeededRandom dice_{seed_};
  uint64_t now_ = 1'900'000'000'000;
  uint64_t done_ = 0;
  uint64_t number_ = 0;
  std::vector<uint64_t> sizes_[kBoxes];  // of messages, by their numbers
  Phase phase_;
  int focus_ = 0;
  uint64_t peers_percent_ = 0;
  MailboxUsage usage_;  // of that, before the transaction
  NodeSpace space_;
  QuotaModel model_{{QuotaModel::Class::kStranger, QuotaModel::Class::kStranger,
                     QuotaModel::Class::kStranger, QuotaModel::Class::kContact,
                     QuotaModel::Class::kContact, QuotaModel::Class::kContact}};
  std::vector<StoreOp> ops_;
  std::vector<OpResult> expected_;
  std::map<Answer, uint64_t> answers_;
  std::map<v1::Refusal::Reason, uint64_t> decided_;
};

TEST_P(QuotaModelTest, MailboxesTakeWhatTheirBoundsAllow) {
  Run(/*capacity_bytes=*/0, kToTheBounds);
  for (const Answer answer : {Answer::kDone, Answer::kDeleted,
                              Answer::kNotRegistered, Answer::kMailboxFull}) {
    EXPECT_GT(answers_[answer], done_ / 500) << static_cast<int>(answer);
  }
  EXPECT_GT(answers_[Answer::kOwnerLimit], 0);
  EXPECT_GT(answers_[Answer::kSuperseded], 0);
  EXPECT_GT(decided_[v1::Refusal::WORK_NEEDED], 0);
}

TEST_P(QuotaModelTest, AFullNodeKeepsItsRoomForWhoMayHaveIt) {
  Run(kCapacity, kToTheCapacity);
  EXPECT_GT(answers_[Answer::kDone], done_ / 20);
  EXPECT_GT(answers_[Answer::kNodeFull], done_ / 20);
  EXPECT_GT(decided_[v1::Refusal::NODE_FULL], 0);
}

INSTANTIATE_TEST_SUITE_P(Stores, QuotaModelTest,
                         ::testing::Values(EngineKind::kMemory,
                                           EngineKind::kSqlite),
                         [](const auto& test) {
                           return EngineName(test.param);
                         });

}  // namespace
}  // namespace messenger::swarm
