// A SwarmClient before whole simulated swarms of real storage nodes, and the
// words in which its tests speak.
//
// The client has a directory and a clock of its own: after Reissue() of the
// swarm it knows the old directory until it has fetched the new one, or the
// test calls FetchDirectory().

#ifndef CLIENT_REMOTE_TESTING_SWARM_CLIENT_FIXTURE_H_
#define CLIENT_REMOTE_TESTING_SWARM_CLIENT_FIXTURE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/remote/mailbox_reader.h"
#include "client/remote/swarm_client.h"
#include "client/remote/testing/fake_onion_requester.h"
#include "crypto/identity/account_keys.h"
#include "crypto/sign/ed25519.h"
#include "gtest/gtest.h"
#include "routing/directory/consensus_holder.h"
#include "routing/onion/node_id.h"
#include "routing/runtime/testing/shifted_clock.h"
#include "swarm/auth/mailbox.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/testing/simulated_swarm.h"

namespace messenger::client {

class SwarmClientFixture : public ::testing::Test {
 protected:
  // The pairwise mailbox and the account's are registered.
  explicit SwarmClientFixture(int nodes = 8);

  // Another process of the same device: it knows nothing but the directory.
  void RestartClient();
  // What the client does when members speak of a newer directory.
  void FetchDirectory();

  template <typename T, typename Start>
  absl::StatusOr<T> Await(Start start) {
    std::optional<absl::StatusOr<T>> result;
    start([&result](absl::StatusOr<T> value) { result = std::move(value); });
    EXPECT_FALSE(result.has_value()) << "done ran inside the call";
    swarm_.executor().RunUntil([&] { return result.has_value(); },
                               absl::Minutes(5));
    if (!result.has_value()) return absl::InternalError("never finished");
    return *std::move(result);
  }

  // By the device's clock.
  absl::Time In(absl::Duration ttl) { return clock_.Now() + ttl; }

  StoreTarget PairTarget() {
    return StoreTarget::Pairwise(read_key_.public_key(), write_key_);
  }
  MailboxReader PairReader() {
    return MailboxReader::Pairwise(read_key_, write_key_.public_key());
  }
  MailboxReader InboxReader() {
    return MailboxReader::Inbox(account_.id(), account_.signing_key());
  }
  swarm::MailboxAddress Inbox() {
    return swarm::MailboxAddress::ForAccount(account_.id());
  }

  // Into the pairwise mailbox.
  absl::StatusOr<StoreOutcome> Store(const std::string& payload,
                                     absl::Duration ttl = absl::Hours(1)) {
    return StoreUntil(payload, In(ttl));
  }
  absl::StatusOr<StoreOutcome> StoreUntil(const std::string& payload,
                                          absl::Time expiry) {
    return StoreInto(PairTarget(), payload, expiry);
  }
  // As a stranger, into the account's inbox.
  absl::StatusOr<StoreOutcome> StoreInbox(const std::string& payload) {
    return StoreInto(StoreTarget::Inbox(account_.id()), payload,
                     In(absl::Hours(1)));
  }
  absl::StatusOr<StoreOutcome> StoreInto(const StoreTarget& target,
                                         const std::string& payload,
                                         absl::Time expiry);
  absl::StatusOr<StoreOutcome> Register(const MailboxReader& reader);
  absl::StatusOr<StoreOutcome> Delete(const MailboxReader& reader,
                                      const std::vector<swarm::MessageId>& ids);
  absl::StatusOr<RetrieveOutcome> Read(MailboxReader reader,
                                       Cursors cursors = {});
  absl::StatusOr<RetrieveOutcome> Wait(
      MailboxReader reader, Cursors cursors = {},
      absl::Duration timeout = absl::Seconds(55));

  // The pairwise mailbox, read completely.
  std::vector<std::string> Mailbox();
  static std::vector<std::string> Payloads(const RetrieveOutcome& outcome);

  // Of the pairwise mailbox, by the newest directory.
  std::vector<int> Members() { return swarm_.Members(PairTarget().mailbox); }
  // Whether the node has this message of the pairwise mailbox on its disk.
  bool Holds(int node, const std::string& payload);
  int Holding(const std::string& payload);  // members that do

  // Replaces what node `i` replies by `edit` of it.
  void Lie(int i, std::function<void(swarm::v1::ClientResponse&)> edit);

  // Node `i` asks for so much work whenever it asks for any.
  void LieAboutWork(int i, uint32_t bits);

  // The nodes' storage processes reach no other; clients reach them.
  void CutOff(const std::vector<int>& nodes);

  swarm::SimulatedSwarm swarm_;
  FakeOnionRequester requester_{
      swarm_.executor(), [this](const routing::NodeId& node, uint8_t service,
                                std::string request, routing::Reply reply) {
        swarm_.Deliver(node, service, std::move(request), std::move(reply));
      }};
  routing::ConsensusHolder directory_{swarm_.paper().trust(), swarm_.clock()};
  routing::ShiftedClock clock_{swarm_.clock()};
  crypto::Ed25519PrivateKey read_key_ =
      crypto::Ed25519PrivateKey::Generate(swarm_.random());
  crypto::Ed25519PrivateKey write_key_ =
      crypto::Ed25519PrivateKey::Generate(swarm_.random());
  crypto::AccountKeys account_ = crypto::AccountKeys::Generate(swarm_.random());
  int fetches_ = 0;
  std::map<routing::NodeId, std::function<void(swarm::v1::ClientResponse&)>>
      lies_;
  std::unique_ptr<SwarmClient> client_;
};

}  // namespace messenger::client

#endif  // CLIENT_REMOTE_TESTING_SWARM_CLIENT_FIXTURE_H_
