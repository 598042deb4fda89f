#include "crypto/identity/account_id.h"

#include <string>
#include <type_traits>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash_testing.h"
#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::HasSubstr;

static_assert(!std::is_constructible_v<AccountId, std::string>);
static_assert(!std::is_default_constructible_v<AccountId>);

constexpr char kHex[] =
    "056c3d9682f167135d4c86b0af24e7aca98949380fa825e01455e788fe3df1d05c";
constexpr char kUpperHex[] =
    "056C3D9682F167135D4C86B0AF24E7ACA98949380FA825E01455E788FE3DF1D05C";

AccountId Id(char fill) {
  return AccountId::FromBytes("\x05" + std::string(32, fill)).value();
}

TEST(AccountIdTest, HexComesBackInLowerCase) {
  EXPECT_EQ(AccountId::FromHex(kHex)->ToHex(), kHex);
  EXPECT_EQ(AccountId::FromHex(kUpperHex)->ToHex(), kHex);
}

TEST(AccountIdTest, IsThePrefixAndThePublicKey) {
  const AccountId id = AccountId::FromHex(kHex).value();
  EXPECT_EQ(id.bytes().size(), AccountId::kSize);
  EXPECT_EQ(id.bytes()[0], '\x05');
  EXPECT_EQ(id.x25519_public_key().bytes(), id.bytes().substr(1));
  EXPECT_EQ(AccountId::FromPublicKey(id.x25519_public_key()), id);
  EXPECT_THAT(AccountId::FromBytes(id.bytes()), IsOkAndHolds(id));
}

TEST(AccountIdTest, WrongLengthIsRefusedInClearWords) {
  for (const size_t size : {0, 1, 64, 65, 67, 68, 132}) {
    EXPECT_THAT(
        AccountId::FromHex(std::string(size, '0')),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("66 hex")))
        << size;
  }
  for (const size_t size : {0, 32, 34, 66}) {
    EXPECT_THAT(
        AccountId::FromBytes(std::string(size, '\x05')),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("33 bytes")))
        << size;
  }
}

TEST(AccountIdTest, WrongFirstByteIsRefusedInClearWords) {
  for (const char* prefix : {"00", "03", "04", "06", "15", "25", "85"}) {
    EXPECT_THAT(AccountId::FromHex(prefix + std::string(kHex + 2)),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("starts with 05")))
        << prefix;
  }
}

TEST(AccountIdTest, LettersBeyondFAreRefusedInClearWords) {
  std::string hex = kHex;
  hex[40] = 'g';
  EXPECT_THAT(AccountId::FromHex(hex),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("letters a to f")));
}

TEST(AccountIdTest, ComparesOrdersAndHashes) {
  EXPECT_EQ(Id('a'), Id('a'));
  EXPECT_NE(Id('a'), Id('b'));
  EXPECT_TRUE(Id('a') < Id('b'));
  EXPECT_TRUE(Id('a') < Id('\xff'));
  EXPECT_TRUE(
      absl::VerifyTypeImplementsAbslHashCorrectly({Id('a'), Id('b'), Id('c')}));
  const absl::flat_hash_set<AccountId> ids = {Id('a'), Id('a'), Id('b')};
  EXPECT_EQ(ids.size(), 2u);
}

}  // namespace
}  // namespace messenger::crypto
