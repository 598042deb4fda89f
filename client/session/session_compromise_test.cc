// What a thief of keys, or somebody who has broken one of the two kinds of
// keys, can open and forge, and what not (client/SPEC.md, sections 6 and 15).
//
// Each test also shows what the attacker does open: an attacker who never
// opens anything proves nothing.

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/session/device_keys.h"
#include "client/session/session.h"
#include "client/session/testing/recording_random.h"
#include "client/session/testing/session_attacker.h"
#include "client/session/testing/test_party.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "crypto/kem/xwing.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

std::vector<std::string> Contents(const std::map<size_t, std::string>& opened) {
  std::vector<std::string> contents;
  for (const auto& [number, content] : opened) contents.push_back(content);
  return contents;
}

// Alice and Bob talk; Eve records every blob.
class SessionCompromiseTest : public ::testing::Test {
 protected:
  std::string AliceWrites(absl::string_view content) {
    return Recorded(MustEncrypt(*alices_, content, random_));
  }
  std::string BobWrites(absl::string_view content) {
    return Recorded(MustEncrypt(*bobs_, content, random_));
  }
  void AliceReads(absl::string_view blob) {
    ASSERT_THAT(Receive(*alices_, blob, alice_), IsOk());
  }
  void BobReads(absl::string_view blob) {
    ASSERT_THAT(Receive(*bobs_, blob, bob_), IsOk());
  }
  void AliceStarts() { alices_ = MustInitiate(alice_, bob_, random_); }
  void BobAccepts(absl::string_view blob) {
    bobs_ = std::move(
        Accept(bob_.self(), bob_.prekeys, blob, kTestNow).value().session);
  }
  // One message each way, both read: one turn of both.
  void RoundTrip(absl::string_view name) {
    BobReads(AliceWrites(absl::StrCat(name, " of Alice")));
    AliceReads(BobWrites(absl::StrCat(name, " of Bob")));
  }
  void Establish() {
    AliceStarts();
    BobAccepts(AliceWrites("first flight"));
    AliceReads(BobWrites("first answer"));
    RoundTrip("round trip");
  }
  // As on a device that is online and reads its inbox.
  void BobDeletesHisPrekeys() {
    const absl::Time end = kTestNow + absl::Hours(24);
    ASSERT_THAT(bob_.prekeys.Rotate(bob_.identity, bob_.device, end, random_),
                IsOk());
    const absl::Time now = end + absl::Hours(49);
    ASSERT_EQ(bob_.prekeys.DeleteFinished(now, now).size(), 1u);
  }

  void StealAll(const TestParty& party, const Session& session) {
    eve_.KnowLongTermKeys(party);
    eve_.KnowPrekeys(party.prekeys);
    eve_.StealSession(session.Serialize());
  }

  // All honest randomness from now on, for whoever has broken X25519: every
  // private key there is. ML-KEM seeds and encapsulations stay secret.
  void BreakX25519(const RecordingRandom& random) {
    for (const std::string& draw : random.draws()) {
      if (draw.size() == 32) eve_.KnowX25519(draw);
    }
  }
  // The same for ML-KEM: every seed.
  void BreakMlKem(const RecordingRandom& random) {
    for (const std::string& draw : random.draws()) {
      if (draw.size() == 64) eve_.KnowMlKem(draw);
    }
  }

  // How many of Eve's forgeries `session` takes.
  int Accepts(const Session& session, const TestParty& owner) {
    crypto::SeededRandom eves_random(666);
    int accepted = 0;
    eve_.Forge(eves_random, [&](const std::string& blob) {
      if (session.Decrypt(blob, kTestNow, owner.kem).ok()) ++accepted;
    });
    return accepted;
  }

  std::string Recorded(std::string blob) {
    eve_.Record(blob);
    return blob;
  }

  crypto::SeededRandom seeded_{40};
  RecordingRandom random_{seeded_};
  TestParty alice_{random_};
  TestParty bob_{random_};
  SessionAttacker eve_{alice_, bob_};
  std::optional<Session> alices_;
  std::optional<Session> bobs_;
};

// --- Forward secrecy ---------------------------------------------------------

TEST_F(SessionCompromiseTest, EverythingOfTodayOpensNothingThatWasRead) {
  Establish();
  RoundTrip("second");
  BobReads(AliceWrites("third of Alice"));
  BobDeletesHisPrekeys();
  StealAll(alice_, *alices_);
  StealAll(bob_, *bobs_);
  EXPECT_THAT(eve_.Open(), IsEmpty());

  // She does have what comes now, in both directions, until fresh keys of
  // both have met.
  BobReads(AliceWrites("fourth of Alice"));
  AliceReads(BobWrites("fourth of Bob"));
  BobReads(AliceWrites("fifth of Alice"));
  EXPECT_THAT(Contents(eve_.Open()),
              UnorderedElementsAre("fourth of Alice", "fourth of Bob"));
}

TEST_F(SessionCompromiseTest, OfTheReadMessagesOfARunningChainNothingOpens) {
  Establish();
  for (const char* content : {"one", "two", "three"}) {
    BobReads(AliceWrites(content));
  }
  BobDeletesHisPrekeys();
  StealAll(alice_, *alices_);
  StealAll(bob_, *bobs_);
  EXPECT_THAT(eve_.Open(), IsEmpty());
}

TEST_F(SessionCompromiseTest, AKeyKeptForALateMessageOpensThatMessageOnly) {
  Establish();
  BobReads(AliceWrites("on time"));
  AliceWrites("late");
  BobReads(AliceWrites("after it"));
  AliceReads(BobWrites("answer"));
  BobReads(AliceWrites("next chain"));
  BobDeletesHisPrekeys();
  StealAll(alice_, *alices_);
  StealAll(bob_, *bobs_);
  EXPECT_THAT(Contents(eve_.Open()), UnorderedElementsAre("late"));
}

TEST_F(SessionCompromiseTest, AKeyKeptForALateMessageGoesWhenItArrives) {
  Establish();
  const std::string late = AliceWrites("late");
  BobReads(AliceWrites("on time"));
  BobReads(late);
  BobDeletesHisPrekeys();
  StealAll(alice_, *alices_);
  StealAll(bob_, *bobs_);
  EXPECT_THAT(eve_.Open(), IsEmpty());
}

// --- The first flight --------------------------------------------------------

TEST_F(SessionCompromiseTest, AFirstFlightIsOpenUntilItsPrekeysAreDeleted) {
  AliceStarts();
  BobAccepts(AliceWrites("first flight"));
  StealAll(bob_, *bobs_);
  EXPECT_THAT(Contents(eve_.Open()), UnorderedElementsAre("first flight"));
}

TEST_F(SessionCompromiseTest, ADeletedPrekeySealsTheFirstFlight) {
  AliceStarts();
  BobAccepts(AliceWrites("first flight"));
  AliceReads(BobWrites("first answer"));
  BobReads(AliceWrites("second"));
  BobDeletesHisPrekeys();
  StealAll(alice_, *alices_);
  StealAll(bob_, *bobs_);
  EXPECT_THAT(eve_.Open(), IsEmpty());
}

TEST_F(SessionCompromiseTest, ADeletedPrekeySealsAFirstFlightNotYetAnswered) {
  AliceStarts();
  BobAccepts(AliceWrites("first flight"));
  BobDeletesHisPrekeys();
  StealAll(alice_, *alices_);
  StealAll(bob_, *bobs_);
  EXPECT_THAT(eve_.Open(), IsEmpty());
}

TEST_F(SessionCompromiseTest, ADeletedPrekeySealsAgainstBrokenCurvesToo) {
  AliceStarts();
  BobAccepts(AliceWrites("first flight"));
  BobDeletesHisPrekeys();
  StealAll(alice_, *alices_);
  StealAll(bob_, *bobs_);
  BreakX25519(random_);
  EXPECT_THAT(eve_.Open(), IsEmpty());
}

TEST_F(SessionCompromiseTest, AFirstFlightOpensWithAllThreeKindsOfKeysOnly) {
  AliceStarts();
  const std::string blob = AliceWrites("first flight");
  for (int stolen = 0; stolen < 8; ++stolen) {
    SessionAttacker thief(alice_, bob_);
    thief.Record(blob);
    if ((stolen & 1) != 0) {
      thief.KnowX25519(bob_.device.agreement_key().secret().Expose());
    }
    if ((stolen & 2) != 0) thief.KnowXWing(bob_.kem.seed().Expose());
    if ((stolen & 4) != 0) thief.KnowPrekeys(bob_.prekeys);
    EXPECT_EQ(thief.Open().size(), stolen == 7 ? 1u : 0u) << stolen;
  }
}

TEST_F(SessionCompromiseTest, LongTermKeysAloneOpenNothing) {
  Establish();
  RoundTrip("second");
  eve_.KnowLongTermKeys(alice_);
  eve_.KnowLongTermKeys(bob_);
  EXPECT_THAT(eve_.Open(), IsEmpty());
}

TEST_F(SessionCompromiseTest, WhatTheSenderHoldsDoesNotOpenHerFirstFlight) {
  AliceStarts();
  AliceWrites("one");
  AliceWrites("two");
  StealAll(alice_, *alices_);
  EXPECT_THAT(eve_.Open(), IsEmpty());
  AliceWrites("three");
  EXPECT_THAT(Contents(eve_.Open()), UnorderedElementsAre("three"));
}

TEST_F(SessionCompromiseTest, AnUnreadFirstFlightIsSealedByTheDeletionToo) {
  AliceStarts();
  AliceWrites("never read");
  BobDeletesHisPrekeys();
  eve_.KnowLongTermKeys(alice_);
  eve_.KnowLongTermKeys(bob_);
  eve_.KnowPrekeys(bob_.prekeys);
  EXPECT_THAT(eve_.Open(), IsEmpty());
}

TEST_F(SessionCompromiseTest, BrokenX25519DoesNotOpenAFirstFlight) {
  AliceStarts();
  BobAccepts(AliceWrites("first flight"));
  AliceReads(BobWrites("first answer"));
  RoundTrip("second");
  BreakX25519(random_);
  EXPECT_THAT(eve_.Open(), IsEmpty());
}

TEST_F(SessionCompromiseTest, BrokenMlKemDoesNotOpenAConversation) {
  Establish();
  RoundTrip("second");
  BreakMlKem(random_);
  EXPECT_THAT(eve_.Open(), IsEmpty());
}

// --- Healing -----------------------------------------------------------------

struct Break {
  const char* name;
  bool x25519;
  bool mlkem;
};

// Bob's device was copied. What of the honest randomness since then is broken
// is the parameter.
class SessionHealingTest : public SessionCompromiseTest,
                           public ::testing::WithParamInterface<Break> {
 protected:
  void SetUp() override {
    Establish();
    RoundTrip("before");
    BobDeletesHisPrekeys();
    StealAll(bob_, *bobs_);
    random_.Forget();
  }
  void BreakWhatIsBroken() {
    if (GetParam().x25519) {
      BreakX25519(random_);
      // Quantum computers break old keys as well.
      eve_.KnowX25519(alice_.device.agreement_key().secret().Expose());
    }
    if (GetParam().mlkem) BreakMlKem(random_);
  }
};

TEST_P(SessionHealingTest, AThiefWhoOnlyListensIsShutOutAfterOneRoundTrip) {
  BobReads(AliceWrites("still with stolen keys"));
  AliceReads(BobWrites("fresh keys of Bob"));
  BobReads(AliceWrites("fresh keys of Alice"));
  AliceReads(BobWrites("healed"));
  BobReads(AliceWrites("healed as well"));
  BreakWhatIsBroken();
  EXPECT_THAT(Contents(eve_.Open()),
              UnorderedElementsAre("still with stolen keys"));
}

TEST_P(SessionHealingTest, AThiefForgesNothingOnceItHasHealed) {
  BobReads(AliceWrites("still with stolen keys"));
  AliceReads(BobWrites("fresh keys of Bob"));
  BobReads(AliceWrites("fresh keys of Alice"));
  AliceReads(BobWrites("healed"));
  BobReads(AliceWrites("healed as well"));
  BreakWhatIsBroken();
  eve_.Open();
  EXPECT_EQ(Accepts(*alices_, alice_), 0);
  EXPECT_EQ(Accepts(*bobs_, bob_), 0);
}

TEST_P(SessionHealingTest, TheStolenStateItselfIsOfNoUseOnceItHasHealed) {
  Session stolen = Session::Parse(bobs_->Serialize()).value();
  std::vector<std::string> since;
  since.push_back(AliceWrites("still with stolen keys"));
  BobReads(since.back());
  AliceReads(BobWrites("fresh keys of Bob"));
  since.push_back(AliceWrites("fresh keys of Alice"));
  BobReads(since.back());
  AliceReads(BobWrites("healed"));
  crypto::SeededRandom eves_random(666);
  for (const std::string& blob : since) {
    (void)Receive(stolen, blob, bob_);
    EXPECT_THAT(
        Receive(*alices_, MustEncrypt(stolen, "I am Bob", eves_random), alice_),
        Not(IsOk()));
  }
}

INSTANTIATE_TEST_SUITE_P(Breaks, SessionHealingTest,
                         ::testing::Values(Break{"Nothing", false, false},
                                           Break{"X25519", true, false},
                                           Break{"MlKem", false, true}),
                         [](const auto& param) {
                           return std::string(param.param.name);
                         });

TEST_F(SessionCompromiseTest, WithoutARoundTripAThiefForges) {
  Establish();
  StealAll(bob_, *bobs_);
  BobReads(AliceWrites("read by Eve too"));
  EXPECT_THAT(Contents(eve_.Open()), Contains("read by Eve too"));
  EXPECT_GT(Accepts(*alices_, alice_), 0);
  EXPECT_GT(Accepts(*bobs_, bob_), 0);
}

TEST_F(SessionCompromiseTest, WithBothKindsBrokenNothingHeals) {
  Establish();
  BobDeletesHisPrekeys();
  StealAll(bob_, *bobs_);
  random_.Forget();
  RoundTrip("one");
  RoundTrip("two");
  BreakX25519(random_);
  BreakMlKem(random_);
  EXPECT_EQ(eve_.Open().size(), 4u);
}

// --- Impersonation -----------------------------------------------------------

// X25519 and Ed25519 are broken: Mallory signs what he likes and has every
// X25519 key. He lacks the account KEM keys.
class SessionImpersonationTest : public SessionCompromiseTest {
 protected:
  // Bob's device as Mallory has it, with a prekey record of Mallory's own.
  TestParty BobAsForged() {
    return TestParty(crypto::AccountKeys::FromSeed(bob_.account.seed()),
                     DeviceKeys::Parse(bob_.device.Serialize()).value(),
                     random_);
  }
};

TEST_F(SessionImpersonationTest, WhoLacksBobsKemKeyCannotStandInForHim) {
  const TestParty forged = BobAsForged();
  ASSERT_EQ(forged.identity, bob_.identity);  // the pinned record is Bob's
  SessionAttacker mallory(alice_, forged);
  mallory.KnowPrekeys(forged.prekeys);
  mallory.KnowX25519(forged.device.agreement_key().secret().Expose());
  mallory.KnowX25519(alice_.device.agreement_key().secret().Expose());
  random_.Forget();
  Session alices = MustInitiate(alice_, forged, random_);
  mallory.Record(MustEncrypt(alices, "for Bob", random_));
  for (const std::string& draw : random_.draws()) {
    if (draw.size() == 32) mallory.KnowX25519(draw);
  }
  EXPECT_THAT(mallory.Open(), IsEmpty());
  crypto::SeededRandom mallorys_random(666);
  mallory.Forge(mallorys_random, [&](const std::string& blob) {
    EXPECT_THAT(alices.Decrypt(blob, kTestNow, alice_.kem), Not(IsOk()));
  });
  // It is that key which he lacks.
  mallory.KnowXWing(bob_.kem.seed().Expose());
  EXPECT_THAT(Contents(mallory.Open()), UnorderedElementsAre("for Bob"));
}

TEST_F(SessionImpersonationTest, WhoLacksAlicesKemKeyIsStoppedAfterOneTrip) {
  // Mallory starts a session in Alice's name: her device key is broken, her
  // record public. The first chain is believed; this much is classical.
  AliceStarts();
  BobAccepts(AliceWrites("I am Alice"));
  Session mallorys = alices_->Clone();
  const std::string answer = BobWrites("prove it");
  // He reads the answer with all but the key.
  const crypto::XWingPrivateKey wrong =
      crypto::XWingPrivateKey::Generate(random_);
  auto read = mallorys.Decrypt(answer, kTestNow, wrong);
  ASSERT_THAT(read, IsOk());
  ASSERT_EQ(read->content, "prove it");
  mallorys = std::move(read->next);

  eve_.KnowX25519(alice_.device.agreement_key().secret().Expose());
  eve_.KnowX25519(bob_.device.agreement_key().secret().Expose());
  eve_.StealSession(alices_->Serialize());
  eve_.StealSession(mallorys.Serialize());
  BreakX25519(random_);
  eve_.Open();
  crypto::SeededRandom mallorys_random(666);
  int believed = 0;
  eve_.Forge(mallorys_random, [&](const std::string& blob) {
    const auto taken = bobs_->Decrypt(blob, kTestNow, bob_.kem);
    if (!taken.ok()) return;
    ++believed;
    // Only as more of the first chain: the ratchet has not turned.
    EXPECT_EQ(taken->next.unanswered(), 1u);
    EXPECT_FALSE(taken->next.pq_mutually_authenticated());
  });
  EXPECT_GT(believed, 0);
  EXPECT_THAT(
      Receive(*bobs_, MustEncrypt(mallorys, "well", mallorys_random), bob_),
      Not(IsOk()));
  EXPECT_FALSE(bobs_->pq_mutually_authenticated());

  // Alice herself goes on.
  AliceReads(answer);
  BobReads(AliceWrites("it is me"));
  EXPECT_TRUE(bobs_->pq_mutually_authenticated());
}

TEST_F(SessionImpersonationTest, AnAuthenticatedSessionTakesNothingForged) {
  Establish();
  ASSERT_TRUE(alices_->pq_mutually_authenticated());
  ASSERT_TRUE(bobs_->pq_mutually_authenticated());
  BreakX25519(random_);
  EXPECT_THAT(eve_.Open(), IsEmpty());
  EXPECT_EQ(Accepts(*alices_, alice_), 0);
  EXPECT_EQ(Accepts(*bobs_, bob_), 0);
}

// --- Other chains ------------------------------------------------------------

TEST_F(SessionCompromiseTest, ALeakOfTheSenderOpensNoEndedChainOfTheReader) {
  Establish();
  const std::string late = AliceWrites("late");
  BobReads(AliceWrites("on time"));
  AliceReads(BobWrites("turn"));
  BobReads(AliceWrites("next chain"));
  ASSERT_EQ(bobs_->skipped_keys(), 1u);
  // Alice no longer has the keys of the chain that ended.
  StealAll(alice_, *alices_);
  eve_.Open();
  crypto::SeededRandom eves_random(666);
  int accepted = 0;
  eve_.Forge(eves_random, [&](const std::string& blob) {
    const auto taken = bobs_->Decrypt(blob, kTestNow, bob_.kem);
    if (!taken.ok()) return;
    ++accepted;
    // In the running chain, that is: the late message keeps its key.
    EXPECT_THAT(taken->next.Decrypt(late, kTestNow, bob_.kem), IsOk());
  });
  EXPECT_GT(accepted, 0);
}

TEST_F(SessionCompromiseTest, ALeakOfTheReaderGivesAwayTheKeysItKept) {
  Establish();
  const std::string late = AliceWrites("late");
  BobReads(AliceWrites("on time"));
  AliceReads(BobWrites("turn"));
  BobReads(AliceWrites("next chain"));
  StealAll(bob_, *bobs_);
  eve_.Open();
  crypto::SeededRandom eves_random(666);
  int taken_the_key = 0;
  eve_.Forge(eves_random, [&](const std::string& blob) {
    const auto taken = bobs_->Decrypt(blob, kTestNow, bob_.kem);
    if (!taken.ok()) return;
    if (!taken->next.Decrypt(late, kTestNow, bob_.kem).ok()) ++taken_the_key;
  });
  EXPECT_GT(taken_the_key, 0);
}

}  // namespace
}  // namespace messenger::client
