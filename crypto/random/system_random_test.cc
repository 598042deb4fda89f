#include "crypto/random/system_random.h"

#include <set>
#include <string>

#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

TEST(SystemRandomTest, NeverRepeats) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(SystemRandom().String(16));
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(SystemRandomTest, FillsToTheEnd) {
  // A byte that is always left alone would be zero in all hundred.
  for (size_t position = 0; position < 33; ++position) {
    bool changed = false;
    for (int i = 0; i < 100 && !changed; ++i) {
      changed = SystemRandom().String(33)[position] != '\0';
    }
    EXPECT_TRUE(changed) << position;
  }
}

}  // namespace
}  // namespace messenger::crypto
