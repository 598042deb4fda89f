#include "client/remote/testing/swarm_client_fixture.h"

#include <algorithm>
#include <set>
#include <utility>

#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"

namespace messenger::client {

using ::messenger::testing::IsOk;

SwarmClientFixture::SwarmClientFixture(int nodes) : swarm_(nodes) {
  FetchDirectory();
  RestartClient();
  swarm_.Register(read_key_, write_key_.public_key());
  swarm_.Register(account_);
  fetches_ = 0;
}

void SwarmClientFixture::RestartClient() {
  client_ = std::make_unique<SwarmClient>(
      requester_, directory_, clock_, swarm_.executor(), swarm_.random(),
      SwarmClientOptions(), [this] { FetchDirectory(); });
}

void SwarmClientFixture::FetchDirectory() {
  ++fetches_;
  EXPECT_THAT(directory_.Accept(swarm_.paper().consensus()->wire()), IsOk());
}

absl::StatusOr<StoreOutcome> SwarmClientFixture::StoreInto(
    const StoreTarget& target, const std::string& payload, absl::Time expiry) {
  return Await<StoreOutcome>([&](Done<StoreOutcome> done) {
    client_->Store(target, payload, expiry, std::move(done));
  });
}

absl::StatusOr<StoreOutcome> SwarmClientFixture::Register(
    const MailboxReader& reader) {
  return Await<StoreOutcome>([&](Done<StoreOutcome> done) {
    client_->Register(reader, std::move(done));
  });
}

absl::StatusOr<StoreOutcome> SwarmClientFixture::Delete(
    const MailboxReader& reader, const std::vector<swarm::MessageId>& ids) {
  return Await<StoreOutcome>([&](Done<StoreOutcome> done) {
    client_->Delete(reader, ids, std::move(done));
  });
}

absl::StatusOr<RetrieveOutcome> SwarmClientFixture::Read(MailboxReader reader,
                                                         Cursors cursors) {
  return Await<RetrieveOutcome>([&](Done<RetrieveOutcome> done) {
    client_->Retrieve(std::move(reader), std::move(cursors), std::move(done));
  });
}

absl::StatusOr<RetrieveOutcome> SwarmClientFixture::Wait(
    MailboxReader reader, Cursors cursors, absl::Duration timeout) {
  return Await<RetrieveOutcome>([&](Done<RetrieveOutcome> done) {
    client_->Wait(std::move(reader), std::move(cursors), timeout,
                  std::move(done));
  });
}

std::vector<std::string> SwarmClientFixture::Mailbox() {
  const absl::StatusOr<RetrieveOutcome> outcome = Read(PairReader());
  EXPECT_THAT(outcome, IsOk());
  if (!outcome.ok()) return {};
  EXPECT_TRUE(outcome->complete);
  return Payloads(*outcome);
}

std::vector<std::string> SwarmClientFixture::Payloads(
    const RetrieveOutcome& outcome) {
  std::vector<std::string> payloads;
  for (const RetrievedMessage& message : outcome.messages) {
    payloads.push_back(message.payload);
  }
  std::sort(payloads.begin(), payloads.end());
  return payloads;
}

bool SwarmClientFixture::Holds(int node, const std::string& payload) {
  const swarm::MessageId id = swarm::ComputeMessageId(
      PairTarget().mailbox, swarm::MailboxNamespace::kPairwise, payload);
  const auto page = swarm_.node(node).store->List(
      PairTarget().mailbox, swarm::MailboxNamespace::kPairwise, 0, 0, 1000,
      1 << 30);
  return std::any_of(page->messages.begin(), page->messages.end(),
                     [&](const auto& message) { return message.id == id; });
}

int SwarmClientFixture::Holding(const std::string& payload) {
  const std::vector<int> members = Members();
  return static_cast<int>(
      std::count_if(members.begin(), members.end(),
                    [&](int node) { return Holds(node, payload); }));
}

void SwarmClientFixture::Lie(
    int i, std::function<void(swarm::v1::ClientResponse&)> edit) {
  lies_[swarm_.node(i).id] = std::move(edit);
  requester_.set_reply_filter(
      [this](const routing::NodeId& node,
             absl::StatusOr<std::string> reply) -> absl::StatusOr<std::string> {
        const auto lie = lies_.find(node);
        if (lie == lies_.end() || !reply.ok()) return reply;
        swarm::v1::ClientResponse response;
        EXPECT_TRUE(response.ParseFromString(*reply));
        lie->second(response);
        return response.SerializeAsString();
      });
}

void SwarmClientFixture::LieAboutWork(int i, uint32_t bits) {
  Lie(i, [bits](swarm::v1::ClientResponse& response) {
    if (response.refusal().work_bits() == 0) return;
    response.mutable_refusal()->set_work_bits(bits);
  });
}

void SwarmClientFixture::CutOff(const std::vector<int>& nodes) {
  std::set<std::string> all;
  for (int i = 0; i < swarm_.paper().size(); ++i) {
    all.insert(swarm_.node(i).host->endpoint().address);
  }
  for (const int i : nodes) {
    const std::string& address = swarm_.node(i).host->endpoint().address;
    std::set<std::string> others = all;
    others.erase(address);
    swarm_.network().Block({address}, others);
    swarm_.network().Block(others, {address});
  }
}

}  // namespace messenger::client
