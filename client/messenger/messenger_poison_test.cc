// What others put into a mailbox harms nobody who reads it. A million
// envelopes: testing/poison_main.cc.

#include <cstdint>

#include "client/messenger/testing/poisoned_mail.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {
namespace {

using ::testing::IsEmpty;

class MessengerPoisonTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(MessengerPoisonTest, TheNextGenuineTextIsShownAndNothingElse) {
  PoisonedMail mail(GetParam());
  mail.Run(10'000);
  EXPECT_THAT(mail.failures(), IsEmpty());
  EXPECT_GE(mail.envelopes(), 10'000u);
  EXPECT_GT(mail.sealed(), 1'000u);
  EXPECT_GT(mail.unreadable(), 8'000);
}

INSTANTIATE_TEST_SUITE_P(, MessengerPoisonTest, ::testing::Values(1, 2));

}  // namespace
}  // namespace messenger::client
