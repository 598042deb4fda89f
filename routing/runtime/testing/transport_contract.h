// What every Transport and Server must do, as one suite of tests for all
// implementations:
//
//   INSTANTIATE_TEST_SUITE_P(Simulated, TransportCallTest,
//                            ::testing::Values(&MakeSimulatedWorld));
//   INSTANTIATE_TEST_SUITE_P(Simulated, TransportLinkTest,
//                            ::testing::Values(&MakeSimulatedWorld));
#ifndef ROUTING_RUNTIME_TESTING_TRANSPORT_CONTRACT_H_
#define ROUTING_RUNTIME_TESTING_TRANSPORT_CONTRACT_H_

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/recorder.h"
#include "routing/runtime/server.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

// One server and two clients, on one executor.
class ContractWorld {
 public:
  virtual ~ContractWorld() = default;

  virtual Executor& executor() = 0;
  // Runs until `done`; false if that does not happen in any sensible time.
  virtual bool RunUntil(absl::FunctionRef<bool()> done) = 0;
  // Runs all that is under way, for as long as that may take at most.
  virtual void Settle() = 0;

  // Registrations come before Start().
  virtual Server& server() = 0;
  virtual Endpoint Start() = 0;
  // The process of the server is gone.
  virtual void StopServer() = 0;

  // A client with a key, and one without.
  virtual Transport& node() = 0;
  virtual const TlsKey& node_key() = 0;
  virtual Transport& person() = 0;
  // The process of a client is gone.
  virtual void StopPerson() = 0;

  // What the server sees.
  virtual void set_server_recorder(Recorder* recorder) = 0;
};

using MakeContractWorld = std::function<std::unique_ptr<ContractWorld>()>;

// Collects what happens on one end of a link.
struct ContractEnd final : FrameLinkEvents {
  std::unique_ptr<FrameLink> link;
  std::vector<std::string> frames;
  std::vector<absl::Status> closed;
  bool echo = false;
  bool drop_on_frame = false;
  bool drop_on_close = false;

  void OnFrame(std::string frame) override {
    frames.push_back(frame);
    if (echo) link->Send(std::move(frame));
    if (drop_on_frame) link = nullptr;
  }
  void OnClosed(absl::Status status) override {
    closed.push_back(std::move(status));
    if (drop_on_close) link = nullptr;
  }
  absl::Status status() const {
    return closed.empty() ? absl::OkStatus() : closed.front();
  }
};

struct ContractAcceptor final : LinkAcceptor {
  bool refuse = false;
  bool echo = false;
  int greeting_frames = 0;
  std::deque<ContractEnd> ends;
  std::vector<Peer> peers;

  FrameLinkEvents* OnLink(const Peer& peer,
                          std::unique_ptr<FrameLink> link) override {
    peers.push_back(peer);
    if (refuse) return nullptr;
    ContractEnd& end = ends.emplace_back();
    end.link = std::move(link);
    end.echo = echo;
    for (int i = 0; i < greeting_frames; ++i) {
      end.link->Send(std::string(kFrameBytes, 'g'));
    }
    return &end;
  }
};

struct ContractRecorder final : Recorder {
  std::vector<std::pair<std::string, std::string>> records;
  void Record(absl::string_view what, absl::string_view bytes) override {
    records.emplace_back(what, bytes);
  }
};

class TransportCallTest : public ::testing::TestWithParam<MakeContractWorld> {
 protected:
  static constexpr char kEchoMethod[] = "/test.v1.Test/Echo";
  static constexpr absl::Duration kCallTimeout = absl::Seconds(20);

  TransportCallTest() : world_(GetParam()()) {}

  absl::StatusOr<std::string> Call(Transport& transport,
                                   const Endpoint& endpoint,
                                   std::string request,
                                   absl::Duration timeout = kCallTimeout,
                                   absl::string_view method = kEchoMethod) {
    std::vector<absl::StatusOr<std::string>> results;
    transport.Call(endpoint, method, std::move(request), timeout,
                   [&](absl::StatusOr<std::string> result) {
                     results.push_back(std::move(result));
                   });
    EXPECT_TRUE(results.empty()) << "a callback ran inside the call";
    EXPECT_TRUE(world_->RunUntil([&] { return !results.empty(); }));
    return results.empty() ? absl::InternalError("the call never ended")
                           : results.front();
  }

  void HandleEcho(MethodLimits limits = {.max_request_bytes = 1024}) {
    world_->server().HandleMethod(
        kEchoMethod, limits,
        [this](const Peer& peer, std::string request, Reply r) {
          peers_.push_back(peer);
          r("echo " + request);
        });
  }

  const std::unique_ptr<ContractWorld> world_;
  std::vector<Peer> peers_;
};

class TransportLinkTest : public ::testing::TestWithParam<MakeContractWorld> {
 protected:
  TransportLinkTest() : world_(GetParam()()) {}
  ~TransportLinkTest() override {
    // Links before the world they are of.
    client_.link = nullptr;
    for (ContractEnd& end : acceptor_.ends) end.link = nullptr;
  }

  Endpoint Start() {
    world_->server().HandleLinks(acceptor_);
    return world_->Start();
  }
  void Open(Transport& transport, const Endpoint& endpoint) {
    client_.link = transport.OpenLink(endpoint, client_);
  }
  bool RunUntilAccepted() {
    return world_->RunUntil([&] { return !acceptor_.ends.empty(); });
  }
  bool RunUntilClosed(ContractEnd& end) {
    return world_->RunUntil([&] { return !end.closed.empty(); });
  }

  const std::unique_ptr<ContractWorld> world_;
  ContractAcceptor acceptor_;
  ContractEnd client_;
};

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_TESTING_TRANSPORT_CONTRACT_H_
