#include "swarm/repair/paced_caller.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"
#include "routing/runtime/testing/shifted_clock.h"
#include "routing/runtime/testing/simulated_clock.h"

namespace messenger::swarm {
namespace {

constexpr size_t kMiB = 1024 * 1024;

// Answers with as many bytes as the test says, after 10 ms.
class FakeCaller final : public PeerCaller {
 public:
  explicit FakeCaller(routing::Executor& executor) : executor_(executor) {}

  void Call(const routing::NodeId&, absl::string_view method, std::string,
            absl::Duration timeout,
            routing::Transport::CallDone done) override {
    methods.emplace_back(method);
    last_timeout = timeout;
    executor_.RunAfter(absl::Milliseconds(10),
                       [this, done = std::move(done)]() mutable {
                         done(std::string(reply_bytes, 'r'));
                       });
  }

  size_t reply_bytes = 0;
  std::vector<std::string> methods;
  absl::Duration last_timeout;

 private:
  routing::Executor& executor_;
};

class PacedCallerTest : public ::testing::Test {
 protected:
  void Call(size_t request_bytes, std::string method = "m") {
    paced_->Call(peer_, method, std::string(request_bytes, 'q'),
                 absl::Seconds(3), [this](auto) { ++answered_; });
  }

  crypto::SeededRandom random_{1};
  const routing::NodeId peer_ = random_.Fixed<routing::NodeId>();
  routing::SimulatedClock clock_;
  routing::SimulatedExecutor executor_{clock_};
  FakeCaller caller_{executor_};
  routing::ShiftedClock node_clock_{clock_};
  std::optional<PacedCaller> paced_{std::in_place, caller_, node_clock_,
                                    executor_};
  int answered_ = 0;
};

TEST_F(PacedCallerTest, LittleIsCalledAtOnce) {
  for (int i = 0; i < 100; ++i) Call(1000);
  EXPECT_EQ(caller_.methods.size(), 100);
  EXPECT_EQ(caller_.last_timeout, absl::Seconds(3));
}

TEST_F(PacedCallerTest, RequestsNeverExceedTheRate) {
  for (int i = 0; i < 200; ++i) Call(kMiB);
  for (int second = 1; second <= 10; ++second) {
    executor_.RunFor(absl::Seconds(1));
    EXPECT_LE(
        static_cast<double>(caller_.methods.size() * kMiB),
        PacedCaller::kBurstBytes + kMiB + second * PacedCaller::kBytesPerSecond)
        << second;
  }
  // 200 MiB need 10.4 s, and no more.
  EXPECT_LT(caller_.methods.size(), 200);
  executor_.RunFor(absl::Seconds(1));
  EXPECT_EQ(caller_.methods.size(), 200);
  EXPECT_EQ(answered_, 200);
}

TEST_F(PacedCallerTest, RepliesArePaidForToo) {
  caller_.reply_bytes = kMiB;
  int calls = 0;
  const absl::Time start = clock_.Now();
  // One after the other, as fast as they are answered.
  while (calls < 100) {
    Call(10);
    ++calls;
    ASSERT_TRUE(executor_.RunUntil([&] { return answered_ == calls; },
                                   absl::Seconds(10)));
  }
  const double seconds = absl::ToDoubleSeconds(clock_.Now() - start);
  EXPECT_GT(seconds, (98.0 * kMiB - PacedCaller::kBurstBytes) /
                         PacedCaller::kBytesPerSecond);
  EXPECT_LT(seconds, 7);
}

TEST_F(PacedCallerTest, KeepsTheirOrder) {
  Call(4 * kMiB, "large");
  Call(1, "a");
  Call(1, "b");
  EXPECT_EQ(caller_.methods, std::vector<std::string>({"large"}));
  executor_.RunFor(absl::Seconds(1));
  Call(1, "c");
  EXPECT_EQ(caller_.methods,
            std::vector<std::string>({"large", "a", "b", "c"}));
}

TEST_F(PacedCallerTest, AClockThatIsSetBackHoldsNothingUpForLong) {
  Call(4 * kMiB);
  node_clock_.shift = -absl::Hours(5);
  Call(1);
  executor_.RunFor(absl::Seconds(1));
  EXPECT_EQ(answered_, 2);
}

TEST_F(PacedCallerTest, AClockThatIsSetForwardGivesOneBurst) {
  node_clock_.shift = absl::Hours(5);
  for (int i = 0; i < 100; ++i) Call(kMiB);
  EXPECT_LE(caller_.methods.size(), 3);
}

TEST_F(PacedCallerTest, WhatWaitsWhenItIsDestroyedIsNeverCalled) {
  Call(4 * kMiB);
  Call(1);
  paced_.reset();
  executor_.RunFor(absl::Seconds(10));
  EXPECT_EQ(caller_.methods.size(), 1);
  EXPECT_EQ(answered_, 1) << "what was under way is answered";
}

}  // namespace
}  // namespace messenger::swarm
