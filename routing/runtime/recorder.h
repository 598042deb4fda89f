// A test's window into what one node gets to see, for the tests that prove
// what it cannot know. Null in production.
//
// Records are made on the executor of the process. `what` is one of
//   "peer-address"    address of the host behind the next request or link
//   "rpc-in"          request of a call
//   "rpc-reply-in"    reply to a call this process made
//   "frame-in"        frame of a link
// or a word of the code that was handed the recorder.
#ifndef ROUTING_RUNTIME_RECORDER_H_
#define ROUTING_RUNTIME_RECORDER_H_

#include "absl/strings/string_view.h"

namespace messenger::routing {

class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual void Record(absl::string_view what, absl::string_view bytes) = 0;
};

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_RECORDER_H_
