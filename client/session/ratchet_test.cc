// A peer who knows all keys and breaks the rules. What honest peers do is
// tested in session_test.cc.

#include "client/session/ratchet.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "client/session/testing/test_party.h"
#include "crypto/aead/xchacha20poly1305.h"
#include "crypto/base/bytes.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

constexpr size_t kMessageBytes = 4096;
constexpr size_t kKem = 32;
constexpr size_t kCiphertext = 32 + 1184;
constexpr size_t kPrevious = kCiphertext + 1088;
constexpr size_t kNumber = kPrevious + 4;
constexpr size_t kFlags = kNumber + 4;

RatchetRoot MakeRoot() {
  crypto::SeededRandom random(7);
  const auto id = random.Fixed<SessionId>();
  auto root = random.Secret<32>();
  auto initiator = random.Secret<32>();
  return RatchetRoot{id, std::move(root), std::move(initiator),
                     random.Secret<32>()};
}

class RatchetTest : public ::testing::Test {
 protected:
  // A message with any header under a key both sides know, and a body that
  // opens under none.
  std::string Forge(const crypto::SecretBytes<32>& header_key,
                    const std::string& header) {
    const auto nonce = random_.Fixed<crypto::XNonce>();
    std::string message(nonce.bytes());
    message += crypto::XChaChaSeal(
        header_key, nonce, "hdr" + std::string(MakeRoot().id.bytes()), header);
    message.resize(kMessageBytes, 'x');
    return message;
  }

  // Of a first message, with keys that are in order.
  std::string Header(uint8_t flags) {
    const auto dh = crypto::X25519PrivateKey::Generate(random_);
    const auto kem = crypto::MlKem768PrivateKey::Generate(random_);
    std::string header = crypto::ByteWriter()
                             .Bytes(dh.public_key().bytes())
                             .Bytes(kem.public_key().bytes())
                             .Take();
    header.resize(kHeaderBytes, '\0');
    header[kFlags] = static_cast<char>(flags);
    return header;
  }

  absl::Status BobOpens(const std::string& message) {
    return bobs_.Open(message, kTestNow, bob_.kem).status();
  }
  absl::Status AliceOpens(const std::string& message) {
    return alices_.Open(message, kTestNow, alice_.kem).status();
  }

  crypto::SeededRandom random_{40};
  TestParty alice_{random_};
  TestParty bob_{random_};
  SessionParties from_alice_{alice_.account.id(), alice_.device.id(),
                             bob_.account.id(), bob_.device.id()};
  SessionParties from_bob_{bob_.account.id(), bob_.device.id(),
                           alice_.account.id(), alice_.device.id()};
  Ratchet alices_ = Ratchet::ForInitiator(from_alice_, MakeRoot(),
                                          bob_.prekey.signed_prekey(), random_)
                        .value();
  Ratchet bobs_ = Ratchet::ForResponder(from_bob_, MakeRoot(),
                                        bob_.prekeys.epochs()[0].signed_prekey,
                                        alice_.kem.public_key());
};

TEST_F(RatchetTest, BrokenHeadersAreRefusedBeforeAnythingIsDerived) {
  struct Edit {
    const char* what;
    std::function<void(std::string&)> apply;
  };
  const std::vector<Edit> edits = {
      {"low-order DH key",
       [](std::string& header) {
         header.replace(0, 32, std::string(32, '\0'));
       }},
      {"KEM key out of range",
       [](std::string& header) { header.replace(kKem, 3, "\xff\xff\xff"); }},
      {"a ciphertext in the first chain",
       [](std::string& header) { header[kCiphertext] = 1; }},
      {"the last number",
       [](std::string& header) {
         header.replace(kNumber, 4, "\xff\xff\xff\xff");
       }},
      {"no flag", [](std::string& header) { header[kFlags] = 0; }},
      {"authentication from the initiator",
       [](std::string& header) { header[kFlags] = 3; }},
      {"an unknown flag", [](std::string& header) { header[kFlags] = 5; }},
      {"padding", [](std::string& header) { header.back() = 1; }},
  };
  const crypto::SecretBytes<32> key = MakeRoot().initiator_header_key.Clone();
  const std::string header = Header(/*flags=*/1);
  ASSERT_THAT(BobOpens(Forge(key, header)),
              StatusIs(absl::StatusCode::kUnauthenticated));
  for (const Edit& edit : edits) {
    std::string edited = header;
    edit.apply(edited);
    EXPECT_THAT(BobOpens(Forge(key, edited)),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << edit.what;
  }
}

TEST_F(RatchetTest, AResponderCannotLeaveOutTheAuthentication) {
  const crypto::SecretBytes<32> key =
      MakeRoot().responder_next_header_key.Clone();
  EXPECT_THAT(AliceOpens(Forge(key, Header(/*flags=*/2))),
              StatusIs(absl::StatusCode::kUnauthenticated));
  for (const uint8_t flags : {0, 1, 3}) {
    EXPECT_THAT(AliceOpens(Forge(key, Header(flags))),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST_F(RatchetTest, ANumberFarAheadCostsNothing) {
  const crypto::SecretBytes<32> key = MakeRoot().initiator_header_key.Clone();
  std::string header = Header(/*flags=*/1);
  header[kNumber + 2] = 3;  // 768
  EXPECT_THAT(BobOpens(Forge(key, header)),
              StatusIs(absl::StatusCode::kUnauthenticated));
  header[kNumber + 2] = 4;  // 1024
  EXPECT_THAT(BobOpens(Forge(key, header)),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(RatchetTest, AResponderHasToReceiveFirst) {
  EXPECT_THAT(bobs_.Seal("text", kMessageBytes, random_),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(RatchetTest, ALowOrderPrekeyMakesNoRatchet) {
  EXPECT_THAT(Ratchet::ForInitiator(from_alice_, MakeRoot(),
                                    crypto::X25519PublicKey(), random_),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(RatchetTest, TheEndsHaveToAgreeOnWhoTheyAre) {
  const auto sealed = alices_.Seal("text", kMessageBytes, random_);
  ASSERT_THAT(sealed, IsOk());
  ASSERT_THAT(BobOpens(sealed->message), IsOk());
  // The same keys, another idea of who is on the other side.
  for (int changed = 0; changed < 4; ++changed) {
    SessionParties parties = from_bob_;
    const TestParty mallory(random_);
    if (changed == 0) parties.local_account = mallory.account.id();
    if (changed == 1) parties.local_device = mallory.device.id();
    if (changed == 2) parties.peer_account = mallory.account.id();
    if (changed == 3) parties.peer_device = mallory.device.id();
    const Ratchet ratchet = Ratchet::ForResponder(
        parties, MakeRoot(), bob_.prekeys.epochs()[0].signed_prekey,
        alice_.kem.public_key());
    EXPECT_THAT(ratchet.Open(sealed->message, kTestNow, bob_.kem),
                StatusIs(absl::StatusCode::kUnauthenticated));
  }
}

TEST_F(RatchetTest, AMessageHasToHoldAHeaderAndATag) {
  const auto sealed = alices_.Seal("", kMessageBytes, random_);
  ASSERT_THAT(sealed, IsOk());
  for (const size_t n : {size_t{0}, size_t{24}, kEncryptedHeaderBytes,
                         kEncryptedHeaderBytes + kBodyOverheadBytes - 1}) {
    EXPECT_THAT(BobOpens(sealed->message.substr(0, n)),
                StatusIs(absl::StatusCode::kNotFound));
  }
  EXPECT_THAT(BobOpens(sealed->message.substr(0, kMessageBytes - 1)),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

}  // namespace
}  // namespace messenger::client
