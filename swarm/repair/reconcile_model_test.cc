// Reconciliation against a model: a third store, to which everything was
// applied. In parts that run beside one another, a million operations in all;
// more or fewer with --test_env=RECONCILE_OPERATIONS=N.

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"
#include "swarm/repair/stored_item.h"
#include "swarm/repair/testing/reconciler_fixture.h"

namespace messenger::swarm {
namespace {

constexpr uint64_t kParts = 4;

// Of one part.
uint64_t Operations() {
  const char* wanted = std::getenv("RECONCILE_OPERATIONS");
  return (wanted == nullptr ? 1'000'000 : std::strtoull(wanted, nullptr, 10)) /
         kParts;
}

class ReconcileModelTest : public ReconcilerFixture,
                           public ::testing::WithParamInterface<uint64_t> {};

// The law: after one run both hold the union of what both had, less what
// orders and newer versions of either remove. The model is a third store to
// which everything was applied.
TEST_P(ReconcileModelTest, OneRunMakesAnyTwoSetsEqual) {
  uint64_t operations = 0;
  for (uint64_t seed = GetParam(); operations < Operations(); seed += kParts) {
    Reset();
    InMemoryStore both(random_);
    crypto::SeededRandom dice(seed);
    UnsignedItems items(dice);
    // Mostly small sets, some of thousands.
    const uint64_t count = seed % 50 == 0 ? 5000 : dice.Uniform(1200);
    const int apart_percent = static_cast<int>(dice.Uniform(101));
    const absl::Time now = clock_.Now();
    std::vector<MailboxAddress> mailboxes;
    std::vector<PutMessage> messages;
    const auto apply = [&](StoreOp op) {
      SetOrigin(op, Origin::kPeer);  // quotas and work are not the question
      ApplyTo(both, op, now);
      const bool apart =
          dice.Uniform(100) < static_cast<uint64_t>(apart_percent);
      const uint64_t side = apart ? dice.Uniform(2) : 2;
      if (side != 1) ApplyTo(*ours_, op, now);
      if (side != 0) ApplyTo(*theirs_, op, now);
      ++operations;
    };
    for (uint64_t i = 0; i < 1 + count / 20; ++i) {
      mailboxes.push_back(items.MailboxIn(shards_));
      // In force everywhere: a store takes nothing for a mailbox it does not
      // know, so an unknown one is another case (above).
      const PutRegistration put = items.Registration(
          mailboxes.back(), now - absl::Hours(24) * dice.UnitDouble());
      for (MessageStore* store : {static_cast<MessageStore*>(&both),
                                  static_cast<MessageStore*>(ours_.get()),
                                  static_cast<MessageStore*>(theirs_.get())}) {
        ApplyTo(*store, put, now);
      }
      ++operations;
    }
    for (uint64_t i = 0; i < count; ++i) {
      const MailboxAddress& mailbox = mailboxes[dice.Uniform(mailboxes.size())];
      const absl::Time expiry =
          now + absl::Seconds(60) + dice.UnitDouble() * absl::Hours(330);
      switch (dice.Uniform(20)) {
        case 0:
          apply(items.Registration(mailbox,
                                   now - absl::Hours(1) * dice.UnitDouble()));
          break;
        case 1:
          if (messages.empty()) break;
          {
            const PutMessage& victim = messages[dice.Uniform(messages.size())];
            apply(items.Deletion(
                victim.mailbox, {victim.id}, now,
                dice.Uniform(2) == 0 ? absl::UnixEpoch() : expiry));
          }
          break;
        case 2:
          if (dice.Uniform(10) == 0) {
            apply(items.Purge(mailbox,
                              now + dice.UnitDouble() * absl::Hours(100), now));
          }
          break;
        case 3:
          if (mailbox.kind() != MailboxAddress::Kind::kAccount) break;
          {
            RecordKey key;
            key.data()[0] = static_cast<char>(dice.Uniform(4));
            apply(items.Record(mailbox, key, dice.Uniform(5)));
          }
          break;
        case 4:
          if (messages.empty()) break;
          {
            PutMessage again = messages[dice.Uniform(messages.size())];
            again.expiry_ms = static_cast<uint64_t>(absl::ToUnixMillis(expiry));
            apply(again);
          }
          break;
        default:
          messages.push_back(items.Message(mailbox, expiry));
          apply(messages.back());
      }
    }
    const Reconciler::Outcome outcome = Run();
    ASSERT_EQ(outcome.end, Reconciler::End::kComplete)
        << seed << ' ' << outcome.status;
    const absl::Time from = Edge() + absl::Minutes(1);
    ASSERT_EQ(EntriesOf(*ours_, from), EntriesOf(*theirs_, from)) << seed;
    ASSERT_EQ(EntriesOf(*ours_, from), EntriesOf(both, from)) << seed;
    // Steps and bytes by what differs, not by what there is.
    ASSERT_LE(outcome.steps, 12 + count / 10) << seed;
    ASSERT_LE(outcome.bytes_sent + outcome.bytes_received,
              64 * 1024 + count * 800)
        << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Parts, ReconcileModelTest,
                         ::testing::Range(uint64_t{0}, kParts));

}  // namespace
}  // namespace messenger::swarm
