#include "client/messenger/testing/disk_faults.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/messenger/testing/crash_story.h"
#include "client/messenger/testing/devices_story.h"
#include "client/messenger/testing/life_story.h"
#include "crypto/random/testing/seeded_random.h"
#include "routing/runtime/sqlite/testing/simulated_disk.h"

namespace messenger::client {
namespace {

using ::messenger::sqlite::SimulatedDisk;
using CrashMode = SimulatedDisk::CrashMode;

constexpr size_t kExamples = 6;
// A start writes little: this reaches past it at times.
constexpr uint64_t kOperationsOfAStart = 12;
constexpr char kNoticed[] = "noticed";

std::string ReadToTheEnd(int file) {
  std::string bytes;
  char buffer[4096];
  while (true) {
    const ssize_t got = read(file, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(got));
  }
}

void WriteAll(int file, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(file, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(put));
  }
}

std::unique_ptr<CrashStory> Make(CrashStoryKind kind) {
  switch (kind) {
    case CrashStoryKind::kLife:
      return std::make_unique<LifeStory>();
    case CrashStoryKind::kFirstDevice:
      return std::make_unique<DevicesStory>(DevicesStory::Struck::kFirst);
    case CrashStoryKind::kLinkedDevice:
      return std::make_unique<DevicesStory>(DevicesStory::Struck::kLinked);
  }
  return nullptr;
}

// Strikes the disk, and heals it once its person has noticed.
class Striker {
 public:
  Striker(DiskFault fault, CrashStory& story) : fault_(fault), story_(story) {
    story.struck().set_on_failure([this] { BeforeNextTry(); });
  }

  // Called before the operation of that number.
  void Strike(uint64_t number) {
    struck_ = true;
    story_.Disturb();
    story_.struck_disk_random() = crypto::SeededRandom(number);
    switch (fault_) {
      case DiskFault::kLost:
        disk().CrashAt(number, CrashMode::kDropUnsynced);
        break;
      case DiskFault::kKept:
        disk().CrashAt(number, CrashMode::kKeepUnsynced);
        break;
      case DiskFault::kTorn:
      case DiskFault::kTwice:
        disk().CrashAt(number, CrashMode::kRandom);
        break;
      case DiskFault::kIoError:
        disk().FailOperation(number);
        break;
      case DiskFault::kReadError:
        disk().FailRead(disk().counters().reads + 1);
        break;
      case DiskFault::kFull:
        disk().SetCapacity(disk().used_bytes());
        break;
    }
  }

  // Ends what a fault has left.
  void Heal() {
    disk().SetCapacity(0);
    disk().FailRead(0);
    disk().CrashAt(0);
    struck_ = noticed_ = false;
  }

  bool struck() const { return struck_; }
  bool noticed() const { return noticed_; }

 private:
  SimulatedDisk& disk() { return story_.struck().disk(); }

  void BeforeNextTry() {
    if (!struck_) return;
    disk().SetCapacity(0);
    if (fault_ == DiskFault::kTwice && !noticed_) {
      const uint64_t after =
          story_.struck_disk_random().Uniform(kOperationsOfAStart);
      disk().CrashAt(disk().operations() + 1 + after, CrashMode::kRandom);
    }
    noticed_ = true;
  }

  const DiskFault fault_;
  CrashStory& story_;
  bool struck_ = false;
  bool noticed_ = false;
};

void Count(const std::vector<std::string>& failures, absl::string_view where,
           CrashPoints& points) {
  std::set<std::string> kinds;
  for (const std::string& failure : failures) {
    kinds.insert(failure.substr(0, failure.find(':')));
    if (points.examples.size() < kExamples) {
      points.examples.push_back(absl::StrCat(where, ": ", failure));
    }
  }
  for (const std::string& kind : kinds) ++points.failures[kind];
}

// Whatever a fault has left in the log is there after this, too.
void End(CrashStory& story, Striker& striker) {
  striker.Heal();
  story.struck().disk().Crash(CrashMode::kDropUnsynced);
  story.struck().Restart();
  story.Check();
}

// One story, of which every step is struck at its operation of that number, or
// at one of the `every` that begin with it, each step at another. Whether any
// step had as many.
bool TellStruckSteps(CrashStoryKind kind, DiskFault fault, uint64_t number,
                     uint64_t every, CrashPoints& points) {
  const std::unique_ptr<CrashStory> told = Make(kind);
  CrashStory& story = *told;
  Striker striker(fault, story);
  uint64_t next = number;
  uint64_t step = 0;
  uint64_t struck = 0;
  const auto end_of_step = [&] {
    struck += striker.struck();
    points.noticed += striker.noticed();
    striker.Heal();
  };
  story.struck().set_on_step([&] {
    end_of_step();
    next = story.struck().disk().operations() + number + step++ % every;
  });
  story.struck().disk().set_on_operation([&](uint64_t operation) {
    if (operation == next && !striker.struck()) striker.Strike(operation);
  });
  story.Play();
  story.struck().set_on_step(nullptr);
  story.struck().disk().set_on_operation(nullptr);
  end_of_step();
  points.points += struck;
  ++points.stories;
  End(story, striker);
  Count(story.failures(),
        absl::StrCat(NameOf(kind), ", ", NameOf(fault), " at operation ",
                     number, " of each step"),
        points);
  return struck > 0;
}

// The story that forks.
class ForkingStory {
 public:
  ForkingStory(CrashStoryKind kind, DiskFault fault, uint64_t every)
      : kind_(kind),
        fault_(fault),
        every_(every),
        told_(Make(kind)),
        striker_(fault, story_) {
    story_.struck().disk().set_on_operation(
        [this](uint64_t number) { BeforeOperation(number); });
  }

  CrashPoints Run() {
    story_.Play();
    if (report_to_) ReportAndExit();
    points_.steps = story_.steps();
    points_.operations = story_.struck().disk().operations();
    forking_ = false;
    story_.Check();
    Count(story_.failures(), "without a fault", points_);
    return std::move(points_);
  }

 private:
  void BeforeOperation(uint64_t number) {
    if (!forking_ || (number - 1) % every_ != 0) return;
    int ends[2];
    if (pipe(ends) != 0) abort();
    const pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) {
      close(ends[0]);
      report_to_ = ends[1];
      forking_ = false;
      striker_.Strike(number);
      return;  // to the story
    }
    close(ends[1]);
    const std::string report = ReadToTheEnd(ends[0]);
    close(ends[0]);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    ++points_.points;
    ++points_.stories;
    std::vector<std::string> failures =
        absl::StrSplit(report, '\n', absl::SkipEmpty());
    const auto noticed =
        std::remove(failures.begin(), failures.end(), kNoticed);
    points_.noticed += noticed != failures.end();
    failures.erase(noticed, failures.end());
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      failures.push_back("died: before the end");
    }
    Count(failures,
          absl::StrCat(NameOf(kind_), ", ", NameOf(fault_), " at operation ",
                       number),
          points_);
  }

  [[noreturn]] void ReportAndExit() {
    std::string report;
    if (striker_.noticed()) absl::StrAppend(&report, kNoticed, "\n");
    End(story_, striker_);
    for (const std::string& failure : story_.failures()) {
      absl::StrAppend(&report, failure, "\n");
    }
    WriteAll(*report_to_, report);
    // Without destructors and exit handlers, which are the parent's.
    _exit(0);
  }

  const CrashStoryKind kind_;
  const DiskFault fault_;
  const uint64_t every_;
  const std::unique_ptr<CrashStory> told_;
  CrashStory& story_ = *told_;
  Striker striker_;
  bool forking_ = true;
  // In a child: the other end of what the parent reads.
  std::optional<int> report_to_;
  CrashPoints points_;
};

}  // namespace

absl::string_view NameOf(DiskFault fault) {
  switch (fault) {
    case DiskFault::kLost:
      return "lost";
    case DiskFault::kKept:
      return "kept";
    case DiskFault::kTorn:
      return "torn";
    case DiskFault::kTwice:
      return "twice";
    case DiskFault::kIoError:
      return "io-error";
    case DiskFault::kReadError:
      return "read-error";
    case DiskFault::kFull:
      return "full";
  }
  return "";
}

absl::string_view NameOf(CrashStoryKind story) {
  switch (story) {
    case CrashStoryKind::kLife:
      return "life";
    case CrashStoryKind::kFirstDevice:
      return "first-device";
    case CrashStoryKind::kLinkedDevice:
      return "linked-device";
  }
  return "";
}

CrashPoints StrikeStepByStep(CrashStoryKind kind, DiskFault fault,
                             uint64_t every) {
  CrashPoints points;
  {
    const std::unique_ptr<CrashStory> told = Make(kind);
    CrashStory& story = *told;
    story.Play();
    points.steps = story.steps();
    points.operations = story.struck().disk().operations();
    story.Check();
    Count(story.failures(), "without a fault", points);
  }
  uint64_t number = 1;
  while (TellStruckSteps(kind, fault, number, every, points)) {
    number += every;
  }
  return points;
}

CrashPoints StrikeAlone(CrashStoryKind kind, DiskFault fault, uint64_t every) {
  return ForkingStory(kind, fault, every).Run();
}

}  // namespace messenger::client
