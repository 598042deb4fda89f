#include "client/store/secret_service.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/store/device_secret.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/files.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::HasSubstr;

// As secret-tool behaves with GNOME Keyring 42 (tools/localnet/testing/
// secret_service_test.py asks the real ones): its items are files beside it,
// and what the file "mood" says it does.
constexpr char kFakeTool[] = R"sh(#!/bin/sh
here=${0%/*}
mood=$(cat "$here/mood" 2>/dev/null)
verb=$1
shift
case $1 in --label=*) shift ;; esac
echo "$verb $*" >>"$here/calls"
[ "$1 $2 $3" = "application session-messenger device-secret" ] || exit 9
item=$here/item-$4
case $mood in
no-bus) echo "secret-tool: Cannot autolaunch D-Bus without X11 \$DISPLAY" >&2
  exit 1 ;;
hangs) exec sleep 1000 ;;
endless) while :; do echo ffffffffffffffffffffffffffffffff; done ;;
esac
case $verb in
lookup) [ -e "$item" ] && [ "$mood" != locked ] || exit 1; cat "$item" ;;
search) [ -e "$item" ] && echo "[/1]"; exit 0 ;;
store) [ "$mood" = locked ] && {
    echo "secret-tool: Cannot create an item in a locked collection" >&2
    exit 1
  }
  [ "$mood" = forgets ] || cat >"$item" ;;
clear) [ "$mood" = keeps ] || [ "$mood" = locked ] || rm "$item" ;;
esac
)sh";

class SecretServiceTest : public ::testing::Test {
 protected:
  SecretServiceTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/serviceXXXXXX");
    folder_ = mkdtemp(pattern.data());
    tool_ = absl::StrCat(folder_, "/secret-tool");
    EXPECT_THAT(routing::WriteFileAtomically(tool_, kFakeTool), IsOk());
    EXPECT_EQ(chmod(tool_.c_str(), 0700), 0);
  }

  SecretServiceDeviceSecret Service(
      absl::Duration limit = absl::Minutes(1)) const {
    return SecretServiceDeviceSecret(tool_, {"PATH=/usr/bin:/bin"}, limit);
  }
  void SetMood(absl::string_view mood) {
    EXPECT_THAT(
        routing::WriteFileAtomically(absl::StrCat(folder_, "/mood"), mood),
        IsOk());
  }
  std::string Item() const {
    return absl::StrCat(folder_, "/item-", id_.ToHex());
  }

  crypto::SeededRandom random_{7};
  const DeviceSecretBytes secret_ = random_.Secret<32>();
  const DeviceSecretId id_ = IdOfDeviceSecret(secret_);
  std::string folder_;
  std::string tool_;
};

TEST_F(SecretServiceTest, KeepsGivesAndDestroys) {
  SecretServiceDeviceSecret service = Service();
  EXPECT_THAT(service.Read(id_).status(),
              StatusIs(absl::StatusCode::kNotFound));
  ASSERT_THAT(service.Add(id_, secret_), IsOk());
  EXPECT_EQ(service.Read(id_)->Expose(), secret_.Expose());
  EXPECT_THAT(service.Add(id_, secret_),
              StatusIs(absl::StatusCode::kAlreadyExists));
  const DeviceSecretBytes next = random_.Secret<32>();
  ASSERT_THAT(service.AddSuccessor(id_, IdOfDeviceSecret(next), next), IsOk());
  ASSERT_THAT(service.Destroy(id_), IsOk());
  EXPECT_THAT(service.Read(id_).status(),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(service.Read(IdOfDeviceSecret(next))->Expose(), next.Expose());
  EXPECT_THAT(service.Destroy(id_), IsOk());
}

// Every user of the machine sees the words that a program was started with.
TEST_F(SecretServiceTest, NoSecretIsAmongTheWordsOfTheProgram) {
  SecretServiceDeviceSecret service = Service();
  ASSERT_THAT(service.Add(id_, secret_), IsOk());
  const std::string calls =
      routing::ReadFile(absl::StrCat(folder_, "/calls")).value();
  const std::string stored = routing::ReadFile(Item()).value();
  EXPECT_EQ(stored.size(), 64u);
  EXPECT_THAT(calls, HasSubstr(id_.ToHex()));
  EXPECT_THAT(calls, ::testing::Not(HasSubstr(stored.substr(0, 8))));
}

TEST_F(SecretServiceTest, WithoutAServiceItSaysSo) {
  SecretServiceDeviceSecret service = Service();
  ASSERT_THAT(service.Add(id_, secret_), IsOk());
  SetMood("no-bus");
  for (const absl::Status& status :
       {service.Read(id_).status(), service.Add(id_, secret_),
        service.Destroy(id_)}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("Cannot autolaunch D-Bus"));
  }
}

TEST_F(SecretServiceTest, WithoutTheProgramItSaysWhatToInstall) {
  SecretServiceDeviceSecret service("");
  const absl::Status status = service.Add(id_, secret_);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(std::string(status.message()), HasSubstr("libsecret-tools"));
}

// Not taken for absent: the data would seem to be lost.
TEST_F(SecretServiceTest, ALockedKeyringIsNoMissingSecret) {
  SecretServiceDeviceSecret service = Service();
  ASSERT_THAT(service.Add(id_, secret_), IsOk());
  SetMood("locked");
  EXPECT_THAT(service.Read(id_).status(),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(std::string(service.Read(id_).status().message()),
              HasSubstr("locked"));
  EXPECT_THAT(service.Destroy(id_), StatusIs(absl::StatusCode::kUnavailable));
  const DeviceSecretBytes next = random_.Secret<32>();
  EXPECT_THAT(service.Add(IdOfDeviceSecret(next), next),
              StatusIs(absl::StatusCode::kUnavailable));
  SetMood("");
  EXPECT_EQ(service.Read(id_)->Expose(), secret_.Expose());
}

TEST_F(SecretServiceTest, WhatIsNotKeptOrNotRemovedIsNoticed) {
  SecretServiceDeviceSecret service = Service();
  SetMood("forgets");
  EXPECT_THAT(service.Add(id_, secret_), ::testing::Not(IsOk()));
  SetMood("keeps");
  ASSERT_THAT(service.Add(id_, secret_), IsOk());
  EXPECT_THAT(service.Destroy(id_), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(SecretServiceTest, NeitherSilenceNorAFloodHoldsItUp) {
  SetMood("hangs");
  EXPECT_THAT(Service(absl::Milliseconds(50)).Read(id_).status(),
              StatusIs(absl::StatusCode::kUnavailable));
  SetMood("endless");
  EXPECT_THAT(Service().Read(id_).status(),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(SecretServiceTest, WhatIsNoSecretIsNotTakenForOne) {
  for (const char* stored : {"", "00", "no hexadecimal digits at all"}) {
    ASSERT_THAT(routing::WriteFileAtomically(Item(), stored), IsOk());
    EXPECT_THAT(Service().Read(id_).status(),
                StatusIs(absl::StatusCode::kNotFound));
  }
}

}  // namespace
}  // namespace messenger::client
