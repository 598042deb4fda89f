// Links a new device to an account, step by step, over mail in memory.

#ifndef CLIENT_MESSENGER_TESTING_LINKING_H_
#define CLIENT_MESSENGER_TESTING_LINKING_H_

#include <string>
#include <vector>

#include "client/messenger/testing/person.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::client {

// Until nobody has anything to say any more.
inline void Settle(const std::vector<Person*>& people) {
  for (int round = 0; round < 6; ++round) {
    for (Person* person : people) {
      person->Publish().IgnoreError();
      person->Receive();
    }
  }
}

// Up to the digits, which both sides show.
inline void Offer(Person& first, Person& fresh) {
  using ::messenger::testing::IsOk;
  ASSERT_THAT(fresh.Publish(), IsOk());
  ASSERT_THAT(first.messenger().OfferLink(fresh.id()), IsOk());
  ASSERT_THAT(first.Flush(), IsOk());
  fresh.Receive();
  first.Receive();
  fresh.Receive();
}

inline std::string DigitsOf(Person& person) {
  const auto digits = person.messenger().LinkDigits();
  EXPECT_THAT(digits, ::messenger::testing::IsOk());
  return digits.value_or("");
}

inline void Link(Person& first, Person& fresh) {
  using ::messenger::testing::IsOk;
  Offer(first, fresh);
  ASSERT_THAT(DigitsOf(fresh), ::testing::SizeIs(6));
  ASSERT_THAT(first.messenger().ConfirmLink(DigitsOf(fresh)), IsOk());
  ASSERT_THAT(first.Publish(), IsOk());
  ASSERT_THAT(first.Flush(), IsOk());
  ASSERT_THAT(fresh.ReceiveReported().status(), IsOk());
  ASSERT_TRUE(fresh.messenger().became_linked());
  fresh.Restart();
  ASSERT_EQ(fresh.id(), first.id());
  ASSERT_THAT(fresh.Publish(), IsOk());
  Settle({&first, &fresh});
}

}  // namespace messenger::client

#endif  // CLIENT_MESSENGER_TESTING_LINKING_H_
