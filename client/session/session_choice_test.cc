#include "client/session/session_choice.h"

#include <vector>

#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

SessionSummary Summary(char id, absl::Time generation = absl::UnixEpoch(),
                       absl::Time created = kNow, bool awaiting = false) {
  SessionSummary summary;
  summary.id.data()[0] = id;
  summary.generation = generation;
  summary.created = created;
  summary.awaiting_reply = awaiting;
  return summary;
}

TEST(SessionChoiceTest, OfTwoInitiatedAtOnceTheLowerIdIsUsed) {
  EXPECT_EQ(PreferredSession({Summary(2), Summary(1)}), 1u);
  EXPECT_EQ(PreferredSession({Summary(1), Summary(2)}), 0u);
  // Neither age nor having been answered matters: the other side may see both
  // differently.
  EXPECT_EQ(PreferredSession({Summary(2), Summary(1, absl::UnixEpoch(),
                                                  kNow - absl::Hours(1),
                                                  /*awaiting=*/true)}),
            1u);
}

TEST(SessionChoiceTest, ARefreshOutranksWhatItReplaces) {
  EXPECT_EQ(PreferredSession({Summary(1), Summary(9, kNow)}), 1u);
  EXPECT_EQ(
      PreferredSession({Summary(1, kNow), Summary(9, kNow + absl::Hours(1))}),
      1u);
}

TEST(SessionChoiceTest, TheChoiceDoesNotDependOnTheOrder) {
  crypto::SeededRandom random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<SessionSummary> sessions;
    for (uint64_t i = 0, n = 1 + random.Uniform(6); i < n; ++i) {
      SessionSummary summary =
          Summary(0, absl::UnixEpoch() + absl::Hours(random.Uniform(2)));
      summary.id = random.Fixed<SessionId>();
      sessions.push_back(summary);
    }
    const SessionId chosen = sessions[PreferredSession(sessions)].id;
    random.Shuffle(sessions.begin(), sessions.end());
    EXPECT_EQ(sessions[PreferredSession(sessions)].id, chosen);
  }
}

TEST(SessionChoiceTest, ThreeSessionsLiveAndTheLeastPreferredGoes) {
  EXPECT_THAT(SessionsToDelete({Summary(3), Summary(1), Summary(2)}, kNow),
              IsEmpty());
  EXPECT_THAT(
      SessionsToDelete({Summary(3), Summary(4), Summary(1), Summary(2)}, kNow),
      ElementsAre(1));
}

TEST(SessionChoiceTest, AnUnansweredSessionGoesAfterThirtyDays) {
  const absl::Duration ms = absl::Milliseconds(1);
  const absl::Time created = kNow - kUnansweredSessionLifetime;
  EXPECT_THAT(SessionsToDelete(
                  {Summary(1, absl::UnixEpoch(), created + ms, true)}, kNow),
              IsEmpty());
  EXPECT_THAT(
      SessionsToDelete({Summary(1, absl::UnixEpoch(), created, true)}, kNow),
      ElementsAre(0));
  EXPECT_THAT(
      SessionsToDelete({Summary(1, absl::UnixEpoch(), created, false)}, kNow),
      IsEmpty());
}

TEST(SessionChoiceTest, RefreshesAreLimitedByTheHourAndByTheDay) {
  EXPECT_TRUE(RefreshAllowed({}, kNow));
  EXPECT_FALSE(RefreshAllowed({kNow - absl::Minutes(59)}, kNow));
  EXPECT_TRUE(RefreshAllowed({kNow - absl::Minutes(60)}, kNow));
  std::vector<absl::Time> five;
  for (int i = 1; i <= 5; ++i) five.push_back(kNow - absl::Hours(4 * i));
  EXPECT_FALSE(RefreshAllowed(five, kNow));
  five.back() = kNow - absl::Hours(24);
  EXPECT_TRUE(RefreshAllowed(five, kNow));
}

}  // namespace
}  // namespace messenger::client
