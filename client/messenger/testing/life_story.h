// A story of some two hundred steps around one device, Ada's: first texts both
// ways, requests accepted and declined, texts in parts, contacts verified,
// blocked and moved to another device, days that pass, networks that lose,
// repeat and shuffle.
//
// Not thread-safe.

#ifndef CLIENT_MESSENGER_TESTING_LIFE_STORY_H_
#define CLIENT_MESSENGER_TESTING_LIFE_STORY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/messenger/testing/crash_story.h"
#include "client/messenger/testing/faulty_device.h"

namespace messenger::client {

class LifeStory final : public CrashStory {
 public:
  FaultyDevice& struck() override { return ada_; }
  void Play() override;
  void Check() override;

 private:
  enum class Fate { kShown, kDropped, kGivenUp };
  struct Text {
    const FaultyDevice* from;
    const FaultyDevice* to;
    std::string text;
    Fate fate;
  };

  void Queue(FaultyDevice& from, FaultyDevice& to, absl::string_view text,
             Fate fate = Fate::kShown);
  void Write(FaultyDevice& from, FaultyDevice& to, absl::string_view text,
             Fate fate = Fate::kShown);
  // Texts that change direction, two of them in a row at times.
  void Talk(FaultyDevice& other, int rounds);

  // The chapters.
  void BecomeAcquainted();
  void Verify();
  void WriteLongTexts();
  void HearStrangers();
  void WriteToStrangers();
  void SufferTheNetwork();
  void QuarrelAndMakePeace();
  void LetDaysPass();
  void FollowToAnotherDevice();

  void CheckDevice(FaultyDevice& device);

  FaultyDevice ada_{"Ada", story_, struck_disk_random_};
  FaultyDevice ben_{"Ben", story_, disk_random_};
  FaultyDevice cid_{"Cid", story_, disk_random_};
  FaultyDevice dan_{"Dan", story_, disk_random_};
  FaultyDevice eve_{"Eve", story_, disk_random_};
  std::unique_ptr<FaultyDevice> bens_second_;
  std::vector<Text> texts_;
};

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_TESTING_LIFE_STORY_H_
