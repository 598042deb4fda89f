// How fast a storage node's store keeps messages for good, against bare SQLite
// on the same disk in the same minute.
//
//   store_bench [--curve] [FOLDER]
//
// Its files go to a new folder in FOLDER (default: that of temporary files),
// which is deleted. With --curve it measures a start and a retrieval with 10^4,
// 10^5 and 10^6 messages instead.
//
// Stores are measured on the wall clock, for the disk is what they wait for;
// both sides take turns, and the ratio is the median over the rounds.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "crypto/random/random.h"
#include "crypto/random/system_random.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/system_clock.h"
#include "swarm/auth/mailbox.h"
#include "swarm/store/group_committer.h"
#include "swarm/store/message_store.h"
#include "swarm/store/sqlite_store.h"
#include "tools/bench/bare_sqlite.h"
#include "tools/bench/measure.h"
#include "tools/bench/report.h"

namespace messenger::bench {
namespace {

constexpr size_t kPayloadBytes = 1024;
// A pairwise mailbox's two keys and a signature.
constexpr size_t kProofBytes = 128;
constexpr uint64_t kNowMs = 1'800'000'000'000;
constexpr uint64_t kExpiryMs = kNowMs + 1'000'000'000;

constexpr int kRounds = 9;
constexpr size_t kMailboxes = 20'000;
constexpr size_t kOwners = 2000;
constexpr size_t kMessagesOfOwner = 10;

[[noreturn]] void Fail(const absl::Status& status) {
  std::fprintf(stderr, "store_bench: %s\n", status.ToString().c_str());
  std::exit(1);
}

template <typename T>
T Must(absl::StatusOr<T> result) {
  if (!result.ok()) Fail(result.status());
  return *std::move(result);
}

swarm::MailboxAddress SomeMailbox(crypto::Random& random) {
  return Must(swarm::MailboxAddress::FromBytes(
      absl::StrCat("\x06", random.String(32))));
}

swarm::PutMessage SomeMessage(const swarm::MailboxAddress& mailbox,
                              crypto::Random& random) {
  return {.mailbox = mailbox,
          .ns = swarm::MailboxNamespace::kPairwise,
          .id = random.Fixed<swarm::MessageId>(),
          .payload = random.String(kPayloadBytes),
          .expiry_ms = kExpiryMs,
          .proof = random.String(kProofBytes)};
}

std::vector<swarm::StoreOp> SomeMessages(
    size_t count, const std::vector<swarm::MailboxAddress>& mailboxes,
    crypto::Random& random) {
  std::vector<swarm::StoreOp> messages;
  for (size_t i = 0; i < count; ++i) {
    messages.push_back(
        SomeMessage(mailboxes[random.Uniform(mailboxes.size())], random));
  }
  return messages;
}

// New mailboxes that take messages now and at any time the system's clock may
// say.
std::vector<swarm::MailboxAddress> Register(swarm::MessageStore& store,
                                            size_t count,
                                            crypto::Random& random) {
  constexpr uint64_t kFarMs = 10'000'000'000'000;
  std::vector<swarm::MailboxAddress> mailboxes;
  std::vector<swarm::StoreOp> ops;
  for (size_t i = 0; i < count; ++i) {
    mailboxes.push_back(SomeMailbox(random));
    ops.push_back(swarm::PutRegistration{.mailbox = mailboxes.back(),
                                         .id = random.Fixed<swarm::ObjectId>(),
                                         .timestamp_ms = kFarMs,
                                         .proof_nonce = 0,
                                         .proof = random.String(kProofBytes)});
  }
  Must(store.Apply(ops, kNowMs));
  return mailboxes;
}

std::vector<BareSqlite::Row> SomeRows(size_t count, crypto::Random& random) {
  std::vector<BareSqlite::Row> rows;
  for (size_t i = 0; i < count; ++i) {
    rows.push_back(
        {.key = random.String(32), .payload = random.String(kPayloadBytes)});
  }
  return rows;
}

double Seconds(const std::function<void()>& work) {
  const double start = WallSeconds();
  work();
  return WallSeconds() - start;
}

std::string PerSecond(double rate) { return absl::StrFormat("%.0f/s", rate); }

// A bare table and a store side by side in one folder.
class Bench {
 public:
  Bench(const std::string& folder, crypto::Random& random)
      : random_(random),
        bare_(absl::StrCat(folder, "/bare")),
        store_(Must(swarm::SqliteStore::Open(
            {.path = absl::StrCat(folder, "/store"), .vfs = ""}, random))),
        mailboxes_(Register(*store_, kMailboxes, random)) {}

  void MeasureTransactions(size_t group) {
    const size_t transactions = group == 1 ? 300 : 60;
    Rounds bare;
    Rounds ours;
    for (int round = 0; round < kRounds; ++round) {
      const size_t count = transactions * group;
      const std::vector<BareSqlite::Row> rows = SomeRows(count, random_);
      const std::vector<swarm::StoreOp> messages =
          SomeMessages(count, mailboxes_, random_);
      bare.push_back(count / Seconds([&] {
                       for (size_t at = 0; at < count; at += group) {
                         bare_.Insert(
                             absl::MakeConstSpan(rows).subspan(at, group));
                       }
                     }));
      ours.push_back(
          count / Seconds([&] {
            for (size_t at = 0; at < count; at += group) {
              Must(store_->Apply(
                  absl::MakeConstSpan(messages).subspan(at, group), kNowMs));
            }
          }));
    }
    const double ratio = MedianRatio(ours, bare);
    report_.Add(
        {.what = absl::StrCat("durable stores, ", group, " to a transaction"),
         .measured = PerSecond(Median(ours)),
         .limit = PerSecond(Median(bare)) + " (bare SQLite)",
         .ratio = absl::StrFormat("%.2f", ratio),
         .bar = ">= 0.60",
         .met = IsMet(ratio >= 0.60)});
  }

  // As a node runs it: a core that submits and a thread that writes, so many
  // messages under way at any moment. `bar` in stores per second; 0: none.
  void MeasureCommitter(size_t at_once, double bar) {
    constexpr size_t kCount = 6000;
    Rounds bare;
    Rounds ours;
    Rounds bare_cpu;
    Rounds our_cpu;
    for (int round = 0; round < kRounds; ++round) {
      const std::vector<BareSqlite::Row> rows = SomeRows(kCount, random_);
      double cpu = ProcessCpuSeconds();
      bare.push_back(kCount / Seconds([&] {
                       for (size_t at = 0; at < kCount; at += at_once) {
                         bare_.Insert(
                             absl::MakeConstSpan(rows).subspan(at, at_once));
                       }
                     }));
      bare_cpu.push_back((ProcessCpuSeconds() - cpu) / kCount);
      std::vector<swarm::StoreOp> messages =
          SomeMessages(kCount, mailboxes_, random_);
      cpu = ProcessCpuSeconds();
      ours.push_back(CommitterRate(std::move(messages), at_once));
      our_cpu.push_back((ProcessCpuSeconds() - cpu) / kCount);
    }
    const double rate = Median(ours);
    const std::string what = absl::StrCat(
        "durable stores by the group committer, ", at_once, " at once");
    report_.Add({.what = what,
                 .measured = PerSecond(rate),
                 .limit = PerSecond(Median(bare)) + " (bare SQLite)",
                 .ratio = absl::StrFormat("%.2f", MedianRatio(ours, bare)),
                 .bar = bar > 0 ? ">= " + PerSecond(bar) : "-",
                 .met = bar > 0 ? IsMet(rate >= bar) : ReportRow::Met::kNoBar});
    report_.Add(
        {.what = "  CPU of each, both threads",
         .measured = absl::StrFormat("%.0f us", Median(our_cpu) * 1e6),
         .limit =
             absl::StrFormat("%.0f us (bare SQLite)", Median(bare_cpu) * 1e6),
         .ratio = absl::StrFormat("%.2f", MedianRatio(our_cpu, bare_cpu))});
  }

  void MeasureRetrieval() {
    const std::vector<swarm::MailboxAddress> owners =
        Register(*store_, kOwners, random_);
    std::vector<std::string> keys;
    // Message by message over all owners, as they come in life: those of one
    // owner do not lie together.
    for (size_t i = 0; i < kOwners; ++i) {
      keys.push_back(random_.String(32));
    }
    for (size_t n = 0; n < kMessagesOfOwner; ++n) {
      std::vector<swarm::StoreOp> messages;
      std::vector<BareSqlite::Row> rows;
      for (size_t i = 0; i < kOwners; ++i) {
        messages.push_back(SomeMessage(owners[i], random_));
        rows.push_back(
            {.key = keys[i], .payload = random_.String(kPayloadBytes)});
      }
      bare_.Insert(rows);
      Must(store_->Apply(messages, kNowMs));
    }
    const std::vector<Rounds> taken = Race(
        {[&] {
           const size_t found =
               bare_.Select(keys[random_.Uniform(kOwners)]).size();
           if (found != kMessagesOfOwner) Fail(absl::InternalError("lost"));
         },
         [&] {
           const size_t found =
               Must(store_->List(owners[random_.Uniform(kOwners)],
                                 swarm::MailboxNamespace::kPairwise,
                                 /*after_seq=*/0, kNowMs, /*limit_rows=*/100,
                                 /*limit_bytes=*/1 << 20))
                   .messages.size();
           if (found != kMessagesOfOwner) Fail(absl::InternalError("lost"));
         }},
        kRounds, absl::Milliseconds(50));
    const double rate = 1 / Median(taken[1]);
    report_.Add(
        {.what = "retrievals of the 10 messages of one owner (CPU time)",
         .measured = PerSecond(rate),
         .limit = PerSecond(1 / Median(taken[0])) + " (bare SQLite)",
         .ratio = absl::StrFormat("%.2f", MedianRatio(taken[0], taken[1])),
         .bar = ">= 40,000/s",
         .met = IsMet(rate >= 40'000)});
  }

  const Report& report() const { return report_; }

 private:
  double CommitterRate(std::vector<swarm::StoreOp> messages, size_t at_once) {
    const size_t count = messages.size();
    routing::EventLoop core(routing::SystemClock());
    routing::EventLoop disk(routing::SystemClock());
    swarm::GroupCommitter committer(*store_, routing::SystemClock(), core,
                                    disk);
    std::thread writer([&disk] { disk.RunUntilStopped(); });
    size_t submitted = 0;
    size_t stored = 0;
    std::function<void()> submit = [&] {
      if (submitted == count) return;
      committer.Submit(std::move(messages[submitted++]),
                       [&](absl::StatusOr<swarm::OpResult> result) {
                         Must(std::move(result));
                         ++stored;
                         submit();
                       });
    };
    const double seconds = Seconds([&] {
      for (size_t i = 0; i < at_once; ++i) submit();
      if (!core.RunUntil([&] { return stored == count; }, absl::Minutes(5))) {
        Fail(absl::DeadlineExceededError("the disk does not get on"));
      }
    });
    disk.Stop();
    writer.join();
    return count / seconds;
  }

  crypto::Random& random_;
  BareSqlite bare_;
  const std::unique_ptr<swarm::SqliteStore> store_;
  const std::vector<swarm::MailboxAddress> mailboxes_;
  Report report_;
};

// How a start and a retrieval grow with what is stored.
void MeasureCurve(const std::string& folder, crypto::Random& random) {
  constexpr size_t kGroup = 1000;
  constexpr int kRetrievals = 501;
  const swarm::SqliteStore::Options options = {
      .path = absl::StrCat(folder, "/curve"), .vfs = ""};
  std::unique_ptr<swarm::SqliteStore> store =
      Must(swarm::SqliteStore::Open(options, random));
  const std::vector<swarm::MailboxAddress> mailboxes =
      Register(*store, kMailboxes, random);
  // Of the same size all the time, among others that grow.
  constexpr size_t kWatched = 500;
  const std::vector<swarm::MailboxAddress> watched =
      Register(*store, kWatched, random);
  for (size_t n = 0; n < kMessagesOfOwner; ++n) {
    std::vector<swarm::StoreOp> messages;
    for (const swarm::MailboxAddress& mailbox : watched) {
      messages.push_back(SomeMessage(mailbox, random));
    }
    Must(store->Apply(messages, kNowMs));
  }
  Report report;
  double first = 0;
  size_t stored = kWatched * kMessagesOfOwner;
  for (const size_t size : {10'000, 100'000, 1'000'000}) {
    for (; stored < size; stored += kGroup) {
      Must(store->Apply(SomeMessages(kGroup, mailboxes, random), kNowMs));
    }
    store.reset();
    const double start = Seconds(
        [&] { store = Must(swarm::SqliteStore::Open(options, random)); });
    Rounds retrievals;
    for (int i = 0; i < kRetrievals; ++i) {
      retrievals.push_back(Seconds([&] {
        Must(store->List(watched[random.Uniform(kWatched)],
                         swarm::MailboxNamespace::kPairwise, /*after_seq=*/0,
                         kNowMs, /*limit_rows=*/100,
                         /*limit_bytes=*/1 << 20));
      }));
    }
    const double median = Median(retrievals);
    if (first == 0) first = median;
    report.Add({.what = absl::StrCat("start with ", size, " messages"),
                .measured = absl::StrFormat("%.2f s", start),
                .bar = "<= 5 s",
                .met = IsMet(start <= 5)});
    report.Add(
        {.what = "  retrieval of a mailbox of 10 messages, p50",
         .measured = absl::StrFormat("%.0f us", median * 1e6),
         .limit = absl::StrFormat("%.0f us (with 10000 messages)", first * 1e6),
         .ratio = absl::StrFormat("%.2f", median / first),
         .bar = "<= 1.50",
         .met = IsMet(median <= 1.5 * first)});
  }
  std::fputs(report.ToText("Store by size, 1 KiB messages").c_str(), stdout);
}

int Main(int argc, char** argv) {
  const bool curve = argc > 1 && absl::string_view(argv[1]) == "--curve";
  const int folder_at = curve ? 2 : 1;
  const std::filesystem::path parent =
      argc > folder_at ? argv[folder_at]
                       : std::filesystem::temp_directory_path();
  std::string folder = (parent / "store_bench.XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) {
    Fail(absl::UnavailableError("no folder for the files"));
  }
  if (curve) {
    MeasureCurve(folder, crypto::SystemRandom());
  } else {
    Bench bench(folder, crypto::SystemRandom());
    for (const size_t group : {1, 16, 64, 100}) {
      bench.MeasureTransactions(group);
    }
    bench.MeasureCommitter(/*at_once=*/16, /*bar=*/0);
    bench.MeasureCommitter(/*at_once=*/64, /*bar=*/11'500);
    bench.MeasureRetrieval();
    std::fputs(
        bench.report().ToText("Store, 1 KiB messages (wall clock)").c_str(),
        stdout);
  }
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace messenger::bench

int main(int argc, char** argv) { return messenger::bench::Main(argc, argv); }
