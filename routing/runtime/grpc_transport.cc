#include "routing/runtime/grpc_transport.h"

#include <grpc/grpc.h>
#include <grpc/support/time.h>

#include <algorithm>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/channel_arguments.h"
#include "grpcpp/support/client_callback.h"
#include "routing/runtime/grpc_bytes.h"
#include "routing/runtime/grpc_credentials.h"
#include "routing/runtime/grpc_link.h"
#include "routing/runtime/grpc_names.h"
#include "routing/runtime/socket_address.h"

namespace messenger::routing {
namespace {

// The same for everybody: nothing about version or platform.
constexpr char kUserAgent[] = "messenger";

// Replies and requests; servers have narrower limits of their own.
constexpr int kMaxReplyBytes = 4 * 1024 * 1024;
constexpr int kMaxRequestBytes = 16 * 1024 * 1024;

// Endpoints whose connection is kept ready. The least recently used one goes
// when there are more and nothing goes on over it.
constexpr size_t kMaxChannels = 512;

constexpr int kConnectTimeoutMs = 8'000;
constexpr int kIdleTimeoutMs = 120'000;
constexpr int kKeepaliveTimeMs = 60'000;  // not less than servers allow
constexpr int kKeepaliveTimeoutMs = 10'000;
constexpr int kFirstReconnectBackoffMs = 100;
constexpr int kMaxReconnectBackoffMs = 5'000;

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetUserAgentPrefix(kUserAgent);
  arguments.SetMaxReceiveMessageSize(kMaxReplyBytes);
  arguments.SetMaxSendMessageSize(kMaxRequestBytes);
  const std::pair<const char*, int> settings[] = {
      {GRPC_ARG_ENABLE_HTTP_PROXY, 0},
      {GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1},
      {GRPC_ARG_ENABLE_RETRIES, 0},  // a retry takes another path
      {GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1},
      {GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs},
      {GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectBackoffMs},
      {GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxReconnectBackoffMs},
      {GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, kIdleTimeoutMs},
      {GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs},
      {GRPC_ARG_HTTP2_BDP_PROBE, 0},
      {GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindowBytes},
      {GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0},
      {GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0},
      {GRPC_ARG_ENABLE_CHANNELZ, 0},
  };
  for (const auto& [name, value] : settings) arguments.SetInt(name, value);
  return arguments;
}

// gRPC's own words may hold addresses: only those of a handler are kept.
absl::Status FromGrpc(const grpc::Status& status, bool answered) {
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  if (answered) return absl::Status(code, status.error_message());
  if (absl::StrContains(status.error_message(), kWrongPeer)) {
    return absl::UnavailableError(kWrongPeer);
  }
  switch (code) {
    case absl::StatusCode::kDeadlineExceeded:
      return absl::DeadlineExceededError("no reply in time");
    case absl::StatusCode::kResourceExhausted:
      return absl::ResourceExhaustedError("message too large or peer too busy");
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kPermissionDenied:
      return absl::Status(code, "refused by the peer");
    default:
      return absl::UnavailableError("peer is unreachable");
  }
}

absl::Status LinkStatus(const grpc::Status& status) {
  if (status.ok()) return absl::UnavailableError("peer closed the link");
  const absl::Status result = FromGrpc(status, /*answered=*/false);
  return result.code() == absl::StatusCode::kDeadlineExceeded
             ? absl::UnavailableError("peer is unreachable")
             : result;
}

std::string Target(const Endpoint& endpoint) {
  // The scheme says that this is no name to resolve.
  return absl::StrCat(
      absl::StartsWith(endpoint.address, "[") ? "ipv6:" : "ipv4:",
      endpoint.address);
}

}  // namespace

class GrpcTransport::Core {
 public:
  explicit Core(const Options& options)
      : executor_(options.executor), recorder_(options.recorder) {
    if (options.identity != nullptr) identity_ = options.identity->Clone();
  }
  ~Core();

  void Call(const Endpoint& endpoint, absl::string_view method,
            std::string request, absl::Duration timeout, CallDone done);
  std::unique_ptr<FrameLink> OpenLink(const Endpoint& endpoint,
                                      FrameLinkEvents& events);

 private:
  struct Channel {
    std::string key;
    std::shared_ptr<grpc::Channel> channel;
  };
  struct PendingCall {
    grpc::ClientContext context;
    grpc::ByteBuffer request;
    grpc::ByteBuffer reply;
    CallDone done;  // only on the executor
  };

  class LinkReactor;

  std::shared_ptr<grpc::Channel> ChannelTo(const Endpoint& endpoint);

  // What gRPC is busy with, to cancel and await: calls, and links if not null.
  void Add(grpc::ClientContext& context, std::shared_ptr<GrpcLink> link) {
    absl::MutexLock lock(&mutex_);
    busy_.emplace(&context, std::move(link));
  }
  // Afterwards the core may be gone.
  void Remove(grpc::ClientContext& context) {
    absl::MutexLock lock(&mutex_);
    busy_.erase(&context);
  }

  Executor& executor_;
  Recorder* const recorder_;
  std::optional<TlsIdentity> identity_;
  // Most recently used first.
  std::list<Channel> channels_;
  absl::flat_hash_map<std::string, std::list<Channel>::iterator> by_key_;
  // False once the transport is gone; only on the executor.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  absl::Mutex mutex_;
  absl::flat_hash_map<grpc::ClientContext*, std::shared_ptr<GrpcLink>> busy_
      ABSL_GUARDED_BY(mutex_);
};

// A link this side opened. Deletes itself when gRPC is done with it.
class GrpcTransport::Core::LinkReactor final
    : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
      public GrpcLink::Stream {
 public:
  LinkReactor(Core& core, std::shared_ptr<grpc::Channel> channel,
              std::shared_ptr<GrpcLink> link)
      : core_(core), channel_(std::move(channel)), link_(std::move(link)) {
    core_.Add(context_, link_);
    grpc::GenericStub stub(channel_);
    stub.PrepareBidiStreamingCall(&context_, kLinkMethod, {}, this);
    AddHold();  // until End()
    StartCall();
  }

  void OnReadDone(bool ok) override { link_->OnRead(ok); }
  void OnWriteDone(bool ok) override { link_->OnWritten(ok); }
  void OnDone(const grpc::Status& status) override {
    link_->OnDone(LinkStatus(status));
    channel_.reset();
    core_.Remove(context_);
    delete this;
  }

  void Write(const grpc::ByteBuffer& message, bool more) override {
    grpc::WriteOptions options;
    if (more) options.set_buffer_hint();
    StartWrite(&message, options);
  }
  void Read(grpc::ByteBuffer* message) override { StartRead(message); }
  void End(const GrpcLink::Ending& ending) override {
    if (!ending.by_peer) context_.TryCancel();
    RemoveHold();
  }

 private:
  Core& core_;
  std::shared_ptr<grpc::Channel> channel_;
  const std::shared_ptr<GrpcLink> link_;
  grpc::ClientContext context_;
};

GrpcTransport::Core::~Core() {
  *alive_ = false;
  std::vector<std::shared_ptr<GrpcLink>> links;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [context, link] : busy_) {
      if (link != nullptr) {
        links.push_back(link);
      } else {
        context->TryCancel();
      }
    }
  }
  // Not under the lock: a link may be done right here.
  for (const std::shared_ptr<GrpcLink>& link : links) {
    link->Close(absl::UnavailableError("transport is gone"), absl::OkStatus());
  }
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](decltype(busy_)* busy) { return busy->empty(); }, &busy_));
}

std::shared_ptr<grpc::Channel> GrpcTransport::Core::ChannelTo(
    const Endpoint& endpoint) {
  std::string key = absl::StrCat(endpoint.tls_key.bytes(), endpoint.address);
  const auto known = by_key_.find(key);
  if (known != by_key_.end()) {
    channels_.splice(channels_.begin(), channels_, known->second);
    return known->second->channel;
  }
  if (channels_.size() >= kMaxChannels) {
    // What goes on over it keeps it alive till its end.
    by_key_.erase(channels_.back().key);
    channels_.pop_back();
  }
  std::shared_ptr<grpc::Channel> channel = grpc::CreateCustomChannel(
      Target(endpoint),
      PinnedChannelCredentials(endpoint.tls_key,
                               identity_.has_value() ? &*identity_ : nullptr),
      Arguments());
  channels_.push_front({key, channel});
  by_key_[std::move(key)] = channels_.begin();
  return channel;
}

void GrpcTransport::Core::Call(const Endpoint& endpoint,
                               absl::string_view method, std::string request,
                               absl::Duration timeout, CallDone done) {
  if (!IsSocketAddress(endpoint.address)) {
    executor_.Run([alive = alive_, done = std::move(done)]() mutable {
      if (*alive) done(absl::UnavailableError("not an IP address and port"));
    });
    return;
  }
  const auto call = std::make_shared<PendingCall>();
  const absl::Duration limit =
      std::clamp(timeout, absl::ZeroDuration(), kMaxCallTimeout);
  call->context.set_deadline(gpr_time_add(
      gpr_now(GPR_CLOCK_MONOTONIC),
      gpr_time_from_millis(absl::ToInt64Milliseconds(limit), GPR_TIMESPAN)));
  call->request = BufferOf(std::move(request));
  call->done = std::move(done);
  Add(call->context, nullptr);
  grpc::GenericStub stub(ChannelTo(endpoint));
  stub.UnaryCall(
      &call->context, std::string(method), {}, &call->request, &call->reply,
      [this, call](grpc::Status status) {
        const bool answered =
            call->context.GetServerTrailingMetadata().count(kAnsweredKey) > 0;
        executor_.Run([alive = alive_, recorder = recorder_, call, answered,
                       status = std::move(status)] {
          // Taken out, so that it is destroyed here and not by gRPC.
          CallDone done = std::move(call->done);
          if (!*alive) return;
          if (!status.ok()) {
            done(FromGrpc(status, answered));
            return;
          }
          std::string reply = BytesOf(call->reply);
          if (recorder != nullptr) recorder->Record("rpc-reply-in", reply);
          done(std::move(reply));
        });
        Remove(call->context);
      });
}

std::unique_ptr<FrameLink> GrpcTransport::Core::OpenLink(
    const Endpoint& endpoint, FrameLinkEvents& events) {
  auto link = std::make_shared<GrpcLink>(executor_, recorder_);
  link->Listen(events);
  if (IsSocketAddress(endpoint.address)) {
    auto* const reactor = new LinkReactor(*this, ChannelTo(endpoint), link);
    link->Start(*reactor);
  } else {
    link->OnDone(absl::UnavailableError("not an IP address and port"));
  }
  return OwnedLink(std::move(link));
}

GrpcTransport::GrpcTransport(const Options& options)
    : core_(std::make_unique<Core>(options)) {}

GrpcTransport::~GrpcTransport() = default;

void GrpcTransport::Call(const Endpoint& endpoint, absl::string_view method,
                         std::string request, absl::Duration timeout,
                         CallDone done) {
  core_->Call(endpoint, method, std::move(request), timeout, std::move(done));
}

std::unique_ptr<FrameLink> GrpcTransport::OpenLink(const Endpoint& endpoint,
                                                   FrameLinkEvents& events) {
  return core_->OpenLink(endpoint, events);
}

}  // namespace messenger::routing
