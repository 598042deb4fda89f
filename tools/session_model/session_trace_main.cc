// Writes random schedules of pairwise sessions, with what the C++ code makes
// of them, for the model to replay (README.md, "Traces").
//
//   session_trace FIRST COUNT     seeds FIRST to FIRST + COUNT - 1

#include <algorithm>
#include <array>
#include <cstdint>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/session/device_keys.h"
#include "client/session/testing/recording_random.h"
#include "client/session/testing/session_world.h"
#include "crypto/base/hex.h"
#include "crypto/random/testing/seeded_random.h"

namespace messenger::client {
namespace {

// What is likely in one schedule, in percent unless said otherwise.
struct Temper {
  uint64_t loss;
  uint64_t repeat;
  uint64_t flip;
  bool both_start;
  bool one_session;  // after those of the beginning
  bool lively;       // most blobs arrive at once, so the ratchet turns often
  bool long_pauses;
  bool wrong_clocks;
  bool restores;
  bool many_lost;
  bool new_records;
};

class Schedule {
 public:
  explicit Schedule(uint64_t seed)
      : choice_(2 * seed), keys_(2 * seed + 1), random_(keys_) {
    temper_.loss = choice_.Uniform(40);
    temper_.repeat = choice_.Uniform(40);
    temper_.flip = choice_.Uniform(12);
    temper_.both_start = OneIn(2);
    temper_.one_session = OneIn(2);
    temper_.lively = OneIn(2);
    temper_.long_pauses = OneIn(3);
    temper_.wrong_clocks = OneIn(4);
    temper_.restores = OneIn(4);
    temper_.many_lost = OneIn(4);
    temper_.new_records = OneIn(4);
  }

  void Run(int steps) {
    for (const size_t who : {0u, 1u}) {
      Event("device")
          .With("who", who)
          .With("seed", crypto::HexEncode(keys_.String(16)))
          .With("keys", NewDevice())
          .With("now", Now(who));
      Do();
      own_identity_[who] = who;
      drained_[who] = Now(who);
    }
    for (const size_t who : {0u, 1u}) {
      Learn(who, 1 - who);
      Rotate(who);
    }
    for (const size_t who : {0u, 1u}) Fetch(who, published_[1 - who].back());
    Start(0, /*refresh=*/false);
    if (temper_.both_start) Start(1, /*refresh=*/false);
    for (int step = 0; step < steps; ++step) {
      LetTimePass();
      const size_t who = choice_.Uniform(2);
      if (OneIn(4)) {
        Unusual(who);
      } else if (OneIn(2)) {
        Write(who);
        if (temper_.lively && !to_[1 - who].empty() && !OneIn(4)) {
          Deliver(1 - who, to_[1 - who].size() - 1, /*keep=*/false);
        }
      } else {
        Read(who);
      }
    }
    for (const size_t who : {0u, 1u}) {
      while (!to_[who].empty()) Deliver(who, 0, /*keep=*/false);
      // Half of what was lost was only late.
      for (const size_t blob : late_[who]) {
        if (OneIn(2)) to_[who].push_back(blob);
      }
      while (!to_[who].empty()) Deliver(who, 0, /*keep=*/false);
      Clean(who);
    }
  }

 private:
  bool OneIn(uint64_t n) { return choice_.Uniform(n) == 0; }

  uint64_t Now(size_t who) { return now_ + skew_[who]; }

  static std::string Hex(size_t n, char c) {
    return crypto::HexEncode(std::string(n, c));
  }

  std::string NewDevice() {
    return crypto::HexEncode(DeviceKeys::Generate(keys_).Serialize());
  }

  // Building and applying an event.
  Schedule& Event(const std::string& verb) {
    event_ = WorldEvent{verb, {}};
    return *this;
  }
  template <typename T>
  Schedule& With(const std::string& key, const T& value) {
    event_.fields[key] = absl::StrCat(value);
    return *this;
  }
  std::string Do() {
    const std::string outcome = world_.Apply(event_, random_);
    const std::string read = absl::StrJoin(random_.draws(), "");
    random_.Forget();
    if (!read.empty()) event_.fields["random"] = crypto::HexEncode(read);
    if (event_.verb == "rotate") {
      event_.fields["next"] = absl::StrCat(
          absl::ToUnixMillis(world_.next_rotation(event_.Number("who"))));
    }
    std::cout << event_.Text() << " -> " << outcome << "\n";
    return outcome;
  }
  static bool Ok(const std::string& outcome) {
    return outcome.find("verdict=OK") != std::string::npos;
  }

  void LetTimePass() {
    constexpr uint64_t kMinute = 60'000;
    if (OneIn(2)) now_ += choice_.Uniform(10 * kMinute);
    if (OneIn(12)) now_ += choice_.Uniform(12 * 60 * kMinute);
    if (temper_.long_pauses && OneIn(15)) {
      now_ += choice_.Uniform(uint64_t{20} * 24 * 60 * kMinute);
    }
    if (temper_.wrong_clocks && OneIn(10)) {
      // Hours or days ahead, or right again.
      const uint64_t ahead = OneIn(3) ? 12 * 24 * 60 * kMinute : 240 * kMinute;
      const size_t who = choice_.Uniform(2);
      skew_[who] = OneIn(2) ? choice_.Uniform(ahead) : 0;
      Rotate(who);
    }
  }

  void Learn(size_t who, size_t record) {
    Event("learn").With("who", who).With("record", record);
    Do();
  }

  void Rotate(size_t who) {
    Event("rotate").With("who", who).With("now", Now(who));
    if (drained_[who] != 0) With("drained", drained_[who]);
    const size_t before = world_.prekey_count();
    Do();
    if (world_.prekey_count() > before) published_[who].push_back(before);
  }

  bool Fetch(size_t who, size_t record) {
    Event("fetch")
        .With("who", who)
        .With("record", record)
        .With("now", Now(who));
    return Ok(Do());
  }

  bool Start(size_t who, bool refresh) {
    Event("start")
        .With("who", who)
        .With("refresh", refresh ? 1 : 0)
        .With("now", Now(who));
    return Ok(Do());
  }

  // As a client does it: with the newest records.
  bool StartAnew(size_t who, bool refresh) {
    Rotate(1 - who);
    Learn(who, own_identity_[1 - who]);
    Fetch(who, published_[1 - who].back());
    return Start(who, refresh);
  }

  void Clean(size_t who) {
    Event("clean").With("who", who).With("now", Now(who));
    Do();
  }

  void Write(size_t who) {
    if (world_.session_count(who) == 0 && !StartAnew(who, false)) return;
    // Around the limits of the buckets, and mostly short: the model is slow.
    constexpr std::array<uint64_t, 12> kSizes = {
        0, 1, 20, 300, 565, 566, 567, 1541, 1542, 1685, 1686, 1687};
    uint64_t size = kSizes[choice_.Uniform(kSizes.size())];
    if (OneIn(40)) size = OneIn(2) ? 5'782 : 4'662;
    if (OneIn(200)) size = 58'885;
    if (OneIn(100)) size = 70'000;
    const size_t blob = world_.blob_count();
    Event("send")
        .With("who", who)
        .With("content", Hex(size, static_cast<char>('a' + blob % 26)));
    if (!Ok(Do())) return;
    const bool lost = choice_.Uniform(100) < temper_.loss;
    (lost ? late_ : to_)[1 - who].push_back(blob);
  }

  void Read(size_t who) {
    if (to_[who].empty()) {
      drained_[who] = Now(who);
      return;
    }
    Deliver(who, choice_.Uniform(to_[who].size()),
            choice_.Uniform(100) < temper_.repeat);
  }

  void Deliver(size_t who, size_t i, bool keep) {
    const size_t blob = to_[who][i];
    Event("deliver").With("who", who).With("blob", blob).With("now", Now(who));
    if (choice_.Uniform(100) < temper_.flip) {
      // As often in the version, the handshake or the header as in the rest.
      constexpr std::array<size_t, 3> kBegin = {1, 2'360, 4'241};
      const size_t bytes =
          OneIn(2) ? world_.blob_bytes(blob) : kBegin[choice_.Uniform(3)];
      With("flip",
           choice_.Uniform(8 * std::min(bytes, world_.blob_bytes(blob))));
      Do();
      return;
    }
    Do();
    if (!keep) {
      to_[who].erase(to_[who].begin() + static_cast<long>(i));
      seen_[who].push_back(blob);
    }
  }

  void LoseMany(size_t who) {
    if (world_.session_count(who) == 0) return;
    constexpr std::array<uint64_t, 6> kCounts = {3, 40, 400, 999, 1'000, 1'001};
    Write(who);
    Event("lose")
        .With("who", who)
        .With("count", kCounts[choice_.Uniform(kCounts.size())]);
    Do();
    Write(who);
  }

  void Unusual(size_t who) {
    if (temper_.many_lost && OneIn(4)) return LoseMany(who);
    switch (choice_.Uniform(temper_.one_session ? 7 : 10)) {
      case 0:
        Event("store").With("who", who);
        Do();
        return;
      case 1:
        return Rotate(who);
      case 2:
        return Clean(who);
      case 3:  // A node hands out any record of any device.
        Fetch(who, choice_.Uniform(world_.prekey_count()));
        return;
      case 4:
        return Learn(who, OneIn(temper_.new_records ? 2 : 4)
                              ? choice_.Uniform(world_.identity_count())
                              : own_identity_[1 - who]);
      case 5:  // A late blob, or one that was read long ago, to either side.
        if (!late_[who].empty() && OneIn(2)) {
          to_[who].push_back(late_[who].front());
          late_[who].erase(late_[who].begin());
          return;
        }
        if (!seen_[who].empty()) {
          to_[OneIn(4) ? 1 - who : who].push_back(
              seen_[who][choice_.Uniform(seen_[who].size())]);
        }
        return;
      case 6:
        if (temper_.new_records) {
          const size_t record = world_.identity_count();
          Event("identity").With("who", who).With("now", Now(who));
          if (OneIn(2)) With("extra", NewDevice());
          Do();
          own_identity_[who] = record;
          if (OneIn(2)) Learn(1 - who, record);
        }
        return;
      case 7:  // With whatever record there is, perhaps one that has expired.
        if (OneIn(3)) Start(who, OneIn(2));
        return;
      case 8:
        if (OneIn(2)) StartAnew(who, /*refresh=*/true);
        return;
      case 9:
        if (temper_.restores) {
          Event(copied_[who] && OneIn(2) ? "restore" : "copy").With("who", who);
          Do();
          // A restored state is never sent on.
          if (event_.verb == "restore") {
            skew_ = {0, 0};
            while (!StartAnew(who, /*refresh=*/true)) now_ += 12 * 3'600'000;
          }
          copied_[who] = true;
        }
        return;
    }
  }

  crypto::SeededRandom choice_;
  crypto::SeededRandom keys_;
  RecordingRandom random_;
  Temper temper_;
  SessionWorld world_;
  WorldEvent event_;
  uint64_t now_ = 1'800'000'000'000;
  std::array<uint64_t, 2> skew_ = {0, 0};
  std::array<uint64_t, 2> drained_ = {0, 0};
  std::array<size_t, 2> own_identity_ = {0, 0};
  std::array<bool, 2> copied_ = {false, false};
  std::array<std::vector<size_t>, 2> published_;
  std::array<std::vector<size_t>, 2> to_;    // blobs on their way
  std::array<std::vector<size_t>, 2> late_;  // those that seem lost
  std::array<std::vector<size_t>, 2> seen_;  // those that were delivered
};

}  // namespace
}  // namespace messenger::client

int main(int argc, char** argv) {
  uint64_t first = 0;
  uint64_t count = 0;
  if (argc != 3 || !absl::SimpleAtoi(argv[1], &first) ||
      !absl::SimpleAtoi(argv[2], &count)) {
    std::cerr << "usage: session_trace FIRST COUNT\n";
    return 2;
  }
  for (uint64_t seed = first; seed < first + count; ++seed) {
    std::cout << "schedule seed=" << seed << "\n";
    messenger::client::Schedule(seed).Run(/*steps=*/90);
  }
  return std::cout.flush() ? 0 : 1;
}
