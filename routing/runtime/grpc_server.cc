#include "routing/runtime/grpc_server.h"

#include <grpc/grpc.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "grpcpp/support/time.h"
#include "routing/runtime/grpc_bytes.h"
#include "routing/runtime/grpc_credentials.h"
#include "routing/runtime/grpc_hand_over.h"
#include "routing/runtime/grpc_link.h"
#include "routing/runtime/grpc_names.h"
#include "routing/runtime/socket_address.h"

namespace messenger::routing {
namespace {

// Certificates whose key is remembered, because reading one takes longer than
// the rest of a small call.
constexpr size_t kMaxKnownCertificates = 512;

// What a client's deadline may exceed kMaxCallTimeout by, through rounding.
constexpr absl::Duration kDeadlineSlack = absl::Seconds(2);

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

// Time left for a call; infinite if its client did not say.
absl::Duration TimeLeft(const grpc::CallbackServerContext& context) {
  gpr_timespec deadline;
  grpc::Timepoint2Timespec(context.deadline(), &deadline);
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) {
    return absl::InfiniteDuration();
  }
  const gpr_timespec left =
      gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  return absl::Seconds(left.tv_sec) + absl::Nanoseconds(left.tv_nsec);
}

struct Method {
  MethodLimits limits;
  RpcHandler handler;
  // Calls that are owed a reply.
  std::atomic<int> running{0};
};

}  // namespace

class GrpcServer::Core final : public grpc::CallbackGenericService {
 public:
  // What a task finds that runs after the server is gone.
  struct Life {
    bool serving = true;  // only on the executor
  };

  explicit Core(Options options)
      : listen_address_(std::move(options.listen_address)),
        credentials_(IdentityServerCredentials(options.identity)),
        executor_(options.executor),
        recorder_(options.recorder),
        limits_(options.limits) {}

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override;

  absl::Status Start();
  void Shutdown();
  Peer PeerOf(const grpc::CallbackServerContext& context);

  // Reactors that gRPC has not let go of.
  void ReactorMade() {
    absl::MutexLock lock(&mutex_);
    ++reactors_;
  }
  void ReactorGone() {
    absl::MutexLock lock(&mutex_);
    --reactors_;
  }

  const std::string listen_address_;
  const std::shared_ptr<grpc::ServerCredentials> credentials_;
  Executor& executor_;
  Recorder* const recorder_;
  const ServerLimits limits_;
  const std::shared_ptr<Life> life_ = std::make_shared<Life>();

  // Not changed after Start().
  absl::flat_hash_map<std::string, std::shared_ptr<Method>> methods_;
  LinkAcceptor* acceptor_ = nullptr;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;

  std::atomic<int> links_{0};

 private:
  absl::Mutex mutex_;
  int reactors_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, Peer> known_peers_ ABSL_GUARDED_BY(mutex_);
};

namespace {

// Answers a call at once, without looking at it.
class Refusal final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Refusal(const absl::Status& status) { Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

// One call: read, hand to the executor, answer.
//
// Lives until gRPC says OnDone(), which is after Finish(). Whoever takes the
// reactor out of `Shared` is the one who finishes it.
class CallReactor final : public grpc::ServerGenericBidiReactor {
 public:
  struct Shared {
    absl::Mutex mutex;
    CallReactor* reactor ABSL_GUARDED_BY(mutex) = nullptr;

    CallReactor* Take() {
      absl::MutexLock lock(&mutex);
      return std::exchange(reactor, nullptr);
    }
  };

  // Gives one answer: what it is told, or INTERNAL when dropped.
  class Answer {
   public:
    Answer(std::shared_ptr<Shared> shared, std::shared_ptr<Method> method)
        : shared_(std::move(shared)), method_(std::move(method)) {}
    Answer(Answer&&) = default;
    ~Answer() {
      if (shared_ != nullptr) Give(absl::InternalError("no reply"));
    }

    void Give(absl::StatusOr<std::string> reply) {
      // The count first: who has the reply may call again at once.
      method_->running.fetch_sub(1);
      const std::shared_ptr<Shared> shared = std::exchange(shared_, nullptr);
      if (CallReactor* const reactor = shared->Take()) {
        reactor->FinishWith(std::move(reply));
      }
    }
    bool given() const { return shared_ == nullptr; }
    // Nobody waits for it any more.
    bool abandoned() const {
      absl::MutexLock lock(&shared_->mutex);
      return shared_->reactor == nullptr;
    }

   private:
    std::shared_ptr<Shared> shared_;
    std::shared_ptr<Method> method_;
  };

  using Dispatch =
      std::function<void(Peer, std::string address, std::string request,
                         std::shared_ptr<Method>, std::unique_ptr<Answer>)>;

  CallReactor(grpc::GenericCallbackServerContext& context, Peer peer,
              std::shared_ptr<Method> method, size_t max_reply_bytes,
              Dispatch dispatch, std::function<void()> gone)
      : context_(context),
        peer_(std::move(peer)),
        method_(std::move(method)),
        max_reply_bytes_(max_reply_bytes),
        dispatch_(std::move(dispatch)),
        gone_(std::move(gone)) {
    {
      absl::MutexLock lock(&shared_->mutex);
      shared_->reactor = this;
    }
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    absl::Status refusal;
    if (!ok) {
      refusal = absl::InvalidArgumentError("call without a request");
    } else if (request_.Length() > method_->limits.max_request_bytes) {
      refusal = absl::ResourceExhaustedError("request is too large");
    } else if (method_->running.fetch_add(1) >=
               method_->limits.max_concurrent) {
      method_->running.fetch_sub(1);
      refusal = absl::ResourceExhaustedError("too many calls at once");
    }
    if (!refusal.ok()) {
      if (CallReactor* const self = shared_->Take()) {
        self->FinishWith(refusal);
      }
      hand_over_.Give();
      return;
    }
    std::string request = BytesOf(request_);
    request_.Clear();
    dispatch_(std::move(peer_), context_.peer(), std::move(request), method_,
              std::make_unique<Answer>(shared_, method_));
    hand_over_.Give();
  }

  void OnCancel() override {
    if (CallReactor* const self = shared_->Take()) {
      self->Finish(grpc::Status(grpc::StatusCode::CANCELLED, ""));
    }
    hand_over_.Give();
  }

  void OnDone() override {
    hand_over_.Take();
    const std::function<void()> gone = std::move(gone_);
    delete this;
    gone();
  }

  void FinishWith(absl::StatusOr<std::string> reply) {
    if (reply.ok() && reply->size() > max_reply_bytes_) {
      reply = absl::ResourceExhaustedError("reply is too large");
    }
    if (!reply.ok()) {
      context_.AddTrailingMetadata(kAnsweredKey, kAnsweredValue);
      hand_over_.Give();
      Finish(ToGrpcStatus(reply.status()));
      return;
    }
    reply_ = BufferOf(*std::move(reply));
    hand_over_.Give();
    StartWriteAndFinish(&reply_, grpc::WriteOptions(), grpc::Status::OK);
  }

 private:
  grpc::GenericCallbackServerContext& context_;
  Peer peer_;
  const std::shared_ptr<Method> method_;
  const size_t max_reply_bytes_;
  const Dispatch dispatch_;
  std::function<void()> gone_;
  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  grpc::ByteBuffer request_;
  grpc::ByteBuffer reply_;
  GrpcHandOver hand_over_;
};

// One link that a peer opened.
class LinkReactor final : public grpc::ServerGenericBidiReactor,
                          public GrpcLink::Stream {
 public:
  LinkReactor(grpc::GenericCallbackServerContext& context,
              std::shared_ptr<GrpcLink> link, std::function<void()> gone)
      : context_(context), link_(std::move(link)), gone_(std::move(gone)) {}

  // Not in the constructor: reads may end before it is over.
  void Start() { link_->Start(*this); }

  // The reactor lives until each of these has returned.
  void OnReadDone(bool ok) override {
    link_->OnRead(ok);
    hand_over_.Give();
  }
  void OnWriteDone(bool ok) override {
    link_->OnWritten(ok);
    hand_over_.Give();
  }
  void OnCancel() override {
    link_->OnPeerEnded();
    hand_over_.Give();
  }
  void OnDone() override {
    hand_over_.Take();
    link_->OnDone(absl::UnavailableError("peer closed the link"));
    const std::function<void()> gone = std::move(gone_);
    delete this;
    gone();
  }

  void Write(const grpc::ByteBuffer& message, bool more) override {
    grpc::WriteOptions options;
    // The first one takes the initial metadata along, and gRPC would hold both
    // back until a second one comes, which comes when the first one is done.
    if (more && written_) options.set_buffer_hint();
    written_ = true;
    StartWrite(&message, options);
    hand_over_.Give();
  }
  void Read(grpc::ByteBuffer* message) override {
    StartRead(message);
    hand_over_.Give();
  }
  void End(const GrpcLink::Ending& ending) override {
    // A peer that takes nothing would keep a write under way for ever.
    if (ending.writing) context_.TryCancel();
    hand_over_.Give();
    Finish(ToGrpcStatus(ending.to_peer));
  }

 private:
  grpc::GenericCallbackServerContext& context_;
  const std::shared_ptr<GrpcLink> link_;
  std::function<void()> gone_;
  bool written_ = false;  // under the link's lock, as every Write()
  GrpcHandOver hand_over_;
};

}  // namespace

grpc::ServerGenericBidiReactor* GrpcServer::Core::CreateReactor(
    grpc::GenericCallbackServerContext* context) {
  if (context->method() == kLinkMethod) {
    if (acceptor_ == nullptr) {
      return new Refusal(absl::UnimplementedError("takes no links"));
    }
    if (links_.fetch_add(1) >= limits_.max_links) {
      links_.fetch_sub(1);
      return new Refusal(absl::ResourceExhaustedError("too many links"));
    }
    ReactorMade();
    auto link = std::make_shared<GrpcLink>(executor_, recorder_);
    auto* const reactor = new LinkReactor(*context, link, [this] {
      links_.fetch_sub(1);
      ReactorGone();
    });
    executor_.Run([this, life = life_, link, peer = PeerOf(*context),
                   address = context->peer()] {
      if (!life->serving) return;
      if (recorder_ != nullptr) recorder_->Record("peer-address", address);
      FrameLinkEvents* const events = acceptor_->OnLink(peer, OwnedLink(link));
      if (events == nullptr) {
        const absl::Status refusal =
            absl::PermissionDeniedError("link refused");
        link->Close(refusal, refusal);
        return;
      }
      link->Listen(*events);
    });
    reactor->Start();
    return reactor;
  }

  const auto method = methods_.find(context->method());
  if (method == methods_.end()) {
    return new Refusal(absl::UnimplementedError("no such method"));
  }
  if (TimeLeft(*context) > kMaxCallTimeout + kDeadlineSlack) {
    return new Refusal(
        absl::InvalidArgumentError("call without a near deadline"));
  }
  ReactorMade();
  return new CallReactor(
      *context, PeerOf(*context), method->second, limits_.max_reply_bytes,
      [this](Peer peer, std::string address, std::string request,
             std::shared_ptr<Method> called,
             std::unique_ptr<CallReactor::Answer> answer) {
        executor_.Run([this, life = life_, peer = std::move(peer),
                       address = std::move(address),
                       request = std::move(request), called = std::move(called),
                       answer = std::move(answer)]() mutable {
          if (!life->serving || answer->abandoned()) return;
          if (recorder_ != nullptr) {
            recorder_->Record("peer-address", address);
            recorder_->Record("rpc-in", request);
          }
          called->handler(peer, std::move(request),
                          [answer = std::move(answer)](
                              absl::StatusOr<std::string> reply) mutable {
                            if (!answer->given())
                              answer->Give(std::move(reply));
                          });
        });
      },
      [this] { ReactorGone(); });
}

Peer GrpcServer::Core::PeerOf(const grpc::CallbackServerContext& context) {
  const std::vector<grpc::string_ref> certificates =
      context.auth_context()->FindPropertyValues(
          GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (certificates.empty()) return Peer{};
  const absl::string_view pem(certificates[0].data(), certificates[0].size());
  absl::MutexLock lock(&mutex_);
  const auto known = known_peers_.find(pem);
  if (known != known_peers_.end()) return known->second;
  Peer peer;
  if (absl::StatusOr<TlsKey> key = TlsKeyOfCertificate(pem); key.ok()) {
    peer.tls_key = *key;
  }
  // Emptied rather than aged: a stranger with many certificates costs us no
  // more than reading them.
  if (known_peers_.size() >= kMaxKnownCertificates) known_peers_.clear();
  known_peers_.emplace(pem, peer);
  return peer;
}

absl::Status GrpcServer::Core::Start() {
  size_t max_request = kFrameMessageBytes;
  for (const auto& [name, method] : methods_) {
    max_request = std::max(max_request, method->limits.max_request_bytes);
  }
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(static_cast<int>(max_request));
  builder.SetMaxSendMessageSize(static_cast<int>(limits_.max_reply_bytes));
  const std::pair<const char*, int> arguments[] = {
      {GRPC_ARG_MAX_CONCURRENT_STREAMS, limits_.max_concurrent_streams},
      {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
       Milliseconds(limits_.handshake_timeout)},
      {GRPC_ARG_MAX_CONNECTION_IDLE_MS,
       Milliseconds(limits_.max_connection_idle)},
      {GRPC_ARG_MAX_CONNECTION_AGE_MS,
       Milliseconds(limits_.max_connection_age)},
      {GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
       Milliseconds(limits_.max_connection_age_grace)},
      {GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(limits_.keepalive_time)},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(limits_.keepalive_timeout)},
      {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
       Milliseconds(limits_.min_ping_interval)},
      {GRPC_ARG_HTTP2_MAX_PING_STRIKES, limits_.max_ping_strikes},
      {GRPC_ARG_MAX_METADATA_SIZE,
       static_cast<int>(limits_.max_metadata_bytes)},
      {GRPC_ARG_HTTP2_BDP_PROBE, 0},  // grown windows are memory
      {GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kWindowBytes},
      // Our bytes do not compress; what others compress can be a bomb.
      {GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0},
      {GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0},
      {GRPC_ARG_ALLOW_REUSEPORT, 0},  // nobody else listens on our port
      {GRPC_ARG_ENABLE_CHANNELZ, 0},
      {GRPC_ARG_ENABLE_HTTP_PROXY, 0},
  };
  for (const auto& [name, value] : arguments) {
    builder.AddChannelArgument(name, value);
  }
  grpc::ResourceQuota quota("server");
  quota.Resize(limits_.max_memory_bytes);
  builder.SetResourceQuota(quota);
  int port = 0;
  builder.AddListeningPort(listen_address_, credentials_, &port);
  builder.RegisterCallbackGenericService(this);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port == 0) {
    server_ = nullptr;
    return absl::UnavailableError("cannot listen on the address");
  }
  address_ = absl::StrCat(
      absl::string_view(listen_address_).substr(0, listen_address_.rfind(':')),
      ":", port);
  return absl::OkStatus();
}

void GrpcServer::Core::Shutdown() {
  life_->serving = false;
  if (server_ == nullptr) return;
  // The deadline is past: what is going on is cancelled. Reactors finish
  // themselves in OnCancel(), on gRPC's threads.
  server_->Shutdown(gpr_time_0(GPR_CLOCK_REALTIME));
  {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](int* reactors) { return *reactors == 0; }, &reactors_));
  }
  server_ = nullptr;
}

GrpcServer::GrpcServer(std::unique_ptr<Core> core) : core_(std::move(core)) {}

GrpcServer::~GrpcServer() { Shutdown(); }

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Create(
    Options options) {
  if (!IsSocketAddress(options.listen_address)) {
    return absl::InvalidArgumentError(
        "listen address is not an IP literal and a port");
  }
  return std::unique_ptr<GrpcServer>(
      new GrpcServer(std::make_unique<Core>(std::move(options))));
}

void GrpcServer::HandleMethod(std::string method, MethodLimits limits,
                              RpcHandler handler) {
  auto entry = std::make_shared<Method>();
  entry->limits = limits;
  entry->handler = std::move(handler);
  core_->methods_[std::move(method)] = std::move(entry);
}

void GrpcServer::HandleLinks(LinkAcceptor& acceptor) {
  core_->acceptor_ = &acceptor;
}

absl::Status GrpcServer::Start() { return core_->Start(); }

std::string GrpcServer::address() const { return core_->address_; }

void GrpcServer::Shutdown() { core_->Shutdown(); }

}  // namespace messenger::routing
