#include "tools/bench/mail_speed.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "client/remote/mailbox_reader.h"
#include "client/remote/onion_client_requester.h"
#include "client/remote/swarm_client.h"
#include "crypto/base/status_macros.h"
#include "crypto/random/random.h"
#include "crypto/random/system_random.h"
#include "crypto/sign/ed25519.h"
#include "routing/circuit/onion_client.h"
#include "routing/directory/consensus.h"
#include "routing/directory/directory_client.h"
#include "routing/endpoint/endpoint_handler.h"
#include "routing/path/path_selector.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/grpc_transport.h"
#include "routing/runtime/system_clock.h"
#include "swarm/proto/storage.pb.h"
#include "tools/bench/measure.h"

namespace messenger::bench {
namespace {

using ::messenger::routing::SystemClock;

constexpr int kRounds = 5;
constexpr size_t kOneByOne = 60;     // operations per round
constexpr size_t kAtOnce = 16;       // operations under way
constexpr size_t kManyAtOnce = 320;  // operations per round
constexpr size_t kMailboxes = 64;
// How long a reader has been waiting when a text comes: by then its request has
// arrived.
constexpr absl::Duration kSettled = absl::Milliseconds(50);
// What a text becomes: the smallest size of a sealed message.
constexpr size_t kTextBytes = 4096;
constexpr size_t kKilobyte = 1024;
constexpr absl::Duration kPatience = absl::Minutes(5);

// A pairwise mailbox with all its keys.
struct Mailbox {
  explicit Mailbox(crypto::Random& random)
      : read_key(crypto::Ed25519PrivateKey::Generate(random)),
        write_key(crypto::Ed25519PrivateKey::Generate(random)) {}

  client::MailboxReader Reader() const {
    return client::MailboxReader::Pairwise(read_key, write_key.public_key());
  }

  crypto::Ed25519PrivateKey read_key;
  crypto::Ed25519PrivateKey write_key;
  client::Cursors cursors;
};

// What one kind of operation took, over all rounds.
struct Speed {
  std::vector<double> latencies;  // one at a time
  Rounds medians;                 // of the latencies of a round
  Rounds rates;                   // at once
};

class Client {
 public:
  Client(const routing::NetworkConfig& config, crypto::Random& random)
      : random_(random),
        loop_(SystemClock()),
        transport_({.executor = loop_}),
        directory_(transport_, loop_, SystemClock(),
                   routing::DirectoryTrust::For(config), config.seeds, random),
        paths_(random, routing::GuardState()),
        onion_(transport_, loop_, SystemClock(), random, directory_.holder(),
               paths_, routing::RoutingMode::kOnion),
        requester_(onion_),
        swarm_(requester_, directory_.holder(), SystemClock(), loop_, random) {
    for (size_t i = 0; i < kMailboxes; ++i) mailboxes_.emplace_back(random);
  }

  using Finished = std::function<void(absl::Status)>;
  // Starts one operation.
  using Operation = std::function<void(Finished)>;

  absl::Status Connect() {
    std::optional<absl::Status> result;
    directory_.Refresh([&](absl::Status status) { result = status; });
    loop_.RunUntil([&] { return result.has_value(); }, kPatience);
    if (!result) return absl::UnavailableError("no directory");
    RETURN_IF_ERROR(*result);
    directory_.Start(absl::Seconds(10));
    return absl::OkStatus();
  }

  int swarm_size() {
    return directory_.holder().current()->params().swarm_size;
  }

  Operation AskTheTime() {
    return [this](Finished finished) {
      swarm::v1::ClientRequest request;
      request.mutable_time();
      const routing::NodeId node = NextStorageNode();
      onion_.Send({.destination = node,
                   .swarm = {node},
                   .service = routing::kSwarmStorageService,
                   .bytes = request.SerializeAsString()},
                  [finished](absl::StatusOr<std::string> reply,
                             const routing::RequestRoute&) {
                    finished(reply.status());
                  });
    };
  }

  Operation StoreText(size_t bytes) {
    return [this, bytes](Finished finished) {
      const Mailbox& mailbox = NextMailbox();
      swarm_.Store(client::StoreTarget::Pairwise(mailbox.read_key.public_key(),
                                                 mailbox.write_key),
                   random_.String(bytes), SystemClock().Now() + absl::Hours(24),
                   [finished](absl::StatusOr<client::StoreOutcome> outcome) {
                     finished(outcome.status());
                   });
    };
  }

  // Storage nodes take messages only for mailboxes that somebody reads.
  Operation Register() {
    return [this](Finished finished) {
      swarm_.Register(NextMailbox().Reader(),
                      [finished](absl::StatusOr<client::StoreOutcome> outcome) {
                        finished(outcome.status());
                      });
    };
  }

  // One text for somebody who waits. Gives the time from the sender's call to
  // the reader's having it.
  absl::StatusOr<double> Push(size_t bytes) {
    std::vector<double> not_used;
    const size_t turn = turn_;
    RETURN_IF_ERROR(Run(Poll(), 1, 1, not_used).status());
    turn_ = turn;
    Mailbox& mailbox = NextMailbox();
    std::optional<absl::Status> waited, stored;
    double begin = 0, end = 0;
    swarm_.Wait(mailbox.Reader(), mailbox.cursors, absl::Seconds(30),
                [&](absl::StatusOr<client::RetrieveOutcome> outcome) {
                  end = WallSeconds();
                  waited = outcome.status();
                  if (outcome.ok() && outcome->messages.empty()) {
                    waited = absl::DeadlineExceededError("no text came");
                  }
                });
    loop_.RunAfter(kSettled, [&] {
      begin = WallSeconds();
      swarm_.Store(client::StoreTarget::Pairwise(mailbox.read_key.public_key(),
                                                 mailbox.write_key),
                   random_.String(bytes), SystemClock().Now() + absl::Hours(24),
                   [&](absl::StatusOr<client::StoreOutcome> outcome) {
                     stored = outcome.status();
                   });
    });
    if (!loop_.RunUntil([&] { return waited && stored; }, kPatience)) {
      return absl::DeadlineExceededError("requests are not answered");
    }
    RETURN_IF_ERROR(*waited);
    RETURN_IF_ERROR(*stored);
    return end - begin;
  }

  // From where the mailbox was read last.
  Operation Poll() {
    return [this](Finished finished) {
      Mailbox& mailbox = NextMailbox();
      swarm_.Retrieve(mailbox.Reader(), mailbox.cursors,
                      [this, &mailbox, finished](
                          absl::StatusOr<client::RetrieveOutcome> outcome) {
                        if (outcome.ok()) {
                          mailbox.cursors = outcome->cursors;
                          members_polled_ += outcome->members_answered;
                        }
                        finished(outcome.status());
                      });
    };
  }

  // Runs `count` operations, `at_once` of them at any moment. Latencies go to
  // `latencies`; returns operations per second.
  absl::StatusOr<double> Run(const Operation& operation, size_t count,
                             size_t at_once, std::vector<double>& latencies) {
    size_t started = 0;
    size_t ended = 0;
    absl::Status first_error;
    std::function<void()> start = [&] {
      if (started == count || !first_error.ok()) return;
      ++started;
      const double begin = WallSeconds();
      operation([&, begin](absl::Status status) {
        latencies.push_back(WallSeconds() - begin);
        first_error.Update(status);
        ++ended;
        start();
      });
    };
    const double begin = WallSeconds();
    for (size_t i = 0; i < at_once; ++i) start();
    const bool done =
        loop_.RunUntil([&] { return ended == started; }, kPatience);
    if (!done) return absl::DeadlineExceededError("requests are not answered");
    RETURN_IF_ERROR(first_error);
    return static_cast<double>(count) / (WallSeconds() - begin);
  }

  size_t members_polled() const { return members_polled_; }

 private:
  Mailbox& NextMailbox() { return mailboxes_[turn_++ % kMailboxes]; }

  routing::NodeId NextStorageNode() {
    const auto consensus = directory_.holder().current();
    const auto nodes = consensus->nodes();
    for (;;) {
      const routing::NodeRecord& node = nodes[turn_++ % nodes.size()];
      if (node.storage_role && node.running) return node.id;
    }
  }

  crypto::Random& random_;
  routing::EventLoop loop_;
  routing::GrpcTransport transport_;
  routing::DirectoryClient directory_;
  routing::PathSelector paths_;
  routing::OnionClient onion_;
  client::OnionClientRequester requester_;
  client::SwarmClient swarm_;
  std::vector<Mailbox> mailboxes_;
  size_t turn_ = 0;
  size_t members_polled_ = 0;
};

absl::Status RunRound(Client& client, const Client::Operation& operation,
                      Speed& speed) {
  std::vector<double> latencies;
  RETURN_IF_ERROR(
      client.Run(operation, kOneByOne, /*at_once=*/1, latencies).status());
  speed.medians.push_back(Median(latencies));
  speed.latencies.insert(speed.latencies.end(), latencies.begin(),
                         latencies.end());
  std::vector<double> not_used;
  ASSIGN_OR_RETURN(const double rate,
                   client.Run(operation, kManyAtOnce, kAtOnce, not_used));
  speed.rates.push_back(rate);
  return absl::OkStatus();
}

std::string Milliseconds(double seconds) {
  return absl::StrFormat("%.1f ms", seconds * 1e3);
}
std::string PerSecond(double rate) { return absl::StrFormat("%.0f/s", rate); }

void AddLatency(const std::string& what, double share, const Speed& of,
                const Speed& limit, double bar, Report& report) {
  const double latency = Percentile(of.latencies, share);
  const double beside = Percentile(limit.latencies, share);
  report.Add({.what = absl::StrCat(what, share == 0.5 ? ", p50" : ", p99"),
              .measured = Milliseconds(latency),
              .limit = Milliseconds(beside) + " (asking the time)",
              .ratio = absl::StrFormat("%.2f", latency / beside),
              .bar = bar > 0 ? "<= " + Milliseconds(bar) : "-",
              .met = bar > 0 ? IsMet(latency <= bar) : ReportRow::Met::kNoBar});
}

void AddRate(const std::string& what, const Speed& of, const Speed& limit,
             double bar, Report& report) {
  const double rate = Median(of.rates);
  report.Add(
      {.what = absl::StrCat(what, ", ", kAtOnce, " at once"),
       .measured = PerSecond(rate),
       .limit = PerSecond(Median(limit.rates)) + " (asking the time)",
       .ratio = absl::StrFormat("%.2f", MedianRatio(of.rates, limit.rates)),
       .bar = bar > 0 ? ">= " + PerSecond(bar) : "-",
       .met = bar > 0 ? IsMet(rate >= bar) : ReportRow::Met::kNoBar});
}

}  // namespace

absl::Status MeasureMail(const routing::NetworkConfig& config, Report& report) {
  Client client(config, crypto::SystemRandom());
  RETURN_IF_ERROR(client.Connect());
  const int members = client.swarm_size();
  // With swarms of one the comparison is with a server that has no swarms.
  const bool alone = members == 1;
  const Client::Operation time = client.AskTheTime();
  const Client::Operation store =
      client.StoreText(alone ? kKilobyte : kTextBytes);
  const Client::Operation poll = client.Poll();

  // Opens the links between the relays, and reads the mailboxes once.
  std::vector<double> not_used;
  const Client::Operation registration = client.Register();
  for (const Client::Operation& operation : {registration, time, store, poll}) {
    RETURN_IF_ERROR(
        client.Run(operation, kMailboxes, /*at_once=*/8, not_used).status());
  }

  Speed times;
  Speed stores;
  Speed polls;
  Speed pushes;
  size_t members_polled = 0;
  for (int round = 0; round < kRounds; ++round) {
    RETURN_IF_ERROR(RunRound(client, time, times));
    RETURN_IF_ERROR(RunRound(client, store, stores));
    // Polls find nothing new: what the stores left is read before.
    RETURN_IF_ERROR(client.Run(poll, kMailboxes, kAtOnce, not_used).status());
    const size_t before = client.members_polled();
    RETURN_IF_ERROR(RunRound(client, poll, polls));
    members_polled += client.members_polled() - before;
    for (size_t i = 0; i < kOneByOne; ++i) {
      ASSIGN_OR_RETURN(const double latency,
                       client.Push(alone ? kKilobyte : kTextBytes));
      pushes.latencies.push_back(latency);
    }
  }
  const double members_per_poll = static_cast<double>(members_polled) /
                                  (kRounds * (kOneByOne + kManyAtOnce));

  const std::string text =
      alone ? "1 KiB stored at one node"
            : absl::StrCat("text of ", kTextBytes, " bytes with receipts of ",
                           members / 2 + 1, " of ", members);
  AddLatency(text, 0.5, stores, times, alone ? 1.5e-3 : 5e-3, report);
  AddLatency(text, 0.99, stores, times, alone ? 0 : 25e-3, report);
  AddRate(text, stores, times, alone ? 1500 : 500, report);
  const std::string push = "until a reader who waits has a text";
  AddLatency(push, 0.5, pushes, times, 20e-3, report);
  AddLatency(push, 0.99, pushes, times, 0, report);

  const std::string whole = absl::StrFormat(
      "poll of a mailbox (%.1f members asked)", members_per_poll);
  AddLatency(whole, 0.5, polls, times, 0, report);
  AddRate(whole, polls, times, alone ? 1200 : 0, report);
  if (!alone) {
    for (double& rate : polls.rates) rate *= members_per_poll;
    AddRate("polls of one member each", polls, times, 1200, report);
  }
  return absl::OkStatus();
}

}  // namespace messenger::bench
