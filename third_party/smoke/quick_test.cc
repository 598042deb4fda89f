#include <grpcpp/grpcpp.h>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/smoke/echo.grpc.pb.h"
namespace {
TEST(Q, Works) {
  absl::flat_hash_map<std::string, int> m;
  absl::Mutex mu;
  absl::MutexLock l(&mu);
  m[absl::StrCat("a", 1)] = 2;
  EXPECT_THAT(m, testing::SizeIs(1));
  absl::StatusOr<int> s = absl::InternalError("x");
  EXPECT_FALSE(s.ok());
  messenger::third_party::smoke::Text t;
  t.set_text("x");
  t.mutable_delay()->set_seconds(3);
  EXPECT_GT(t.ByteSizeLong(), 3u);
  auto ch =
      grpc::CreateChannel("127.0.0.1:1", grpc::InsecureChannelCredentials());
  auto stub = messenger::third_party::smoke::Echo::NewStub(ch);
}
}  // namespace
