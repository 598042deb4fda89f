#include "routing/endpoint/endpoint_session.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/onion/geometry.h"
#include "routing/onion/setup.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

constexpr size_t kMax = 128 * 1024;

// A client and the destination of a circuit of one hop.
class EndpointSessionTest : public ::testing::Test {
 protected:
  EndpointSessionTest()
      : onion_(crypto::X25519PrivateKey::Generate(random_)),
        kem_(crypto::MlKem768PrivateKey::Generate(random_)) {
    const HopSecrets secrets(random_.Fixed<NodeId>(), onion_, kem_);
    const HopKeys keys{secrets.node_id, onion_.public_key(), kem_.public_key()};
    BuiltSetup setup =
        BuildSetup({&keys, 1}, {}, /*service=*/1, /*expiry_minute=*/1,
                   /*reply_budget=*/4, "", random_)
            .value();
    client_.emplace(std::move(setup.circuit));
    server_.emplace(PeelSetup(secrets, setup.body).value().circuit);
  }

  // What the client reads when the session answers `reply`.
  absl::StatusOr<RpcReply> Answer(const EndpointSession& session,
                                  const absl::StatusOr<std::string>& reply,
                                  int reply_cells) {
    const auto bodies = session.SealReply(reply, *server_);
    EXPECT_EQ(bodies.size(), static_cast<size_t>(reply_cells));
    ReplyAssembler assembler(reply_cells);
    for (const std::string& body : bodies) {
      EXPECT_EQ(body.size(), kFrameBodySize);
      auto cell = client_->OpenCell(body).value();
      EXPECT_THAT(assembler.Add({cell.header, cell.data}), IsOk());
    }
    return std::move(assembler).Take();
  }

  crypto::SeededRandom random_{3};
  crypto::X25519PrivateKey onion_;
  crypto::MlKem768PrivateKey kem_;
  std::optional<ClientCircuit> client_;
  std::optional<RelayCircuit> server_;
};

TEST_F(EndpointSessionTest, AShortRequestIsReadyAtOnce) {
  const auto split = EncodeRequest("ping", 1).value();
  auto session = EndpointSession::Start(split.setup_data, 1, kMax);
  ASSERT_THAT(session, IsOk());
  ASSERT_TRUE(session->ready());
  EXPECT_THAT(session->TakeRequest(), IsOkAndHolds("ping"));
  EXPECT_FALSE(session->ready());
}

TEST_F(EndpointSessionTest, ALongRequestIsReadyWithItsLastCell) {
  const std::string request = random_.String(65'536);
  const auto split = EncodeRequest(request, 2).value();
  auto session = EndpointSession::Start(split.setup_data, 2, kMax).value();
  for (const OpenedCell& cell : split.cells) {
    EXPECT_FALSE(session.ready());
    session.Add(cell);
  }
  ASSERT_TRUE(session.ready());
  EXPECT_GE(session.held_bytes(), request.size());
  EXPECT_THAT(session.TakeRequest(), IsOkAndHolds(request));
  EXPECT_EQ(session.held_bytes(), 0u);
}

TEST_F(EndpointSessionTest, AReplyFillsItsCellsWhateverItSays) {
  const auto split = EncodeRequest("ping", 4).value();
  auto session = EndpointSession::Start(split.setup_data, 4, kMax).value();
  ASSERT_THAT(session.TakeRequest(), IsOk());
  const auto small = Answer(session, std::string("pong"), 4);
  ASSERT_THAT(small, IsOk());
  EXPECT_EQ(small->code, absl::StatusCode::kOk);
  EXPECT_EQ(small->bytes, "pong");
  const std::string large_text = random_.String(MaxReplyBytes(4));
  const auto large = Answer(session, large_text, 4);
  ASSERT_THAT(large, IsOk());
  EXPECT_EQ(large->bytes, large_text);
  const auto error = Answer(session, absl::NotFoundError("nothing here"), 4);
  ASSERT_THAT(error, IsOk());
  EXPECT_EQ(error->code, absl::StatusCode::kNotFound);
  EXPECT_EQ(error->bytes, "nothing here");
}

TEST_F(EndpointSessionTest, AReplyTooLongForItsCellsBecomesAnError) {
  const auto split = EncodeRequest("ping", 1).value();
  const auto session = EndpointSession::Start(split.setup_data, 1, kMax);
  const auto reply =
      Answer(*session, std::string(MaxReplyBytes(1) + 1, 'x'), 1);
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->code, absl::StatusCode::kResourceExhausted);
}

TEST_F(EndpointSessionTest, LongWordsOfAnErrorAreCut) {
  const auto split = EncodeRequest("ping", 1).value();
  const auto session = EndpointSession::Start(split.setup_data, 1, kMax);
  const auto reply =
      Answer(*session, absl::InternalError(std::string(9000, 'x')), 1);
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->bytes.size(), 200u);
}

TEST_F(EndpointSessionTest, ABudgetThatIsNoReplySizeMakesNoSession) {
  const auto split = EncodeRequest("ping", 1).value();
  for (const int cells : {0, 3, 5, 17, 64}) {
    EXPECT_THAT(EndpointSession::Start(split.setup_data, cells, kMax),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST_F(EndpointSessionTest, ReplySizeMustEqualTheBudget) {
  const auto split = EncodeRequest("ping", 1).value();
  auto session = EndpointSession::Start(split.setup_data, 2, kMax).value();
  ASSERT_TRUE(session.ready());
  EXPECT_THAT(session.TakeRequest(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(EndpointSessionTest, AMalformedHeaderIsAnsweredAndHoldsNothing) {
  auto split = EncodeRequest("ping", 1).value();
  split.setup_data[0] ^= 1;
  auto session = EndpointSession::Start(split.setup_data, 1, kMax).value();
  EXPECT_EQ(session.held_bytes(), 0u);
  EXPECT_THAT(session.TakeRequest(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(EndpointSessionTest, ARequestOverTheLimitIsRefusedBeforeItArrives) {
  const auto split = EncodeRequest(std::string(20'000, 'x'), 1).value();
  auto session = EndpointSession::Start(split.setup_data, 1, 19'999).value();
  ASSERT_TRUE(session.ready());
  EXPECT_THAT(session.TakeRequest(),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(EndpointSessionTest, CellsOutOfOrderAreAnsweredWithAnError) {
  const auto split = EncodeRequest(std::string(30'000, 'x'), 1).value();
  auto session = EndpointSession::Start(split.setup_data, 1, kMax).value();
  session.Add(split.cells[1]);
  ASSERT_TRUE(session.ready());
  EXPECT_THAT(session.TakeRequest(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  session.Add(split.cells[0]);
  EXPECT_FALSE(session.ready());
}

}  // namespace
}  // namespace messenger::routing
