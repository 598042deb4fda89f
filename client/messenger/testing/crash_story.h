// A fixed story of some two hundred steps around one device, Ada's, whose disk
// may fail at any moment of it: first texts both ways, requests accepted and
// declined, texts in parts, contacts verified, blocked and moved to another
// device, days that pass, networks that lose, repeat and shuffle.
//
// Each text is written with what is to become of it, so that the end can be
// compared with what people were promised, whatever went wrong on the way.
//
// Not thread-safe.

#ifndef CLIENT_MESSENGER_TESTING_CRASH_STORY_H_
#define CLIENT_MESSENGER_TESTING_CRASH_STORY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/messenger/testing/faulty_device.h"
#include "crypto/random/testing/seeded_random.h"

namespace messenger::client {

class CrashStory final {
 public:
  CrashStory();

  // Whose disk may fail, and what decides how.
  FaultyDevice& ada() { return ada_; }
  crypto::SeededRandom& ada_disk_random() { return ada_disk_random_; }

  // Tells the story once, to its end.
  void Play();
  // Whether everything is as it was promised; after Play(), without faults.
  void Check();

  int steps() const { return story_.steps; }
  // Each begins with its kind: "lost", "doubled", "phantom", "unreadable",
  // "damaged", "stuck" or "order".
  const std::vector<std::string>& failures() const { return story_.failures; }

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
  void Pass(absl::Duration time) { story_.clock.Advance(time); }

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
  // Of one direction of a conversation, in the order of writing.
  void CheckTexts(absl::string_view where,
                  const std::vector<std::string>& expected,
                  const std::vector<std::string>& found);

  crypto::SeededRandom random_;
  crypto::SeededRandom disk_random_;
  crypto::SeededRandom ada_disk_random_;
  Story story_;
  FaultyDevice ada_;
  FaultyDevice ben_;
  FaultyDevice cid_;
  FaultyDevice dan_;
  FaultyDevice eve_;
  std::unique_ptr<FaultyDevice> bens_second_;
  std::vector<Text> texts_;
};

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_TESTING_CRASH_STORY_H_
