#include "client/remote/read_repair.h"

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/remote/testing/fake_swarm.h"
#include "crypto/sign/ed25519.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using crypto::Ed25519PrivateKey;
using swarm::MailboxAddress;
using swarm::MailboxNamespace;

class ReadRepairTest : public ::testing::Test {
 protected:
  ReadRepairTest() {
    for (const int i : swarm_.Members(reader_.address())) {
      members_.push_back(swarm_.id(i));
      indices_.push_back(i);
    }
  }

  RetrievedMessage Message(const std::string& payload,
                           std::set<routing::NodeId> listed_by) {
    const swarm::MessageId id = swarm::ComputeMessageId(
        reader_.address(), MailboxNamespace::kPairwise, payload);
    const absl::Time expiry = swarm_.clock().Now() + absl::Hours(1);
    const uint64_t expiry_ms =
        static_cast<uint64_t>(absl::ToUnixMillis(expiry));
    return {
        .id = id,
        .payload = payload,
        .expiry = expiry,
        .proofs = {{expiry_ms,
                    std::string(
                        swarm::SignWrite(write_key_, id, expiry_ms).bytes())}},
        .listed_by = std::move(listed_by)};
  }

  // A reading that all members answered.
  void Read(std::vector<RetrievedMessage> messages) {
    RetrieveOutcome outcome;
    outcome.messages = std::move(messages);
    outcome.answered = {members_.begin(), members_.end()};
    outcome.complete = true;
    repair_.Observe(reader_, outcome);
    swarm_.executor().RunFor(absl::Seconds(30));
  }

  bool Has(int member, const std::string& payload) {
    return swarm_.Holds(indices_[member],
                        {std::string(reader_.address().bytes()),
                         static_cast<uint32_t>(MailboxNamespace::kPairwise)},
                        payload);
  }
  size_t Requests() { return swarm_.requester().sent().size(); }

  FakeSwarm swarm_{6};
  Ed25519PrivateKey read_key_ = Ed25519PrivateKey::Generate(swarm_.random());
  Ed25519PrivateKey write_key_ = Ed25519PrivateKey::Generate(swarm_.random());
  MailboxReader reader_ =
      MailboxReader::Pairwise(read_key_, write_key_.public_key());
  std::vector<routing::NodeId> members_;
  std::vector<int> indices_;
  SwarmClientOptions options_{.repair_entries = 20, .repair_bytes = 200'000};
  MemberCaller caller_{swarm_.requester()};
  swarm::CurrentPlacement placement_{swarm_.directory()};
  NetworkTime time_{caller_, swarm_.directory(), swarm_.clock(),
                    swarm_.executor(), swarm_.random()};
  SwarmContext context_{caller_,         placement_, time_, swarm_.executor(),
                        swarm_.random(), options_,   [] {}};
  ReadRepair repair_{context_};
};

TEST_F(ReadRepairTest, AMemberThatTwiceDidNotListAMessageGetsIt) {
  Read({Message("hello", {members_[0], members_[1]})});
  EXPECT_EQ(Requests(), 0u) << "it may be on its way";
  Read({});
  EXPECT_TRUE(Has(2, "hello"));
  EXPECT_EQ(Requests(), 1u);
  Read({});
  EXPECT_EQ(Requests(), 1u);
  EXPECT_EQ(repair_.entries(), 0u);
}

TEST_F(ReadRepairTest, WhatArrivesLateIsNotBroughtAgain) {
  Read({Message("hello", {members_[0], members_[1]})});
  Read({Message("hello", {members_[2]})});
  Read({});
  EXPECT_EQ(Requests(), 0u);
  EXPECT_EQ(repair_.entries(), 0u);
  EXPECT_EQ(repair_.bytes(), 0u);
}

TEST_F(ReadRepairTest, WhatAllMembersListIsNotKept) {
  Read({Message("hello", {members_[0], members_[1], members_[2]})});
  EXPECT_EQ(repair_.entries(), 0u);
}

TEST_F(ReadRepairTest, AnIncompleteReadingSaysNothingAboutOthers) {
  RetrieveOutcome outcome;
  outcome.messages = {Message("hello", {members_[0]})};
  outcome.answered = {members_[0], members_[1]};
  repair_.Observe(reader_, outcome);
  EXPECT_EQ(repair_.entries(), 0u);
  // What one member pushed counts as listed by it.
  Read({Message("two", {members_[1], members_[2]})});
  outcome.messages = {Message("two", {members_[0]})};
  repair_.Observe(reader_, outcome);
  Read({});
  EXPECT_EQ(Requests(), 0u);
}

TEST_F(ReadRepairTest, AMessageWithoutItsWritersProofIsNotBrought) {
  RetrievedMessage forged = Message("hello", {members_[0]});
  forged.proofs[0].signature[3] ^= 1;
  Read({forged});
  Read({});
  EXPECT_EQ(Requests(), 0u);
  // One good proof among wrong ones is enough.
  RetrievedMessage mixed = Message("mixed", {members_[0]});
  mixed.proofs.insert(mixed.proofs.begin(), forged.proofs[0]);
  Read({mixed});
  Read({});
  EXPECT_TRUE(Has(1, "mixed"));
}

TEST_F(ReadRepairTest, AMemberThatRefusesIsLeftAloneAfterAWhile) {
  swarm_.node(indices_[2]).script = [](const auto&) {
    return FakeSwarm::Refuse(absl::StatusCode::kUnavailable,
                             swarm::v1::Refusal::FILLING);
  };
  Read({Message("hello", {members_[0], members_[1]})});
  for (int i = 0; i < 10; ++i) Read({});
  EXPECT_EQ(Requests(), 3u);
}

TEST_F(ReadRepairTest, BringsSeveralInOneRequestAndPausesBetweenRequests) {
  std::vector<RetrievedMessage> messages;
  for (int i = 0; i < 20; ++i) {
    messages.push_back(
        Message(absl::StrCat("message ", i), {members_[0], members_[1]}));
  }
  Read(std::move(messages));
  RetrieveOutcome nothing;
  nothing.answered = {members_.begin(), members_.end()};
  nothing.complete = true;
  repair_.Observe(reader_, nothing);
  swarm_.executor().RunFor(absl::Milliseconds(500));
  ASSERT_EQ(Requests(), 1u);
  EXPECT_EQ(swarm_.node(indices_[2]).asked[0].repair().messages_size(), 16);
  swarm_.executor().RunFor(absl::Seconds(5));
  EXPECT_EQ(Requests(), 2u);
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(Has(2, absl::StrCat("message ", i)));
  }
}

TEST_F(ReadRepairTest, MemoryIsBoundedAndTheOldestGiveWay) {
  std::vector<RetrievedMessage> messages;
  for (int i = 0; i < 30; ++i) {
    messages.push_back(Message(absl::StrCat("small ", i), {members_[0]}));
  }
  Read(std::move(messages));
  EXPECT_EQ(repair_.entries(), 20u);
  for (int i = 0; i < 5; ++i) {
    Read({Message(std::string(60'000, static_cast<char>('a' + i)),
                  {members_[0]})});
    EXPECT_LE(repair_.bytes(), 200'000u);
    EXPECT_LE(repair_.entries(), 20u);
  }
}

TEST_F(ReadRepairTest, WhatTheReaderDeletedOrHasExpiredStaysGone) {
  RetrievedMessage deleted = Message("deleted", {members_[0], members_[1]});
  Read({deleted, Message("expired", {members_[0], members_[1]})});
  repair_.Forget(reader_.address(), {deleted.id});
  swarm_.executor().RunFor(absl::Hours(2));
  Read({});
  EXPECT_EQ(Requests(), 0u);
  EXPECT_EQ(repair_.entries(), 0u);
}

}  // namespace
}  // namespace messenger::client
