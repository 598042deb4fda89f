// Fetching, mirroring and publishing, over a simulated network.

#include "routing/directory/directory_client.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/directory/descriptor_publisher.h"
#include "routing/directory/directory_mirror.h"
#include "routing/directory/testing/test_network.h"
#include "routing/proto/directory.pb.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "routing/runtime/testing/simulated_network.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::SizeIs;

class DirectoryClientTest : public ::testing::Test {
 protected:
  static constexpr int kMirrors = 3;

  DirectoryClientTest()
      : net_(8, TestNetwork::SmallParams(), random_, clock_.Now()) {
    for (int i = 0; i < kMirrors; ++i) {
      hosts_.push_back(&network_.AddHost(absl::StrCat("sim:mirror", i),
                                         random_.Fixed<TlsKey>()));
      holders_.push_back(
          std::make_unique<ConsensusHolder>(net_.trust(), clock_));
      mirrors_.push_back(std::make_unique<DirectoryMirror>(*holders_.back()));
      mirrors_.back()->Register(hosts_.back()->server());
      sources_.push_back(hosts_.back()->endpoint());
    }
    // What answers look like on the wire.
    network_.set_wiretap([this](const SimulatedNetwork::Observation& seen) {
      if (seen.kind != SimulatedNetwork::Observation::Kind::kReply) return;
      v1::GetConsensusResponse response;
      if (!response.ParseFromString(std::string(seen.bytes))) return;
      answers_.push_back(response.answer_case());
      answer_bytes_ = seen.bytes.size();
    });
    client_ = NewClient();
  }

  std::unique_ptr<DirectoryClient> NewClient() {
    return std::make_unique<DirectoryClient>(person_.transport(), executor_,
                                             clock_, net_.trust(), sources_,
                                             random_);
  }

  // Gives the newest consensus to a mirror, or to all.
  void Feed(int mirror) {
    ASSERT_THAT(holders_[mirror]->Accept(net_.consensus()->wire()), IsOk());
  }
  void FeedAll() {
    for (int i = 0; i < kMirrors; ++i) Feed(i);
  }

  absl::Status Refresh() {
    absl::Status result = absl::InternalError("no answer");
    client_->Refresh([&](absl::Status status) { result = status; });
    executor_.RunFor(absl::Minutes(2));
    return result;
  }

  // A source that answers every question the same way.
  SimulatedNetwork::Host& AddLiar(std::function<std::string()> answer) {
    auto& host = network_.AddHost(absl::StrCat("sim:liar", liars_++),
                                  random_.Fixed<TlsKey>());
    host.server().HandleMethod(
        kGetConsensusMethod, {1024},
        [answer](const Peer&, std::string, Reply reply) { reply(answer()); });
    return host;
  }

  static std::string FullAnswer(const std::string& wire) {
    v1::GetConsensusResponse response;
    EXPECT_TRUE(response.mutable_full()->ParseFromString(wire));
    return response.SerializeAsString();
  }

  using Answer = v1::GetConsensusResponse;

  crypto::SeededRandom random_{1};
  SimulatedClock clock_;
  SimulatedExecutor executor_{clock_};
  SimulatedNetwork network_{random_, executor_};
  TestNetwork net_;
  std::vector<SimulatedNetwork::Host*> hosts_;
  std::vector<std::unique_ptr<ConsensusHolder>> holders_;
  std::vector<std::unique_ptr<DirectoryMirror>> mirrors_;
  std::vector<Endpoint> sources_;
  SimulatedNetwork::Host& person_ =
      network_.AddHost("sim:person", std::nullopt);
  std::unique_ptr<DirectoryClient> client_;
  std::vector<Answer::AnswerCase> answers_;
  size_t answer_bytes_ = 0;
  int liars_ = 0;
};

TEST_F(DirectoryClientTest, FetchesTheWholeThenDifferencesThenNothing) {
  FeedAll();
  ASSERT_THAT(Refresh(), IsOk());
  EXPECT_EQ(client_->holder().current()->hash(), net_.consensus()->hash());
  const size_t whole = answer_bytes_;

  ASSERT_THAT(Refresh(), IsOk());
  net_.Reissue(
      [](TestNetwork::Draft& draft) { draft.nodes[1].running = false; });
  FeedAll();
  ASSERT_THAT(Refresh(), IsOk());
  EXPECT_EQ(client_->holder().current()->wire(), net_.consensus()->wire());
  EXPECT_THAT(answers_,
              ElementsAre(Answer::kFull, Answer::kNotModified, Answer::kDiff));
  EXPECT_LT(20 * answer_bytes_, whole);
}

TEST_F(DirectoryClientTest, GetsTheWholeAfterALongAbsence) {
  FeedAll();
  ASSERT_THAT(Refresh(), IsOk());
  for (size_t i = 0; i <= DirectoryMirror::kHistory; ++i) {
    net_.Reissue([](TestNetwork::Draft&) {});
    FeedAll();
  }
  ASSERT_THAT(Refresh(), IsOk());
  EXPECT_EQ(client_->holder().current()->hash(), net_.consensus()->hash());
  EXPECT_THAT(answers_, ElementsAre(Answer::kFull, Answer::kFull));
}

TEST_F(DirectoryClientTest, FollowsAnyNumberOfMissedEpochsByOneDifference) {
  FeedAll();
  ASSERT_THAT(Refresh(), IsOk());
  for (size_t i = 0; i < DirectoryMirror::kHistory; ++i) {
    net_.Reissue([&](TestNetwork::Draft& draft) {
      draft.nodes[i % 8].running = !draft.nodes[i % 8].running;
    });
    FeedAll();
  }
  ASSERT_THAT(Refresh(), IsOk());
  EXPECT_EQ(client_->holder().current()->wire(), net_.consensus()->wire());
  EXPECT_EQ(answers_.back(), Answer::kDiff);
}

TEST_F(DirectoryClientTest, AsksOthersWhenASourceHasNothing) {
  Feed(1);
  for (int i = 0; i < 10; ++i) {
    client_ = NewClient();
    ASSERT_THAT(Refresh(), IsOk());
  }
}

TEST_F(DirectoryClientTest, AsksOthersWhenSourcesAreDead) {
  FeedAll();
  network_.Crash(*hosts_[0]);
  network_.Crash(*hosts_[2]);
  for (int i = 0; i < 10; ++i) {
    client_ = NewClient();
    ASSERT_THAT(Refresh(), IsOk());
  }
}

TEST_F(DirectoryClientTest, SaysWhenNobodyAnswers) {
  EXPECT_THAT(Refresh(), StatusIs(absl::StatusCode::kUnavailable));
  client_->SetSources({});
  EXPECT_THAT(Refresh(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(client_->holder().current(), nullptr);
}

TEST_F(DirectoryClientTest, ConcurrentRefreshesShareOneFetch) {
  FeedAll();
  int done = 0;
  for (int i = 0; i < 5; ++i) {
    client_->Refresh([&](absl::Status status) {
      EXPECT_THAT(status, IsOk());
      ++done;
    });
  }
  EXPECT_EQ(done, 0);  // Never inside the call.
  executor_.RunFor(absl::Seconds(1));
  EXPECT_EQ(done, 5);
  EXPECT_THAT(answers_, SizeIs(1));
}

TEST_F(DirectoryClientTest, ALyingSourceChangesNothing) {
  FeedAll();
  ASSERT_THAT(Refresh(), IsOk());
  const auto held = client_->holder().current();
  const std::string old = held->wire();
  const auto newer = net_.Reissue([](TestNetwork::Draft&) {});

  // One signature; an older document; nonsense; a difference to something
  // else; "you have the newest" to one who asks for the whole.
  v1::SignedConsensus few;
  ASSERT_TRUE(few.ParseFromString(newer->wire()));
  while (few.signatures_size() > 1) few.mutable_signatures()->RemoveLast();
  v1::GetConsensusResponse diff;
  diff.mutable_diff()->set_base_hash(std::string(newer->hash().bytes()));
  for (const std::string& lie :
       {FullAnswer(few.SerializeAsString()), std::string("nonsense"),
        diff.SerializeAsString(), std::string()}) {
    client_->SetSources({AddLiar([lie] { return lie; }).endpoint()});
    EXPECT_FALSE(Refresh().ok());
    EXPECT_EQ(client_->holder().current(), held);
  }
  client_ = NewClient();
  v1::GetConsensusResponse not_modified;
  not_modified.set_not_modified(true);
  client_->SetSources(
      {AddLiar([&] { return not_modified.SerializeAsString(); }).endpoint()});
  EXPECT_FALSE(Refresh().ok());
  EXPECT_EQ(client_->holder().current(), nullptr);
}

TEST_F(DirectoryClientTest, ABadDifferenceIsReplacedByTheWhole) {
  FeedAll();
  ASSERT_THAT(Refresh(), IsOk());
  net_.Reissue([](TestNetwork::Draft&) {});
  // Answers who knows something with a broken difference, and who knows
  // nothing with the whole.
  auto& host = network_.AddHost("sim:confused", random_.Fixed<TlsKey>());
  host.server().HandleMethod(
      kGetConsensusMethod, {1024},
      [this](const Peer&, std::string bytes, Reply reply) {
        v1::GetConsensusRequest request;
        ASSERT_TRUE(request.ParseFromString(bytes));
        if (request.known_hash().empty()) {
          return reply(FullAnswer(net_.consensus()->wire()));
        }
        v1::GetConsensusResponse broken;
        broken.mutable_diff()->set_base_hash(request.known_hash());
        reply(broken.SerializeAsString());
      });
  client_->SetSources({host.endpoint()});
  EXPECT_THAT(Refresh(), IsOk());
  EXPECT_EQ(client_->holder().current()->hash(), net_.consensus()->hash());
}

TEST_F(DirectoryClientTest, KeepsItselfFreshUntilItIsStopped) {
  FeedAll();
  client_->Start(absl::Minutes(1));
  executor_.RunFor(absl::Seconds(1));
  ASSERT_NE(client_->holder().current(), nullptr);
  net_.Reissue([](TestNetwork::Draft&) {});
  FeedAll();
  executor_.RunFor(absl::Minutes(1) * 1.1);
  EXPECT_EQ(client_->holder().current()->epoch(), 2);
  client_->Stop();
  net_.Reissue([](TestNetwork::Draft&) {});
  FeedAll();
  executor_.RunFor(absl::Minutes(10));
  EXPECT_EQ(client_->holder().current()->epoch(), 2);
  EXPECT_EQ(executor_.pending_timers(), 0);
}

TEST_F(DirectoryClientTest, TriesAgainSoonAfterAFailure) {
  client_->Start(absl::Minutes(20));
  executor_.RunFor(absl::Seconds(1));
  FeedAll();
  executor_.RunFor(absl::Minutes(5));
  EXPECT_NE(client_->holder().current(), nullptr);
}

TEST_F(DirectoryClientTest, MayBeDestroyedInTheMiddleOfARefresh) {
  FeedAll();
  bool called = false;
  client_->Refresh([&](absl::Status) { called = true; });
  client_->Start(absl::Minutes(1));
  client_ = nullptr;
  executor_.RunFor(absl::Minutes(5));
  EXPECT_FALSE(called);
}

TEST_F(DirectoryClientTest, AMirrorRefusesMalformedQuestions) {
  FeedAll();
  EXPECT_THAT(mirrors_[0]->Answer("\xff\xff"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  v1::GetConsensusRequest request;
  request.set_known_hash("short");
  EXPECT_THAT(mirrors_[0]->Answer(request.SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

// Publishing.

class DescriptorPublisherTest : public DirectoryClientTest {
 protected:
  DescriptorPublisherTest() {
    for (int i = 0; i < 3; ++i) {
      authorities_.push_back(
          &network_.AddHost(absl::StrCat("sim:a", i), random_.Fixed<TlsKey>()));
      endpoints_.push_back(authorities_.back()->endpoint());
      received_.emplace_back();
      Listen(i);
    }
    base_ = net_.draft().nodes[0].descriptor;
    base_.onion_keys.clear();
    base_.kem_keys.clear();
    keys_ = NodeKeys::Open("", net_.node(0).id(), TestNetwork::SmallParams(),
                           random_, clock_.Now())
                .value();
  }

  void Listen(int i) {
    authorities_[i]->server().HandleMethod(
        kPublishMethod, {16384},
        [this, i](const Peer&, std::string bytes, Reply reply) {
          v1::PublishRequest request;
          ASSERT_TRUE(request.ParseFromString(bytes));
          const auto descriptor = ParseDescriptor(request.signed_descriptor());
          ASSERT_THAT(descriptor, IsOk());
          if (!answer_.ok()) return reply(answer_);
          received_[i].push_back(*descriptor);
          reply(std::string());
        });
  }

  std::unique_ptr<DescriptorPublisher> NewPublisher() {
    return std::make_unique<DescriptorPublisher>(
        hosts_[0]->transport(), executor_, clock_, net_.node(0).identity,
        *keys_, endpoints_, base_);
  }

  std::vector<SimulatedNetwork::Host*> authorities_;
  std::vector<Endpoint> endpoints_;
  std::vector<std::vector<Descriptor>> received_;
  absl::Status answer_;
  Descriptor base_;
  std::unique_ptr<NodeKeys> keys_;
};

TEST_F(DescriptorPublisherTest, TellsEveryAuthorityOnce) {
  auto publisher = NewPublisher();
  ASSERT_THAT(publisher->Start(), IsOk());
  executor_.RunFor(absl::Minutes(5));
  EXPECT_EQ(publisher->accepted(), 3);
  for (const auto& received : received_) {
    ASSERT_THAT(received, SizeIs(1));
    EXPECT_EQ(received[0].node_id, net_.node(0).id());
    EXPECT_EQ(received[0].link, base_.link);
    EXPECT_THAT(received[0].onion_keys, SizeIs(2));
  }
}

TEST_F(DescriptorPublisherTest, RepeatsUntilAnAuthorityIsThere) {
  network_.Crash(*authorities_[1]);
  auto publisher = NewPublisher();
  ASSERT_THAT(publisher->Start(), IsOk());
  executor_.RunFor(absl::Minutes(3));
  EXPECT_EQ(publisher->accepted(), 2);
  network_.Restart(*authorities_[1]);
  Listen(1);
  executor_.RunFor(DescriptorPublisher::kLastRetry + absl::Seconds(1));
  EXPECT_EQ(publisher->accepted(), 3);
  EXPECT_THAT(received_[0], SizeIs(1));
}

TEST_F(DescriptorPublisherTest, PublishesNewKeysWhenTheyAreMade) {
  auto publisher = NewPublisher();
  ASSERT_THAT(publisher->Start(), IsOk());
  executor_.RunFor(absl::Hours(24 * 9));
  const auto& received = received_[0];
  // Every six hours; each newer than the last, and never without the keys of
  // its time.
  EXPECT_GE(received.size(), 36);
  EXPECT_LE(received.size(), 39);
  for (size_t i = 1; i < received.size(); ++i) {
    EXPECT_GT(received[i].published, received[i - 1].published);
    const uint32_t epoch = static_cast<uint32_t>(
        (received[i].published - absl::UnixEpoch()) / absl::Hours(6));
    EXPECT_TRUE(received[i].onion_keys.contains(epoch));
    EXPECT_TRUE(received[i].onion_keys.contains(epoch + 1));
  }
}

TEST_F(DescriptorPublisherTest, RemembersWhyItWasRefused) {
  answer_ = absl::InvalidArgumentError("an address nobody likes");
  auto publisher = NewPublisher();
  ASSERT_THAT(publisher->Start(), IsOk());
  executor_.RunFor(absl::Seconds(1));
  EXPECT_THAT(publisher->refusal(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  answer_ = absl::OkStatus();
  executor_.RunFor(DescriptorPublisher::kLastRetry);
  EXPECT_EQ(publisher->accepted(), 3);
}

TEST_F(DescriptorPublisherTest, SaysWhatIsWrongWithTheDescriptor) {
  base_.nickname = "not a nickname";
  EXPECT_THAT(NewPublisher()->Start(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(DescriptorPublisherTest, MayBeDestroyedWhilePublishing) {
  auto publisher = NewPublisher();
  ASSERT_THAT(publisher->Start(), IsOk());
  publisher = nullptr;
  executor_.RunFor(absl::Hours(24));
  for (const auto& received : received_) EXPECT_LE(received.size(), 1);
}

}  // namespace
}  // namespace messenger::routing
