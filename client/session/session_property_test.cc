// Laws of sessions over an unkind network, on many random schedules: what
// arrives is read exactly once, whatever was lost, repeated, reordered or
// started at the same time, and however often the state went through storage.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/session/session.h"
#include "client/session/session_choice.h"
#include "client/session/testing/test_party.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;

struct InFlight {
  std::string blob;
  std::string content;
  SessionId session;
  uint32_t chain = 0;  // of its sender, in its session
  bool delivered = false;
};

// One of the two sides, with the sessions it has with the other.
class Side {
 public:
  Side(const TestParty& self, const TestParty& peer)
      : self_(self), peer_(peer) {}

  bool HasSession() const { return !sessions_.empty(); }
  size_t session_count() const { return sessions_.size(); }

  void Start(crypto::Random& random) {
    sessions_.push_back(MustInitiate(self_, peer_, random));
  }

  InFlight Send(const std::string& content, crypto::Random& random) {
    Session& session = sessions_[Preferred()];
    InFlight message;
    message.blob = MustEncrypt(session, content, random);
    message.content = content;
    message.session = session.id();
    if (session.unanswered() == 1) ++sent_chains_[session.id()];
    message.chain = sent_chains_[session.id()];
    return message;
  }

  // What the client does with a blob from either mailbox.
  absl::StatusOr<std::string> Deliver(const std::string& blob) {
    const absl::StatusOr<crypto::Digest256> replay_key = InitReplayKey(blob);
    if (replay_key.ok()) {
      bool known = false;
      for (const Session& session : sessions_) {
        known |= session.role() == SessionRole::kResponder &&
                 session.replay_key() == *replay_key;
      }
      if (!known) {
        absl::StatusOr<Accepted> accepted =
            Accept(self_.self(), self_.prekeys, blob, kTestNow);
        if (accepted.ok()) {
          sessions_.push_back(std::move(accepted->session));
          return std::move(accepted->content);
        }
      }
    }
    for (Session& session : sessions_) {
      absl::StatusOr<std::string> content =
          Receive(session, blob, self_, kTestNow);
      if (!absl::IsNotFound(content.status())) return content;
    }
    return absl::NotFoundError("nobody's");
  }

  void GoThroughStorage() {
    for (Session& session : sessions_) {
      session = Session::Parse(session.Serialize()).value();
    }
  }

  // Chains of the other side beyond this one can still be read.
  uint32_t& newest_chain_read(const SessionId& id) { return read_chains_[id]; }

  SessionId PreferredId() const { return sessions_[Preferred()].id(); }
  const std::vector<Session>& sessions() const { return sessions_; }

 private:
  size_t Preferred() const {
    std::vector<SessionSummary> summaries;
    for (const Session& session : sessions_) {
      summaries.push_back({session.id(), session.generation(),
                           session.created(), session.awaiting_reply()});
    }
    return PreferredSession(summaries);
  }

  const TestParty& self_;
  const TestParty& peer_;
  std::vector<Session> sessions_;
  std::map<SessionId, uint32_t> sent_chains_;
  std::map<SessionId, uint32_t> read_chains_;
};

class Conversation {
 public:
  Conversation(const TestParty& alice, const TestParty& bob, uint64_t seed)
      : random_(seed), sides_{Side(alice, bob), Side(bob, alice)} {}

  void Run(int steps, bool both_start) {
    const uint64_t loss_percent = random_.Uniform(40);
    const uint64_t repeat_percent = random_.Uniform(40);
    sides_[0].Start(random_);
    if (both_start) sides_[1].Start(random_);
    for (int step = 0; step < steps; ++step) {
      const size_t who = random_.Uniform(2);
      if (random_.Uniform(20) == 0) sides_[who].GoThroughStorage();
      if (sides_[who].HasSession() && random_.Uniform(2) == 0) {
        InFlight message = sides_[who].Send(
            absl::StrCat("message ", step,
                         std::string(random_.Uniform(300), 'x')),
            random_);
        if (random_.Uniform(100) >= loss_percent) {
          to_[1 - who].push_back(std::move(message));
        }
      } else if (!to_[who].empty()) {
        const size_t which = random_.Uniform(to_[who].size());
        DeliverTo(who, which, random_.Uniform(100) < repeat_percent);
      }
      if (::testing::Test::HasFatalFailure()) return;
    }
    for (size_t who = 0; who < 2; ++who) {
      while (!to_[who].empty()) {
        DeliverTo(who, random_.Uniform(to_[who].size()), /*keep=*/false);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
    CheckTheyAgree(both_start);
  }

  int read() const { return read_; }

 private:
  void DeliverTo(size_t who, size_t which, bool keep) {
    InFlight& message = to_[who][which];
    uint32_t& newest = sides_[who].newest_chain_read(message.session);
    // "5 old chains" is the limit; beyond it nothing may be read any more.
    const bool within_limits = message.chain + kMaxOldChains >= newest;
    const absl::StatusOr<std::string> content =
        sides_[who].Deliver(message.blob);
    if (message.delivered || !within_limits) {
      ASSERT_FALSE(content.ok()) << "read twice, or beyond the limits";
    } else {
      ASSERT_THAT(content, IsOk());
      ASSERT_EQ(*content, message.content);
      message.delivered = true;
      newest = std::max(newest, message.chain);
      ++read_;
    }
    if (!keep) to_[who].erase(to_[who].begin() + static_cast<long>(which));
  }

  // Once each side has read something of the other, in every session, both
  // send on the same one.
  void CheckTheyAgree(bool both_start) {
    if (!sides_[0].HasSession() || !sides_[1].HasSession()) return;
    if (both_start &&
        (sides_[0].session_count() < 2 || sides_[1].session_count() < 2)) {
      return;
    }
    ASSERT_EQ(sides_[0].PreferredId(), sides_[1].PreferredId());
    ASSERT_LE(sides_[0].session_count(), 2u);
    ++agreed_;
  }

 public:
  int agreed() const { return agreed_; }

 private:
  crypto::SeededRandom random_;
  std::array<Side, 2> sides_;
  std::array<std::vector<InFlight>, 2> to_;
  int read_ = 0;
  int agreed_ = 0;
};

// Parties are costly to make and do not change.
const TestParty& Party(uint64_t seed) {
  static auto* const parties = new std::map<uint64_t, TestParty*>;
  TestParty*& party = (*parties)[seed];
  if (party == nullptr) {
    crypto::SeededRandom random(seed);
    party = new TestParty(random);
  }
  return *party;
}

class SessionPropertyTest : public ::testing::TestWithParam<int> {};

TEST_P(SessionPropertyTest, WhateverArrivesIsReadExactlyOnce) {
  constexpr int kSchedules = 250;
  int read = 0;
  int agreed = 0;
  for (int i = 0; i < kSchedules; ++i) {
    const auto seed = static_cast<uint64_t>(GetParam() * kSchedules + i);
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Conversation conversation(Party(1), Party(2), seed);
    conversation.Run(/*steps=*/60, /*both_start=*/seed % 2 == 1);
    if (HasFatalFailure()) return;
    read += conversation.read();
    agreed += conversation.agreed();
  }
  EXPECT_GT(read, kSchedules * 10);
  EXPECT_GT(agreed, kSchedules / 2);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SessionPropertyTest, ::testing::Range(0, 12));

TEST(SessionPropertyTest, LongConversationsHoldAsWell) {
  for (uint64_t seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Conversation conversation(Party(1), Party(2), 1'000'000 + seed);
    conversation.Run(/*steps=*/2'000, /*both_start=*/seed % 2 == 1);
    if (::testing::Test::HasFatalFailure()) return;
    EXPECT_GT(conversation.read(), 300);
  }
}

}  // namespace
}  // namespace messenger::client
