#include "swarm/auth/mailbox.h"

#include <string>

#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::swarm {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

TEST(MailboxAddress, HasOneOfTwoKindsAnd33Bytes) {
  for (int first = 0; first < 256; ++first) {
    const std::string bytes =
        std::string(1, static_cast<char>(first)) + std::string(32, 'x');
    const auto address = MailboxAddress::FromBytes(bytes);
    EXPECT_EQ(address.ok(), first == 5 || first == 6) << first;
  }
  for (const size_t size : {0, 1, 32, 34, 66}) {
    EXPECT_THAT(MailboxAddress::FromBytes(std::string(size, '\x05')),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(MailboxAddress, OfAnAccountIsItsId) {
  crypto::SeededRandom random(1);
  const auto keys = crypto::AccountKeys::Generate(random);
  const MailboxAddress address = MailboxAddress::ForAccount(keys.id());
  EXPECT_EQ(address.bytes(), keys.id().bytes());
  EXPECT_EQ(address.kind(), MailboxAddress::Kind::kAccount);
  EXPECT_THAT(MailboxAddress::FromBytes(address.bytes()),
              IsOkAndHolds(address));
}

TEST(MailboxAddress, OfAPairDependsOnWhichKeyReads) {
  crypto::SeededRandom random(1);
  const auto a = random.Fixed<crypto::Ed25519PublicKey>();
  const auto b = random.Fixed<crypto::Ed25519PublicKey>();
  EXPECT_NE(MailboxAddress::ForPair(a, b), MailboxAddress::ForPair(b, a));
  EXPECT_EQ(MailboxAddress::ForPair(a, b), MailboxAddress::ForPair(a, b));
  EXPECT_EQ(MailboxAddress::ForPair(a, b).kind(),
            MailboxAddress::Kind::kPairwise);
}

TEST(MailboxNamespace, EachKindOfMailboxHasItsOwn) {
  using Kind = MailboxAddress::Kind;
  for (uint32_t value = 0; value < 100'000; ++value) {
    EXPECT_EQ(MessageNamespace(Kind::kAccount, value).ok(), value == 0);
    EXPECT_EQ(MessageNamespace(Kind::kPairwise, value).ok(), value == 10);
    EXPECT_EQ(RecordNamespace(Kind::kAccount, value).ok(),
              value == 1 || value == 2);
    EXPECT_FALSE(RecordNamespace(Kind::kPairwise, value).ok());
  }
  EXPECT_FALSE(MessageNamespace(Kind::kAccount, 0x10000).ok())
      << "not cut to 16 bits";
}

TEST(MessageId, DependsOnMailboxNamespaceAndPayload) {
  const auto a = *MailboxAddress::FromBytes("\x05" + std::string(32, 'a'));
  const auto b = *MailboxAddress::FromBytes("\x05" + std::string(32, 'b'));
  const MessageId id = ComputeMessageId(a, MailboxNamespace::kInbox, "x");
  EXPECT_EQ(id, ComputeMessageId(a, MailboxNamespace::kInbox, "x"));
  EXPECT_NE(id, ComputeMessageId(b, MailboxNamespace::kInbox, "x"));
  EXPECT_NE(id, ComputeMessageId(a, MailboxNamespace::kPairwise, "x"));
  EXPECT_NE(id, ComputeMessageId(a, MailboxNamespace::kInbox, "y"));
}

}  // namespace
}  // namespace messenger::swarm
