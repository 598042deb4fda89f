// Seven members, in the situations for which figures are promised: equal after
// a partition, filled after a loss, and sending while two of them are down and
// the network loses calls. Prints what it measures; README.md has the figures.

#include <algorithm>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/remote/onion_requester.h"
#include "client/remote/swarm_client.h"
#include "crypto/random/testing/seeded_random.h"
#include "crypto/sign/ed25519.h"
#include "gtest/gtest.h"
#include "routing/directory/consensus_holder.h"
#include "swarm/auth/registration.h"
#include "swarm/auth/request_auth.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/repair/paced_caller.h"
#include "swarm/validation/request_validator.h"
#include "tools/simnet/swarm/plan.h"
#include "tools/simnet/swarm/probes.h"
#include "tools/simnet/swarm/process_executor.h"
#include "tools/simnet/swarm/skewed_clock.h"
#include "tools/simnet/swarm/world.h"

namespace messenger::simnet {
namespace {

using ::messenger::crypto::Ed25519PrivateKey;
using ::messenger::swarm::MailboxAddress;
using ::messenger::swarm::MailboxNamespace;

constexpr int kNodes = 7;

Plan PlanOfSeven(uint64_t seed) {
  Plan plan;
  plan.seed = seed;
  plan.swarm_size = kNodes;
  plan.nodes = kNodes;
  plan.min_delay = absl::Milliseconds(10);
  plan.mean_delay = absl::Milliseconds(50);
  plan.disk_latency = absl::Milliseconds(5);
  plan.clock_skew = absl::Seconds(1);
  plan.liars.assign(kNodes, Liar::kHonest);
  plan.voting_interval = absl::Seconds(30);
  plan.directory_delay = absl::Seconds(5);
  plan.evict_after = absl::Hours(24);
  plan.min_overlap = absl::Minutes(2);
  return plan;
}

uint64_t Ms(absl::Time time) {
  return static_cast<uint64_t>(absl::ToUnixMillis(time));
}

absl::Duration Quantile(std::vector<absl::Duration> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q *
                                    static_cast<double>(values.size() - 1))];
}

// A pairwise mailbox, whose reader and writer are the test.
struct Pair {
  explicit Pair(crypto::Random& random)
      : read_key(Ed25519PrivateKey::Generate(random)),
        write_key(Ed25519PrivateKey::Generate(random)),
        address(MailboxAddress::ForPair(read_key.public_key(),
                                        write_key.public_key())) {}

  Ed25519PrivateKey read_key;
  Ed25519PrivateKey write_key;
  MailboxAddress address;
};

class SevenNodesTest : public ::testing::Test {
 protected:
  void Build(double loss) {
    Plan plan = PlanOfSeven(1);
    plan.loss = loss;
    world_ = std::make_unique<World>(plan, probes_);
    ASSERT_TRUE(world_->executor().RunUntil(
        [&] {
          for (int i = 0; i < kNodes; ++i) {
            if (world_->node(i).process->repair().ReadyEpoch() == 0) {
              return false;
            }
          }
          return true;
        },
        absl::Minutes(10)));
  }

  // On the disks of some nodes, as if clients had brought it there.
  void Put(const swarm::StoreOp& op, const std::set<int>& missing = {}) {
    for (int i = 0; i < kNodes; ++i) {
      if (missing.contains(i)) continue;
      const auto results = world_->node(i).disk->store()->Apply(
          absl::MakeConstSpan(&op, 1), Ms(world_->Now()));
      ASSERT_TRUE(results.ok()) << results.status();
      ASSERT_EQ(results->front(), swarm::OpResult::kDone);
    }
  }

  void Register(const Pair& pair) {
    const int bits = world_->consensus()->params().registration_bits;
    swarm::RegistrationTerms terms{.mailbox = pair.address,
                                   .timestamp_ms = Ms(world_->Now()),
                                   .proof_nonce = 0};
    terms.proof_nonce =
        *swarm::FindRegistrationNonce(terms, bits, 0, uint64_t{1} << 20);
    swarm::v1::RegisterRequest request;
    request.set_mailbox(std::string(terms.mailbox.bytes()));
    request.set_timestamp_ms(terms.timestamp_ms);
    request.set_proof_nonce(terms.proof_nonce);
    request.set_reader_key(std::string(pair.read_key.public_key().bytes()));
    request.set_write_key(std::string(pair.write_key.public_key().bytes()));
    request.set_signature(
        std::string(swarm::SignRegistration(pair.read_key, terms).bytes()));
    auto write = swarm::ValidateRegister(request, bits, world_->Now(),
                                         swarm::Origin::kClient);
    ASSERT_TRUE(write.ok()) << write.status();
    Put(write->op);
  }
  void AddMailboxes(size_t count) {
    while (pairs_.size() < count) {
      pairs_.emplace_back(random_);
      Register(pairs_.back());
    }
  }

  void PutMessage(size_t bytes, const std::set<int>& missing = {}) {
    const Pair& pair = pairs_[messages_ % pairs_.size()];
    std::string payload(bytes, '\0');
    random_.Fill(absl::MakeSpan(payload.data(), payload.size()));
    const absl::Time expiry = world_->Now() + absl::Hours(24) +
                              absl::Seconds(random_.Uniform(12 * 24 * 3600));
    const swarm::MessageId id = swarm::ComputeMessageId(
        pair.address, MailboxNamespace::kPairwise, payload);
    swarm::v1::StoreRequest request;
    request.set_mailbox(std::string(pair.address.bytes()));
    request.set_ns(static_cast<uint32_t>(MailboxNamespace::kPairwise));
    request.set_payload(std::move(payload));
    request.set_expiry_ms(Ms(expiry));
    request.set_read_key(std::string(pair.read_key.public_key().bytes()));
    request.set_write_key(std::string(pair.write_key.public_key().bytes()));
    request.set_signature(
        std::string(swarm::SignWrite(pair.write_key, id, Ms(expiry)).bytes()));
    auto write =
        swarm::ValidateStore(request, world_->Now(), swarm::Origin::kClient);
    ASSERT_TRUE(write.ok()) << write.status();
    Put(write->op, missing);
    ++messages_;
  }

  bool AllHaveAll() {
    for (int i = 0; i < kNodes; ++i) {
      const auto totals = world_->node(i).disk->store()->Totals();
      if (!totals.ok() || totals->messages != messages_) return false;
    }
    return true;
  }

  crypto::SeededRandom random_{7};
  Probes probes_;
  std::unique_ptr<World> world_;
  std::vector<Pair> pairs_;
  size_t messages_ = 0;
};

// 100,000 messages, of which each time 1,000 are at some of the members only:
// on one side of a partition, without a hint.
TEST_F(SevenNodesTest, AreEqualWithinTwoMinutesOfAPartitionsEnd) {
  constexpr size_t kMessages = 100'000;
  constexpr size_t kDifferences = 1'000;
  constexpr int kTimes = 20;
  Build(/*loss=*/0);
  AddMailboxes(2'000);
  while (messages_ < kMessages) PutMessage(64);
  ASSERT_TRUE(AllHaveAll());
  std::vector<absl::Duration> times;
  for (int time = 0; time < kTimes; ++time) {
    // At least a majority has what was written meanwhile.
    std::set<int> cut_off;
    while (cut_off.size() < 1 + static_cast<size_t>(time) % 3) {
      cut_off.insert(static_cast<int>(random_.Uniform(kNodes)));
    }
    std::set<std::string> addresses;
    for (const int i : cut_off) addresses.insert(world_->node(i).address);
    world_->network().Partition(addresses);
    world_->executor().RunFor(absl::Seconds(30 + random_.Uniform(180)));
    for (size_t i = 0; i < kDifferences; ++i) PutMessage(64, cut_off);
    ASSERT_FALSE(AllHaveAll());
    world_->network().Heal();
    const absl::Time healed = world_->Now();
    while (!AllHaveAll() && world_->Now() < healed + absl::Minutes(10)) {
      world_->executor().RunFor(absl::Milliseconds(500));
    }
    ASSERT_TRUE(AllHaveAll());
    times.push_back(world_->Now() - healed);
  }
  std::cout << "equal after " << Quantile(times, 0.5) << " (median), "
            << Quantile(times, 1) << " (slowest of " << kTimes << ")\n";
  EXPECT_LE(Quantile(times, 1), absl::Seconds(120));
}

// As quickly as the rate that repair allows itself lets it.
TEST_F(SevenNodesTest, FillAWipedOneAtTheRateAllowed) {
  constexpr size_t kMessages = 1'600;
  constexpr size_t kBytes = 60'000;
  Build(/*loss=*/0);
  AddMailboxes(400);
  while (messages_ < kMessages) PutMessage(kBytes);
  const double unique = static_cast<double>(kMessages * kBytes);
  world_->CollectProbes();
  const World::Totals before = world_->totals();
  const uint64_t sent_before = world_->bytes_sent();
  world_->Wipe(3);
  world_->Start(3);
  const absl::Time start = world_->Now();
  ASSERT_TRUE(world_->executor().RunUntil(
      [&] { return world_->node(3).process->repair().ReadyEpoch() != 0; },
      absl::Minutes(30)));
  const absl::Duration ready = world_->Now() - start;
  EXPECT_TRUE(AllHaveAll()) << "ready, and not everything is there";
  const double sent = static_cast<double>(world_->bytes_sent() - sent_before);
  world_->CollectProbes();
  const uint64_t pushed = world_->totals().pushed - before.pushed;
  std::cout << "ready after " << ready << " with "
            << static_cast<int>(unique / 1e6) << " MB, "
            << static_cast<int>(unique / 1e6 / absl::ToDoubleSeconds(ready))
            << " MB/s; " << sent / unique << " bytes sent for each, " << pushed
            << " items pushed\n";
  const double seconds = absl::ToDoubleSeconds(ready);
  EXPECT_GE(seconds, (unique - swarm::PacedCaller::kBurstBytes) /
                         swarm::PacedCaller::kBytesPerSecond)
      << "quicker than allowed";
  EXPECT_LE(seconds, 2 * unique / swarm::PacedCaller::kBytesPerSecond + 5);
  EXPECT_LE(sent, 1.2 * unique);
}

// A circuit of three hops as one wire.
class DistantRequester final : public client::OnionRequester {
 public:
  DistantRequester(World& world, routing::SimulatedNetwork::Host& host,
                   const routing::ConsensusHolder& directory,
                   ProcessExecutor& executor, crypto::Random& random)
      : world_(world),
        host_(host),
        directory_(directory),
        executor_(executor),
        random_(random) {}

  void Send(Request request, Done done) override {
    const routing::NodeRecord* node =
        directory_.current()->Find(request.destination);
    client::RequestRoute route;
    route.hops = {random_.Fixed<routing::NodeId>(), request.destination};
    executor_.RunAfter(Legs(), [this, endpoint = node->storage, route,
                                request = std::move(request),
                                done = std::move(done)]() mutable {
      host_.transport().Call(
          endpoint, kClientMethod, std::move(request.bytes), request.timeout,
          [this, route,
           done = std::move(done)](absl::StatusOr<std::string> reply) mutable {
            executor_.RunAfter(Legs(), [route, done = std::move(done),
                                        reply = std::move(reply)]() mutable {
              done(std::move(reply), route);
            });
          });
    });
  }

 private:
  // The other three hops of four; as the plan has them for one.
  absl::Duration Legs() {
    absl::Duration sum;
    for (int leg = 0; leg < 3; ++leg) {
      sum += world_.plan().min_delay +
             2 * random_.UnitDouble() *
                 (world_.plan().mean_delay - world_.plan().min_delay);
    }
    return sum;
  }

  World& world_;
  routing::SimulatedNetwork::Host& host_;
  const routing::ConsensusHolder& directory_;
  ProcessExecutor& executor_;
  crypto::Random& random_;
};

struct Sender {
  Sender(World& world, int number)
      : random(1000 + static_cast<uint64_t>(number)),
        clock(world.clock(), absl::ZeroDuration(), 0),
        executor(world.executor()),
        host(world.network().AddHost(absl::StrCat("sender:", number),
                                     std::nullopt)),
        directory(world.trust(), clock),
        requester(world, host, directory, executor, random),
        swarm(requester, directory, clock, executor, random, {}, [] {}) {}

  crypto::SeededRandom random;
  SkewedClock clock;
  ProcessExecutor executor;
  routing::SimulatedNetwork::Host& host;
  routing::ConsensusHolder directory;
  DistantRequester requester;
  client::SwarmClient swarm;
};

// From the moment they die: at first the directory still says that they run.
TEST_F(SevenNodesTest, TakeMessagesWhileTwoAreDownAndCallsAreLost) {
  constexpr int kSenders = 20;
  constexpr int kEach = 500;
  Build(/*loss=*/0.05);
  AddMailboxes(400);
  std::vector<std::unique_ptr<Sender>> senders;
  for (int i = 0; i < kSenders; ++i) {
    senders.push_back(std::make_unique<Sender>(*world_, i));
    ASSERT_TRUE(senders.back()->directory.Accept(world_->newest_wire()).ok());
  }
  const std::function<void()> refresh = [&] {
    for (const auto& sender : senders) {
      sender->directory.Accept(world_->newest_wire()).IgnoreError();
    }
    world_->executor().RunAfter(world_->plan().voting_interval, refresh);
  };
  world_->executor().RunAfter(world_->plan().voting_interval, refresh);
  world_->Crash(2, /*power_loss=*/false);
  world_->Crash(5, /*power_loss=*/false);

  int done = 0, sent = 0, within_three = 0;
  std::vector<absl::Duration> times;
  const std::function<void(int, int)> send = [&](int i, int left) {
    if (left == 0) return;
    const Pair& pair = pairs_[random_.Uniform(pairs_.size())];
    const auto target = client::StoreTarget::Pairwise(
        pair.read_key.public_key(), pair.write_key);
    std::string payload(2'000, '\0');
    random_.Fill(absl::MakeSpan(payload.data(), payload.size()));
    const absl::Time start = world_->Now();
    senders[i]->swarm.Store(
        target, payload, start + absl::Hours(48),
        [&, i, left, start](absl::StatusOr<client::StoreOutcome> outcome) {
          ++done;
          if (outcome.ok()) {
            ++sent;
            within_three += outcome->attempts <= 3;
            times.push_back(world_->Now() - start);
          }
          world_->executor().RunAfter(absl::Seconds(1),
                                      [&, i, left] { send(i, left - 1); });
        });
  };
  for (int i = 0; i < kSenders; ++i) send(i, kEach);
  ASSERT_TRUE(world_->executor().RunUntil(
      [&] { return done == kSenders * kEach; }, absl::Hours(6)));
  const double share = static_cast<double>(within_three) / done;
  std::cout << sent << " of " << done << " sent, " << 100 * share
            << " % in at most 3 tries; " << Quantile(times, 0.5)
            << " (median), " << Quantile(times, 0.99) << " (99 %)\n";
  EXPECT_GE(share, 0.999);
  EXPECT_LE(Quantile(times, 0.99), absl::Seconds(6));
  senders.clear();
}

}  // namespace
}  // namespace messenger::simnet
