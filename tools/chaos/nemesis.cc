#include "tools/chaos/nemesis.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/localnet/process_table.h"

namespace messenger::chaos {
namespace {

using ::messenger::localnet::Process;
using ::messenger::localnet::ProcessTable;

// A full disk has less room than this: not enough for a transaction.
constexpr uint64_t kSmallestStep = 16 * 1024;
// How long to wait for nodes that are being filled before something else comes.
constexpr absl::Duration kFillPatience = absl::Seconds(10);
constexpr absl::Duration kFillPoll = absl::Milliseconds(200);

}  // namespace

Nemesis::Nemesis(const NemesisOptions& options, ChaosNetwork& network,
                 const routing::Clock& clock, routing::EventLoop& loop)
    : options_(options),
      network_(network),
      clock_(clock),
      loop_(loop),
      random_(options.seed) {
  MakeKinds();
}

void Nemesis::MakeKinds() {
  const int minority = (network_.nodes() - 1) / 3;
  const int half = network_.nodes() / 2;
  kinds_ = {
      {"kill storage", 3,
       [this] { return KillFor({ChaosNetwork::Storage(AnyNode())}); }},
      {"kill router", 2,
       [this] { return KillFor({ChaosNetwork::Router(AnyNode())}); }},
      {"kill node", 2,
       [this] {
         const int node = AnyNode();
         return KillFor(
             {ChaosNetwork::Router(node), ChaosNetwork::Storage(node)});
       }},
      {"kill authority", 1,
       [this] {
         return KillFor({ChaosNetwork::Authority(
             1 + static_cast<int>(random_.Uniform(
                     static_cast<uint64_t>(network_.authorities()))))});
       }},
      {"kill all storage at once", 1,
       [this] {
         std::vector<std::string> all;
         for (int i = 1; i <= network_.nodes(); ++i) {
           all.push_back(ChaosNetwork::Storage(i));
         }
         return KillFor(all);
       }},
      {"pause storage", 2,
       [this] { return PauseFor(ChaosNetwork::Storage(AnyNode())); }},
      {"pause router", 2,
       [this] { return PauseFor(ChaosNetwork::Router(AnyNode())); }},
      {"isolate a node", 2,
       [this] { return CutOff({AnyNode()}, Cut::kBothWays); }},
      {"isolate a minority", 2,
       [this, minority] { return CutOff(AnyNodes(minority), Cut::kBothWays); }},
      {"cut in halves", 1,
       [this, half] { return CutOff(AnyNodes(half), Cut::kBothWays); }},
      {"one way: unheard", 1,
       [this] { return CutOff({AnyNode()}, Cut::kWhatTheySay); }},
      {"one way: deaf", 1,
       [this] { return CutOff({AnyNode()}, Cut::kWhatTheyHear); }},
      {"slow links", 1,
       [this] {
         const absl::Duration mean =
             absl::Milliseconds(200 + random_.Uniform(1'800));
         return Spoil({.min_delay = mean / 2, .mean_delay = mean});
       }},
      {"lossy links", 2,
       [this] {
         return Spoil({.loss = 0.05 + 0.25 * random_.UnitDouble(),
                       .retransmission =
                           absl::Milliseconds(200 + random_.Uniform(800))});
       }},
      {"narrow links", 1,
       [this] {
         return Spoil({.bytes_per_second = static_cast<int64_t>(
                           32'768 + random_.Uniform(131'072))});
       }},
      {"refuse connections", 1, [this] { return Spoil({.refuse = true}); }},
      {"reset connections", 1, [this] { return ResetLinks(); }},
      {"disk full", 1, [this] { return FillDisk(); }},
      {"file size limit", 1, [this] { return LimitFiles(); }},
  };
  if (options_.wipe) {
    kinds_.push_back({"wipe storage", 1, [this] { return Wipe(); }});
  }
  std::erase_if(kinds_, [this](const Kind& kind) {
    return !absl::StrContains(kind.name, options_.only);
  });
}

std::string Nemesis::current() const {
  absl::MutexLock lock(&mutex_);
  return current_;
}

void Nemesis::Run(absl::FunctionRef<bool()> go_on) {
  // Every kind comes once before any comes as often as its weight says.
  if (kinds_.empty()) return;
  std::vector<const Kind*> deck;
  bool first_round = true;
  while (go_on()) {
    if (deck.empty()) {
      for (const Kind& kind : kinds_) {
        deck.insert(deck.end(),
                    static_cast<size_t>(first_round ? 1 : kind.weight), &kind);
      }
      first_round = false;
      random_.Shuffle(deck.begin(), deck.end());
    }
    const Kind* kind = deck.back();
    deck.pop_back();
    Inject(*kind);
    if (go_on()) Wait(options_.pause);
  }
  Mend("the end");
}

void Nemesis::Inject(const Kind& kind) {
  const auto tell = [this](const std::string& what) {
    absl::MutexLock lock(&mutex_);
    current_ = what;
  };
  tell(kind.name);
  const absl::Status status = kind.fault();
  tell("none");
  if (status.ok()) {
    ++total_;
    ++injected_[kind.name];
  } else if (absl::IsCancelled(status)) {
    ++put_off_;
  } else {
    Skipped& skipped = skipped_[kind.name];
    ++skipped.times;
    skipped.reason = std::string(status.message());
  }
  Mend(kind.name);
}

void Nemesis::Mend(const std::string& during) {
  network_.proxy().RemoveAllRules();
  const std::vector<Process> processes = network_.localnet().processes();
  for (const Process& process : processes) {
    if (ProcessTable::State(process) == 'T') {
      network_.localnet().Resume(process.name).IgnoreError();
    }
    if (ProcessTable::IsAlive(process)) continue;
    ++ended_by_themselves_[absl::StrCat(
        process.name.substr(process.name.rfind('-') + 1), " during ", during)];
    first_failure_.Update(network_.localnet().Restart(process.name));
  }
}

void Nemesis::Wait(absl::Duration duration) {
  loop_.RunUntil([] { return false; }, duration);
}

absl::Duration Nemesis::Lasting() {
  return options_.shortest_fault +
         (options_.longest_fault - options_.shortest_fault) *
             random_.UnitDouble();
}

int Nemesis::AnyNode() {
  return 1 + static_cast<int>(
                 random_.Uniform(static_cast<uint64_t>(network_.nodes())));
}

std::vector<int> Nemesis::AnyNodes(int count) {
  std::vector<int> nodes;
  for (int i = 1; i <= network_.nodes(); ++i) nodes.push_back(i);
  random_.Shuffle(nodes.begin(), nodes.end());
  nodes.resize(static_cast<size_t>(count));
  return nodes;
}

absl::Status Nemesis::KillFor(const std::vector<std::string>& names) {
  // First all signals, then the waiting: they are to die together.
  for (const std::string& name : names) {
    if (const Process* process = network_.Find(name)) {
      ProcessTable::Signal(*process, SIGKILL).IgnoreError();
    }
  }
  Wait(Lasting());
  for (const std::string& name : names) {
    if (!absl::EndsWith(name, "-storage")) continue;
    // One of them: reading takes its time, and the rest is to go on.
    killed_stores_.Look(network_.FolderOf(name));
    break;
  }
  for (const std::string& name : names) {
    const absl::Status status = network_.localnet().Restart(name);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Nemesis::PauseFor(const std::string& name) {
  absl::Status status = network_.localnet().Pause(name);
  if (!status.ok()) return status;
  Wait(Lasting() * 2);
  return network_.localnet().Resume(name);
}

absl::Status Nemesis::CutOff(const std::vector<int>& nodes, Cut cut) {
  if (!network_.TellsOpeners()) {
    return absl::UnavailableError(
        "the openers of connections cannot be told apart (needs root)");
  }
  std::vector<PeerId> inside;
  for (const int node : nodes) {
    inside.push_back(network_.PeerOf(ChaosNetwork::Router(node)));
    inside.push_back(network_.PeerOf(ChaosNetwork::Storage(node)));
  }
  std::vector<std::pair<PeerId, PeerId>> directions;
  for (const PeerId other : network_.Peers()) {
    if (std::find(inside.begin(), inside.end(), other) != inside.end()) {
      continue;
    }
    for (const PeerId one : inside) {
      if (cut != Cut::kWhatTheyHear) directions.emplace_back(one, other);
      if (cut != Cut::kWhatTheySay) directions.emplace_back(other, one);
    }
  }
  network_.proxy().AddRules(directions, {.blackhole = true});
  Wait(Lasting());
  return absl::OkStatus();
}

absl::Status Nemesis::Spoil(const LinkFaults& faults) {
  const int node = AnyNode();
  std::vector<std::pair<PeerId, PeerId>> directions;
  for (const PeerId peer : {network_.PeerOf(ChaosNetwork::Router(node)),
                            network_.PeerOf(ChaosNetwork::Storage(node))}) {
    directions.emplace_back(kAnyPeer, peer);
    directions.emplace_back(peer, kAnyPeer);
  }
  if (faults.refuse) {
    // Also those that are there must come again.
    network_.proxy().AddRules(directions, faults);
    for (const auto& [from, to] : directions) network_.proxy().Reset(from, to);
  } else {
    network_.proxy().AddRules(directions, faults);
  }
  Wait(Lasting());
  return absl::OkStatus();
}

absl::Status Nemesis::ResetLinks() {
  for (const int node : AnyNodes(network_.nodes() / 2)) {
    network_.proxy().Reset(network_.PeerOf(ChaosNetwork::Router(node)),
                           kAnyPeer);
    network_.proxy().Reset(network_.PeerOf(ChaosNetwork::Storage(node)),
                           kAnyPeer);
  }
  return absl::OkStatus();
}

absl::Status Nemesis::FillDisk() {
  if (!network_.small_disk().ok()) return network_.small_disk();
  struct statvfs disk;
  const std::string path = absl::StrCat(network_.SmallDisk(), "/filler");
  if (statvfs(network_.SmallDisk().c_str(), &disk) != 0) {
    return absl::UnavailableError(strerror(errno));
  }
  uint64_t step = uint64_t{disk.f_bavail} * disk.f_frsize;
  const int file = open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) return absl::UnavailableError(strerror(errno));
  absl::Cleanup remove = [&] {
    close(file);
    unlink(path.c_str());
  };
  // In ever smaller steps: the process takes room meanwhile.
  for (off_t filled = 0; step >= kSmallestStep; step /= 2) {
    if (posix_fallocate(file, filled, static_cast<off_t>(step)) == 0) {
      filled += static_cast<off_t>(step);
    }
  }
  Wait(Lasting());
  return absl::OkStatus();
}

absl::Status Nemesis::LimitFiles() {
  const Process* process = network_.Find(ChaosNetwork::Storage(AnyNode()));
  if (process == nullptr) return absl::NotFoundError("no such process");
  // Whatever is as long as this cannot grow, and most things are longer.
  rlimit before;
  if (prlimit(process->pid, RLIMIT_FSIZE, nullptr, &before) != 0) {
    return absl::UnavailableError(strerror(errno));
  }
  const rlimit tight = {.rlim_cur = 16 * 1024, .rlim_max = before.rlim_max};
  if (prlimit(process->pid, RLIMIT_FSIZE, &tight, nullptr) != 0) {
    return absl::UnavailableError(strerror(errno));
  }
  Wait(Lasting());
  // It may be gone, and that is found out by Mend().
  prlimit(process->pid, RLIMIT_FSIZE, &before, nullptr);
  return absl::OkStatus();
}

absl::Status Nemesis::Wipe() {
  // Drawn also where it is put off: the plan stays the same.
  const std::string name = ChaosNetwork::Storage(AnyNode());
  const absl::Duration lasting = Lasting();
  for (const absl::Time began = clock_.Now(); options_.all_held_at() < began;) {
    if (clock_.Now() > began + kFillPatience) {
      return absl::CancelledError("some node is being filled");
    }
    Wait(kFillPoll);
  }
  absl::Status status = network_.localnet().Kill(name);
  if (!status.ok()) return status;
  const std::string folder = network_.FolderOf(name);
  DIR* const files = opendir(folder.c_str());
  if (files == nullptr) return absl::UnavailableError(strerror(errno));
  while (const dirent* file = readdir(files)) {
    // The keys stay: the disk is lost, not the node.
    if (absl::StartsWith(file->d_name, "messages.db")) {
      unlinkat(dirfd(files), file->d_name, 0);
    }
  }
  closedir(files);
  Wait(lasting);
  return network_.localnet().Restart(name);
}

}  // namespace messenger::chaos
