// A fixed story around one device whose disk may fail at any moment of it
// (life_story.h, devices_story.h), and what all such stories have in common.
//
// Each text is written with what is to become of it, so that the end can be
// compared with what people were promised, whatever went wrong on the way.
//
// Not thread-safe.

#ifndef CLIENT_MESSENGER_TESTING_CRASH_STORY_H_
#define CLIENT_MESSENGER_TESTING_CRASH_STORY_H_

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/messenger/testing/faulty_device.h"
#include "crypto/random/testing/seeded_random.h"

namespace messenger::client {

class CrashStory {
 public:
  virtual ~CrashStory() = default;

  CrashStory(const CrashStory&) = delete;
  CrashStory& operator=(const CrashStory&) = delete;

  // Whose disk may fail, and what decides how.
  virtual FaultyDevice& struck() = 0;
  crypto::SeededRandom& struck_disk_random() { return struck_disk_random_; }

  // Tells the story once, to its end.
  virtual void Play() = 0;
  // Whether everything is as it was promised; after Play(), without faults.
  virtual void Check() = 0;

  // From now on its disk fails at times.
  void Disturb() { disturbed_ = true; }

  int steps() const { return story_.steps; }
  // Each begins with its kind: "lost", "doubled", "phantom", "unreadable",
  // "damaged", "stuck" or "order".
  const std::vector<std::string>& failures() const { return story_.failures; }

 protected:
  CrashStory() = default;

  void Pass(absl::Duration time) { story_.clock.Advance(time); }

  // Of one direction of a conversation, in the order of writing.
  void CheckTexts(absl::string_view where,
                  const std::vector<std::string>& expected,
                  const std::vector<std::string>& found);
  // What the device has shown, and should have.
  void CheckShown(const FaultyDevice& device,
                  const std::set<std::string>& to_show);

  bool disturbed_ = false;
  crypto::SeededRandom random_{2026};
  crypto::SeededRandom disk_random_{1};
  crypto::SeededRandom struck_disk_random_{1};
  Story story_{random_};
};

// Text of that many bytes, and a few.
std::string LongText(size_t bytes, absl::string_view word);

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_TESTING_CRASH_STORY_H_
