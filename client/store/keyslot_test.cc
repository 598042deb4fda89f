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
    if (refuses_) return absl::UnavailableError("not now");
    if (secrets_.contains(id)) return absl::AlreadyExistsError("there");
    secrets_.emplace(id, std::string(secret.Expose()));
    return absl::OkStatus();
  }
  absl::Status AddSuccessor(const DeviceSecretId& current,
                            const DeviceSecretId& id,
                            const DeviceSecretBytes& secret) override {
    EXPECT_TRUE(secrets_.contains(current));
    return Add(id, secret);
  }
  absl::StatusOr<DeviceSecretBytes> Read(const DeviceSecretId& id) override {
    if (refuses_) return absl::UnavailableError("not now");
    const auto found = secrets_.find(id);
    if (found == secrets_.end()) return absl::NotFoundError("none");
    return DeviceSecretBytes::FromBytes(found->second);
  }
  absl::Status Destroy(const DeviceSecretId& id) override {
    if (refuses_ || keeps_) return absl::UnavailableError("not now");
    secrets_.erase(id);
    return absl::OkStatus();
  }

  void set_refuses(bool refuses) { refuses_ = refuses; }
  // Does not destroy.
  void set_keeps(bool keeps) { keeps_ = keeps; }
  size_t size() const { return secrets_.size(); }
  std::map<DeviceSecretId, std::string>& secrets() { return secrets_; }

 private:
  bool refuses_ = false;
  bool keeps_ = false;
  std::map<DeviceSecretId, std::string> secrets_;
};

// Where things are in the file (client/SPEC.md, section 7).
constexpr size_t kHeaderAt = 16;
constexpr size_t kHeaderBytes = 41;
constexpr size_t kBoxAt = kHeaderAt + kHeaderBytes + 2 + 12 + 1;
constexpr size_t kBoxBytes = 16 + 48 + 49;
constexpr size_t kNoteBytes = 16 + 48 + 3072;

// As the second version of the format had it, with one box and `wipe_after` in
// the header; with a device secret if that is not empty.
std::string SecondFormatFile(bool normalised, absl::string_view pin,
                             absl::string_view device_secret,
                             absl::string_view key) {
  const std::string salt(16, 's');
  std::string header;
  header += static_cast<char>(1 + (device_secret.empty() ? 0 : 2) +
                              (normalised ? 4 : 0));
  header += std::string("\0\0\0\1\0\0\x20\0", 8) + salt;
  header += device_secret.empty()
                ? std::string(16, '\0')
                : std::string(IdOfDeviceSecret(
                                  *DeviceSecretBytes::FromBytes(device_secret))
                                  .bytes());
  header += std::string("\0\x09", 2);
  const auto stretched = crypto::Argon2id(
      pin, *crypto::Argon2Salt::FromBytes(salt), kPinCostFloor.passes,
      uint64_t{kPinCostFloor.memory_kib} * 1024);
  const auto prk = crypto::HkdfSha512Extract(
      "nm/v1/keyslot", {stretched->Expose(), device_secret});
  std::string file = absl::StrCat(
      "NMKSLOT2", std::string(7, '\0'), "\x05", header,
      crypto::CommittingSeal(
          crypto::HkdfSha512Expand<32>(
              prk.Expose(), crypto::KdfLabel::kKeyEncryption, header),
          header, key));
  file.resize(4096 - 32);
  return absl::StrCat(file, crypto::Blake2b256("nm1-keyslot", {file}).bytes());
}

class KeyslotTest : public ::testing::Test {
 protected:
  KeyslotTest() : folder_(NewFolder()) {}

  static std::string NewFolder() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/slotXXXXXX");
    return mkdtemp(pattern.data());
  }

  std::string Create(std::optional<absl::string_view> pin,
                     const PinPolicy& policy = Cheap()) {
    return std::string(
        CreateKeyslot(folder_, pin, policy, places_, random_).value().Expose());
  }
  absl::Status Change(std::optional<absl::string_view> old_pin,
                      std::optional<absl::string_view> new_pin,
                      const PinPolicy& policy = Cheap()) {
    return ChangeKeyslotPin(folder_, old_pin, new_pin, policy, places_, clock_,
                            random_);
  }
  absl::Status Try(std::optional<absl::string_view> pin) {
    return OpenKeyslot(folder_, pin, places_, clock_, random_).status();
  }
  std::string Open(std::optional<absl::string_view> pin) {
    const absl::StatusOr<OpenedKeyslot> opened =
        OpenKeyslot(folder_, pin, places_, clock_, random_);
    return opened.ok() ? std::string(opened->key.Expose())
                       : opened.status().ToString();
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
  FakeDeviceSecret service_;
  const DeviceSecretPlaces places_ = {&device_, &service_};
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
      CreateKeyslot(folder_, "another pin", Cheap(), {}, random_).status(),
      StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(Open(kPin), key);
}

TEST_F(KeyslotTest, RefusesAPinOutOfBounds) {
  const std::string seven_of_two_bytes =
      "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4";
  for (const std::string& pin :
       {std::string(), std::string("1234567"), seven_of_two_bytes,
        std::string(kMaxPinBytes + 1, 'p')}) {
    EXPECT_THAT(CreateKeyslot(folder_, pin, Cheap(), places_, random_).status(),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(
      CreateKeyslot(folder_, "12345", CheapWithDeviceSecret(), places_, random_)
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
        OpenKeyslot(folder_, kPin, {place}, clock_, random_).status();
    EXPECT_THAT(opened, StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_EQ(PinRefusalOf(opened), PinRefusal::kDeviceSecret);
  }
  EXPECT_EQ(State().wrong_pins, 0u);
}

// What a thief does, who leaves out the check of the id.
TEST_F(KeyslotTest, TheSealItselfNeedsTheDeviceSecret) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  const std::string file = Copy(0);
  const std::string header = file.substr(kHeaderAt, kHeaderBytes);
  const auto salt =
      crypto::Argon2Salt::FromBytes(absl::string_view(header).substr(9, 16));
  const auto stretched =
      crypto::Argon2id(kPin, *salt, kPinCostFloor.passes,
                       uint64_t{kPinCostFloor.memory_kib} * 1024);
  const auto opened_with = [&](absl::string_view secret) {
    const auto prk = crypto::HkdfSha512Extract(
        "nm/v1/keyslot", {stretched.value().Expose(), secret});
    std::string keys;
    for (const char index : {0, 1}) {
      const std::string box =
          file.substr(kBoxAt + index * kBoxBytes, kBoxBytes);
      const std::string context =
          header + std::string(1, index) + box.substr(0, 16);
      const absl::StatusOr<std::string> opened = crypto::CommittingOpen(
          crypto::HkdfSha512Expand<32>(
              prk.Expose(), crypto::KdfLabel::kKeyEncryption, context),
          context, box.substr(16));
      if (opened.ok()) keys += *opened;
    }
    return keys;
  };
  EXPECT_EQ(opened_with(device_.secrets().begin()->second),
            key + std::string(17, '\0'));
  EXPECT_EQ(opened_with(""), "");
  EXPECT_EQ(opened_with(std::string(32, '\0')), "");
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

TEST_F(KeyslotTest, AnOlderSlotOpensByteByByteUntilTheNextPin) {
  const std::string key = random_.String(32);
  const std::string file =
      SecondFormatFile(/*normalised=*/false, kComposedPin, "", key);
  SetCopy(0, file);
  SetCopy(1, file);
  EXPECT_THAT(Try(kDecomposedPin),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(Open(kComposedPin), key);
  ASSERT_THAT(Change(kComposedPin, kComposedPin), IsOk());
  EXPECT_EQ(Open(kDecomposedPin), key);
}

TEST_F(KeyslotTest, TheSecondFormatOpensAndANewPinUpgradesIt) {
  const std::string key = random_.String(32);
  const std::string secret = random_.String(32);
  const DeviceSecretBytes bytes = *DeviceSecretBytes::FromBytes(secret);
  ASSERT_THAT(device_.Add(IdOfDeviceSecret(bytes), bytes), IsOk());
  const std::string file =
      SecondFormatFile(/*normalised=*/true, "482916", secret, key);
  SetCopy(0, file);
  SetCopy(1, file);
  EXPECT_EQ(Open("482916"), key);
  EXPECT_THAT(Try("482917"), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(State().wipe_after, 9);
  EXPECT_EQ(Copy(0).substr(0, 8), "NMKSLOT2");
  ASSERT_THAT(Change("482916", "731502", CheapWithDeviceSecret()), IsOk());
  EXPECT_EQ(Copy(0).substr(0, 8), "NMKSLOT3");
  EXPECT_EQ(State().wipe_after, 9);
  EXPECT_EQ(Open("731502"), key);
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
  device_.set_keeps(true);
  ASSERT_THAT(Change("482916", kPin), IsOk());
  SetCopy(0, new_copies[0]);
  EXPECT_EQ(Open(kPin), key);
}

// ---------------------------------------------------------------- moving --

TEST_F(KeyslotTest, TheDeviceSecretMovesAndNoSealIsTouched) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  EXPECT_EQ(State().device_secret_kind, DeviceSecretKind::kFile);
  const auto secrets = device_.secrets();
  ASSERT_THAT(
      MoveDeviceSecret(folder_, DeviceSecretKind::kSecretService, places_),
      IsOk());
  EXPECT_EQ(State().device_secret_kind, DeviceSecretKind::kSecretService);
  EXPECT_EQ(device_.size(), 0u);
  EXPECT_EQ(service_.secrets(), secrets);
  EXPECT_EQ(Open(kPin), key);
  ASSERT_THAT(MoveDeviceSecret(folder_, DeviceSecretKind::kFile, places_),
              IsOk());
  EXPECT_EQ(device_.secrets(), secrets);
  EXPECT_EQ(service_.size(), 0u);
  EXPECT_EQ(Open(kPin), key);
}

TEST_F(KeyslotTest, AMoveThatWasCutShortIsEndedByTheNext) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  const std::string before[] = {Copy(0), Copy(1)};
  // Both have it, and the slot names the first, then the second.
  device_.set_keeps(true);
  EXPECT_THAT(
      MoveDeviceSecret(folder_, DeviceSecretKind::kSecretService, places_),
      StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(Open(kPin), key);
  device_.set_keeps(false);
  for (const bool named : {false, true}) {
    if (!named) {
      SetCopy(0, before[0]);
      SetCopy(1, before[1]);
    }
    device_.secrets() = service_.secrets();
    EXPECT_EQ(Open(kPin), key);
    ASSERT_THAT(
        MoveDeviceSecret(folder_, DeviceSecretKind::kSecretService, places_),
        IsOk());
    EXPECT_EQ(device_.size(), 0u);
    EXPECT_EQ(Open(kPin), key);
  }
}

TEST_F(KeyslotTest, APlaceThatDoesNotAnswerCostsNoTryAndSaysSo) {
  PinPolicy policy = CheapWithDeviceSecret();
  policy.device_secret_kind = DeviceSecretKind::kSecretService;
  const std::string key = Create(kPin, policy);
  EXPECT_EQ(device_.size(), 0u);
  EXPECT_EQ(Open(kPin), key);
  service_.set_refuses(true);
  const absl::Status tried = Try(kPin);
  EXPECT_EQ(PinRefusalOf(tried), PinRefusal::kDeviceSecret);
  EXPECT_THAT(std::string(tried.message()), ::testing::HasSubstr("not now"));
  EXPECT_EQ(State().wrong_pins, 0u);
  const absl::Status made =
      CreateKeyslot(NewFolder(), kPin, policy, places_, random_).status();
  EXPECT_EQ(PinRefusalOf(made), PinRefusal::kDeviceSecret);
}

TEST_F(KeyslotTest, WipingDestroysTheSecretWhereItIs) {
  PinPolicy policy = CheapWithDeviceSecret();
  policy.device_secret_kind = DeviceSecretKind::kSecretService;
  policy.wipe_after = 4;
  Create(kPin, policy);
  TryWrongPins(3);
  EXPECT_EQ(PinRefusalOf(Try(kWrongPin)), PinRefusal::kWiped);
  EXPECT_EQ(service_.size(), 0u);
}

// ------------------------------------------------------------- second PIN --

constexpr char kSecondPin[] = "9876 zyxw";

class SecondPinTest : public KeyslotTest {
 protected:
  absl::Status SetSecond(std::optional<absl::string_view> second,
                         absl::string_view note = "") {
    return SetSecondPin(folder_, kPin, second, note, places_, clock_, random_);
  }
  absl::StatusOr<OpenedKeyslot> OpenAll(absl::string_view pin) {
    return OpenKeyslot(folder_, pin, places_, clock_, random_);
  }
};

TEST_F(SecondPinTest, TheFirstOneOpensAsBefore) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  ASSERT_THAT(SetSecond(kSecondPin), IsOk());
  const auto secrets = device_.secrets();
  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<OpenedKeyslot> opened = OpenAll(kPin);
    ASSERT_THAT(opened.status(), IsOk());
    EXPECT_EQ(opened->key.Expose(), key);
    EXPECT_FALSE(opened->begins_anew);
  }
  EXPECT_EQ(device_.secrets(), secrets);
}

TEST_F(SecondPinTest, TheSecondOneErasesAndIsThenAPinLikeAnyOther) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  ASSERT_THAT(SetSecond(kSecondPin, "a note"), IsOk());
  const std::string old_copies[] = {Copy(0), Copy(1)};
  const auto old_secrets = device_.secrets();
  std::string anew;
  for (int again = 0; again < 2; ++again) {
    const absl::StatusOr<OpenedKeyslot> opened = OpenAll(kSecondPin);
    ASSERT_THAT(opened.status(), IsOk());
    EXPECT_TRUE(opened->begins_anew);
    EXPECT_EQ(opened->note, "a note");
    if (again != 0) {
      EXPECT_EQ(opened->key.Expose(), anew);
    }
    anew = std::string(opened->key.Expose());
    EXPECT_NE(anew, key);
    EXPECT_THAT(Try(kPin), StatusIs(absl::StatusCode::kUnauthenticated));
    EXPECT_EQ(device_.size(), 1u);
    EXPECT_FALSE(device_.secrets().contains(old_secrets.begin()->first));
    if (again != 0) {
      ASSERT_THAT(FinishErasing(folder_, *opened, random_), IsOk());
    }
  }
  const absl::StatusOr<OpenedKeyslot> opened = OpenAll(kSecondPin);
  ASSERT_THAT(opened.status(), IsOk());
  EXPECT_FALSE(opened->begins_anew);
  EXPECT_EQ(opened->key.Expose(), anew);
  EXPECT_EQ(opened->note, "");
  EXPECT_EQ(State().wrong_pins, 0u);
  // Copies of the old file, as they may lie in free blocks.
  SetCopy(0, old_copies[0]);
  SetCopy(1, old_copies[1]);
  for (const char* pin : {kPin, kSecondPin}) {
    EXPECT_EQ(PinRefusalOf(Try(pin)), PinRefusal::kDeviceSecret);
  }
}

TEST_F(SecondPinTest, NoWrongPinErases) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  ASSERT_THAT(SetSecond(kSecondPin), IsOk());
  for (const std::string& right :
       {std::string(kPin), std::string(kSecondPin)}) {
    for (size_t at = 0; at < right.size(); ++at) {
      std::string wrong = right;
      wrong[at] ^= 1;
      EXPECT_THAT(Try(wrong), StatusIs(absl::StatusCode::kUnauthenticated));
      wrong.erase(at, 1);
      clock_.Advance(kLongestPinWait);
      EXPECT_THAT(Try(wrong), StatusIs(absl::StatusCode::kUnauthenticated));
      clock_.Advance(kLongestPinWait);
    }
  }
  EXPECT_EQ(State().wrong_pins, 4 * 9u);
  EXPECT_EQ(Open(kPin), key);
}

TEST_F(SecondPinTest, ThoseThatASlipCouldExchangeAreRefused) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  for (const char* near :
       {kPin, "1234 abce", "1234 abc", "1234 abcde", "1234 abdc", "1234 ABCD",
        "\uff11\uff12\uff13\uff14 abcd", "12345"}) {
    EXPECT_THAT(SetSecond(near), StatusIs(absl::StatusCode::kInvalidArgument))
        << near;
  }
  EXPECT_EQ(Open(kPin), key);
  ASSERT_THAT(SetSecond(kSecondPin), IsOk());
  PinPolicy policy = CheapWithDeviceSecret();
  policy.second_pin = kSecondPin;
  EXPECT_THAT(Change(kPin, "9876 zyxx", policy),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(Open(kPin), key);
}

TEST_F(SecondPinTest, NeedsAPinAndADeviceSecret) {
  Create(kPin);
  EXPECT_THAT(SetSecond(kSecondPin),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_THAT(Change(kPin, std::nullopt), IsOk());
  EXPECT_THAT(SetSecond(kSecondPin),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(SecondPinTest, IsSetWithTheFirstOneOnly) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  EXPECT_THAT(SetSecondPin(folder_, kWrongPin, kSecondPin, "", places_, clock_,
                           random_),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(Try(kSecondPin), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(Open(kPin), key);
}

TEST_F(SecondPinTest, CanBeReplacedAndRemoved) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  ASSERT_THAT(SetSecond(kSecondPin), IsOk());
  ASSERT_THAT(SetSecond("another one"), IsOk());
  EXPECT_THAT(Try(kSecondPin), StatusIs(absl::StatusCode::kUnauthenticated));
  ASSERT_THAT(SetSecond(std::nullopt), IsOk());
  EXPECT_THAT(Try("another one"), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(Open(kPin), key);
}

TEST_F(SecondPinTest, StaysInForceWithANewPinIfItIsGiven) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  ASSERT_THAT(SetSecond(kSecondPin, "a note"), IsOk());
  PinPolicy policy = CheapWithDeviceSecret();
  policy.second_pin = "not that one";
  EXPECT_THAT(Change(kPin, "new pin 1", policy),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(Open(kPin), key);
  policy.second_pin = kSecondPin;
  ASSERT_THAT(Change(kPin, "new pin 1", policy), IsOk());
  EXPECT_EQ(Open("new pin 1"), key);
  const absl::StatusOr<OpenedKeyslot> opened = OpenAll(kSecondPin);
  ASSERT_THAT(opened.status(), IsOk());
  EXPECT_TRUE(opened->begins_anew);
  EXPECT_EQ(opened->note, "a note");
}

TEST_F(SecondPinTest, GoesWithANewPinOtherwise) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  ASSERT_THAT(SetSecond(kSecondPin), IsOk());
  ASSERT_THAT(Change(kPin, "new pin 1", CheapWithDeviceSecret()), IsOk());
  EXPECT_THAT(Try(kSecondPin), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(Open("new pin 1"), key);
}

TEST_F(SecondPinTest, UpgradesTheSecondFormat) {
  const std::string key = random_.String(32);
  const std::string secret = random_.String(32);
  const DeviceSecretBytes bytes = *DeviceSecretBytes::FromBytes(secret);
  ASSERT_THAT(device_.Add(IdOfDeviceSecret(bytes), bytes), IsOk());
  const std::string file =
      SecondFormatFile(/*normalised=*/true, kPin, secret, key);
  SetCopy(0, file);
  SetCopy(1, file);
  ASSERT_THAT(SetSecond(kSecondPin), IsOk());
  EXPECT_EQ(Open(kPin), key);
  EXPECT_TRUE(OpenAll(kSecondPin)->begins_anew);
}

TEST_F(SecondPinTest, ADeviceSecretThatStaysKeepsTheNewAccountShut) {
  Create(kPin, CheapWithDeviceSecret());
  ASSERT_THAT(SetSecond(kSecondPin), IsOk());
  device_.set_keeps(true);
  EXPECT_THAT(Try(kSecondPin), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Try(kPin), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(device_.size(), 2u);
  device_.set_keeps(false);
  EXPECT_TRUE(OpenAll(kSecondPin)->begins_anew);
  EXPECT_EQ(device_.size(), 1u);
}

// While the copies are overwritten in place: the old slot or the new one.
TEST_F(SecondPinTest, ATornCopyLeavesTheOldSlotOrTheNewOne) {
  const std::string key = Create(kPin, CheapWithDeviceSecret());
  ASSERT_THAT(SetSecond(kSecondPin), IsOk());
  // As the guess leaves it: with a try counted.
  const auto secrets = device_.secrets();
  const std::string before[] = {Copy(0), Copy(1)};
  device_.set_keeps(true);
  EXPECT_THAT(Try(kSecondPin), StatusIs(absl::StatusCode::kUnavailable));
  device_.set_keeps(false);
  const std::string after[] = {Copy(0), Copy(1)};
  const auto both_secrets = device_.secrets();
  for (int copy = 0; copy < 2; ++copy) {
    for (const size_t written : {0, 1, 8, 40, 100, 1024, 4000, 4095, 4096}) {
      SetCopy(0, after[0]);
      SetCopy(1, before[1]);
      SetCopy(copy,
              after[copy].substr(0, written) + before[copy].substr(written));
      device_.secrets() = both_secrets;
      const bool old = copy == 0 && written < 4096;
      if (old) {
        EXPECT_EQ(Open(kPin), key) << written;
      } else {
        EXPECT_THAT(Try(kPin), StatusIs(absl::StatusCode::kUnauthenticated));
      }
      const absl::StatusOr<OpenedKeyslot> opened = OpenAll(kSecondPin);
      ASSERT_THAT(opened.status(), IsOk()) << copy << " " << written;
      EXPECT_TRUE(opened->begins_anew);
      EXPECT_THAT(Try(kPin), StatusIs(absl::StatusCode::kUnauthenticated));
      EXPECT_FALSE(device_.secrets().contains(secrets.begin()->first));
    }
  }
}

// What an examiner sees who has the file and the first PIN's absence: nothing
// but the generation differs from a slot without a second PIN, and that counts
// what was written.
TEST_F(SecondPinTest, ASlotWithASecondPinLooksLikeOneWithout) {
  constexpr int kSlots = 32;
  int bytes[2][256] = {};
  std::string first[2];
  for (int i = 0; i < kSlots; ++i) {
    for (const bool second : {false, true}) {
      folder_ = NewFolder();
      Create(kPin, CheapWithDeviceSecret());
      ASSERT_THAT(
          SetSecond(second ? std::optional<absl::string_view>(kSecondPin)
                           : std::nullopt,
                    second ? "some network" : ""),
          IsOk());
      const std::string file = Copy(0);
      EXPECT_EQ(Copy(1), file);
      // Structure: salt, id, boxes, note and checksum apart, all is the same.
      std::string rest = file.substr(0, 25) + file.substr(57, 15) +
                         file.substr(kBoxAt + 2 * kBoxBytes + kNoteBytes);
      rest.resize(rest.size() - 32);
      if (first[0].empty()) first[0] = rest;
      EXPECT_EQ(rest, first[0]);
      for (const char c : file.substr(kBoxAt, 2 * kBoxBytes + kNoteBytes)) {
        ++bytes[second ? 1 : 0][static_cast<uint8_t>(c)];
      }
    }
  }
  // Chi-squared with 255 degrees of freedom: beyond 380 once in a million.
  const double expected = kSlots * (2.0 * kBoxBytes + kNoteBytes) / 256;
  for (const auto& counts : bytes) {
    double chi_squared = 0;
    for (const int count : counts) {
      chi_squared += (count - expected) * (count - expected) / expected;
    }
    EXPECT_LT(chi_squared, 380);
    EXPECT_GT(chi_squared, 150);
  }
}

// Which box is whose, chance decides: nobody learns it from the place.
TEST_F(SecondPinTest, TheBoxesLieInRandomOrder) {
  int at_first = 0;
  constexpr int kSlots = 40;
  for (int i = 0; i < kSlots; ++i) {
    folder_ = NewFolder();
    Create(kPin, CheapWithDeviceSecret());
    std::string file = Copy(0);
    // A damaged box of the other one is no loss.
    file[kBoxAt + 20] ^= 1;
    file.resize(4096 - 32);
    file =
        absl::StrCat(file, crypto::Blake2b256("nm1-keyslot", {file}).bytes());
    SetCopy(0, file);
    SetCopy(1, file);
    if (!Try(kPin).ok()) ++at_first;
  }
  EXPECT_GT(at_first, kSlots / 4);
  EXPECT_LT(at_first, kSlots * 3 / 4);
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
    EXPECT_THAT(CreateKeyslot(folder_, kPin, policy, {}, random_).status(),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST_F(KeyslotWipeTest, GoesOnWhereTheDeviceSecretStoppedIt) {
  Create(kPin, WipeAfterFour());
  TryWrongPins(3);
  device_.set_keeps(true);
  EXPECT_FALSE(Try(kWrongPin).ok());
  EXPECT_EQ(Copy(0).substr(0, 8), "NMKWIPED");
  EXPECT_EQ(device_.size(), 1u);
  device_.set_keeps(false);
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
