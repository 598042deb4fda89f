#include "routing/endpoint/remote_endpoint_handler.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/proto/endpoint.pb.h"
#include "routing/runtime/testing/simulated_clock.h"
#include "routing/runtime/testing/simulated_network.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

class EchoHandler final : public EndpointHandler {
 public:
  void Handle(uint8_t service, std::string request, Reply reply) override {
    if (service != kSwarmStorageService) {
      return reply(absl::UnimplementedError("no such service"));
    }
    if (request == "never") {
      kept_ = std::move(reply);
      return;
    }
    reply("echo " + request);
  }

  void AnswerKept() { kept_("at last"); }

 private:
  Reply kept_;
};

class RemoteEndpointHandlerTest : public ::testing::Test {
 protected:
  RemoteEndpointHandlerTest()
      : relay_key_(random_.Fixed<TlsKey>()),
        relay_(network_.AddHost("sim:relay", relay_key_)),
        storage_(network_.AddHost("sim:storage", random_.Fixed<TlsKey>())) {
    ServeEndpoint(relay_key_, handler_, storage_.server());
  }

  absl::StatusOr<std::string> Ask(SimulatedNetwork::Host& from, uint8_t service,
                                  std::string request) {
    RemoteEndpointHandler remote(from.transport(), storage_.endpoint());
    std::optional<absl::StatusOr<std::string>> answer;
    remote.Handle(
        service, std::move(request),
        [&](absl::StatusOr<std::string> a) { answer = std::move(a); });
    EXPECT_TRUE(executor_.RunUntil([&] { return answer.has_value(); },
                                   absl::Minutes(2)));
    return *answer;
  }

  crypto::SeededRandom random_{5};
  SimulatedClock clock_;
  SimulatedExecutor executor_{clock_};
  SimulatedNetwork network_{random_, executor_};
  EchoHandler handler_;
  TlsKey relay_key_;
  SimulatedNetwork::Host& relay_;
  SimulatedNetwork::Host& storage_;
};

TEST_F(RemoteEndpointHandlerTest, RequestAndReplyPassUnchanged) {
  const std::string request = random_.String(100'000);
  EXPECT_THAT(Ask(relay_, 1, request), IsOkAndHolds("echo " + request));
}

TEST_F(RemoteEndpointHandlerTest, TheHandlersStatusReachesTheCaller) {
  EXPECT_THAT(Ask(relay_, 9, "x"),
              StatusIs(absl::StatusCode::kUnimplemented, "no such service"));
}

TEST_F(RemoteEndpointHandlerTest, OnlyTheNodesOwnRelayIsAnswered) {
  SimulatedNetwork::Host& stranger =
      network_.AddHost("sim:stranger", random_.Fixed<TlsKey>());
  EXPECT_THAT(Ask(stranger, 1, "x"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  SimulatedNetwork::Host& anonymous =
      network_.AddHost("sim:anonymous", std::nullopt);
  EXPECT_THAT(Ask(anonymous, 1, "x"),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(RemoteEndpointHandlerTest, ADeadProcessIsUnavailable) {
  network_.Crash(storage_);
  EXPECT_THAT(Ask(relay_, 1, "x"), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(RemoteEndpointHandlerTest, SilenceEndsWithTheDeadline) {
  EXPECT_THAT(Ask(relay_, 1, "never"),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(RemoteEndpointHandlerTest, AClientMayWaitForNearlyAMinute) {
  const absl::Time asked = clock_.Now();
  executor_.RunAfter(absl::Seconds(56), [this] { handler_.AnswerKept(); });
  EXPECT_THAT(Ask(relay_, 1, "never"), IsOkAndHolds("at last"));
  EXPECT_GE(clock_.Now() - asked, absl::Seconds(56));
}

TEST_F(RemoteEndpointHandlerTest, AServiceOutsideOneByteIsMalformed) {
  for (const uint32_t service : {0u, 256u, 4'000'000'000u}) {
    v1::EndpointRequest message;
    message.set_service(service);
    std::optional<absl::StatusOr<std::string>> answer;
    relay_.transport().Call(
        storage_.endpoint(), kEndpointHandleMethod, message.SerializeAsString(),
        absl::Seconds(5),
        [&](absl::StatusOr<std::string> a) { answer = std::move(a); });
    ASSERT_TRUE(executor_.RunUntil([&] { return answer.has_value(); },
                                   absl::Minutes(1)));
    EXPECT_THAT(*answer, StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

}  // namespace
}  // namespace messenger::routing
