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

// What gRPC is busy with holds a channel, and the last one must not die on a
// gRPC thread (it would wait for that very thread). So activities are owned
// here, and destroyed on the executor only.
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
  // A call or a link, from its start until gRPC is done with it.
  class Activity {
   public:
    virtual ~Activity() = default;
    virtual void Cancel() = 0;
    // On the executor, before destruction, unless the transport is gone.
    virtual void Finished() = 0;
  };
  class PendingCall;
  class LinkReactor;

  struct Channel {
    std::string key;
    std::shared_ptr<grpc::Channel> channel;
  };

  std::shared_ptr<grpc::Channel> ChannelTo(const Endpoint& endpoint);

  template <typename T>
  T& Own(std::unique_ptr<T> activity) {
    T& result = *activity;
    absl::MutexLock lock(&mutex_);
    busy_.emplace(&result, std::move(activity));
    return result;
  }
  // From gRPC's threads, its last word about `activity`, which may be
  // destroyed before this returns.
  void Done(Activity* activity);
  void Finish(Activity* activity);

  Executor& executor_;
  Recorder* const recorder_;
  std::optional<TlsIdentity> identity_;
  // Most recently used first.
  std::list<Channel> channels_;
  absl::flat_hash_map<std::string, std::list<Channel>::iterator> by_key_;
  // False once the transport is gone; only on the executor.
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  absl::Mutex mutex_;
  using Activities = absl::flat_hash_map<Activity*, std::unique_ptr<Activity>>;
  Activities busy_ ABSL_GUARDED_BY(mutex_);
  Activities done_ ABSL_GUARDED_BY(mutex_);  // until their task runs
};

class GrpcTransport::Core::PendingCall final : public Activity {
 public:
  PendingCall(Core& core, std::string request, CallDone done)
      : core_(core),
        request_(BufferOf(std::move(request))),
        done_(std::move(done)) {}

  void Start(const std::shared_ptr<grpc::Channel>& channel,
             absl::string_view method, absl::Duration timeout) {
    context_.set_deadline(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                     gpr_time_from_millis(absl::ToInt64Milliseconds(timeout),
                                          GPR_TIMESPAN)));
    grpc::GenericStub stub(channel);
    stub.UnaryCall(&context_, std::string(method), {}, &request_, &reply_,
                   [this](grpc::Status status) {
                     status_ = std::move(status);
                     core_.Done(this);
                   });
  }

  void Cancel() override { context_.TryCancel(); }

  void Finished() override {
    if (!status_.ok()) {
      const bool answered =
          context_.GetServerTrailingMetadata().count(kAnsweredKey) > 0;
      done_(FromGrpc(status_, answered));
      return;
    }
    std::string reply = BytesOf(reply_);
    if (core_.recorder_ != nullptr) {
      core_.recorder_->Record("rpc-reply-in", reply);
    }
    done_(std::move(reply));
  }

 private:
  Core& core_;
  grpc::ClientContext context_;
  const grpc::ByteBuffer request_;
  grpc::ByteBuffer reply_;
  grpc::Status status_;
  CallDone done_;
};

// A link this side opened.
class GrpcTransport::Core::LinkReactor final
    : public Activity,
      public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
      public GrpcLink::Stream {
 public:
  LinkReactor(Core& core, std::shared_ptr<GrpcLink> link)
      : core_(core), link_(std::move(link)) {}

  void Start(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::GenericStub stub(channel);
    stub.PrepareBidiStreamingCall(&context_, kLinkMethod, {}, this);
    AddHold();  // until End()
    StartCall();
    link_->Start(*this);
  }

  // On the executor, as Close() wants it.
  void Cancel() override {
    link_->Close(absl::UnavailableError("transport is gone"), absl::OkStatus());
  }
  void Finished() override {}

  void OnReadDone(bool ok) override { link_->OnRead(ok); }
  void OnWriteDone(bool ok) override { link_->OnWritten(ok); }
  void OnDone(const grpc::Status& status) override {
    link_->OnDone(LinkStatus(status));
    core_.Done(this);
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
  const std::shared_ptr<GrpcLink> link_;
  grpc::ClientContext context_;
};

GrpcTransport::Core::~Core() {
  *alive_ = false;
  std::vector<Activity*> busy;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [activity, owned] : busy_) busy.push_back(activity);
  }
  // Not under the lock: a link may be done right here. Nothing is destroyed
  // meanwhile, for only this thread does that.
  for (Activity* const activity : busy) activity->Cancel();
  Activities done;
  {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](Activities* activities) { return activities->empty(); }, &busy_));
    done.swap(done_);
  }
}

void GrpcTransport::Core::Done(Activity* activity) {
  absl::MutexLock lock(&mutex_);
  // Before the activity leaves `busy_`, which the executor's end waits for.
  executor_.Run([this, alive = alive_, activity] {
    if (*alive) Finish(activity);
  });
  auto owned = busy_.extract(activity);
  done_.insert(std::move(owned));
}

void GrpcTransport::Core::Finish(Activity* activity) {
  std::unique_ptr<Activity> owned;
  {
    absl::MutexLock lock(&mutex_);
    owned = std::move(done_.extract(activity).mapped());
  }
  owned->Finished();  // may destroy this
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
  Own(std::make_unique<PendingCall>(*this, std::move(request), std::move(done)))
      .Start(ChannelTo(endpoint), method,
             std::clamp(timeout, absl::ZeroDuration(), kMaxCallTimeout));
}

std::unique_ptr<FrameLink> GrpcTransport::Core::OpenLink(
    const Endpoint& endpoint, FrameLinkEvents& events) {
  auto link = std::make_shared<GrpcLink>(executor_, recorder_);
  link->Listen(events);
  if (IsSocketAddress(endpoint.address)) {
    Own(std::make_unique<LinkReactor>(*this, link)).Start(ChannelTo(endpoint));
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
