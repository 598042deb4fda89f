// Says to race detectors that gRPC hands an object from one thread to another
// properly, which they cannot see, because it is not compiled for them.
//
//   thread A: ... last use of the object; hand_over.Give(); call into gRPC
//   thread B: callback of gRPC; hand_over.Take(); delete the object
#ifndef ROUTING_RUNTIME_GRPC_HAND_OVER_H_
#define ROUTING_RUNTIME_GRPC_HAND_OVER_H_

#include <atomic>

namespace messenger::routing {

class GrpcHandOver {
 public:
  // Several threads may give.
  void Give() { given_.fetch_add(1, std::memory_order_release); }
  void Take() const { (void)given_.load(std::memory_order_acquire); }

 private:
  std::atomic<int> given_{0};
};

}  // namespace messenger::routing

#endif  // ROUTING_RUNTIME_GRPC_HAND_OVER_H_
