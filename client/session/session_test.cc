#include "client/session/session.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "client/session/handshake.h"
#include "client/session/padding.h"
#include "client/session/testing/test_party.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

static_assert(!std::is_copy_constructible_v<Session>);

class SessionTest : public ::testing::Test {
 protected:
  absl::StatusOr<Accepted> BobAccepts(absl::string_view blob,
                                      absl::Time now = kTestNow) {
    return Accept(bob_.self(), bob_.prekeys, blob, now);
  }

  // Alice has written, Bob has answered, Alice has read it.
  void Establish() {
    alices_ = MustInitiate(alice_, bob_, random_);
    bobs_ = BobAccepts(MustEncrypt(*alices_, "hello", random_)).value().session;
    ASSERT_THAT(AliceReads(BobWrites("hello yourself")),
                IsOkAndHolds("hello yourself"));
  }

  std::string AliceWrites(absl::string_view content) {
    return MustEncrypt(*alices_, content, random_);
  }
  std::string BobWrites(absl::string_view content) {
    return MustEncrypt(*bobs_, content, random_);
  }
  absl::StatusOr<std::string> AliceReads(absl::string_view blob,
                                         absl::Time now = kTestNow) {
    return Receive(*alices_, blob, alice_, now);
  }
  absl::StatusOr<std::string> BobReads(absl::string_view blob,
                                       absl::Time now = kTestNow) {
    return Receive(*bobs_, blob, bob_, now);
  }
  // One message each way, both read.
  void RoundTrip() {
    ASSERT_THAT(BobReads(AliceWrites("ping")), IsOkAndHolds("ping"));
    ASSERT_THAT(AliceReads(BobWrites("pong")), IsOkAndHolds("pong"));
  }

  crypto::SeededRandom random_{20};
  TestParty alice_{random_};
  TestParty bob_{random_};
  TestParty carol_{random_};
  std::optional<Session> alices_;
  std::optional<Session> bobs_;
};

// --- Starting ----------------------------------------------------------------

TEST_F(SessionTest, AnOfflinePeerReadsTheFirstMessageAndKnowsItsSender) {
  alices_ = MustInitiate(alice_, bob_, random_);
  const std::string blob = AliceWrites("hello");
  EXPECT_EQ(blob.size(), 8192u);
  const absl::StatusOr<Accepted> accepted = BobAccepts(blob);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_EQ(accepted->content, "hello");
  EXPECT_EQ(accepted->peer_identity, alice_.identity);
  EXPECT_EQ(accepted->prekey_record_hash, bob_.prekey.hash());
  EXPECT_EQ(accepted->session.id(), alices_->id());
  EXPECT_EQ(accepted->session.role(), SessionRole::kResponder);
  EXPECT_EQ(accepted->session.peer_account(), alice_.account.id());
  EXPECT_EQ(accepted->session.peer_device(), alice_.device.id());
  EXPECT_EQ(accepted->session.local_account(), bob_.account.id());
  EXPECT_EQ(accepted->session.local_device(), bob_.device.id());
  EXPECT_EQ(alices_->role(), SessionRole::kInitiator);
  EXPECT_EQ(alices_->peer_account(), bob_.account.id());
  EXPECT_EQ(alices_->peer_device(), bob_.device.id());
}

TEST_F(SessionTest, AnyOneOfTheFirstMessagesSuffices) {
  alices_ = MustInitiate(alice_, bob_, random_);
  std::vector<std::string> blobs;
  for (int i = 0; i < 4; ++i)
    blobs.push_back(AliceWrites("m" + std::string(1, '0' + i)));
  EXPECT_TRUE(alices_->awaiting_reply());

  absl::StatusOr<Accepted> accepted = BobAccepts(blobs[2]);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_EQ(accepted->content, "m2");
  bobs_ = std::move(accepted->session);
  EXPECT_THAT(BobReads(blobs[0]), IsOkAndHolds("m0"));
  EXPECT_THAT(BobReads(blobs[3]), IsOkAndHolds("m3"));
  EXPECT_THAT(BobReads(blobs[1]), IsOkAndHolds("m1"));
  for (const std::string& blob : blobs) {
    EXPECT_THAT(BobReads(blob), StatusIs(absl::StatusCode::kAlreadyExists));
  }
}

TEST_F(SessionTest, TheHandshakeIsRepeatedUntilAnAnswerArrives) {
  alices_ = MustInitiate(alice_, bob_, random_);
  const std::string first = AliceWrites("one");
  const std::string second = AliceWrites("two");
  EXPECT_EQ(first.substr(0, kHandshakeBytes),
            second.substr(0, kHandshakeBytes));
  bobs_ = BobAccepts(first).value().session;
  ASSERT_THAT(AliceReads(BobWrites("yes?")), IsOkAndHolds("yes?"));
  EXPECT_FALSE(alices_->awaiting_reply());
  const std::string third = AliceWrites("three");
  EXPECT_EQ(third.size(), 4096u);
  EXPECT_THAT(BobReads(third), IsOkAndHolds("three"));
  EXPECT_THAT(BobReads(second), IsOkAndHolds("two"));
}

TEST_F(SessionTest, TheReplayKeyLeadsEveryInitialBlobToItsSession) {
  alices_ = MustInitiate(alice_, bob_, random_);
  const std::string first = AliceWrites("one");
  const std::string second = AliceWrites("two");
  const absl::StatusOr<Accepted> accepted = BobAccepts(first);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(InitReplayKey(first), IsOkAndHolds(accepted->replay_key));
  EXPECT_THAT(InitReplayKey(second), IsOkAndHolds(accepted->replay_key));
  EXPECT_EQ(accepted->session.replay_key(), accepted->replay_key);
  Session other = MustInitiate(alice_, bob_, random_);
  EXPECT_THAT(InitReplayKey(MustEncrypt(other, "one", random_)),
              IsOkAndHolds(Not(accepted->replay_key)));
}

TEST_F(SessionTest, AnEarlierEpochStillOpensWhatWasSentToIt) {
  alices_ = MustInitiate(alice_, bob_, random_);
  const std::string blob = AliceWrites("late");
  const crypto::Digest256 used = bob_.prekey.hash();
  absl::Time now = kTestNow;
  for (int i = 0; i < 3; ++i) {
    now += absl::Hours(24);
    ASSERT_THAT(bob_.prekeys.Rotate(bob_.identity, bob_.device, now, random_),
                IsOk());
  }
  const absl::StatusOr<Accepted> accepted = BobAccepts(blob, now);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_EQ(accepted->content, "late");
  EXPECT_EQ(accepted->prekey_record_hash, used);
}

TEST_F(SessionTest, OnceTheEpochSecretIsDeletedNothingOpensTheFirstMessage) {
  alices_ = MustInitiate(alice_, bob_, random_);
  const std::string blob = AliceWrites("too late");
  const absl::Time end = kTestNow + absl::Hours(24);
  ASSERT_THAT(bob_.prekeys.Rotate(bob_.identity, bob_.device, end, random_),
              IsOk());
  const absl::Time now = end + absl::Hours(49);
  ASSERT_EQ(bob_.prekeys.DeleteFinished(now, now).size(), 1u);
  EXPECT_THAT(BobAccepts(blob, now),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(SessionTest, AnEstablishedSessionOutlivesItsEpoch) {
  alices_ = MustInitiate(alice_, bob_, random_);
  const std::string first = AliceWrites("one");
  const std::string second = AliceWrites("two");
  bobs_ = BobAccepts(first).value().session;
  bob_.prekeys = PrekeySecrets();
  EXPECT_THAT(BobReads(second), IsOkAndHolds("two"));
}

TEST_F(SessionTest, WithoutAValidPrekeyThereIsNoSession) {
  EXPECT_THAT(Initiate(alice_.self(), bob_.identity, bob_.prekey,
                       InitiateOptions(), kTestNow + kPrekeyLifetime, random_),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Initiate(alice_.self(), carol_.identity, bob_.prekey,
                       InitiateOptions(), kTestNow, random_),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  const auto newer = bob_.identity.Next(
      bob_.account, {MakeDeviceEntry(bob_.device, kTestNow)});
  ASSERT_THAT(newer, IsOk());
  EXPECT_THAT(Initiate(alice_.self(), *newer, bob_.prekey, InitiateOptions(),
                       kTestNow, random_),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(SessionTest, ADeviceDoesNotWriteToItselfButToASiblingItDoes) {
  EXPECT_THAT(Initiate(alice_.self(), alice_.identity, alice_.prekey,
                       InitiateOptions(), kTestNow, random_),
              StatusIs(absl::StatusCode::kInvalidArgument));

  const DeviceKeys laptop = DeviceKeys::Generate(random_);
  const auto both = alice_.identity.Next(
      alice_.account, {MakeDeviceEntry(alice_.device, kTestNow),
                       MakeDeviceEntry(laptop, kTestNow)});
  PrekeySecrets laptop_prekeys;
  const auto record = laptop_prekeys.Rotate(*both, laptop, kTestNow, random_);
  const LocalIdentity phone{*both, alice_.device, alice_.kem};
  auto session =
      Initiate(phone, *both, *record, InitiateOptions(), kTestNow, random_);
  ASSERT_THAT(session, IsOk());
  const std::string blob = MustEncrypt(*session, "note to self", random_);
  const auto accepted = Accept(LocalIdentity{*both, laptop, alice_.kem},
                               laptop_prekeys, blob, kTestNow);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_EQ(accepted->content, "note to self");
}

TEST_F(SessionTest, OurOwnRecordHasToListOurOwnKeys) {
  const LocalIdentity wrong_device{alice_.identity, bob_.device, alice_.kem};
  EXPECT_THAT(Initiate(wrong_device, bob_.identity, bob_.prekey,
                       InitiateOptions(), kTestNow, random_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  const LocalIdentity wrong_kem{alice_.identity, alice_.device, bob_.kem};
  EXPECT_THAT(Initiate(wrong_kem, bob_.identity, bob_.prekey, InitiateOptions(),
                       kTestNow, random_),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(SessionTest, LowOrderPrekeysAndDeviceKeysAreRefused) {
  // Zero is of small order; a hostile peer signs it properly.
  const auto zero_prekey =
      PrekeyRecord::Create(bob_.identity, bob_.device, 5, kTestNow,
                           crypto::X25519PublicKey(), bob_.prekey.kem_prekey());
  ASSERT_THAT(zero_prekey, IsOk());
  EXPECT_THAT(Initiate(alice_.self(), bob_.identity, *zero_prekey,
                       InitiateOptions(), kTestNow, random_),
              StatusIs(absl::StatusCode::kInvalidArgument));

  DeviceEntry zero_key = MakeDeviceEntry(bob_.device, kTestNow);
  zero_key.agreement_key = crypto::X25519PublicKey();
  const auto identity = bob_.identity.Next(bob_.account, {zero_key});
  ASSERT_THAT(identity, IsOk());
  // Signed by hand: `PrekeyRecord::Create` does not help with this.
  std::string body = bob_.prekey.bytes().substr(0, kPrekeyRecordBytes - 64);
  body.replace(17, 32, std::string(identity->hash().bytes()));
  body += std::string(bob_.device.signing_key()
                          .Sign(crypto::SigningDomain::kPrekeyRecord, body)
                          .bytes());
  const auto prekey = PrekeyRecord::Verify(body, *identity, kTestNow);
  ASSERT_THAT(prekey, IsOk());
  EXPECT_THAT(Initiate(alice_.self(), *identity, *prekey, InitiateOptions(),
                       kTestNow, random_),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(SessionTest, AGenerationFromTheFutureIsRefusedOnBothSides) {
  InitiateOptions options;
  options.generation = kTestNow + absl::Minutes(59);
  auto session = Initiate(alice_.self(), bob_.identity, bob_.prekey, options,
                          kTestNow, random_);
  ASSERT_THAT(session, IsOk());
  EXPECT_EQ(session->generation(), options.generation);
  const std::string blob = MustEncrypt(*session, "refreshed", random_);
  const auto accepted = BobAccepts(blob);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_EQ(accepted->session.generation(), options.generation);
  EXPECT_THAT(BobAccepts(blob, kTestNow - absl::Minutes(2)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  options.generation = kTestNow + absl::Minutes(61);
  EXPECT_THAT(Initiate(alice_.self(), bob_.identity, bob_.prekey, options,
                       kTestNow, random_),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(SessionTest, OnlyTheAddresseeCanAccept) {
  alices_ = MustInitiate(alice_, bob_, random_);
  const std::string blob = AliceWrites("for Bob");
  EXPECT_THAT(Accept(carol_.self(), carol_.prekeys, blob, kTestNow),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(Accept(alice_.self(), alice_.prekeys, blob, kTestNow),
              StatusIs(absl::StatusCode::kUnauthenticated));
  // Not even with Bob's prekeys, nor with his device alone.
  EXPECT_THAT(Accept(carol_.self(), bob_.prekeys, blob, kTestNow),
              StatusIs(absl::StatusCode::kUnauthenticated));
  const LocalIdentity without_account_kem{bob_.identity, bob_.device,
                                          carol_.kem};
  EXPECT_THAT(Accept(without_account_kem, bob_.prekeys, blob, kTestNow),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(SessionTest, ASenderWhoDoesNotHoldTheListedDeviceKeyIsRefused) {
  // Mallory presents Alice's true record and device id, but only has a device
  // key of his own: the outer layer opens, the first message does not.
  const DeviceKeys mallory = [this] {
    const DeviceKeys own = DeviceKeys::Generate(random_);
    std::string bytes = own.Serialize();
    bytes.replace(1, DeviceId::kSize, std::string(alice_.device.id().bytes()));
    return DeviceKeys::Parse(bytes).value();
  }();
  auto offer = OfferHandshake(alice_.identity, mallory, bob_.identity,
                              bob_.prekey, /*generation_ms=*/0, random_);
  ASSERT_THAT(offer, IsOk());
  auto ratchet = Ratchet::ForInitiator(
      SessionParties{alice_.account.id(), alice_.device.id(), bob_.account.id(),
                     bob_.device.id()},
      std::move(offer->root), bob_.prekey.signed_prekey(), random_);
  ASSERT_THAT(ratchet, IsOk());
  const auto sealed =
      ratchet->Seal("I am Alice", 8192 - kHandshakeBytes, random_);
  ASSERT_THAT(sealed, IsOk());
  EXPECT_THAT(BobAccepts(offer->bytes + sealed->message),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(SessionTest, ASenderWhoseDeviceIsNotListedIsRefused) {
  const DeviceKeys stranger = DeviceKeys::Generate(random_);
  auto offer = OfferHandshake(alice_.identity, stranger, bob_.identity,
                              bob_.prekey, /*generation_ms=*/0, random_);
  ASSERT_THAT(offer, IsOk());
  EXPECT_THAT(
      BobAccepts(offer->bytes + std::string(8192 - kHandshakeBytes, 'x')),
      StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(SessionTest, EveryLowOrderEphemeralKeyIsRefused) {
  alices_ = MustInitiate(alice_, bob_, random_);
  const std::string blob = AliceWrites("hello");
  const char* const low_order[] = {
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  };
  for (const char* const hex : low_order) {
    std::string edited = blob;
    edited.replace(1, 32,
                   std::string(crypto::X25519PublicKey::FromHex(hex)->bytes()));
    EXPECT_THAT(BobAccepts(edited),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << hex;
  }
}

TEST_F(SessionTest, ANonCanonicalEphemeralKeyIsRefused) {
  alices_ = MustInitiate(alice_, bob_, random_);
  std::string blob = AliceWrites("hello");
  // The same point to X25519, other bytes in the transcript.
  blob[32] = static_cast<char>(blob[32] ^ 0x80);
  EXPECT_THAT(BobAccepts(blob), StatusIs(absl::StatusCode::kUnauthenticated));
}

// --- Conversing --------------------------------------------------------------

TEST_F(SessionTest, AConversationGoesBackAndForth) {
  Establish();
  for (int i = 0; i < 20; ++i) {
    ASSERT_NO_FATAL_FAILURE(RoundTrip());
    ASSERT_THAT(BobReads(AliceWrites("and another")), IsOk());
  }
}

TEST_F(SessionTest, ContentOfEverySizeTakesTheSmallestBucket) {
  Establish();
  ASSERT_NO_FATAL_FAILURE(RoundTrip());
  const size_t overhead = kEncryptedHeaderBytes + kBodyOverheadBytes + 2;
  for (const size_t bucket : kBucketBytes) {
    const std::string fits(bucket - overhead, 'x');
    const std::string blob = AliceWrites(fits);
    EXPECT_EQ(blob.size(), bucket);
    EXPECT_THAT(BobReads(blob), IsOkAndHolds(fits));
    if (bucket != kBucketBytes.back()) {
      EXPECT_EQ(AliceWrites(fits + "x").size(), 2 * bucket);
    } else {
      EXPECT_THAT(alices_->Encrypt(fits + "x", random_),
                  StatusIs(absl::StatusCode::kInvalidArgument));
    }
  }
  EXPECT_EQ(AliceWrites("").size(), 4096u);
}

TEST_F(SessionTest, ContentOfTheDocumentedMaximumFitsInEveryState) {
  const std::string longest(kMaxContentBytes, 'x');
  alices_ = MustInitiate(alice_, bob_, random_);
  const std::string initial = AliceWrites(longest);
  EXPECT_THAT(alices_->Encrypt(longest + "x", random_),
              StatusIs(absl::StatusCode::kInvalidArgument));
  auto accepted = BobAccepts(initial);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_EQ(accepted->content, longest);
  bobs_ = std::move(accepted->session);
  EXPECT_THAT(AliceReads(BobWrites(longest)), IsOkAndHolds(longest));
  EXPECT_THAT(BobReads(AliceWrites(longest)), IsOkAndHolds(longest));
}

TEST_F(SessionTest, ASizeThatIsNoBucketIsNotOurs) {
  Establish();
  const std::string blob = AliceWrites("text");
  EXPECT_THAT(BobReads(blob.substr(1)), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(BobReads(blob + "x"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(BobReads(""), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(BobReads(blob), IsOk());
}

TEST_F(SessionTest, MessagesOfOtherSessionsAreNotOurs) {
  Establish();
  Session carols = MustInitiate(carol_, bob_, random_);
  const std::string foreign = MustEncrypt(carols, "hi", random_);
  EXPECT_THAT(BobReads(foreign), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(AliceReads(foreign), StatusIs(absl::StatusCode::kNotFound));
  // Nor does a sender open her own messages.
  EXPECT_THAT(AliceReads(AliceWrites("text")),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(SessionTest, PostQuantumAuthenticationCompletesInOneRoundTrip) {
  alices_ = MustInitiate(alice_, bob_, random_);
  bobs_ = BobAccepts(AliceWrites("one")).value().session;
  EXPECT_FALSE(alices_->pq_mutually_authenticated());
  EXPECT_FALSE(bobs_->pq_mutually_authenticated());
  // Of Bob's answers the first is lost and the others come in disorder.
  BobWrites("lost");
  const std::string second = BobWrites("second");
  const std::string third = BobWrites("third");
  ASSERT_THAT(AliceReads(third), IsOkAndHolds("third"));
  EXPECT_FALSE(alices_->pq_mutually_authenticated());
  ASSERT_THAT(BobReads(AliceWrites("two")), IsOkAndHolds("two"));
  EXPECT_TRUE(alices_->pq_mutually_authenticated());
  EXPECT_TRUE(bobs_->pq_mutually_authenticated());
  EXPECT_THAT(AliceReads(second), IsOkAndHolds("second"));
  EXPECT_THAT(AliceReads(BobWrites("four")), IsOkAndHolds("four"));
}

TEST_F(SessionTest, AnInitiatorWithoutTheAccountKemKeyIsFoundOut) {
  // Whoever has Alice's device keys, but not her account's KEM key, starts a
  // session in her name and cannot continue it after Bob's first answer.
  Session impostor = MustInitiate(alice_, bob_, random_);
  bobs_ =
      BobAccepts(MustEncrypt(impostor, "I am Alice", random_)).value().session;
  const crypto::XWingPrivateKey wrong =
      crypto::XWingPrivateKey::Generate(random_);
  auto read = impostor.Decrypt(BobWrites("prove it"), kTestNow, wrong);
  ASSERT_THAT(read, IsOk());
  impostor = std::move(read->next);
  EXPECT_THAT(BobReads(MustEncrypt(impostor, "well", random_)), Not(IsOk()));
  EXPECT_FALSE(bobs_->pq_mutually_authenticated());
}

// --- What an attacker does not get -------------------------------------------

TEST_F(SessionTest, AFailedDecryptionChangesNothing) {
  Establish();
  ASSERT_NO_FATAL_FAILURE(RoundTrip());
  const std::string blob = AliceWrites("text");
  const std::string next = AliceWrites("next");
  const std::string before = bobs_->Serialize();
  for (size_t i = 0; i < blob.size(); i += 5) {
    std::string edited = blob;
    edited[i] = static_cast<char>(edited[i] ^ 1);
    ASSERT_THAT(BobReads(edited), Not(IsOk())) << i;
    ASSERT_EQ(bobs_->Serialize(), before) << i;
  }
  EXPECT_THAT(BobReads(next), IsOkAndHolds("next"));
  EXPECT_THAT(BobReads(blob), IsOkAndHolds("text"));
}

TEST_F(SessionTest, AStolenStateDoesNotOpenWhatWasReadBefore) {
  Establish();
  ASSERT_NO_FATAL_FAILURE(RoundTrip());
  std::vector<std::string> old;
  for (int turn = 0; turn < 3; ++turn) {
    for (int i = 0; i < 3; ++i) {
      old.push_back(AliceWrites("secret"));
      ASSERT_THAT(BobReads(old.back()), IsOk());
    }
    ASSERT_THAT(AliceReads(BobWrites("yes")), IsOk());
  }
  const auto stolen = Session::Parse(bobs_->Serialize());
  const auto stolen_from_sender = Session::Parse(alices_->Serialize());
  ASSERT_THAT(stolen, IsOk());
  ASSERT_THAT(stolen_from_sender, IsOk());
  for (const std::string& blob : old) {
    EXPECT_THAT(stolen->Decrypt(blob, kTestNow, bob_.kem), Not(IsOk()));
    EXPECT_THAT(stolen_from_sender->Decrypt(blob, kTestNow, alice_.kem),
                Not(IsOk()));
  }
}

TEST_F(SessionTest, AStolenStateIsWorthlessAfterOneRoundTrip) {
  Establish();
  ASSERT_NO_FATAL_FAILURE(RoundTrip());
  ASSERT_THAT(BobReads(AliceWrites("before")), IsOk());
  // The thief has all of Bob: the session, and his long-term keys.
  std::optional<Session> thief = Session::Parse(bobs_->Serialize()).value();
  const std::string during = AliceWrites("during");
  ASSERT_THAT(thief->Decrypt(during, kTestNow, bob_.kem), IsOk());

  ASSERT_THAT(AliceReads(BobWrites("answer with fresh keys")), IsOk());
  const std::string after = AliceWrites("after");
  EXPECT_THAT(thief->Decrypt(after, kTestNow, bob_.kem), Not(IsOk()));
  // Not even after making an answer of his own.
  crypto::SeededRandom thiefs_random(666);
  MustEncrypt(*thief, "forged answer", thiefs_random);
  EXPECT_THAT(thief->Decrypt(after, kTestNow, bob_.kem), Not(IsOk()));
  EXPECT_THAT(BobReads(after), IsOkAndHolds("after"));
}

TEST_F(SessionTest, AThiefOfTheStateCannotWriteOnceItHasHealed) {
  Establish();
  ASSERT_NO_FATAL_FAILURE(RoundTrip());
  std::optional<Session> thief = Session::Parse(bobs_->Serialize()).value();
  ASSERT_NO_FATAL_FAILURE(RoundTrip());
  ASSERT_NO_FATAL_FAILURE(RoundTrip());
  crypto::SeededRandom thiefs_random(666);
  EXPECT_THAT(AliceReads(MustEncrypt(*thief, "I am Bob", thiefs_random)),
              Not(IsOk()));
}

TEST_F(SessionTest, EqualContentGivesUnrelatedBlobs) {
  Establish();
  const std::string a = AliceWrites("same");
  const std::string b = AliceWrites("same");
  size_t equal = 0;
  for (size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i] ? 1 : 0;
  EXPECT_LT(equal, 60u);  // 16 expected of 4096
}

// --- Limits ------------------------------------------------------------------

TEST_F(SessionTest, AThousandMissingMessagesAreTheLimit) {
  Establish();
  for (uint32_t i = 0; i < kMaxSkip; ++i) AliceWrites("lost");
  const std::string reachable = AliceWrites("reachable");
  const std::string beyond = AliceWrites("beyond");
  EXPECT_EQ(alices_->unanswered(), kMaxSkip + 2);
  Session untouched = bobs_->Clone();
  EXPECT_THAT(BobReads(beyond), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(bobs_->Serialize(), untouched.Serialize());
  EXPECT_THAT(BobReads(reachable), IsOkAndHolds("reachable"));
  EXPECT_EQ(bobs_->skipped_keys(), kMaxSkip);
  EXPECT_THAT(BobReads(beyond), IsOkAndHolds("beyond"));
}

TEST_F(SessionTest, StoredKeysStayWithinTheirBoundAndTheOldestGo) {
  Establish();
  std::vector<std::string> first_of_turn;
  for (int turn = 0; turn < 4; ++turn) {
    first_of_turn.push_back(AliceWrites("first"));
    for (int i = 0; i < 799; ++i) AliceWrites("lost");
    ASSERT_THAT(BobReads(AliceWrites("arrives")), IsOk());
    ASSERT_LE(bobs_->skipped_keys(), kMaxSkippedKeys);
    ASSERT_THAT(AliceReads(BobWrites("turn")), IsOk());
  }
  EXPECT_EQ(bobs_->skipped_keys(), kMaxSkippedKeys);
  EXPECT_THAT(BobReads(first_of_turn[0]),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(BobReads(first_of_turn[2]), IsOkAndHolds("first"));
  EXPECT_THAT(BobReads(first_of_turn[3]), IsOkAndHolds("first"));
}

TEST_F(SessionTest, KeysOfAChainLastForFiveTurns) {
  Establish();
  const std::string late = AliceWrites("late");
  ASSERT_THAT(BobReads(AliceWrites("on time")), IsOk());
  std::optional<Session> after_five;
  for (int turn = 1; turn <= 6; ++turn) {
    ASSERT_THAT(AliceReads(BobWrites("turn")), IsOk());
    ASSERT_THAT(BobReads(AliceWrites("turn")), IsOk());
    if (turn == 5) after_five = bobs_->Clone();
  }
  const auto in_time = after_five->Decrypt(late, kTestNow, bob_.kem);
  ASSERT_THAT(in_time, IsOk());
  EXPECT_EQ(in_time->content, "late");
  EXPECT_THAT(BobReads(late), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(SessionTest, SkippedKeysDieAfterThirtyDays) {
  Establish();
  const std::string late = AliceWrites("late");
  ASSERT_THAT(BobReads(AliceWrites("on time")), IsOk());
  const absl::Time last =
      kTestNow + kSkippedKeyLifetime - absl::Milliseconds(1);
  const absl::Time gone = kTestNow + kSkippedKeyLifetime;
  EXPECT_THAT(bobs_->Decrypt(late, last, bob_.kem), IsOk());
  EXPECT_THAT(bobs_->Decrypt(late, gone, bob_.kem),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_FALSE(bobs_->DropExpiredKeys(last).has_value());
  const std::optional<Session> dropped = bobs_->DropExpiredKeys(gone);
  ASSERT_TRUE(dropped.has_value());
  EXPECT_EQ(dropped->skipped_keys(), 0u);
  // Receiving anything later drops them as well.
  ASSERT_THAT(BobReads(AliceWrites("later"), gone), IsOk());
  EXPECT_EQ(bobs_->skipped_keys(), 0u);
}

TEST_F(SessionTest, AClaimOfManyMissingMessagesInAnEndedChainCostsOnlyThose) {
  Establish();
  ASSERT_THAT(BobReads(AliceWrites("one that arrives")), IsOk());
  std::vector<std::string> late;
  for (uint32_t i = 0; i < kMaxSkip + 50; ++i)
    late.push_back(AliceWrites("late"));
  ASSERT_THAT(AliceReads(BobWrites("makes her turn")), IsOk());
  EXPECT_THAT(BobReads(AliceWrites("new chain")), IsOkAndHolds("new chain"));
  EXPECT_THAT(BobReads(late[kMaxSkip - 1]), IsOkAndHolds("late"));
  EXPECT_THAT(BobReads(late[kMaxSkip]),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

// --- Storing -----------------------------------------------------------------

TEST_F(SessionTest, EveryStateIsStoredAndReadUnchanged) {
  const auto check = [](const Session& session) {
    const std::string bytes = session.Serialize();
    const absl::StatusOr<Session> parsed = Session::Parse(bytes);
    ASSERT_THAT(parsed, IsOk());
    EXPECT_EQ(parsed->Serialize(), bytes);
    EXPECT_EQ(session.Clone().Serialize(), bytes);
    EXPECT_EQ(parsed->id(), session.id());
    EXPECT_EQ(parsed->role(), session.role());
    EXPECT_EQ(parsed->created(), session.created());
    EXPECT_EQ(parsed->awaiting_reply(), session.awaiting_reply());
    EXPECT_EQ(parsed->replay_key(), session.replay_key());
  };
  alices_ = MustInitiate(alice_, bob_, random_);
  check(*alices_);
  const std::string first = AliceWrites("one");
  check(*alices_);
  AliceWrites("lost");
  bobs_ = BobAccepts(AliceWrites("three")).value().session;
  check(*bobs_);
  const std::string answer = BobWrites("answer");
  check(*bobs_);
  ASSERT_THAT(AliceReads(answer), IsOk());
  check(*alices_);
  const std::string second_chain = AliceWrites("four");
  check(*alices_);
  ASSERT_THAT(BobReads(second_chain), IsOk());
  check(*bobs_);
  ASSERT_THAT(BobReads(first), IsOk());
  check(*bobs_);
}

TEST_F(SessionTest, DamagedStorageIsReportedAsDataLoss) {
  Establish();
  AliceWrites("lost");
  ASSERT_THAT(BobReads(AliceWrites("text")), IsOk());
  for (const Session* session : {&*alices_, &*bobs_}) {
    const std::string bytes = session->Serialize();
    for (size_t n = 0; n < bytes.size(); n += n < 700 ? 1 : 37) {
      ASSERT_THAT(Session::Parse(bytes.substr(0, n)),
                  StatusIs(absl::StatusCode::kDataLoss))
          << n;
    }
    EXPECT_THAT(Session::Parse(bytes + "x"),
                StatusIs(absl::StatusCode::kDataLoss));
    for (const size_t field : {0u, 1u}) {
      std::string edited = bytes;
      edited[field] = 9;
      EXPECT_THAT(Session::Parse(edited),
                  StatusIs(absl::StatusCode::kDataLoss));
    }
  }
}

TEST_F(SessionTest, WhatIsMalformedIsNoHandshake) {
  alices_ = MustInitiate(alice_, bob_, random_);
  const std::string blob = AliceWrites("hello");
  for (const size_t n : {size_t{0}, size_t{1}, size_t{33}, size_t{4096},
                         kHandshakeBytes, blob.size() - 1}) {
    EXPECT_THAT(InitReplayKey(blob.substr(0, n)),
                StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(BobAccepts(blob.substr(0, n)),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  std::string other_version = blob;
  other_version[0] = 2;
  EXPECT_THAT(BobAccepts(other_version),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(SessionTest, ErrorsDoNotNameAnyone) {
  alices_ = MustInitiate(alice_, bob_, random_);
  std::string blob = AliceWrites("hello");
  blob[5000] = static_cast<char>(blob[5000] ^ 1);
  const absl::Status status = BobAccepts(blob).status();
  EXPECT_THAT(std::string(status.message()),
              Not(HasSubstr(alice_.account.id().ToHex())));
}

}  // namespace
}  // namespace messenger::client
