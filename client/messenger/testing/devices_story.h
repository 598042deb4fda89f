// A story of a person with two devices, Ada: the second is linked, texts leave
// from both and come to both, what one has shown the other does not, and in the
// end the second is unlinked. Either of the two is the one whose disk may fail.
//
// Not thread-safe.

#ifndef CLIENT_MESSENGER_TESTING_DEVICES_STORY_H_
#define CLIENT_MESSENGER_TESTING_DEVICES_STORY_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/messenger/testing/crash_story.h"
#include "client/messenger/testing/faulty_device.h"

namespace messenger::client {

class DevicesStory final : public CrashStory {
 public:
  enum class Struck { kFirst, kLinked };
  explicit DevicesStory(Struck struck);

  FaultyDevice& struck() override {
    return struck_ == Struck::kFirst ? phone_ : tablet_;
  }
  void Play() override;
  void Check() override;

 private:
  // Of one of the three, with the other side.
  struct Expected {
    std::vector<std::string> out, in;
    std::set<std::string> shown;
  };

  // To Ben, or from him to Ada, and stored in the swarm.
  void Write(FaultyDevice& from, absl::string_view text);
  // Each of them reads, in this order; the first of Ada's shows what came.
  void Read(const std::vector<FaultyDevice*>& devices);
  // As often as devices need to hear of each other.
  void Settle();

  // The chapters.
  void BecomeAcquainted();
  void Link();
  void WriteFromBoth();
  void ReadOnBoth();
  void LeaveOneAtHome();
  void Unlink();

  void CheckDevice(FaultyDevice& device);

  const Struck struck_;
  FaultyDevice ben_{"Ben", story_, disk_random_};
  FaultyDevice phone_;
  FaultyDevice tablet_;
  std::map<const FaultyDevice*, Expected> expected_;
  // Come for Ada, and not shown yet by any device of hers.
  std::set<std::string> unseen_;
  bool both_ = false;  // the tablet is linked
  int texts_ = 0;
};

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_TESTING_DEVICES_STORY_H_
