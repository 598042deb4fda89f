#include "client/daemon/guest_list.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/system_clock.h"

namespace messenger::client {
namespace {

constexpr absl::Duration kLong = absl::Seconds(60);

class GuestListTest : public ::testing::Test {
 protected:
  ~GuestListTest() override {
    guests_.CloseAndServe();
    for (std::thread& thread : threads_) thread.join();
  }

  void Start(std::function<void(Guest&)> visit,
             std::function<bool()> gone = nullptr) {
    threads_.emplace_back(
        [this, visit = std::move(visit), gone = std::move(gone)] {
          guests_.Visit(gone, [&](Guest& guest) { visit(guest); });
          loop_.Run([this] { ++left_; });
        });
  }

  // Lets guests in until so many have left.
  void ServeUntilLeft(int left) {
    EXPECT_TRUE(loop_.RunUntil(
        [&] {
          guests_.Serve();
          return left_ >= left;
        },
        kLong));
  }

  routing::EventLoop loop_{routing::SystemClock()};
  GuestList guests_{loop_, routing::SystemClock()};
  std::vector<std::thread> threads_;
  int left_ = 0;
};

TEST_F(GuestListTest, NobodyElseWorksBetweenTwoWaitsOfAGuest) {
  int at_work = 0;  // No lock guards it.
  int turns = 0;
  for (int i = 0; i < 8; ++i) {
    Start([&](Guest& guest) {
      for (int turn = 0; turn < 50; ++turn) {
        EXPECT_EQ(++at_work, 1);
        ++turns;
        EXPECT_EQ(at_work--, 1);
        bool passed = false;
        loop_.Run([&] {
          EXPECT_EQ(at_work, 0);
          passed = true;
        });
        EXPECT_TRUE(guest.RunUntil([&] { return passed; }, kLong));
      }
    });
  }
  ServeUntilLeft(8);
  EXPECT_EQ(turns, 8 * 50);
}

TEST_F(GuestListTest, OneThatWaitsLongerHoldsUpNobody) {
  std::vector<std::string> order;
  bool released = false;
  Start([&](Guest& guest) {
    EXPECT_TRUE(guest.RunUntil([&] { return released; }, kLong));
    order.push_back("first");
  });
  absl::Notification taken;
  Start([&](Guest& guest) {
    // Blocks like a write to somebody who reads nothing.
    guest.Outside([&] { taken.WaitForNotification(); });
    order.push_back("second");
    released = true;
  });
  Start([&](Guest&) {
    order.push_back("third");
    taken.Notify();
  });
  ServeUntilLeft(3);
  EXPECT_EQ(order, (std::vector<std::string>{"third", "second", "first"}));
}

TEST_F(GuestListTest, AWaitEndsWithItsLimitOrItsGuest) {
  std::atomic<bool> gone{false};
  Start([&](Guest& guest) {
    EXPECT_FALSE(guest.RunUntil([] { return false; }, absl::Milliseconds(1)));
    gone = true;
  });
  Start(
      [&](Guest& guest) {
        EXPECT_FALSE(guest.RunUntil([] { return false; }, kLong));
      },
      [&] { return gone.load(); });
  ServeUntilLeft(2);
}

// What is waited for may be taken away by the look at it.
TEST_F(GuestListTest, WhatIsWaitedForIsLookedAtOnceAfterItIsTrue) {
  int looks_when_true = 0;
  bool ready = false;
  Start([&](Guest& guest) {
    loop_.Run([&] { ready = true; });
    EXPECT_TRUE(
        guest.RunUntil([&] { return ready && ++looks_when_true == 1; }, kLong));
  });
  ServeUntilLeft(1);
  EXPECT_EQ(looks_when_true, 1);
}

TEST_F(GuestListTest, ClosingEndsAllWaitsAndTakesNobodyMore) {
  std::atomic<int> waiting{0};
  std::atomic<int> ended{0};
  for (int i = 0; i < 3; ++i) {
    Start([&](Guest& guest) {
      ++waiting;
      EXPECT_FALSE(guest.RunUntil([] { return false; }, kLong));
      // Also a wait that begins now.
      EXPECT_FALSE(guest.RunUntil([] { return false; }, kLong));
      ++ended;
    });
  }
  EXPECT_TRUE(loop_.RunUntil(
      [&] {
        guests_.Serve();
        return waiting == 3;
      },
      kLong));
  guests_.CloseAndServe();
  EXPECT_EQ(ended, 3);
  EXPECT_FALSE(guests_.Visit(nullptr, [](Guest&) { FAIL(); }));
}

}  // namespace
}  // namespace messenger::client
