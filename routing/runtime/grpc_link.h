// One end of a link over a gRPC stream, the same for the side that opened it
// and the side that accepted it (routing/runtime/SPEC.md, section 3).
//
// GrpcLink is what the executor's side and gRPC's threads share. It keeps one
// write under way, a bounded queue behind it, and stops reading while the
// executor has not taken what was read: a slow host slows its peers down.
//
//   executor: Send() ... -> queue -> Stream::Write -> OnWritten -> next
//   gRPC:     OnRead -> inbox -> one task per batch -> events.OnFrame ...
//
// Thread-safe as marked below.
#ifndef ROUTING_RUNTIME_GRPC_LINK_H_
#define ROUTING_RUNTIME_GRPC_LINK_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/support/byte_buffer.h"
#include "routing/runtime/executor.h"
#include "routing/runtime/recorder.h"
#include "routing/runtime/transport.h"

namespace messenger::routing {

class GrpcLink final : public std::enable_shared_from_this<GrpcLink> {
 public:
  struct Ending {
    bool by_peer;          // nothing more will come; else we end it
    bool writing;          // a write is under way
    absl::Status to_peer;  // what a peer that is still there is told
  };

  // The stream below, which calls back OnRead, OnWritten and OnDone. None of
  // its methods may call back from inside.
  class Stream {
   public:
    virtual ~Stream() = default;
    // `more`: another write follows at once, so need not be flushed.
    virtual void Write(const grpc::ByteBuffer& message, bool more) = 0;
    virtual void Read(grpc::ByteBuffer* message) = 0;
    // Ends the stream. Called once, the last call on this object.
    virtual void End(const Ending& ending) = 0;
  };

  // `executor` must outlive the stream; `recorder` may be null.
  GrpcLink(Executor& executor, Recorder* recorder);

  // Gives the link its stream, on which nothing may have been started, and
  // starts reading. `stream` must live until End() is called on it. Any
  // thread, once.
  void Start(Stream& stream);

  // From gRPC's threads.
  void OnRead(bool ok);
  void OnWritten(bool ok);
  // The peer is gone or no longer wants the stream.
  void OnPeerEnded();
  // The stream is over. Known reasons for the end take precedence over
  // `status`.
  void OnDone(absl::Status status);

  // On the executor. Events start with Listen() and end with OnClosed() or
  // Drop(). What arrives before Listen() waits.
  void Listen(FrameLinkEvents& events);
  // Closes; no more events. A link that was never listened to was refused.
  void Drop();
  void Send(std::string frame);
  size_t queued_frames() const;
  // OnClosed(status) follows; the peer gets `to_peer`.
  void Close(absl::Status status, const absl::Status& to_peer);

 private:
  // Frames read and not yet given to the events (2 MiB).
  static constexpr size_t kMaxInbox = 256;

  // Returns the stream to end, or null.
  Stream* CloseLocked(absl::Status status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteNextLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ScheduleLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The task: gives the inbox to the events.
  void Deliver();

  Executor& executor_;
  Recorder* const recorder_;

  // Only on the executor.
  FrameLinkEvents* events_ = nullptr;
  bool closed_here_ = false;

  mutable absl::Mutex mutex_;
  // Null before Start() and after End().
  Stream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::deque<std::string> queue_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ByteBuffer outgoing_ ABSL_GUARDED_BY(mutex_);
  // Belongs to gRPC while a read is under way.
  grpc::ByteBuffer incoming_;
  std::vector<std::string> inbox_ ABSL_GUARDED_BY(mutex_);
  bool reading_paused_ ABSL_GUARDED_BY(mutex_) = false;
  bool listening_ ABSL_GUARDED_BY(mutex_) = false;
  bool scheduled_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status close_status_ ABSL_GUARDED_BY(mutex_);
  // What a peer is told if the link was closed before Start().
  absl::Status early_to_peer_ ABSL_GUARDED_BY(mutex_);
};

// The FrameLink that its owner holds.
std::unique_ptr<FrameLink> OwnedLink(std::shared_ptr<GrpcLink> link);

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_GRPC_LINK_H_
