#include "client/store/device_secret.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/runtime/files.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

class DeviceSecretTest : public ::testing::Test {
 protected:
  DeviceSecretTest() {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/secretXXXXXX");
    folder_ = mkdtemp(pattern.data());
  }

  std::string Read(DeviceSecret& place, const DeviceSecretId& id) {
    const absl::StatusOr<DeviceSecretBytes> read = place.Read(id);
    return read.ok() ? std::string(read->Expose()) : read.status().ToString();
  }

  crypto::SeededRandom random_{7};
  const DeviceSecretBytes secret_ = random_.Secret<32>();
  const DeviceSecretId id_ = IdOfDeviceSecret(secret_);
  const DeviceSecretBytes other_ = random_.Secret<32>();
  const DeviceSecretId other_id_ = IdOfDeviceSecret(other_);
  std::string folder_;
};

TEST_F(DeviceSecretTest, AFolderIsMadeAndKeepsEachSecretForItsOwnerOnly) {
  const std::string path = absl::StrCat(folder_, "/state/secrets");
  FileDeviceSecret place = FileDeviceSecret::InFolder(path);
  ASSERT_THAT(place.Add(id_, secret_), IsOk());
  ASSERT_THAT(place.Add(other_id_, other_), IsOk());
  EXPECT_EQ(Read(place, id_), secret_.Expose());
  EXPECT_EQ(Read(place, other_id_), other_.Expose());
  struct stat file;
  ASSERT_EQ(stat(absl::StrCat(path, "/", id_.ToHex()).c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  ASSERT_EQ(stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0700u);
}

TEST_F(DeviceSecretTest, NeverReplacesWhatIsThere) {
  FileDeviceSecret place =
      FileDeviceSecret::AtPath(absl::StrCat(folder_, "/one"));
  ASSERT_THAT(place.Add(id_, secret_), IsOk());
  EXPECT_THAT(place.Add(other_id_, other_),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(Read(place, id_), secret_.Expose());
}

TEST_F(DeviceSecretTest, AFileOfAnotherSizeIsNoSecret) {
  const std::string path = absl::StrCat(folder_, "/one");
  FileDeviceSecret place = FileDeviceSecret::AtPath(path);
  for (const size_t size : {0, 31, 33, 5000}) {
    ASSERT_THAT(routing::WriteFileAtomically(path, std::string(size, 's')),
                IsOk());
    EXPECT_THAT(place.Read(id_).status(),
                StatusIs(absl::StatusCode::kNotFound));
  }
}

TEST_F(DeviceSecretTest, DestroyingOverwritesTheBytesAndRemovesTheFile) {
  const std::string path = absl::StrCat(folder_, "/one");
  const std::string second_name = absl::StrCat(folder_, "/same-bytes");
  FileDeviceSecret place = FileDeviceSecret::AtPath(path);
  ASSERT_THAT(place.Add(id_, secret_), IsOk());
  ASSERT_EQ(link(path.c_str(), second_name.c_str()), 0);
  ASSERT_THAT(place.Destroy(id_), IsOk());
  EXPECT_THAT(place.Read(id_).status(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(routing::ReadFile(second_name).value(), std::string(32, '\0'));
  EXPECT_THAT(place.Destroy(id_), IsOk());
}

TEST_F(DeviceSecretTest, NeverDestroysTheSecretOfAnotherAccount) {
  FileDeviceSecret place =
      FileDeviceSecret::AtPath(absl::StrCat(folder_, "/one"));
  ASSERT_THAT(place.Add(id_, secret_), IsOk());
  ASSERT_THAT(place.Destroy(other_id_), IsOk());
  EXPECT_EQ(Read(place, id_), secret_.Expose());
}

TEST_F(DeviceSecretTest, ASuccessorTakesThePlaceWhenTheFirstOneGoes) {
  const std::string path = absl::StrCat(folder_, "/one");
  for (FileDeviceSecret place :
       {FileDeviceSecret::AtPath(path),
        FileDeviceSecret::InFolder(absl::StrCat(folder_, "/many"))}) {
    ASSERT_THAT(place.Add(id_, secret_), IsOk());
    ASSERT_THAT(place.AddSuccessor(id_, other_id_, other_), IsOk());
    EXPECT_EQ(Read(place, id_), secret_.Expose());
    EXPECT_EQ(Read(place, other_id_), other_.Expose());
    ASSERT_THAT(place.Destroy(id_), IsOk());
    EXPECT_NE(Read(place, id_), secret_.Expose());
    EXPECT_EQ(Read(place, other_id_), other_.Expose());
    const DeviceSecretBytes third = random_.Secret<32>();
    ASSERT_THAT(place.AddSuccessor(other_id_, IdOfDeviceSecret(third), third),
                IsOk());
    ASSERT_THAT(place.Destroy(IdOfDeviceSecret(third)), IsOk());
    EXPECT_EQ(Read(place, other_id_), other_.Expose());
  }
  EXPECT_EQ(routing::ReadFile(path).value(), other_.Expose());
}

// The program has ended after the first one was removed.
TEST_F(DeviceSecretTest, ASuccessorThatHasNotMovedUpIsFound) {
  const std::string path = absl::StrCat(folder_, "/one");
  FileDeviceSecret place = FileDeviceSecret::AtPath(path);
  ASSERT_THAT(place.Add(id_, secret_), IsOk());
  ASSERT_THAT(place.AddSuccessor(id_, other_id_, other_), IsOk());
  ASSERT_EQ(unlink(path.c_str()), 0);
  EXPECT_EQ(Read(place, other_id_), other_.Expose());
  const DeviceSecretBytes third = random_.Secret<32>();
  ASSERT_THAT(place.AddSuccessor(other_id_, IdOfDeviceSecret(third), third),
              IsOk());
  EXPECT_EQ(Read(place, other_id_), other_.Expose());
  EXPECT_EQ(Read(place, IdOfDeviceSecret(third)), third.Expose());
}

TEST_F(DeviceSecretTest, NobodySucceedsTheSecretOfAnotherAccount) {
  FileDeviceSecret place =
      FileDeviceSecret::AtPath(absl::StrCat(folder_, "/one"));
  ASSERT_THAT(place.Add(id_, secret_), IsOk());
  EXPECT_FALSE(place.AddSuccessor(other_id_, other_id_, other_).ok());
  EXPECT_EQ(Read(place, id_), secret_.Expose());
}

}  // namespace
}  // namespace messenger::client
