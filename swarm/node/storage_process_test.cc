// Real processes' parts: files, gRPC over loopback, a disk and its thread.

#include "swarm/node/storage_process.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/system_random.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/directory/consensus_holder.h"
#include "routing/directory/directory_mirror.h"
#include "routing/directory/storage_reporter.h"
#include "routing/directory/testing/test_network.h"
#include "routing/endpoint/remote_endpoint_handler.h"
#include "routing/runtime/system_clock.h"
#include "swarm/auth/receipt.h"
#include "swarm/placement/placement.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/proto/storage_codec.h"

namespace messenger::swarm {
namespace {

using absl::StatusCode;
using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::SizeIs;

class StorageProcessTest : public ::testing::Test {
 protected:
  std::string Directory(int i) {
    const std::string path = absl::StrCat(
        ::testing::TempDir(), "/storage-process-", getpid(), "-",
        ::testing::UnitTest::GetInstance()->current_test_info()->name(), "-",
        i);
    std::filesystem::create_directories(path);
    return path;
  }
  absl::StatusOr<std::unique_ptr<StorageProcess>> Create(
      int i, std::string advertised_address = "") {
    return StorageProcess::Create(
        {.data_directory = Directory(i),
         .listen_address = "127.0.0.1:0",
         .advertised_address = std::move(advertised_address),
         .capacity_mib = 0,
         .executor = loop_,
         .clock = routing::SystemClock(),
         .random = crypto::SystemRandom(),
         .on_notice = [this](absl::string_view) { ++notices_; }});
  }

  int notices_ = 0;
  routing::EventLoop loop_{routing::SystemClock()};
};

TEST_F(StorageProcessTest, SaysWhoAndWhereItIsAndKeepsItsKeys) {
  auto process = Create(0);
  ASSERT_THAT(process, IsOk());
  const routing::StoragePublicFile first = (*process)->public_file();
  std::ifstream file(absl::StrCat(Directory(0), "/public.txtpb"));
  const std::string text((std::istreambuf_iterator<char>(file)),
                         std::istreambuf_iterator<char>());
  const auto parsed = routing::StoragePublicFile::Parse(text);
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(*parsed, first);
  process->reset();
  auto again = Create(0);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ((*again)->public_file().storage_key, first.storage_key);
  EXPECT_EQ((*again)->public_file().storage.tls_key, first.storage.tls_key);
}

TEST_F(StorageProcessTest, TellsTheAddressThatOthersReachItBy) {
  const auto process = Create(0, "192.0.2.1:443");
  ASSERT_THAT(process, IsOk());
  EXPECT_EQ((*process)->public_file().storage.address, "192.0.2.1:443");
  EXPECT_THAT(Create(1, "192.0.2.1").status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(StorageProcessTest, MovesADamagedStoreAwayAndStartsWithAnEmptyOne) {
  std::ofstream(absl::StrCat(Directory(0), "/messages.db"))
      << std::string(8192, 'x');
  EXPECT_THAT(Create(0), IsOk());
  EXPECT_EQ(notices_, 1);
  int set_aside = 0;
  for (const auto& file : std::filesystem::directory_iterator(Directory(0))) {
    set_aside +=
        file.path().filename().string().rfind("messages.db.damaged-", 0) == 0;
  }
  EXPECT_EQ(set_aside, 1);
}

TEST_F(StorageProcessTest, RefusesToStartOnADamagedKey) {
  std::ofstream(absl::StrCat(Directory(1), "/storage.key")) << "short";
  EXPECT_THAT(Create(1), StatusIs(StatusCode::kDataLoss));
}

TEST_F(StorageProcessTest, TellsCallersToWaitUntilItHasJoined) {
  auto process = Create(0);
  ASSERT_THAT(process, IsOk());
  routing::GrpcTransport transport({.executor = loop_});
  std::optional<absl::StatusOr<std::string>> reply;
  transport.Call((*process)->public_file().storage,
                 routing::kEndpointHandleMethod, "", absl::Seconds(20),
                 [&](absl::StatusOr<std::string> r) { reply = std::move(r); });
  ASSERT_TRUE(
      loop_.RunUntil([&] { return reply.has_value(); }, absl::Seconds(30)));
  EXPECT_THAT(*reply, StatusIs(StatusCode::kUnavailable));
}

// A swarm of three real storage processes and an authority that serves their
// directory; the routers are only their TLS keys.
class StorageSwarmTest : public StorageProcessTest {
 protected:
  static constexpr int kNodes = 3;

  void SetUp() override {
    paper_ = std::make_unique<routing::TestNetwork>(
        kNodes, routing::TestNetwork::SmallParams(), seeded_,
        routing::SystemClock().Now());
    for (int i = 0; i < kNodes; ++i) {
      auto process = Create(i);
      ASSERT_THAT(process, IsOk());
      processes_.push_back(*std::move(process));
      auto router = routing::TlsIdentity::Generate(seeded_);
      ASSERT_THAT(router, IsOk());
      routers_.push_back(
          std::make_unique<routing::TlsIdentity>(*std::move(router)));
      transports_.push_back(std::make_unique<routing::GrpcTransport>(
          routing::GrpcTransport::Options{.executor = loop_,
                                          .identity = routers_.back().get()}));
    }
    const std::string wire =
        paper_
            ->Reissue([&](routing::TestNetwork::Draft& draft) {
              for (int i = 0; i < kNodes; ++i) {
                draft.nodes[i].descriptor.storage =
                    processes_[i]->public_file().storage;
                draft.nodes[i].descriptor.storage_key =
                    processes_[i]->public_file().storage_key;
              }
            })
            ->wire();
    published_ = std::make_unique<routing::ConsensusHolder>(
        paper_->trust(), routing::SystemClock());
    ASSERT_THAT(published_->Accept(wire), IsOk());
    mirror_ = std::make_unique<routing::DirectoryMirror>(*published_);
    auto tls = routing::TlsIdentity::Generate(seeded_);
    ASSERT_THAT(tls, IsOk());
    authority_tls_ = std::make_unique<routing::TlsIdentity>(*std::move(tls));
    auto authority =
        routing::GrpcServer::Create({.listen_address = "127.0.0.1:0",
                                     .identity = *authority_tls_,
                                     .executor = loop_});
    ASSERT_THAT(authority, IsOk());
    authority_ = *std::move(authority);
    mirror_->Register(*authority_);
    authority_->HandleMethod(
        routing::kReportStorageMethod, {.max_request_bytes = 1024},
        [this](const routing::Peer&, std::string bytes, routing::Reply reply) {
          // The one field of the request.
          ASSERT_GE(bytes.size(), routing::kStorageReportBytes);
          reports_.push_back(
              bytes.substr(bytes.size() - routing::kStorageReportBytes));
          reply(std::string());
        });
    ASSERT_THAT(authority_->Start(), IsOk());
    for (int i = 0; i < kNodes; ++i) Join(i);
  }

  void Join(int i) {
    routing::NetworkConfig network;
    network.network_id = paper_->trust().network_id;
    for (int a = 0; a < 3; ++a) {
      network.authorities.push_back(
          {.nickname = absl::StrCat("authority-", a),
           .key = paper_->authority(a).public_key(),
           .endpoint = {.address = authority_->address(),
                        .tls_key = authority_tls_->key()}});
    }
    network.allow_private_addresses = true;
    network.params = routing::NetworkConfig::Params::kSmall;
    processes_[i]->Join(
        network,
        {.node_id = paper_->node(i).id(),
         .nickname = absl::StrCat("node-", i),
         .link = {.address = "127.0.0.1:1", .tls_key = routers_[i]->key()}},
        absl::Milliseconds(200), nullptr);
  }

  // What router `from` gets from storage process `to`.
  absl::StatusOr<v1::ClientResponse> Ask(int from, int to,
                                         const v1::ClientRequest& request) {
    routing::RemoteEndpointHandler endpoint(
        *transports_[from], processes_[to]->public_file().storage);
    std::optional<absl::StatusOr<std::string>> reply;
    endpoint.Handle(
        1, request.SerializeAsString(),
        [&](absl::StatusOr<std::string> r) { reply = std::move(r); });
    loop_.RunUntil([&] { return reply.has_value(); }, absl::Seconds(30));
    if (!reply.has_value()) return absl::DeadlineExceededError("no reply");
    if (!reply->ok()) return reply->status();
    v1::ClientResponse response;
    EXPECT_TRUE(response.ParseFromString(**reply));
    return response;
  }
  // Waits until process `i` has its directory.
  void AwaitDirectory(int i) {
    v1::ClientRequest time;
    time.mutable_time();
    for (;;) {
      const auto response = Ask(i, i, time);
      if (response.ok() && response->code() == 0) return;
      loop_.RunUntil([] { return false; }, absl::Milliseconds(50));
    }
  }
  v1::ClientRequest Store(const std::string& payload) {
    v1::ClientRequest request;
    request.mutable_store()->set_mailbox("\x05" + std::string(32, 'a'));
    request.mutable_store()->set_payload(payload);
    request.mutable_store()->set_expiry_ms(static_cast<uint64_t>(
        absl::ToUnixMillis(routing::SystemClock().Now() + absl::Hours(1))));
    return request;
  }

  crypto::SeededRandom seeded_{1};
  std::unique_ptr<routing::TestNetwork> paper_;
  std::unique_ptr<routing::ConsensusHolder> published_;
  std::unique_ptr<routing::DirectoryMirror> mirror_;
  std::unique_ptr<routing::TlsIdentity> authority_tls_;
  std::unique_ptr<routing::GrpcServer> authority_;
  std::vector<std::unique_ptr<routing::TlsIdentity>> routers_;
  std::vector<std::unique_ptr<routing::GrpcTransport>> transports_;
  std::vector<std::string> reports_;  // that the authority got
  std::vector<std::unique_ptr<StorageProcess>> processes_;
};

TEST_F(StorageSwarmTest, AMessageIsReceiptedByAMajorityOverRealConnections) {
  for (int i = 0; i < kNodes; ++i) AwaitDirectory(i);
  for (int n = 0; n < 20; ++n) {
    const v1::ClientRequest request = Store(absl::StrCat("message ", n));
    const auto response = Ask(n % kNodes, n % kNodes, request);
    ASSERT_THAT(response, IsOk());
    ASSERT_EQ(response->code(), 0) << response->message();
    ASSERT_GE(response->receipts().receipts_size(), 2);
    const auto mailbox = *MailboxAddress::FromBytes(request.store().mailbox());
    const ReceiptSubject subject{
        .id = ComputeMessageId(mailbox, MailboxNamespace::kInbox,
                               request.store().payload()),
        .mailbox = mailbox,
        .expiry_ms = request.store().expiry_ms()};
    std::set<routing::NodeId> signers;
    for (const v1::Receipt& proto : response->receipts().receipts()) {
      const auto receipt = ReceiptFromProto(proto);
      ASSERT_THAT(receipt, IsOk());
      EXPECT_THAT(
          VerifyReceipt(paper_->consensus()->Find(receipt->node)->storage_key,
                        subject, *receipt),
          IsOk());
      signers.insert(receipt->node);
    }
    EXPECT_GE(signers.size(), 2);
  }
}

TEST_F(StorageSwarmTest, EveryProcessReportsToTheDirectory) {
  std::set<routing::NodeId> ready;
  ASSERT_TRUE(loop_.RunUntil(
      [&] {
        for (const std::string& bytes : reports_) {
          for (int i = 0; i < kNodes; ++i) {
            const auto report = routing::ParseStorageReport(
                bytes, processes_[i]->public_file().storage_key);
            if (!report.ok()) continue;
            EXPECT_EQ(report->node_id, paper_->node(i).id());
            EXPECT_EQ(report->network_id, paper_->trust().network_id);
            EXPECT_EQ(report->ready_epoch, published_->current()->epoch());
            EXPECT_FALSE(report->leaving);
            ready.insert(report->node_id);
          }
        }
        return ready.size() == kNodes;
      },
      absl::Seconds(30)));
}

TEST_F(StorageSwarmTest, OnlyItsOwnRouterMayHandOverRequests) {
  AwaitDirectory(0);
  EXPECT_THAT(Ask(/*from=*/1, /*to=*/0, Store("x")),
              StatusIs(StatusCode::kPermissionDenied));
}

TEST_F(StorageSwarmTest, AProcessThatStartsAgainStillHasWhatItSignedFor) {
  for (int i = 0; i < kNodes; ++i) AwaitDirectory(i);
  const auto stored = Ask(0, 0, Store("kept"));
  ASSERT_THAT(stored, IsOk());
  ASSERT_EQ(stored->code(), 0);
  std::set<int> holders;
  for (const v1::Receipt& receipt : stored->receipts().receipts()) {
    holders.insert(
        paper_->IndexOf(*routing::NodeId::FromBytes(receipt.node_id())));
  }
  processes_.clear();
  crypto::SeededRandom random(2);
  for (const int i : holders) {
    auto store =
        SqliteStore::Open({.path = absl::StrCat(Directory(i), "/messages.db"),
                           .capacity_bytes = 0,
                           .vfs = ""},
                          random);
    ASSERT_THAT(store, IsOk());
    const auto page = (*store)->List(
        *MailboxAddress::FromBytes("\x05" + std::string(32, 'a')),
        MailboxNamespace::kInbox, 0, 0, 10, 1000);
    ASSERT_THAT(page, IsOk());
    EXPECT_THAT(page->messages, SizeIs(1)) << "node " << i;
  }
}

}  // namespace
}  // namespace messenger::swarm
