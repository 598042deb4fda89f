#include "routing/runtime/testing/transport_contract.h"

#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;
using ::testing::_;
using ::testing::Contains;
using ::testing::Eq;
using ::testing::Optional;
using ::testing::Pair;

std::string Frame(int n) {
  std::string frame(kFrameBytes, static_cast<char>(n));
  const std::string text = absl::StrCat(n);
  frame.replace(0, text.size() + 1, text + " ");
  return frame;
}

TEST_P(TransportCallTest, ReplyComesBack) {
  HandleEcho();
  const Endpoint endpoint = world_->Start();
  EXPECT_THAT(Call(world_->person(), endpoint, "one"),
              IsOkAndHolds("echo one"));
  EXPECT_THAT(Call(world_->person(), endpoint, ""), IsOkAndHolds("echo "));
}

TEST_P(TransportCallTest, PeerWithAKeyIsKnownByIt) {
  HandleEcho();
  const Endpoint endpoint = world_->Start();
  ASSERT_THAT(Call(world_->node(), endpoint, ""), IsOkAndHolds(_));
  ASSERT_EQ(peers_.size(), 1u);
  EXPECT_THAT(peers_[0].tls_key, Optional(world_->node_key()));
}

TEST_P(TransportCallTest, PeerWithoutAKeyIsNobody) {
  HandleEcho();
  const Endpoint endpoint = world_->Start();
  ASSERT_THAT(Call(world_->person(), endpoint, ""), IsOkAndHolds(_));
  ASSERT_EQ(peers_.size(), 1u);
  EXPECT_THAT(peers_[0].tls_key, Eq(std::nullopt));
}

TEST_P(TransportCallTest, HostWithAnotherKeyIsNotTalkedTo) {
  HandleEcho();
  Endpoint endpoint = world_->Start();
  endpoint.tls_key.data()[7] ^= 1;
  EXPECT_THAT(Call(world_->person(), endpoint, ""),
              StatusIs(absl::StatusCode::kUnavailable,
                       "peer is not who the directory says"));
  EXPECT_TRUE(peers_.empty());
}

TEST_P(TransportCallTest, StatusOfTheHandlerComesBackWithItsWords) {
  world_->server().HandleMethod(
      kEchoMethod, {.max_request_bytes = 1},
      [](const Peer&, std::string, Reply r) {
        r(absl::FailedPreconditionError("another swarm"));
      });
  EXPECT_THAT(Call(world_->person(), world_->Start(), ""),
              StatusIs(absl::StatusCode::kFailedPrecondition, "another swarm"));
}

TEST_P(TransportCallTest, ReplyMayComeLater) {
  world_->server().HandleMethod(
      kEchoMethod, {.max_request_bytes = 1},
      [this](const Peer&, std::string, Reply r) {
        world_->executor().RunAfter(
            absl::Milliseconds(5),
            [r = std::move(r)]() mutable { r("later"); });
      });
  EXPECT_THAT(Call(world_->person(), world_->Start(), ""),
              IsOkAndHolds("later"));
}

TEST_P(TransportCallTest, DroppedReplyIsAnInternalError) {
  world_->server().HandleMethod(kEchoMethod, {.max_request_bytes = 1},
                                [](const Peer&, std::string, Reply) {});
  EXPECT_THAT(Call(world_->person(), world_->Start(), ""),
              StatusIs(absl::StatusCode::kInternal));
}

TEST_P(TransportCallTest, MissingReplyRunsIntoTheDeadline) {
  std::vector<Reply> kept;
  world_->server().HandleMethod(
      kEchoMethod, {.max_request_bytes = 1},
      [&](const Peer&, std::string, Reply r) { kept.push_back(std::move(r)); });
  const Endpoint endpoint = world_->Start();
  EXPECT_THAT(Call(world_->person(), endpoint, "", absl::Milliseconds(200)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_EQ(kept.size(), 1u);
  kept[0]("too late");  // harms nobody
  kept.clear();
  world_->Settle();
}

TEST_P(TransportCallTest, LongestRequestIsServedAndOneByteMoreIsRefused) {
  HandleEcho({.max_request_bytes = 100'000});
  const Endpoint endpoint = world_->Start();
  EXPECT_THAT(Call(world_->person(), endpoint, std::string(100'000, 'x')),
              IsOkAndHolds("echo " + std::string(100'000, 'x')));
  EXPECT_THAT(Call(world_->person(), endpoint, std::string(100'001, 'x')),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(peers_.size(), 1u);
}

TEST_P(TransportCallTest, LimitOfAMethodHoldsBesideALargerOne) {
  HandleEcho({.max_request_bytes = 10});
  world_->server().HandleMethod(
      "/test.v1.Test/Large", {.max_request_bytes = 1000},
      [](const Peer&, std::string, Reply r) { r(""); });
  const Endpoint endpoint = world_->Start();
  EXPECT_THAT(Call(world_->person(), endpoint, std::string(11, 'x')),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Call(world_->person(), endpoint, std::string(1000, 'x'),
                   kCallTimeout, "/test.v1.Test/Large"),
              IsOkAndHolds(""));
}

TEST_P(TransportCallTest, CallsAboveTheLimitAreRefusedUntilOneIsAnswered) {
  std::vector<Reply> kept;
  world_->server().HandleMethod(
      kEchoMethod, {.max_request_bytes = 1, .max_concurrent = 2},
      [&](const Peer&, std::string, Reply r) { kept.push_back(std::move(r)); });
  const Endpoint endpoint = world_->Start();
  int answered = 0;
  for (int i = 0; i < 2; ++i) {
    world_->person().Call(endpoint, kEchoMethod, "", kCallTimeout,
                          [&](absl::StatusOr<std::string> result) {
                            EXPECT_THAT(result, IsOkAndHolds("done"));
                            ++answered;
                          });
  }
  ASSERT_TRUE(world_->RunUntil([&] { return kept.size() == 2; }));
  EXPECT_THAT(Call(world_->person(), endpoint, ""),
              StatusIs(absl::StatusCode::kResourceExhausted));
  for (Reply& reply : kept) reply("done");
  kept.clear();
  ASSERT_TRUE(world_->RunUntil([&] { return answered == 2; }));
  bool third = false;
  world_->person().Call(endpoint, kEchoMethod, "", kCallTimeout,
                        [&](absl::StatusOr<std::string>) { third = true; });
  ASSERT_TRUE(world_->RunUntil([&] { return kept.size() == 1; }));
  kept[0]("done");
  EXPECT_TRUE(world_->RunUntil([&] { return third; }));
}

TEST_P(TransportCallTest, UnknownMethodIsUnimplemented) {
  HandleEcho();
  EXPECT_THAT(Call(world_->person(), world_->Start(), "", kCallTimeout,
                   "/test.v1.Test/Other"),
              StatusIs(absl::StatusCode::kUnimplemented));
}

TEST_P(TransportCallTest, NobodyAtTheAddressIsUnavailable) {
  HandleEcho();
  const Endpoint endpoint = world_->Start();
  world_->StopServer();
  EXPECT_THAT(Call(world_->person(), endpoint, ""),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_P(TransportCallTest, ManyAtOnceAreAllAnswered) {
  HandleEcho();
  const Endpoint endpoint = world_->Start();
  constexpr int kCalls = 300;
  int right = 0;
  int ended = 0;
  for (int i = 0; i < kCalls; ++i) {
    world_->person().Call(endpoint, kEchoMethod, absl::StrCat(i), kCallTimeout,
                          [&, i](absl::StatusOr<std::string> result) {
                            ++ended;
                            right += result.ok() &&
                                     *result == absl::StrCat("echo ", i);
                          });
  }
  EXPECT_TRUE(world_->RunUntil([&] { return ended == kCalls; }));
  EXPECT_EQ(right, kCalls);
}

TEST_P(TransportCallTest, CallbacksOfAStoppedClientNeverRun) {
  std::vector<Reply> kept;
  world_->server().HandleMethod(
      kEchoMethod, {.max_request_bytes = 1},
      [&](const Peer&, std::string, Reply r) { kept.push_back(std::move(r)); });
  const Endpoint endpoint = world_->Start();
  bool ran = false;
  world_->person().Call(endpoint, kEchoMethod, "", kCallTimeout,
                        [&](absl::StatusOr<std::string>) { ran = true; });
  ASSERT_TRUE(world_->RunUntil([&] { return kept.size() == 1; }));
  world_->StopPerson();
  kept[0]("");
  kept.clear();
  world_->Settle();
  EXPECT_FALSE(ran);
}

TEST_P(TransportCallTest, ServerStopsWhileItOwesAReply) {
  std::vector<Reply> kept;
  world_->server().HandleMethod(
      kEchoMethod, {.max_request_bytes = 1},
      [&](const Peer&, std::string, Reply r) { kept.push_back(std::move(r)); });
  const Endpoint endpoint = world_->Start();
  std::vector<absl::StatusOr<std::string>> results;
  world_->person().Call(endpoint, kEchoMethod, "", absl::Seconds(2),
                        [&](absl::StatusOr<std::string> result) {
                          results.push_back(std::move(result));
                        });
  ASSERT_TRUE(world_->RunUntil([&] { return kept.size() == 1; }));
  world_->StopServer();
  kept[0]("");
  kept.clear();
  ASSERT_TRUE(world_->RunUntil([&] { return !results.empty(); }));
  EXPECT_FALSE(results[0].ok());
}

TEST_P(TransportCallTest, RecorderSeesWhatTheServerReceives) {
  ContractRecorder recorder;
  world_->set_server_recorder(&recorder);
  HandleEcho();
  ASSERT_THAT(Call(world_->person(), world_->Start(), "question"),
              IsOkAndHolds(_));
  EXPECT_THAT(recorder.records, Contains(Pair("peer-address", _)));
  EXPECT_THAT(recorder.records, Contains(Pair("rpc-in", "question")));
}

TEST_P(TransportLinkTest, FramesArriveInOrderBothWays) {
  constexpr size_t kFrames = 300;
  acceptor_.echo = true;
  Open(world_->person(), Start());
  for (size_t i = 0; i < kFrames; ++i) client_.link->Send(Frame(i));
  ASSERT_TRUE(
      world_->RunUntil([&] { return client_.frames.size() == kFrames; }));
  for (size_t i = 0; i < kFrames; ++i) {
    EXPECT_EQ(client_.frames[i], Frame(i)) << i;
  }
  EXPECT_TRUE(client_.closed.empty());
  EXPECT_EQ(client_.link->queued_frames(), 0u);
}

TEST_P(TransportLinkTest, ServerMaySpeakFirst) {
  Open(world_->person(), Start());
  ASSERT_TRUE(RunUntilAccepted());
  acceptor_.ends[0].link->Send(Frame(1));
  ASSERT_TRUE(world_->RunUntil([&] { return client_.frames.size() == 1; }));
}

TEST_P(TransportLinkTest, FramesSentWhileALinkIsAcceptedArrive) {
  acceptor_.greeting_frames = 3;
  const Endpoint endpoint = Start();
  // Many times, for it depends on which thread is first.
  for (int i = 0; i < 50; ++i) {
    ContractEnd end;
    end.link = world_->person().OpenLink(endpoint, end);
    ASSERT_TRUE(world_->RunUntil([&] { return end.frames.size() == 3; })) << i;
  }
}

TEST_P(TransportLinkTest, ManyRefusedLinksAreAllRefused) {
  acceptor_.refuse = true;
  const Endpoint endpoint = Start();
  for (int i = 0; i < 50; ++i) {
    ContractEnd end;
    end.link = world_->person().OpenLink(endpoint, end);
    ASSERT_TRUE(RunUntilClosed(end));
    ASSERT_THAT(end.status(), StatusIs(absl::StatusCode::kPermissionDenied))
        << i;
  }
}

TEST_P(TransportLinkTest, PeerOfALinkIsKnownByItsKeyOrNobody) {
  const Endpoint endpoint = Start();
  Open(world_->person(), endpoint);
  ContractEnd node;
  node.link = world_->node().OpenLink(endpoint, node);
  ASSERT_TRUE(world_->RunUntil([&] { return acceptor_.peers.size() == 2; }));
  int known = 0;
  for (const Peer& peer : acceptor_.peers) {
    if (!peer.tls_key.has_value()) continue;
    ++known;
    EXPECT_EQ(*peer.tls_key, world_->node_key());
  }
  EXPECT_EQ(known, 1);
}

TEST_P(TransportLinkTest, HostWithAnotherKeyGetsNoLink) {
  Endpoint endpoint = Start();
  endpoint.tls_key.data()[0] ^= 0x80;
  Open(world_->person(), endpoint);
  client_.link->Send(Frame(1));
  ASSERT_TRUE(RunUntilClosed(client_));
  EXPECT_THAT(client_.status(), StatusIs(absl::StatusCode::kUnavailable,
                                         "peer is not who the directory says"));
  EXPECT_TRUE(acceptor_.peers.empty());
}

TEST_P(TransportLinkTest, NobodyAtTheAddressClosesTheLink) {
  const Endpoint endpoint = Start();
  world_->StopServer();
  Open(world_->person(), endpoint);
  ASSERT_TRUE(RunUntilClosed(client_));
  EXPECT_THAT(client_.status(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_P(TransportLinkTest, RefusedLinkCloses) {
  acceptor_.refuse = true;
  Open(world_->person(), Start());
  ASSERT_TRUE(RunUntilClosed(client_));
  EXPECT_THAT(client_.status(), StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_P(TransportLinkTest, ServerWithoutAnAcceptorTakesNoLinks) {
  Open(world_->person(), world_->Start());
  ASSERT_TRUE(RunUntilClosed(client_));
  EXPECT_THAT(client_.status(), StatusIs(absl::StatusCode::kUnimplemented));
}

TEST_P(TransportLinkTest, ClosingTellsBothSidesOnce) {
  Open(world_->person(), Start());
  ASSERT_TRUE(RunUntilAccepted());
  client_.link->Close();
  EXPECT_TRUE(client_.closed.empty()) << "an event ran inside the call";
  client_.link->Close();
  client_.link->Send(Frame(1));
  ASSERT_TRUE(RunUntilClosed(client_));
  ASSERT_TRUE(RunUntilClosed(acceptor_.ends[0]));
  world_->Settle();
  EXPECT_THAT(client_.closed,
              ::testing::ElementsAre(StatusIs(absl::StatusCode::kCancelled)));
  EXPECT_THAT(acceptor_.ends[0].closed,
              ::testing::ElementsAre(StatusIs(absl::StatusCode::kUnavailable)));
  EXPECT_TRUE(acceptor_.ends[0].frames.empty());
}

TEST_P(TransportLinkTest, ServerClosesALink) {
  Open(world_->person(), Start());
  ASSERT_TRUE(RunUntilAccepted());
  acceptor_.ends[0].link->Close();
  ASSERT_TRUE(RunUntilClosed(client_));
  ASSERT_TRUE(RunUntilClosed(acceptor_.ends[0]));
  EXPECT_THAT(client_.status(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(acceptor_.ends[0].status(),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_P(TransportLinkTest, DestroyedLinkHasNoMoreEventsAndClosesAtThePeer) {
  Open(world_->person(), Start());
  ASSERT_TRUE(RunUntilAccepted());
  acceptor_.ends[0].link->Send(Frame(1));
  client_.link = nullptr;
  ASSERT_TRUE(RunUntilClosed(acceptor_.ends[0]));
  world_->Settle();
  EXPECT_TRUE(client_.closed.empty());
  EXPECT_TRUE(client_.frames.empty());
}

TEST_P(TransportLinkTest, LinkMayBeDestroyedInItsOwnEvents) {
  Open(world_->person(), Start());
  client_.drop_on_frame = true;
  ASSERT_TRUE(RunUntilAccepted());
  acceptor_.ends[0].drop_on_close = true;
  for (int i = 0; i < 3; ++i) acceptor_.ends[0].link->Send(Frame(i));
  ASSERT_TRUE(RunUntilClosed(acceptor_.ends[0]));
  world_->Settle();
  EXPECT_EQ(client_.frames.size(), 1u);
  EXPECT_TRUE(client_.closed.empty());
}

TEST_P(TransportLinkTest, FrameOfAWrongLengthClosesTheLinkUnsent) {
  const Endpoint endpoint = Start();
  for (size_t size : {size_t{0}, kFrameBytes - 1, kFrameBytes + 1}) {
    SCOPED_TRACE(size);
    ContractEnd end;
    end.link = world_->person().OpenLink(endpoint, end);
    end.link->Send(std::string(size, 'x'));
    ASSERT_TRUE(RunUntilClosed(end));
    EXPECT_THAT(end.status(), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST_P(TransportLinkTest, QueueIsBounded) {
  const Endpoint endpoint = Start();
  Open(world_->person(), endpoint);
  // Nothing runs meanwhile, so nobody takes the frames. Some may have gone to
  // the network's own buffers already.
  constexpr size_t kMuchMore = 8 * kMaxQueuedFrames;
  size_t most = 0;
  for (size_t i = 0; i < kMuchMore; ++i) {
    client_.link->Send(Frame(1));
    most = std::max(most, client_.link->queued_frames());
  }
  EXPECT_LE(most, kMaxQueuedFrames);
  ASSERT_TRUE(RunUntilClosed(client_));
  EXPECT_THAT(client_.status(), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_P(TransportLinkTest, LinkOpenAsLongAsNoMoreThanTheBoundIsQueued) {
  acceptor_.echo = true;
  Open(world_->person(), Start());
  for (size_t i = 0; i < kMaxQueuedFrames; ++i) client_.link->Send(Frame(i));
  ASSERT_TRUE(world_->RunUntil(
      [&] { return client_.frames.size() == kMaxQueuedFrames; }));
  EXPECT_TRUE(client_.closed.empty());
}

TEST_P(TransportLinkTest, DeathOfTheServerClosesTheLink) {
  Open(world_->person(), Start());
  ASSERT_TRUE(RunUntilAccepted());
  for (ContractEnd& end : acceptor_.ends) end.drop_on_close = true;
  world_->StopServer();
  ASSERT_TRUE(RunUntilClosed(client_));
  EXPECT_THAT(client_.status(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_P(TransportLinkTest, DeathOfTheClientClosesTheLink) {
  Open(world_->person(), Start());
  ASSERT_TRUE(RunUntilAccepted());
  world_->StopPerson();
  ASSERT_TRUE(RunUntilClosed(acceptor_.ends[0]));
  EXPECT_THAT(acceptor_.ends[0].status(),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_P(TransportLinkTest, ManyLinksKeepTheirFramesApart) {
  constexpr int kLinks = 30;
  constexpr int kFrames = 10;
  acceptor_.echo = true;
  const Endpoint endpoint = Start();
  std::deque<ContractEnd> clients(kLinks);
  for (int i = 0; i < kLinks; ++i) {
    clients[i].link = world_->person().OpenLink(endpoint, clients[i]);
    for (int k = 0; k < kFrames; ++k) {
      clients[i].link->Send(Frame(i * kFrames + k));
    }
  }
  ASSERT_TRUE(world_->RunUntil([&] {
    for (const ContractEnd& end : clients) {
      if (end.frames.size() != kFrames) return false;
    }
    return true;
  }));
  for (int i = 0; i < kLinks; ++i) {
    for (int k = 0; k < kFrames; ++k) {
      EXPECT_EQ(clients[i].frames[k], Frame(i * kFrames + k));
    }
  }
}

TEST_P(TransportLinkTest, RecorderSeesFramesThatArrive) {
  ContractRecorder recorder;
  world_->set_server_recorder(&recorder);
  Open(world_->person(), Start());
  client_.link->Send(Frame(5));
  ASSERT_TRUE(RunUntilAccepted());
  ASSERT_TRUE(
      world_->RunUntil([&] { return !acceptor_.ends[0].frames.empty(); }));
  EXPECT_THAT(recorder.records, Contains(Pair("frame-in", Frame(5))));
}

}  // namespace

}  // namespace messenger::routing
