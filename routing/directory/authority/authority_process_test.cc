// Authorities over real connections, in one process.

#include "routing/directory/authority/authority_process.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "routing/directory/directory_client.h"
#include "routing/runtime/event_loop.h"
#include "routing/runtime/files.h"
#include "routing/runtime/system_clock.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

class AuthorityProcessTest : public ::testing::Test {
 protected:
  AuthorityProcessTest() {
    network_.network_id = random_.Fixed<NetworkId>();
    network_.allow_private_addresses = true;
    network_.params = NetworkConfig::Params::kSmall;
  }

  std::string Folder(int i) {
    const std::string folder = absl::StrCat(
        ::testing::TempDir(), "/",
        ::testing::UnitTest::GetInstance()->current_test_info()->name(), i);
    std::filesystem::create_directories(folder);
    return folder;
  }

  absl::StatusOr<std::unique_ptr<AuthorityProcess>> Start(int i) {
    return AuthorityProcess::Create({.data_directory = Folder(i),
                                     .listen_address = "127.0.0.1:0",
                                     .nickname = absl::StrCat("authority-", i),
                                     .voting_interval = absl::Seconds(1),
                                     .executor = loop_,
                                     .clock = SystemClock(),
                                     .random = random_});
  }

  crypto::SeededRandom random_{1};
  EventLoop loop_{SystemClock()};
  NetworkConfig network_;
};

TEST_F(AuthorityProcessTest, ThreeOfThemServeANodeWithAConsensus) {
  std::vector<std::unique_ptr<AuthorityProcess>> processes;
  std::string text;
  for (int i = 0; i < 3; ++i) {
    std::filesystem::remove_all(Folder(i));
    auto process = Start(i);
    ASSERT_THAT(process, IsOk());
    processes.push_back(*std::move(process));
    network_.authorities.push_back(processes.back()->authority());
    // The public file is the configuration's own text.
    const auto file = ReadFile(Folder(i) + "/public.txtpb");
    ASSERT_THAT(file, IsOk());
    absl::StrAppend(&text, "authorities {\n", *file, "}\n");
  }
  const auto parsed = NetworkConfig::Parse(absl::StrCat(
      "network_id: \"", network_.network_id.ToHex(), "\"\n",
      "allow_private_addresses: true\nparams: PARAMS_SMALL\n", text));
  ASSERT_THAT(parsed, IsOk());
  for (auto& process : processes) ASSERT_THAT(process->Join(*parsed), IsOk());

  const TlsIdentity node = TlsIdentity::Generate(random_).value();
  GrpcTransport transport({.executor = loop_, .identity = &node});
  std::vector<Endpoint> sources;
  for (const auto& authority : parsed->authorities) {
    sources.push_back(authority.endpoint);
  }
  DirectoryClient client(transport, loop_, SystemClock(),
                         DirectoryTrust::For(*parsed), sources, random_);
  client.Start(absl::Milliseconds(200));
  const auto epoch = [&]() -> uint64_t {
    const auto current = client.holder().current();
    return current == nullptr ? 0 : current->epoch();
  };
  ASSERT_TRUE(loop_.RunUntil([&] { return epoch() != 0; }, absl::Minutes(1)));
  const uint64_t first = epoch();
  EXPECT_TRUE(
      loop_.RunUntil([&] { return epoch() > first; }, absl::Minutes(1)));
  client.Stop();
}

TEST_F(AuthorityProcessTest, KeepsItsKeysOverARestart) {
  NetworkConfig::Authority before;
  {
    auto process = Start(0);
    ASSERT_THAT(process, IsOk());
    before = (*process)->authority();
  }
  auto process = Start(0);
  ASSERT_THAT(process, IsOk());
  EXPECT_EQ((*process)->authority().key, before.key);
  EXPECT_EQ((*process)->authority().endpoint.tls_key, before.endpoint.tls_key);
}

TEST_F(AuthorityProcessTest, DoesNotServeANetworkThatDoesNotNameIt) {
  auto process = Start(0);
  ASSERT_THAT(process, IsOk());
  NetworkConfig::Authority other = (*process)->authority();
  other.key = crypto::Ed25519PrivateKey::Generate(random_).public_key();
  network_.authorities = {other};
  EXPECT_THAT((*process)->Join(network_),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(AuthorityProcessTest, ADamagedKeyFileIsAnErrorNotANewKey) {
  ASSERT_THAT(WriteFileAtomically(Folder(0) + "/authority.key", "short"),
              IsOk());
  EXPECT_THAT(Start(0), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace messenger::routing
