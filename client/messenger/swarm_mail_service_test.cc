// What people read of a real swarm: who holds their texts, and why one was not
// taken.

#include "client/messenger/swarm_mail_service.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/messenger/mail_service.h"
#include "client/messenger/refusal_words.h"
#include "client/remote/testing/swarm_client_fixture.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "crypto/sign/ed25519.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/mailbox.h"

namespace messenger::client {
namespace {

using ::messenger::testing::IsOk;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsSubsetOf;
using ::testing::SizeIs;

class SwarmMailServiceTest : public SwarmClientFixture {
 protected:
  static WriteTarget InboxOf(const crypto::AccountId& account) {
    return {.mailbox = std::string(account.bytes()),
            .mailbox_namespace = swarm::MailboxNamespace::kInbox,
            .read_key = {},
            .write_key = nullptr};
  }
  ReadTarget OwnInbox() {
    return {
        .mailbox = std::string(account_.id().bytes()),
        .mailbox_namespace = swarm::MailboxNamespace::kInbox,
        .reader = std::make_shared<const crypto::Ed25519PrivateKey>(
            crypto::Ed25519PrivateKey::FromSeed(account_.signing_key().seed())),
        .write_key = {}};
  }
  absl::StatusOr<Delivery> Send(const WriteTarget& target,
                                const std::string& payload) {
    return Await<Delivery>([&](MailDone<Delivery> done) {
      mail_.Store(target, payload, In(absl::Hours(1)), std::move(done));
    });
  }
  // What the sender reads when the text is not taken.
  std::string WordsFor(const WriteTarget& target) {
    const absl::Status status = Send(target, "hello").status();
    EXPECT_FALSE(status.ok());
    return std::string(InWords(status, "Ben").message());
  }

  SwarmMailService mail_{*client_, directory_};
};

TEST_F(SwarmMailServiceTest, ATextIsHeldByMembersWithNames) {
  const absl::StatusOr<Delivery> sent = Send(InboxOf(account_.id()), "hello");
  ASSERT_THAT(sent, IsOk());
  std::vector<std::string> members;
  for (const int i : swarm_.Members(Inbox())) {
    members.push_back(absl::StrCat("node-", i));
  }
  EXPECT_THAT(sent->holders, SizeIs(Ge(2u)));
  EXPECT_THAT(sent->holders, IsSubsetOf(members));
}

TEST_F(SwarmMailServiceTest, AReaderWhoWaitsGetsTheTextAndItsCursor) {
  const auto wait = [&](std::vector<CursorRow> cursors) {
    return Await<Retrieved>([&](MailDone<Retrieved> done) {
      mail_.Wait(OwnInbox(), std::move(cursors), absl::Seconds(5),
                 std::move(done));
    });
  };
  ASSERT_THAT(Send(InboxOf(account_.id()), "hello"), IsOk());
  swarm_.executor().RunFor(absl::Seconds(5));
  const absl::StatusOr<Retrieved> first = wait({});
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(first->messages, SizeIs(1));
  EXPECT_EQ(first->messages[0].payload, "hello");
  const absl::StatusOr<Retrieved> second = wait(first->cursors);
  ASSERT_THAT(second, IsOk());
  EXPECT_THAT(second->messages, SizeIs(0));
}

TEST_F(SwarmMailServiceTest, AMailboxThatNobodyRegisteredIsCalledThat) {
  const crypto::AccountKeys nobody =
      crypto::AccountKeys::Generate(swarm_.random());
  EXPECT_THAT(WordsFor(InboxOf(nobody.id())),
              HasSubstr("nobody reads the mailbox of Ben"));
}

TEST_F(SwarmMailServiceTest, AFullMailboxIsCalledFull) {
  for (uint64_t i = 0; i < swarm::kStrangerMessages; ++i) {
    swarm_.PutIntoInbox(account_.id(), absl::StrCat("from stranger ", i));
  }
  EXPECT_THAT(WordsFor(InboxOf(account_.id())),
              HasSubstr("the mailbox of Ben is full"));
}

TEST_F(SwarmMailServiceTest, NodesWithoutSpaceAreToBlame) {
  for (const int member : swarm_.Members(Inbox())) {
    swarm_.Wipe(member, /*capacity_bytes=*/1000);
    swarm_.Settle();
  }
  swarm_.PutIntoInbox(account_.id(), std::string(960, 'x'));
  EXPECT_THAT(WordsFor(InboxOf(account_.id())),
              HasSubstr("have no space left"));
}

TEST_F(SwarmMailServiceTest, APriceThatIsTooHighIsNamed) {
  for (uint64_t i = 0; i < swarm::kStrangerMessages / 2; ++i) {
    swarm_.PutIntoInbox(account_.id(), absl::StrCat("from stranger ", i));
  }
  for (const int member : swarm_.Members(Inbox())) {
    LieAboutWork(member, /*bits=*/25);
  }
  EXPECT_THAT(WordsFor(InboxOf(account_.id())), HasSubstr("(25 bits)"));
}

}  // namespace
}  // namespace messenger::client
