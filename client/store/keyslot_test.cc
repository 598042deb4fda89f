#include "client/store/keyslot.h"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/store/device_secret.h"
#include "crypto/aead/committing_aead.h"
#include "crypto/base/hex.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/hash/hash.h"
#include "crypto/kdf/hkdf.h"
#include "crypto/pwhash/argon2id.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/files.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

constexpr char kPin[] = "1234 abcd";
constexpr char kWrongPin[] = "1234 abce";

PinPolicy Cheap() {
  PinPolicy policy;
  policy.cost = kPinCostFloor;
  return policy;
}

PinPolicy CheapWithDeviceSecret() {
  PinPolicy policy = Cheap();
  policy.use_device_secret = true;
  return policy;
}

// Made by the first version of the format: the PIN "4829", the floor's cost.
constexpr char kFirstFormat[] =
    "4e4d4b534c4f5431000000000000000101000000010000200029eb63d0a17a5b"
    "999b52da22be4023eb73781ad6198f65dbbf7658fea815641d66f89f6cfae4e0"
    "f1ee7e8a39237cb2ff8ca6b72863b9bb410a14b6c3388103a35c9e3c7c460719"
    "39983e402e502b00a8df47b81e41a01f7674620994da2b3136";
constexpr char kFirstFormatChecksum[] =
    "be411d0eae5516acf47499515b7647da0c3b67ea2675054c40fe98fd976622cc";
constexpr char kFirstFormatKey[] =
    "c5d30a7ce1ec119378c84f487d775a8542f13ece238a9455e8229e888de85bbd";

std::string FirstFormatFile() {
  std::string file = crypto::HexDecode(kFirstFormat).value();
  file.resize(4096 - 32, '\0');
  return file + crypto::HexDecode(kFirstFormatChecksum).value();
}

// Another device, when it is another object.
class FakeDeviceSecret final : public DeviceSecret {
 public:
  absl::Status Add(const DeviceSecretId& id,
                   const DeviceSecretBytes& secret) override {
    secrets_.emplace(id, std::string(secret.Expose()));
    return absl::OkStatus();
  }
  absl::StatusOr<DeviceSecretBytes> Read(const DeviceSecretId& id) override {
    const auto found = secrets_.find(id);
    if (found == secrets_.end()) return absl::NotFoundError("none");
    return DeviceSecretBytes::FromBytes(found->second);
  }
  absl::Status Destroy(const DeviceSecretId& id) override {
    if (refuses_) return absl::UnavailableError("not now");
    secrets_.erase(id);
    return absl::OkStatus();
  }

  void set_refuses(bool refuses) { refuses_ = refuses; }
  size_t size() const { return secrets_.size(); }
  std::map<DeviceSecretId, std::string>& secrets() { return secrets_; }

 private:
  bool refuses_ = false;
  std::map<DeviceSecretId, std::string> secrets_;
};

class KeyslotTest : public ::testing::Test {
 protected:
  KeyslotTest() : folder_(NewFolder()) {}

  static std::string NewFolder() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/slotXXXXXX");
    return mkdtemp(pattern.data());
  }

  std::string Create(std::optional<absl::string_view> pin,
                     const PinPolicy& policy = Cheap()) {
    return std::string(CreateKeyslot(folder_, pin, policy, &device_, random_)
                           .value()
                           .Expose());
  }
  absl::Status Change(std::optional<absl::string_view> old_pin,
                      std::optional<absl::string_view> new_pin,
                      const PinPolicy& policy = Cheap()) {
    return ChangeKeyslotPin(folder_, old_pin, new_pin, policy, &device_, clock_,
                            random_);
  }
  absl::Status Try(std::optional<absl::string_view> pin) {
    return OpenKeyslot(folder_, pin, &device_, clock_).status();
  }
  std::string Open(std::optional<absl::string_view> pin) {
    absl::StatusOr<DatabaseKey> key =
        OpenKeyslot(folder_, pin, &device_, clock_);
    return key.ok() ? std::string(key->Expose()) : key.status().ToString();
  }
  KeyslotState State() { return ReadKeyslotState(folder_).value(); }
  void TryWrongPins(int count) {
    for (int i = 0; i < count; ++i) {
      EXPECT_EQ(PinRefusalOf(Try(kWrongPin)), PinRefusal::kNone);
      clock_.Advance(kLongestPinWait);
    }
  }
  std::string Path(int copy) {
    return absl::StrCat(folder_, "/keyslot.", copy);
  }
  std::string Copy(int copy) { return routing::ReadFile(Path(copy)).value(); }
  void SetCopy(int copy, absl::string_view file) {
    ASSERT_THAT(routing::WriteFileAtomically(Path(copy), file), IsOk());
  }
  void Flip(int copy, size_t position) {
    std::string file = Copy(copy);
    file[position] ^= 1;
    SetCopy(copy, file);
  }

  crypto::SeededRandom random_{7};
  routing::SimulatedClock clock_;
  FakeDeviceSecret device_;
  std::string folder_;
};

TEST_F(KeyslotTest, TheRightPinGivesTheKeyBack) {
  const std::string key = Create(kPin);
  EXPECT_TRUE(State().has_pin);
  EXPECT_EQ(Open(kPin), key);
}

TEST_F(KeyslotTest, AWrongPinIsOneCleanFailure) {
  Create(kPin);
  EXPECT_THAT(Try(kWrongPin), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(Try(std::nullopt),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(KeyslotTest, WithoutAPinTheFolderOpens) {
  const std::string key = Create(std::nullopt, CheapWithDeviceSecret());
  EXPECT_FALSE(State().has_pin);
  EXPECT_EQ(Open(std::nullopt), key);
  EXPECT_EQ(device_.size(), 0u);
}

TEST_F(KeyslotTest, ANewPinKeepsTheKeyAndEndsTheOldPin) {
  const std::string key = Create("first pin");
  ASSERT_THAT(Change("first pin", "second pin"), IsOk());
  EXPECT_EQ(Open("second pin"), key);
  EXPECT_THAT(Try("first pin"), StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(KeyslotTest, ACrashBetweenTheCopiesLeavesTheNewPin) {
  const std::string key = Create("first pin");
  const std::string old_copy = Copy(1);
  ASSERT_THAT(Change("first pin", "second pin"), IsOk());
  SetCopy(1, old_copy);
  EXPECT_EQ(Open("second pin"), key);
}

TEST_F(KeyslotTest, OneDamagedCopyIsNoLoss) {
  const std::string key = Create(kPin);
  for (size_t position = 0; position < 4096; position += 97) {
    Flip(0, position);
    EXPECT_EQ(Open(kPin), key);  // Writes both anew.
  }
}

TEST_F(KeyslotTest, TwoDamagedCopiesAreDataLossNotAWrongPin) {
  Create(kPin);
  Flip(0, 100);
  Flip(1, 3000);
  EXPECT_THAT(Try(kPin), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(KeyslotTest, NeverOverwritesAKey) {
  const std::string key = Create(kPin);
  EXPECT_THAT(
      CreateKeyslot(folder_, "another pin", Cheap(), nullptr, random_).status(),
      StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(Open(kPin), key);
}

TEST_F(KeyslotTest, RefusesAPinOutOfBounds) {
  const std::string seven_of_two_bytes =
      "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4";
  for (const std::string& pin :
       {std::string(), std::string("1234567"), seven_of_two_bytes,
        std::string(kMaxPinBytes + 1, 'p')}) {
    EXPECT_THAT(
        CreateKeyslot(folder_, pin, Cheap(), &device_, random_).status(),
        StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(CreateKeyslot(folder_, "12345", CheapWithDeviceSecret(), &device_,
                            random_)
                  .status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ReadKeyslotState(folder_).status(),
              StatusIs(absl::StatusCode::kNotFound));
}

// ---------------------------------------------------------- device secret --

TEST_F(KeyslotTest, WithADeviceSecretSixDigitsAreEnough) {
  const std::string key = Create("482916", CheapWithDeviceSecret());
  EXPECT_TRUE(State().has_device_secret);
  EXPECT_EQ(Open("482916"), key);
}

TEST_F(KeyslotTest, ACopiedFolderResistsTheRightPinAndCostsNoTry) {
  Create(kPin, CheapWithDeviceSecret());
  FakeDeviceSecret another_device;
  FakeDeviceSecret another_secret;  // Under the same name.
  another_secret.secrets()[device_.secrets().begin()->first] =
      std::string(32, 'x');
  for (DeviceSecret* place : std::initializer_list<DeviceSecret*>{
           nullptr, &another_device, &another_secret}) {
    const absl::Status opened =
        OpenKeyslot(folder_, kPin, place, clock_).status();
    EXPECT_THAT(opened, StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_EQ(PinRefusalOf(opened), PinRefusal::kDeviceSecret);
  }
  EXPECT_EQ(State().wrong_pins, 0u);
}

// What a thief does, who leaves out the check of the id.
TEST_F(KeyslotTest, TheSealItselfNeedsTheDeviceSecret) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  const std::string file = Copy(0);
  const std::string header = file.substr(16, 43);
  const auto salt =
      crypto::Argon2Salt::FromBytes(absl::string_view(header).substr(9, 16));
  const auto stretched =
      crypto::Argon2id(kPin, *salt, kPinCostFloor.passes,
                       uint64_t{kPinCostFloor.memory_kib} * 1024);
  const auto opened_with = [&](absl::string_view secret) {
    const auto prk = crypto::HkdfSha512Extract(
        "nm/v1/keyslot", {stretched.value().Expose(), secret});
    return crypto::CommittingOpen(
        crypto::HkdfSha512Expand<32>(prk.Expose(),
                                     crypto::KdfLabel::kKeyEncryption, header),
        header, file.substr(16 + 43, 80));
  };
  EXPECT_THAT(opened_with(device_.secrets().begin()->second),
              IsOkAndHolds(key));
  EXPECT_FALSE(opened_with("").ok());
  EXPECT_FALSE(opened_with(std::string(32, '\0')).ok());
}

TEST_F(KeyslotTest, TheFirstFormatOpensAndANewPinUpgradesIt) {
  SetCopy(0, FirstFormatFile());
  SetCopy(1, FirstFormatFile());
  const std::string key = crypto::HexDecode(kFirstFormatKey).value();
  EXPECT_EQ(Open("4829"), key);
  EXPECT_THAT(Try("4820"), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(State().wrong_pins, 1u);
  EXPECT_FALSE(State().has_device_secret);
  ASSERT_THAT(Change("4829", "482916", CheapWithDeviceSecret()), IsOk());
  EXPECT_TRUE(State().has_device_secret);
  EXPECT_EQ(Open("482916"), key);
}

// "pass-été-café", typed on two keyboards.
constexpr char kComposedPin[] = "pass-\u00e9t\u00e9-caf\u00e9";
constexpr char kDecomposedPin[] = "pass-e\u0301te\u0301-cafe\u0301";

TEST_F(KeyslotTest, APinOpensHoweverItsLettersAreTyped) {
  const std::string key = Create(kComposedPin);
  EXPECT_EQ(Open(kDecomposedPin), key);
  EXPECT_EQ(Open(kComposedPin), key);
  ASSERT_THAT(Change(kDecomposedPin, absl::StrCat(kDecomposedPin, "2")),
              IsOk());
  EXPECT_EQ(Open(absl::StrCat(kComposedPin, "2")), key);
  EXPECT_THAT(Try("pass-ete-cafe2"),
              StatusIs(absl::StatusCode::kUnauthenticated));
}

// A slot from before PINs were normalised: as it would be, had Create() left
// that out.
TEST_F(KeyslotTest, AnOlderSlotOpensByteByByteUntilTheNextPin) {
  Create(kPin);
  constexpr size_t kHeader = 16, kHeaderBytes = 43, kSaltAt = 25;
  std::string file = Copy(0);
  file[kHeader] = static_cast<char>(file[kHeader] & ~4);
  const std::string header = file.substr(kHeader, kHeaderBytes);
  const auto salt = crypto::Argon2Salt::FromBytes(file.substr(kSaltAt, 16));
  const auto stretched =
      crypto::Argon2id(kComposedPin, *salt, kPinCostFloor.passes,
                       uint64_t{kPinCostFloor.memory_kib} * 1024);
  const auto prk =
      crypto::HkdfSha512Extract("nm/v1/keyslot", {stretched->Expose()});
  const std::string key = random_.String(32);
  const std::string sealed = crypto::CommittingSeal(
      crypto::HkdfSha512Expand<32>(prk.Expose(),
                                   crypto::KdfLabel::kKeyEncryption, header),
      header, key);
  file.replace(kHeader + kHeaderBytes, sealed.size(), sealed);
  file.resize(4096 - 32);
  file = absl::StrCat(file, crypto::Blake2b256("nm1-keyslot", {file}).bytes());
  SetCopy(0, file);
  SetCopy(1, file);
  EXPECT_THAT(Try(kDecomposedPin),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(Open(kComposedPin), key);
  ASSERT_THAT(Change(kComposedPin, kComposedPin), IsOk());
  EXPECT_EQ(Open(kDecomposedPin), key);
}

TEST_F(KeyslotTest, ANewPinKeepsTheDeviceSecret) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  const auto before = device_.secrets();
  ASSERT_THAT(Change(kPin, "482916", CheapWithDeviceSecret()), IsOk());
  EXPECT_EQ(device_.secrets(), before);
  EXPECT_EQ(Open("482916"), key);
}

TEST_F(KeyslotTest, WithoutAPinTheDeviceSecretGoesToo) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  ASSERT_THAT(Change(kPin, std::nullopt), IsOk());
  EXPECT_EQ(device_.size(), 0u);
  EXPECT_EQ(Open(std::nullopt), key);
}

TEST_F(KeyslotTest, ACrashWhileADeviceSecretComesOrGoesLosesNothing) {
  const std::string key = Create(kPin);
  const std::string old_copies[] = {Copy(0), Copy(1)};
  ASSERT_THAT(Change(kPin, "482916", CheapWithDeviceSecret()), IsOk());
  const std::string new_copies[] = {Copy(0), Copy(1)};
  // The secret is there, no copy or one copy names it.
  SetCopy(1, old_copies[1]);
  EXPECT_EQ(Open("482916"), key);
  SetCopy(0, old_copies[0]);
  SetCopy(1, old_copies[1]);
  EXPECT_EQ(Open(kPin), key);
  SetCopy(0, new_copies[0]);
  SetCopy(1, new_copies[1]);
  // It goes after both copies: while one names it, it is there.
  device_.set_refuses(true);
  ASSERT_THAT(Change("482916", kPin), IsOk());
  SetCopy(0, new_copies[0]);
  EXPECT_EQ(Open(kPin), key);
}

// ------------------------------------------------------------------- wait --

TEST_F(KeyslotTest, ThreeTriesAreFreeThenEachWaitsTwiceAsLong) {
  Create(kPin);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Try(kWrongPin), StatusIs(absl::StatusCode::kUnauthenticated));
  }
  for (const int seconds :
       {5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600}) {
    clock_.Advance(absl::Seconds(seconds) - absl::Milliseconds(10));
    const absl::Status early = Try(kPin);
    EXPECT_THAT(early, StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_EQ(PinRefusalOf(early), PinRefusal::kWait);
    EXPECT_EQ(CheckPinWait(folder_, clock_), early);
    clock_.Advance(absl::Milliseconds(10));
    EXPECT_THAT(CheckPinWait(folder_, clock_), IsOk());
    EXPECT_THAT(Try(kWrongPin), StatusIs(absl::StatusCode::kUnauthenticated));
  }
}

TEST_F(KeyslotTest, TheWordsSayHowLongToWait) {
  Create(kPin);
  TryWrongPins(4);
  Try(kWrongPin).IgnoreError();
  clock_.Advance(absl::Seconds(3));
  EXPECT_THAT(std::string(Try(kPin).message()),
              ::testing::HasSubstr("wait 17s, then try again: 5 wrong PINs"));
}

TEST_F(KeyslotTest, TheRightPinEndsTheCounting) {
  Create(kPin);
  TryWrongPins(5);
  EXPECT_THAT(Try(kPin), IsOk());
  EXPECT_EQ(State().wrong_pins, 0u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Try(kWrongPin), StatusIs(absl::StatusCode::kUnauthenticated));
  }
}

TEST_F(KeyslotTest, AWrongOldPinCountsToo) {
  Create(kPin);
  EXPECT_THAT(Change(kWrongPin, "second pin"),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(State().wrong_pins, 1u);
}

// The counter is on the disk before the guess: where it cannot be written,
// not even the right PIN is tried.
TEST_F(KeyslotTest, WhatCannotBeCountedIsNotTried) {
  Create(kPin);
  signal(SIGXFSZ, SIG_IGN);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 1024;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  const absl::Status refused = Try(kPin);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(PinRefusalOf(refused), PinRefusal::kNone);
  EXPECT_THAT(Try(kPin), IsOk());
}

TEST_F(KeyslotTest, OneCopyOfACounterIsEnough) {
  Create(kPin);
  const std::string uncounted = Copy(1);
  TryWrongPins(4);
  Try(kWrongPin).IgnoreError();
  SetCopy(1, uncounted);
  EXPECT_EQ(State().wrong_pins, 5u);
  EXPECT_EQ(PinRefusalOf(Try(kPin)), PinRefusal::kWait);
}

TEST_F(KeyslotTest, AClockSetBackBeginsTheWaitAgainOnce) {
  Create(kPin);
  TryWrongPins(3);
  Try(kWrongPin).IgnoreError();
  clock_.Advance(-absl::Hours(24 * 365));
  EXPECT_EQ(PinRefusalOf(Try(kPin)), PinRefusal::kWait);
  clock_.Advance(absl::Seconds(9));
  EXPECT_EQ(PinRefusalOf(Try(kPin)), PinRefusal::kWait);
  clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(Try(kPin), IsOk());
}

TEST_F(KeyslotTest, AnyOrderOfTriesAndClockJumpsFollowsTheModel) {
  const std::string key = Create(kPin);
  uint32_t wrong = 0;
  absl::Time last = clock_.Now();
  int opened = 0;
  int refused = 0;
  for (int step = 0; step < 300; ++step) {
    switch (random_.Uniform(6)) {
      case 0:
        clock_.Advance(-absl::Seconds(random_.Uniform(100'000)));
        break;
      case 1:
        clock_.Advance(absl::Seconds(random_.Uniform(8'000)));
        break;
      default:
        clock_.Advance(absl::Seconds(random_.Uniform(10)));
    }
    const bool right = random_.Uniform(8) == 0;
    absl::Duration wait = absl::ZeroDuration();
    if (wrong >= 3) {
      wait =
          std::min(absl::Seconds(5) * (int64_t{1} << std::min(wrong - 3, 20u)),
                   absl::Hours(1));
      last = std::min(last, clock_.Now());
    }
    const absl::Status tried = Try(right ? kPin : kWrongPin);
    if (wrong >= 3 && clock_.Now() - last < wait) {
      ++refused;
      ASSERT_EQ(PinRefusalOf(tried), PinRefusal::kWait) << step;
    } else if (right) {
      ++opened;
      wrong = 0;
      ASSERT_THAT(tried, IsOk()) << step;
    } else {
      ++wrong;
      last = clock_.Now();
      ASSERT_THAT(tried, StatusIs(absl::StatusCode::kUnauthenticated)) << step;
    }
    ASSERT_EQ(State().wrong_pins, wrong) << step;
  }
  EXPECT_GT(opened, 5);
  EXPECT_GT(refused, 50);
}

// ------------------------------------------------------------------- wipe --

class KeyslotWipeTest : public KeyslotTest {
 protected:
  static PinPolicy WipeAfterFour() {
    PinPolicy policy = CheapWithDeviceSecret();
    policy.wipe_after = 4;
    return policy;
  }

  void ExpectGone() {
    for (int again = 0; again < 2; ++again) {
      const absl::Status opened = Try(kPin);
      EXPECT_THAT(opened, StatusIs(absl::StatusCode::kFailedPrecondition));
      EXPECT_EQ(PinRefusalOf(opened), PinRefusal::kWiped);
    }
    EXPECT_EQ(Copy(0).substr(0, 8), "NMKWIPED");
    EXPECT_EQ(Copy(1).substr(0, 8), "NMKWIPED");
    EXPECT_EQ(device_.size(), 0u);
  }
};

TEST_F(KeyslotWipeTest, TheLastWrongPinDestroysAndSaysSo) {
  Create(kPin, WipeAfterFour());
  TryWrongPins(3);
  EXPECT_EQ(PinRefusalOf(Try(kWrongPin)), PinRefusal::kWiped);
  EXPECT_EQ(PinRefusalOf(ReadKeyslotState(folder_).status()),
            PinRefusal::kWiped);
  ExpectGone();
}

TEST_F(KeyslotWipeTest, IsOffUnlessAskedFor) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  TryWrongPins(30);
  EXPECT_EQ(Open(kPin), key);
}

TEST_F(KeyslotWipeTest, TheRightPinNeverDestroys) {
  const std::string key = Create(kPin, WipeAfterFour());
  TryWrongPins(3);
  EXPECT_EQ(Open(kPin), key);
  TryWrongPins(3);
  EXPECT_EQ(Open(kPin), key);
}

TEST_F(KeyslotWipeTest, ANewPinKeepsTheNumberUnlessToldOtherwise) {
  Create(kPin, WipeAfterFour());
  ASSERT_THAT(Change(kPin, "second pin", CheapWithDeviceSecret()), IsOk());
  EXPECT_EQ(State().wipe_after, 4);
  PinPolicy never = CheapWithDeviceSecret();
  never.wipe_after = 0;
  ASSERT_THAT(Change("second pin", kPin, never), IsOk());
  EXPECT_EQ(State().wipe_after, 0);
}

TEST_F(KeyslotWipeTest, RefusesANumberThatAMistypingReaches) {
  PinPolicy policy = Cheap();
  for (const uint16_t number : {1, 3, 1001}) {
    policy.wipe_after = number;
    EXPECT_THAT(CreateKeyslot(folder_, kPin, policy, nullptr, random_).status(),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST_F(KeyslotWipeTest, GoesOnWhereTheDeviceSecretStoppedIt) {
  Create(kPin, WipeAfterFour());
  TryWrongPins(3);
  device_.set_refuses(true);
  EXPECT_FALSE(Try(kWrongPin).ok());
  EXPECT_EQ(Copy(0).substr(0, 8), "NMKWIPED");
  EXPECT_EQ(device_.size(), 1u);
  device_.set_refuses(false);
  ExpectGone();
}

TEST_F(KeyslotWipeTest, AtEveryCrashPointTheSlotWorksOrNothingOpens) {
  const std::string key = Create(kPin, WipeAfterFour());
  TryWrongPins(3);
  const std::string before[] = {Copy(0), Copy(1)};
  const auto secrets = device_.secrets();
  EXPECT_EQ(PinRefusalOf(Try(kWrongPin)), PinRefusal::kWiped);
  const std::string after[] = {Copy(0), Copy(1)};
  for (int copy = 0; copy < 2; ++copy) {
    for (const size_t written : {0, 1, 8, 512, 1024, 4000, 4095, 4096}) {
      SetCopy(0, after[0]);
      SetCopy(1, before[1]);
      SetCopy(copy,
              after[copy].substr(0, written) + before[copy].substr(written));
      device_.secrets() = secrets;
      if (copy == 0 && written < 4096) {
        EXPECT_EQ(Open(kPin), key) << written;
      } else {
        ExpectGone();
      }
    }
  }
}

}  // namespace
}  // namespace messenger::client
