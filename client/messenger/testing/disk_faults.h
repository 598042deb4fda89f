// Every place in a story (crash_story.h) at which a disk can fail, one after
// the other, in one of two ways.
//
//   step by step   In one telling the fault strikes every step at its
//                  first operation on the disk, in the next at its second, and
//                  so on until no step has as many. Some eighty tellings reach
//                  everything.
//   alone          The story is told once, and before each operation the
//                  process forks: the fault strikes the child, which tells the
//                  story to its end, while the parent goes on without. Each
//                  fault is the only one of its story: a slow, exact proof.
//
// Single-threaded programs only.

#ifndef CLIENT_MESSENGER_TESTING_DISK_FAULTS_H_
#define CLIENT_MESSENGER_TESTING_DISK_FAULTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace messenger::client {

enum class DiskFault {
  // The power fails during the operation, and of what is not synced
  kLost,   // nothing is there,
  kKept,   // everything is there,
  kTorn,   // some is there, some is not, some in part.
  kTwice,  // And again during the start that follows.
  // The program goes on.
  kIoError,    // the operation fails
  kReadError,  // the next reading fails
  kFull,       // files cannot grow until somebody has made room
};
inline constexpr DiskFault kAllDiskFaults[] = {
    DiskFault::kLost,  DiskFault::kKept,    DiskFault::kTorn,
    DiskFault::kTwice, DiskFault::kIoError, DiskFault::kReadError,
    DiskFault::kFull,
};
absl::string_view NameOf(DiskFault fault);

// Whose disk fails, in which story.
enum class CrashStoryKind {
  kLife,          // the only device of a person: life_story.h
  kFirstDevice,   // one of two: devices_story.h
  kLinkedDevice,  // the other
};
inline constexpr CrashStoryKind kAllCrashStories[] = {
    CrashStoryKind::kLife,
    CrashStoryKind::kFirstDevice,
    CrashStoryKind::kLinkedDevice,
};
absl::string_view NameOf(CrashStoryKind story);

struct CrashPoints {
  int steps = 0;            // of the story
  uint64_t operations = 0;  // of the story on the disk, without faults
  uint64_t points = 0;      // at which a fault struck
  uint64_t noticed = 0;     // of these, by somebody who had to try again
  uint64_t stories = 0;     // that were told
  // Stories with at least one failure of the kind (CrashStory::failures());
  // "died": it did not end.
  std::map<std::string, uint64_t> failures;
  // The first ones, in words.
  std::vector<std::string> examples;
};

// Of each step one of every so many operations.
CrashPoints StrikeStepByStep(CrashStoryKind story, DiskFault fault,
                             uint64_t every);

// Of the whole story one of every so many operations.
CrashPoints StrikeAlone(CrashStoryKind story, DiskFault fault, uint64_t every);

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_TESTING_DISK_FAULTS_H_
