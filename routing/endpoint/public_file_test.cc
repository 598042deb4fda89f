#include "routing/endpoint/public_file.h"

#include <string>

#include "absl/strings/str_replace.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class PublicFileTest : public ::testing::Test {
 protected:
  crypto::SeededRandom random_{9};
  RouterPublicFile router_{.node_id = random_.Fixed<NodeId>(),
                           .nickname = "node-1",
                           .link = {.address = "127.0.0.1:4001",
                                    .tls_key = random_.Fixed<TlsKey>()}};
  StoragePublicFile storage_{
      .storage = {.address = "[::1]:4002", .tls_key = random_.Fixed<TlsKey>()},
      .storage_key = random_.Fixed<crypto::Ed25519PublicKey>(),
      .capacity_mib = 512};
};

TEST_F(PublicFileTest, WhatWasWrittenIsReadBack) {
  EXPECT_THAT(RouterPublicFile::Parse(router_.ToText()), IsOkAndHolds(router_));
  EXPECT_THAT(StoragePublicFile::Parse(storage_.ToText()),
              IsOkAndHolds(storage_));
}

TEST_F(PublicFileTest, TheFieldAtFaultIsNamed) {
  const auto edited = [](std::string text, std::string from, std::string to) {
    EXPECT_THAT(text, HasSubstr(from));
    return absl::StrReplaceAll(text, {{from, to}});
  };
  EXPECT_THAT(RouterPublicFile::Parse(
                  edited(router_.ToText(), router_.node_id.ToHex(), "12")),
              StatusIs(kInvalid, HasSubstr("node_id")));
  EXPECT_THAT(RouterPublicFile::Parse(
                  edited(router_.ToText(), "127.0.0.1", "localhost")),
              StatusIs(kInvalid, HasSubstr("address")));
  EXPECT_THAT(StoragePublicFile::Parse(edited(
                  storage_.ToText(), storage_.storage.tls_key.ToHex(), "xy")),
              StatusIs(kInvalid, HasSubstr("tls_key")));
  EXPECT_THAT(StoragePublicFile::Parse(
                  edited(storage_.ToText(), storage_.storage_key.ToHex(), "")),
              StatusIs(kInvalid, HasSubstr("storage_key")));
}

TEST_F(PublicFileTest, AFileCutShortIsInvalid) {
  const std::string text = storage_.ToText();
  EXPECT_THAT(StoragePublicFile::Parse(text.substr(0, text.size() / 2)),
              StatusIs(kInvalid));
  EXPECT_THAT(RouterPublicFile::Parse(""), StatusIs(kInvalid));
}

}  // namespace
}  // namespace messenger::routing
