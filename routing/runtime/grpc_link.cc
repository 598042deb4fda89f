#include "routing/runtime/grpc_link.h"

#include <utility>

#include "absl/status/statusor.h"
#include "routing/runtime/grpc_bytes.h"

namespace messenger::routing {
namespace {

class Owned final : public FrameLink {
 public:
  explicit Owned(std::shared_ptr<GrpcLink> link) : link_(std::move(link)) {}
  ~Owned() override { link_->Drop(); }

  void Send(std::string frame) override { link_->Send(std::move(frame)); }
  size_t queued_frames() const override { return link_->queued_frames(); }
  void Close() override {
    link_->Close(absl::CancelledError("link closed here"), absl::OkStatus());
  }

 private:
  const std::shared_ptr<GrpcLink> link_;
};

}  // namespace

std::unique_ptr<FrameLink> OwnedLink(std::shared_ptr<GrpcLink> link) {
  return std::make_unique<Owned>(std::move(link));
}

GrpcLink::GrpcLink(Executor& executor, Recorder* recorder)
    : executor_(executor), recorder_(recorder) {}

void GrpcLink::Start(Stream& stream) {
  absl::Status to_peer;
  {
    absl::MutexLock lock(&mutex_);
    if (!closed_) {
      stream_ = &stream;
      stream_->Read(&incoming_);
      WriteNextLocked();
      return;
    }
    to_peer = early_to_peer_;
  }
  stream.End({.by_peer = false, .writing = false, .to_peer = to_peer});
}

void GrpcLink::OnRead(bool ok) {
  if (!ok) {
    OnPeerEnded();
    return;
  }
  absl::StatusOr<std::string> frame = FrameOfMessage(incoming_);
  incoming_.Clear();
  Stream* ended = nullptr;
  bool writing = false;
  {
    absl::MutexLock lock(&mutex_);
    if (stream_ == nullptr) return;
    writing = writing_;
    if (!frame.ok()) {
      ended = CloseLocked(frame.status());
    } else {
      inbox_.push_back(*std::move(frame));
      ScheduleLocked();
      if (inbox_.size() < kMaxInbox) {
        stream_->Read(&incoming_);
      } else {
        reading_paused_ = true;
      }
    }
  }
  if (ended != nullptr) {
    ended->End(
        {.by_peer = false, .writing = writing, .to_peer = frame.status()});
  }
}

void GrpcLink::OnPeerEnded() {
  Stream* ended;
  bool writing;
  {
    absl::MutexLock lock(&mutex_);
    ended = std::exchange(stream_, nullptr);
    writing = writing_;
  }
  // Why it ended is known in OnDone().
  if (ended != nullptr) {
    ended->End({.by_peer = true, .writing = writing, .to_peer = {}});
  }
}

void GrpcLink::OnWritten(bool ok) {
  absl::MutexLock lock(&mutex_);
  writing_ = false;
  outgoing_.Clear();
  // A failed write is followed by a failed read, which ends the stream.
  if (ok) WriteNextLocked();
}

void GrpcLink::OnDone(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  stream_ = nullptr;
  if (closed_) return;
  closed_ = true;
  close_status_ = std::move(status);
  queue_.clear();
  ScheduleLocked();
}

void GrpcLink::Listen(FrameLinkEvents& events) {
  events_ = &events;
  absl::MutexLock lock(&mutex_);
  listening_ = true;
  if (!inbox_.empty() || closed_) ScheduleLocked();
}

void GrpcLink::Drop() {
  events_ = nullptr;
  bool refused;
  {
    absl::MutexLock lock(&mutex_);
    refused = !listening_;
  }
  Close(
      absl::CancelledError("link closed here"),
      refused ? absl::PermissionDeniedError("link refused") : absl::OkStatus());
}

void GrpcLink::Send(std::string frame) {
  absl::Status refusal;
  if (frame.size() != kFrameBytes) {
    refusal = absl::InvalidArgumentError("frame of a wrong length");
  } else {
    absl::MutexLock lock(&mutex_);
    if (closed_) return;
    if (queue_.size() < kMaxQueuedFrames) {
      queue_.push_back(std::move(frame));
      WriteNextLocked();
      return;
    }
    refusal = absl::ResourceExhaustedError("too many frames queued");
  }
  Close(refusal, refusal);
}

size_t GrpcLink::queued_frames() const {
  absl::MutexLock lock(&mutex_);
  return queue_.size();
}

void GrpcLink::Close(absl::Status status, const absl::Status& to_peer) {
  Stream* ended;
  bool writing;
  closed_here_ = true;
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return;
    writing = writing_;
    ended = CloseLocked(std::move(status));
    if (ended == nullptr) early_to_peer_ = to_peer;
    inbox_.clear();
  }
  if (ended != nullptr) {
    ended->End({.by_peer = false, .writing = writing, .to_peer = to_peer});
  }
}

GrpcLink::Stream* GrpcLink::CloseLocked(absl::Status status) {
  closed_ = true;
  close_status_ = std::move(status);
  queue_.clear();
  ScheduleLocked();
  return std::exchange(stream_, nullptr);
}

void GrpcLink::WriteNextLocked() {
  if (writing_ || stream_ == nullptr || queue_.empty()) return;
  outgoing_ = FrameMessage(std::move(queue_.front()));
  queue_.pop_front();
  writing_ = true;
  stream_->Write(outgoing_, /*more=*/!queue_.empty());
}

void GrpcLink::ScheduleLocked() {
  if (scheduled_ || !listening_) return;
  scheduled_ = true;
  executor_.Run([self = shared_from_this()] { self->Deliver(); });
}

void GrpcLink::Deliver() {
  std::vector<std::string> frames;
  bool closed;
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    scheduled_ = false;
    frames.swap(inbox_);
    closed = closed_;
    status = close_status_;
    if (std::exchange(reading_paused_, false) && stream_ != nullptr) {
      stream_->Read(&incoming_);
    }
  }
  for (std::string& frame : frames) {
    if (events_ == nullptr) return;
    if (closed_here_) break;
    if (recorder_ != nullptr) recorder_->Record("frame-in", frame);
    events_->OnFrame(std::move(frame));
  }
  if (closed && events_ != nullptr) {
    std::exchange(events_, nullptr)->OnClosed(std::move(status));
  }
}

}  // namespace messenger::routing
