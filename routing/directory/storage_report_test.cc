#include "routing/directory/storage_report.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

class StorageReportTest : public ::testing::Test {
 protected:
  absl::StatusOr<StorageReport> Parse(absl::string_view bytes) {
    return ParseStorageReport(bytes, key_.public_key());
  }

  crypto::SeededRandom random_{1};
  const crypto::Ed25519PrivateKey key_ =
      crypto::Ed25519PrivateKey::Generate(random_);
  const StorageReport report_ = {random_.Fixed<NetworkId>(),
                                 random_.Fixed<NodeId>(),
                                 absl::FromUnixMillis(1893456000123), 4711,
                                 /*leaving=*/true};
};

TEST_F(StorageReportTest, ReadsBackAsItWasSigned) {
  const std::string bytes = SignStorageReport(report_, key_);
  EXPECT_EQ(bytes.size(), kStorageReportBytes);
  EXPECT_THAT(NodeIdOfStorageReport(bytes), IsOkAndHolds(report_.node_id));
  EXPECT_THAT(Parse(bytes), IsOkAndHolds(report_));
  StorageReport staying = report_;
  staying.leaving = false;
  EXPECT_THAT(Parse(SignStorageReport(staying, key_)), IsOkAndHolds(staying));
}

TEST_F(StorageReportTest, OnlyTheKeysOwnSignatureCounts) {
  const auto other = crypto::Ed25519PrivateKey::Generate(random_);
  EXPECT_THAT(Parse(SignStorageReport(report_, other)),
              StatusIs(absl::StatusCode::kUnauthenticated));
  // For another purpose.
  std::string bytes = SignStorageReport(report_, key_);
  const std::string body =
      bytes.substr(0, bytes.size() - crypto::Ed25519Signature::kSize);
  EXPECT_THAT(
      Parse(absl::StrCat(
          body, key_.Sign(crypto::SigningDomain::kStoreReceipt, body).bytes())),
      StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(StorageReportTest, EveryFlippedBitAndEveryOtherLengthIsRefused) {
  const std::string good = SignStorageReport(report_, key_);
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bad = good;
    bad[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    EXPECT_FALSE(Parse(bad).ok()) << bit;
  }
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_THAT(Parse(good.substr(0, size)),
                StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_FALSE(NodeIdOfStorageReport(good.substr(0, size)).ok());
  }
  EXPECT_THAT(Parse(good + "x"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(StorageReportTest, UnknownVersionsFlagsAndTimesAreRefused) {
  std::string bytes = SignStorageReport(report_, key_);
  bytes.resize(bytes.size() - crypto::Ed25519Signature::kSize);
  const auto edited = [&](size_t at, char value) {
    std::string body = bytes;
    body[at] = value;
    return Parse(absl::StrCat(
        body, key_.Sign(crypto::SigningDomain::kStorageReport, body).bytes()));
  };
  EXPECT_THAT(edited(0, 1), IsOkAndHolds(report_));
  EXPECT_THAT(edited(0, 2), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(edited(65, '\x7f'), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(edited(bytes.size() - 1, 3),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace messenger::routing
