#include "routing/relay/circuit_table.h"

#include <memory>

#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CircuitTableTest : public ::testing::Test {
 protected:
  std::unique_ptr<Circuit> Make(CircuitEnd client,
                                std::optional<CircuitEnd> onward = {}) {
    auto circuit = std::make_unique<Circuit>(
        RelayCircuit(CircuitKeys{random_.Secret<32>(), random_.Secret<32>(),
                                 random_.Secret<32>(), random_.Secret<32>()}));
    circuit->client_end = client;
    circuit->onward_end = onward;
    circuit->opened = circuit->last_used = now_;
    return circuit;
  }
  absl::StatusOr<Circuit*> Add(CircuitEnd client,
                               std::optional<CircuitEnd> onward = {},
                               size_t max_for_link = 10) {
    std::unique_ptr<Circuit> circuit = Make(client, onward);
    return table_.Add(circuit, max_for_link);
  }

  crypto::SeededRandom random_{1};
  absl::Time now_ = absl::FromUnixSeconds(1'900'000'000);
  CircuitTable table_{4};
};

TEST_F(CircuitTableTest, ACircuitIsFoundByEitherEnd) {
  Circuit* const circuit = Add({1, 7}, CircuitEnd{2, 9}).value();
  EXPECT_EQ(table_.Find({1, 7}), circuit);
  EXPECT_EQ(table_.Find({2, 9}), circuit);
  EXPECT_EQ(table_.FindSerial(circuit->serial), circuit);
  EXPECT_EQ(table_.Find({1, 9}), nullptr);
  EXPECT_EQ(table_.Find({2, 7}), nullptr);
}

TEST_F(CircuitTableTest, EqualIdsOnDifferentLinksAreDifferentCircuits) {
  Circuit* const a = Add({1, 7}).value();
  Circuit* const b = Add({2, 7}).value();
  EXPECT_NE(a, b);
  EXPECT_EQ(table_.Find({1, 7}), a);
  EXPECT_EQ(table_.Find({2, 7}), b);
}

TEST_F(CircuitTableTest, RemovingFreesBothEnds) {
  Circuit* const circuit = Add({1, 7}, CircuitEnd{2, 9}).value();
  const uint64_t serial = circuit->serial;
  table_.Remove(*circuit);
  EXPECT_EQ(table_.Find({1, 7}), nullptr);
  EXPECT_EQ(table_.Find({2, 9}), nullptr);
  EXPECT_EQ(table_.FindSerial(serial), nullptr);
  EXPECT_THAT(table_.OnLink(1), IsEmpty());
  EXPECT_THAT(table_.OnLink(2), IsEmpty());
  const auto again = Add({1, 7}, CircuitEnd{2, 9});
  ASSERT_THAT(again, IsOk());
  EXPECT_NE((*again)->serial, serial);
}

TEST_F(CircuitTableTest, AnEndInUseIsRefused) {
  ASSERT_THAT(Add({1, 7}, CircuitEnd{2, 9}), IsOk());
  EXPECT_THAT(Add({1, 7}), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(Add({1, 8}, CircuitEnd{2, 9}),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(CircuitTableTest, AFullTableLeavesTheCircuitWithTheCaller) {
  for (uint64_t i = 0; i < 4; ++i) ASSERT_THAT(Add({i + 1, 7}), IsOk());
  std::unique_ptr<Circuit> circuit = Make({9, 7});
  EXPECT_THAT(table_.Add(circuit, 10),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_NE(circuit, nullptr);
  EXPECT_EQ(table_.size(), 4u);
}

TEST_F(CircuitTableTest, OneLinkGetsOnlyItsShare) {
  ASSERT_THAT(Add({1, 1}, {}, 2), IsOk());
  ASSERT_THAT(Add({1, 2}, {}, 2), IsOk());
  EXPECT_THAT(Add({1, 3}, {}, 2),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Add({2, 3}, {}, 2), IsOk());
}

TEST_F(CircuitTableTest, ALinkKnowsItsCircuitsWhicheverEndTheyHaveThere) {
  const uint64_t a = Add({1, 7}, CircuitEnd{2, 9}).value()->serial;
  const uint64_t b = Add({3, 7}, CircuitEnd{2, 8}).value()->serial;
  EXPECT_THAT(table_.OnLink(1), ElementsAre(a));
  EXPECT_THAT(table_.OnLink(2), ElementsAre(a, b));
}

TEST_F(CircuitTableTest, IdleAndOldCircuitsAreStale) {
  Circuit* const old = Add({1, 1}).value();
  now_ += absl::Minutes(59);
  Circuit* const idle = Add({1, 2}).value();
  now_ += absl::Minutes(1);
  Add({1, 3}).value();
  old->last_used = now_;
  EXPECT_THAT(table_.Stale(now_ - absl::Minutes(1), now_ - absl::Minutes(60)),
              ElementsAre(old->serial, idle->serial));
}

}  // namespace
}  // namespace messenger::routing
