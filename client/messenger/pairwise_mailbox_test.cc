#include "client/messenger/pairwise_mailbox.h"

#include <string>

#include "absl/status/status.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"
#include "swarm/auth/mailbox.h"

namespace messenger::client {
namespace {

using ::messenger::testing::StatusIs;

TEST(PairwiseMailboxTest, OwnerAndWriterMeanTheSameMailbox) {
  crypto::SeededRandom random(3);
  const IncomingMailbox owner = IncomingMailbox::Generate(random);
  const OutgoingMailbox writer =
      OutgoingMailbox::Create(owner.read_key()->public_key().bytes(),
                              owner.write_key().seed().Expose())
          .value();
  EXPECT_EQ(owner.address(), writer.address());
  EXPECT_EQ(swarm::MailboxAddress::FromBytes(owner.address())->kind(),
            swarm::MailboxAddress::Kind::kPairwise);
}

TEST(PairwiseMailboxTest, BothSidesSurviveTheDatabase) {
  crypto::SeededRandom random(4);
  const IncomingMailbox owner = IncomingMailbox::Generate(random);
  EXPECT_EQ(IncomingMailbox::Parse(owner.Serialize())->address(),
            owner.address());
  const OutgoingMailbox writer =
      OutgoingMailbox::Create(owner.read_key()->public_key().bytes(),
                              owner.write_key().seed().Expose())
          .value();
  EXPECT_EQ(OutgoingMailbox::Parse(writer.Serialize())->address(),
            writer.address());
}

TEST(PairwiseMailboxTest, EveryMailboxIsAnother) {
  crypto::SeededRandom random(5);
  EXPECT_NE(IncomingMailbox::Generate(random).address(),
            IncomingMailbox::Generate(random).address());
}

TEST(PairwiseMailboxTest, RefusesOtherLengths) {
  for (const size_t size : {0u, 63u, 65u}) {
    EXPECT_THAT(IncomingMailbox::Parse(std::string(size, 'x')).status(),
                StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(OutgoingMailbox::Parse(std::string(size, 'x')).status(),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

}  // namespace
}  // namespace messenger::client
