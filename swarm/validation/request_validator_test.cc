// A valid request of each kind, and each with one thing wrong.

#include "swarm/validation/request_validator.h"

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "crypto/base/testing/status_matchers.h"
#include "crypto/identity/account_keys.h"
#include "crypto/random/testing/seeded_random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/registration.h"
#include "swarm/proto/peer.pb.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/proto/storage_codec.h"

namespace messenger::swarm {
namespace {

using absl::StatusCode;
using crypto::AccountKeys;
using crypto::Ed25519PrivateKey;
using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;

template <typename Request>
struct Edit {
  std::string what;
  std::function<void(Request&)> apply;
  StatusCode code = StatusCode::kInvalidArgument;
};

class RequestValidatorTest : public ::testing::Test {
 protected:
  uint64_t Ms(absl::Duration from_now) const {
    return static_cast<uint64_t>(absl::ToUnixMillis(now_ + from_now));
  }

  v1::StoreRequest Inbox() const {
    v1::StoreRequest request;
    request.set_mailbox(std::string(inbox_.bytes()));
    request.set_ns(0);
    request.set_payload("payload");
    request.set_expiry_ms(Ms(absl::Hours(1)));
    return request;
  }
  void Sign(v1::StoreRequest& request) const {
    request.set_signature(std::string(
        SignWrite(write_key_,
                  ComputeMessageId(pair_, MailboxNamespace::kPairwise,
                                   request.payload()),
                  request.expiry_ms())
            .bytes()));
  }
  v1::StoreRequest Pairwise() const {
    v1::StoreRequest request = Inbox();
    request.set_mailbox(std::string(pair_.bytes()));
    request.set_ns(10);
    request.set_read_key(std::string(read_key_.public_key().bytes()));
    request.set_write_key(std::string(write_key_.public_key().bytes()));
    Sign(request);
    return request;
  }
  v1::RetrieveRequest Retrieve(
      std::function<void(RetrieveTerms&)> edit = nullptr) const {
    RetrieveTerms terms{.node = node_,
                        .mailbox = pair_,
                        .ns = MailboxNamespace::kPairwise,
                        .cursor = 5,
                        .incarnation = 6,
                        .limit = 10,
                        .timestamp_ms = Ms(absl::ZeroDuration()),
                        .challenge = 7,
                        .nonce = nonce_};
    if (edit != nullptr) edit(terms);
    v1::RetrieveRequest request;
    request.set_mailbox(std::string(terms.mailbox.bytes()));
    request.set_ns(static_cast<uint32_t>(terms.ns));
    request.set_cursor(terms.cursor);
    request.set_incarnation(terms.incarnation);
    request.set_limit(terms.limit);
    request.set_timestamp_ms(terms.timestamp_ms);
    request.set_challenge(terms.challenge);
    request.set_nonce(std::string(terms.nonce.bytes()));
    request.set_reader_key(std::string(read_key_.public_key().bytes()));
    request.set_write_key(std::string(write_key_.public_key().bytes()));
    request.set_signature(std::string(SignRetrieve(read_key_, terms).bytes()));
    request.set_page_bytes(kMaxPageBytes);
    return request;
  }
  v1::DeleteRequest Delete(
      std::function<void(DeleteTerms&)> edit = nullptr) const {
    DeleteTerms terms{.mailbox = inbox_,
                      .ns = MailboxNamespace::kInbox,
                      .timestamp_ms = Ms(absl::ZeroDuration()),
                      .nonce = nonce_,
                      .effective_ms = 0,
                      .ids = {MessageId()}};
    if (edit != nullptr) edit(terms);
    v1::DeleteRequest request;
    request.set_mailbox(std::string(terms.mailbox.bytes()));
    request.set_ns(static_cast<uint32_t>(terms.ns));
    for (const MessageId& id : terms.ids) {
      request.add_ids(std::string(id.bytes()));
    }
    request.set_timestamp_ms(terms.timestamp_ms);
    request.set_effective_ms(terms.effective_ms);
    request.set_nonce(std::string(terms.nonce.bytes()));
    request.set_reader_key(
        std::string(account_.signing_key().public_key().bytes()));
    request.set_signature(
        std::string(SignDelete(account_.signing_key(), terms).bytes()));
    return request;
  }
  v1::PurgeRequest Purge(
      std::function<void(PurgeTerms&)> edit = nullptr) const {
    PurgeTerms terms{.mailbox = inbox_,
                     .ns = MailboxNamespace::kInbox,
                     .expiry_until_ms = Ms(absl::Hours(1)),
                     .timestamp_ms = Ms(absl::ZeroDuration()),
                     .nonce = nonce_};
    if (edit != nullptr) edit(terms);
    v1::PurgeRequest request;
    request.set_mailbox(std::string(terms.mailbox.bytes()));
    request.set_ns(static_cast<uint32_t>(terms.ns));
    request.set_expiry_until_ms(terms.expiry_until_ms);
    request.set_timestamp_ms(terms.timestamp_ms);
    request.set_nonce(std::string(terms.nonce.bytes()));
    request.set_reader_key(
        std::string(account_.signing_key().public_key().bytes()));
    request.set_signature(
        std::string(SignPurge(account_.signing_key(), terms).bytes()));
    return request;
  }
  static constexpr int kBits = 6;
  v1::RegisterRequest Register(
      std::function<void(RegistrationTerms&)> edit = nullptr) const {
    RegistrationTerms terms{.mailbox = pair_,
                            .timestamp_ms = Ms(absl::ZeroDuration())};
    if (edit != nullptr) edit(terms);
    terms.proof_nonce = FindRegistrationNonce(terms, kBits, 0, 1 << 16).value();
    v1::RegisterRequest request;
    request.set_mailbox(std::string(terms.mailbox.bytes()));
    request.set_timestamp_ms(terms.timestamp_ms);
    request.set_proof_nonce(terms.proof_nonce);
    request.set_reader_key(std::string(read_key_.public_key().bytes()));
    request.set_write_key(std::string(write_key_.public_key().bytes()));
    request.set_signature(
        std::string(SignRegistration(read_key_, terms).bytes()));
    return request;
  }
  v1::PutRecordRequest Put(
      std::function<void(Record&)> edit = nullptr,
      MailboxNamespace ns = MailboxNamespace::kPrekeyRecords) const {
    Record record;
    record.seq = 1;
    record.body = "body";
    if (edit != nullptr) edit(record);
    SignRecord(account_.signing_key(), inbox_, ns, record);
    v1::PutRecordRequest request;
    request.set_mailbox(std::string(inbox_.bytes()));
    request.set_ns(static_cast<uint32_t>(ns));
    RecordToProto(record, request);
    return request;
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'900'000'000);
  crypto::SeededRandom random_{1};
  const AccountKeys account_ = AccountKeys::Generate(random_);
  const Ed25519PrivateKey read_key_ = Ed25519PrivateKey::Generate(random_);
  const Ed25519PrivateKey write_key_ = Ed25519PrivateKey::Generate(random_);
  const Ed25519PrivateKey other_key_ = Ed25519PrivateKey::Generate(random_);
  const routing::NodeId node_ = random_.Fixed<routing::NodeId>();
  const RequestNonce nonce_ = random_.Fixed<RequestNonce>();
  const MailboxAddress inbox_ = MailboxAddress::ForAccount(account_.id());
  const MailboxAddress pair_ =
      MailboxAddress::ForPair(read_key_.public_key(), write_key_.public_key());
};

TEST_F(RequestValidatorTest, AcceptsMessagesOfBothKinds) {
  const auto inbox = ValidateStore(Inbox(), now_, Origin::kClient);
  ASSERT_THAT(inbox, IsOk());
  EXPECT_EQ(inbox->subject.id,
            ComputeMessageId(inbox_, MailboxNamespace::kInbox, "payload"));
  EXPECT_EQ(inbox->subject.expiry_ms, Ms(absl::Hours(1)));
  EXPECT_EQ(std::get<PutMessage>(inbox->op).proof, "");
  const auto pair = ValidateStore(Pairwise(), now_, Origin::kClient);
  ASSERT_THAT(pair, IsOk());
  EXPECT_EQ(std::get<PutMessage>(pair->op).proof.size(), 128);
  v1::StoreRequest largest = Pairwise();
  largest.set_payload(std::string(kMaxPayloadBytes, 'x'));
  Sign(largest);
  EXPECT_THAT(ValidateStore(largest, now_, Origin::kClient), IsOk());
  EXPECT_LE(largest.ByteSizeLong() + 16, kMaxClientRequestBytes);
}

TEST_F(RequestValidatorTest, RefusesEveryMalformedMessage) {
  using E = Edit<v1::StoreRequest>;
  const std::vector<E> edits = {
      {"no mailbox", [](auto& r) { r.clear_mailbox(); }},
      {"short mailbox", [](auto& r) { r.mutable_mailbox()->pop_back(); }},
      {"long mailbox", [](auto& r) { r.mutable_mailbox()->push_back('x'); }},
      {"unknown kind", [](auto& r) { (*r.mutable_mailbox())[0] = 7; }},
      {"inbox of a pair", [](auto& r) { r.set_ns(0); }},
      {"records' namespace", [](auto& r) { r.set_ns(1); }},
      {"unknown namespace", [](auto& r) { r.set_ns(20); }},
      {"namespace beyond 16 bits", [](auto& r) { r.set_ns(0x1000a); }},
      {"no payload", [](auto& r) { r.clear_payload(); }},
      {"large payload",
       [](auto& r) { r.set_payload(std::string(kMaxPayloadBytes + 1, 'x')); }},
      {"no expiry", [](auto& r) { r.clear_expiry_ms(); }},
      {"past expiry",
       [this](auto& r) {
         r.set_expiry_ms(Ms(-absl::Seconds(1)));
         Sign(r);
       }},
      {"too soon",
       [this](auto& r) {
         r.set_expiry_ms(Ms(kMinTtl - absl::Milliseconds(1)));
         Sign(r);
       }},
      {"too late",
       [this](auto& r) {
         r.set_expiry_ms(Ms(kMaxTtl + kClockTolerance + absl::Milliseconds(1)));
         Sign(r);
       }},
      {"absurd expiry",
       [this](auto& r) {
         r.set_expiry_ms(~uint64_t{0});
         Sign(r);
       }},
      {"no read key", [](auto& r) { r.clear_read_key(); }},
      {"short read key", [](auto& r) { r.mutable_read_key()->pop_back(); }},
      {"other read key",
       [this](auto& r) {
         r.set_read_key(std::string(other_key_.public_key().bytes()));
       },
       StatusCode::kPermissionDenied},
      {"no write key", [](auto& r) { r.clear_write_key(); }},
      {"long write key",
       [](auto& r) { r.mutable_write_key()->push_back('x'); }},
      {"other write key",
       [this](auto& r) {
         r.set_write_key(std::string(other_key_.public_key().bytes()));
       },
       StatusCode::kPermissionDenied},
      {"no signature", [](auto& r) { r.clear_signature(); }},
      {"short signature", [](auto& r) { r.mutable_signature()->pop_back(); }},
      {"flipped signature", [](auto& r) { (*r.mutable_signature())[9] ^= 1; },
       StatusCode::kUnauthenticated},
      {"other payload", [](auto& r) { r.set_payload("another"); },
       StatusCode::kUnauthenticated},
      {"other expiry", [this](auto& r) { r.set_expiry_ms(Ms(absl::Hours(2))); },
       StatusCode::kUnauthenticated},
  };
  for (const E& edit : edits) {
    v1::StoreRequest request = Pairwise();
    edit.apply(request);
    for (const Origin origin : {Origin::kClient, Origin::kPeer}) {
      if (origin == Origin::kPeer && edit.what == "too soon") continue;
      EXPECT_THAT(ValidateStore(request, now_, origin), StatusIs(edit.code))
          << edit.what;
    }
  }
  const std::vector<E> inbox_edits = {
      {"a read key", [](auto& r) { r.set_read_key(std::string(32, 'x')); }},
      {"a write key", [](auto& r) { r.set_write_key(std::string(32, 'x')); }},
      {"a signature", [](auto& r) { r.set_signature(std::string(64, 'x')); }},
      {"pairwise namespace", [](auto& r) { r.set_ns(10); }},
      {"more than strangers may send",
       [](auto& r) {
         r.set_payload(std::string(kMaxStrangerPayloadBytes + 1, 'x'));
       }},
  };
  for (const E& edit : inbox_edits) {
    v1::StoreRequest request = Inbox();
    edit.apply(request);
    EXPECT_THAT(ValidateStore(request, now_, Origin::kClient),
                StatusIs(edit.code))
        << edit.what;
  }
}

TEST_F(RequestValidatorTest, APeerMayBringAMessageUntilItExpires) {
  v1::StoreRequest request = Pairwise();
  request.set_expiry_ms(Ms(absl::Seconds(3)));
  Sign(request);
  EXPECT_THAT(ValidateStore(request, now_, Origin::kClient),
              StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(ValidateStore(request, now_, Origin::kPeer), IsOk());
  EXPECT_THAT(ValidateStore(request, now_ + absl::Seconds(3), Origin::kPeer),
              StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(RequestValidatorTest, AcceptsARetrieval) {
  const auto retrieval = ValidateRetrieve(Retrieve(), node_, now_);
  ASSERT_THAT(retrieval, IsOk());
  EXPECT_EQ(retrieval->terms.cursor, 5);
  EXPECT_EQ(retrieval->terms.incarnation, 6);
  EXPECT_EQ(retrieval->terms.challenge, 7);
  EXPECT_EQ(retrieval->page_bytes, kMaxPageBytes);
}

TEST_F(RequestValidatorTest, RefusesEveryMalformedRetrieval) {
  using E = Edit<v1::RetrieveRequest>;
  const auto signed_edit = [this](std::function<void(RetrieveTerms&)> edit) {
    return [this, edit](v1::RetrieveRequest& r) { r = Retrieve(edit); };
  };
  const std::vector<E> edits = {
      {"no mailbox", [](auto& r) { r.clear_mailbox(); }},
      {"other namespace", [](auto& r) { r.set_ns(0); }},
      {"cursor beyond 63 bits",
       signed_edit([](auto& t) { t.cursor = uint64_t{1} << 63; })},
      {"other cursor", [](auto& r) { r.set_cursor(0); },
       StatusCode::kUnauthenticated},
      {"other incarnation", [](auto& r) { r.set_incarnation(0); },
       StatusCode::kUnauthenticated},
      {"no rows", signed_edit([](auto& t) { t.limit = 0; })},
      {"too many rows",
       signed_edit([](auto& t) { t.limit = kMaxPageRows + 1; })},
      {"other rows", [](auto& r) { r.set_limit(11); },
       StatusCode::kUnauthenticated},
      {"no time", signed_edit([](auto& t) { t.timestamp_ms = 0; })},
      {"old", signed_edit([this](auto& t) {
         t.timestamp_ms = Ms(-kClockTolerance - absl::Milliseconds(1));
       }),
       StatusCode::kFailedPrecondition},
      {"from the future", signed_edit([this](auto& t) {
         t.timestamp_ms = Ms(kClockTolerance + absl::Milliseconds(1));
       }),
       StatusCode::kFailedPrecondition},
      {"other time",
       [this](auto& r) { r.set_timestamp_ms(Ms(absl::Seconds(1))); },
       StatusCode::kUnauthenticated},
      {"for another node",
       signed_edit([](auto& t) { t.node = routing::NodeId(); }),
       StatusCode::kUnauthenticated},
      {"other challenge", [](auto& r) { r.clear_challenge(); },
       StatusCode::kUnauthenticated},
      {"no nonce", [](auto& r) { r.clear_nonce(); }},
      {"other nonce", [](auto& r) { (*r.mutable_nonce())[0] ^= 1; },
       StatusCode::kUnauthenticated},
      {"no reader key", [](auto& r) { r.clear_reader_key(); }},
      {"no write key", [](auto& r) { r.clear_write_key(); }},
      {"other reader",
       [this](auto& r) {
         r.set_reader_key(std::string(other_key_.public_key().bytes()));
       },
       StatusCode::kPermissionDenied},
      {"no signature", [](auto& r) { r.clear_signature(); }},
      {"too long a wait", [](auto& r) { r.set_wait_ms(kMaxWaitMs + 1); }},
      {"no page size", [](auto& r) { r.clear_page_bytes(); }},
      {"small page", [](auto& r) { r.set_page_bytes(kMinPageBytes - 1); }},
      {"large page", [](auto& r) { r.set_page_bytes(kMaxPageBytes + 1); }},
  };
  for (const E& edit : edits) {
    v1::RetrieveRequest request = Retrieve();
    edit.apply(request);
    EXPECT_THAT(ValidateRetrieve(request, node_, now_), StatusIs(edit.code))
        << edit.what;
  }
}

TEST_F(RequestValidatorTest, AcceptsADeletion) {
  const auto deletion = ValidateDelete(Delete(), now_, Origin::kClient);
  ASSERT_THAT(deletion, IsOk());
  EXPECT_EQ(deletion->subject.expiry_ms, 0);
  const auto& order = std::get<DeleteMessages>(deletion->op);
  EXPECT_EQ(order.order_id, deletion->subject.id);
  EXPECT_EQ(order.proof.size(), 96);
  EXPECT_EQ(order.terms.effective_ms, 0);
  EXPECT_THAT(ValidateDelete(Delete([this](DeleteTerms& t) {
                               t.effective_ms = Ms(kMaxTtl);
                             }),
                             now_, Origin::kClient),
              IsOk());
  EXPECT_THAT(ValidateDelete(
                  Delete([](DeleteTerms& t) { t.ids.resize(kMaxDeleteIds); }),
                  now_, Origin::kClient),
              IsOk());
}

TEST_F(RequestValidatorTest, RefusesEveryMalformedDeletion) {
  using E = Edit<v1::DeleteRequest>;
  const auto signed_edit = [this](std::function<void(DeleteTerms&)> edit) {
    return [this, edit](v1::DeleteRequest& r) { r = Delete(edit); };
  };
  const std::vector<E> edits = {
      {"no mailbox", [](auto& r) { r.clear_mailbox(); }},
      {"records' namespace", [](auto& r) { r.set_ns(1); }},
      {"no ids", signed_edit([](auto& t) { t.ids.clear(); })},
      {"too many ids",
       signed_edit([](auto& t) { t.ids.resize(kMaxDeleteIds + 1); })},
      {"short id", [](auto& r) { r.mutable_ids(0)->pop_back(); }},
      {"one more id", [](auto& r) { r.add_ids(std::string(32, 'x')); },
       StatusCode::kUnauthenticated},
      {"no time", signed_edit([](auto& t) { t.timestamp_ms = 0; })},
      {"absurd time",
       signed_edit([](auto& t) { t.timestamp_ms = ~uint64_t{0}; })},
      {"from the future", signed_edit([this](auto& t) {
         t.timestamp_ms = Ms(3 * kClockTolerance);
       }),
       StatusCode::kFailedPrecondition},
      {"an effect beyond all messages", signed_edit([this](auto& t) {
         t.effective_ms = Ms(kMaxTtl + kClockTolerance + absl::Milliseconds(1));
       })},
      {"absurd effect",
       signed_edit([](auto& t) { t.effective_ms = ~uint64_t{0}; })},
      {"other effect",
       [this](auto& r) { r.set_effective_ms(Ms(absl::Hours(1))); },
       StatusCode::kUnauthenticated},
      {"no nonce", [](auto& r) { r.clear_nonce(); }},
      {"a write key", [](auto& r) { r.set_write_key(std::string(32, 'x')); }},
      {"other key",
       [this](auto& r) {
         r.set_reader_key(std::string(other_key_.public_key().bytes()));
       },
       StatusCode::kPermissionDenied},
      {"flipped signature", [](auto& r) { (*r.mutable_signature())[9] ^= 1; },
       StatusCode::kUnauthenticated},
  };
  for (const E& edit : edits) {
    v1::DeleteRequest request = Delete();
    edit.apply(request);
    for (const Origin origin : {Origin::kClient, Origin::kPeer}) {
      EXPECT_THAT(ValidateDelete(request, now_, origin), StatusIs(edit.code))
          << edit.what;
    }
  }
  const v1::DeleteRequest old = Delete(
      [this](DeleteTerms& t) { t.timestamp_ms = Ms(-2 * kClockTolerance); });
  EXPECT_THAT(ValidateDelete(old, now_, Origin::kClient),
              StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(ValidateDelete(old, now_, Origin::kPeer), IsOk());
}

TEST_F(RequestValidatorTest, AcceptsARecord) {
  EXPECT_THAT(ValidatePutRecord(Put(), Origin::kClient), IsOk());
  EXPECT_THAT(ValidatePutRecord(Put(nullptr, MailboxNamespace::kIdentityRecord),
                                Origin::kClient),
              IsOk());
}

TEST_F(RequestValidatorTest, RefusesEveryMalformedRecord) {
  using E = Edit<v1::PutRecordRequest>;
  const auto signed_edit = [this](std::function<void(Record&)> edit) {
    return [this, edit](v1::PutRecordRequest& r) { r = Put(edit); };
  };
  const std::vector<E> edits = {
      {"no mailbox", [](auto& r) { r.clear_mailbox(); }},
      {"a pair's mailbox",
       [this](auto& r) { r.set_mailbox(std::string(pair_.bytes())); }},
      {"messages' namespace", [](auto& r) { r.set_ns(0); }},
      {"other namespace", [](auto& r) { r.set_ns(1); },
       StatusCode::kUnauthenticated},
      {"short key", [](auto& r) { r.mutable_key()->pop_back(); }},
      {"a second identity record",
       [this](auto& r) {
         r = Put([](Record& record) { record.key.data()[0] = 1; },
                 MailboxNamespace::kIdentityRecord);
       }},
      {"number beyond 63 bits",
       signed_edit([](auto& record) { record.seq = uint64_t{1} << 63; })},
      {"other number", [](auto& r) { r.set_seq(2); },
       StatusCode::kUnauthenticated},
      {"no body", signed_edit([](auto& record) { record.body.clear(); })},
      {"large body", signed_edit([](auto& record) {
         record.body.assign(kMaxRecordBodyBytes + 1, 'x');
       })},
      {"other body", [](auto& r) { r.set_body("other"); },
       StatusCode::kUnauthenticated},
      {"other key",
       [this](auto& r) {
         r.set_owner_key(std::string(other_key_.public_key().bytes()));
       },
       StatusCode::kPermissionDenied},
      {"no signature", [](auto& r) { r.clear_signature(); }},
  };
  for (const E& edit : edits) {
    v1::PutRecordRequest request = Put();
    edit.apply(request);
    for (const Origin origin : {Origin::kClient, Origin::kPeer}) {
      EXPECT_THAT(ValidatePutRecord(request, origin), StatusIs(edit.code))
          << edit.what;
    }
  }
}

TEST_F(RequestValidatorTest, WorkCountsForItsHourAndTheTwoBesideIt) {
  v1::StoreRequest request = Inbox();
  const auto hour = static_cast<uint32_t>(absl::ToUnixSeconds(now_) / 3600);
  const MessageId id =
      ComputeMessageId(inbox_, MailboxNamespace::kInbox, "payload");
  for (const int off : {-2, -1, 0, 1, 2}) {
    const uint32_t other = hour + static_cast<uint32_t>(off);
    request.set_work_hour(other);
    request.set_work_nonce(
        FindMessageNonce(id, inbox_, other, 8, 0, 1 << 16).value());
    const auto write = ValidateStore(request, now_, Origin::kClient);
    ASSERT_THAT(write, IsOk());
    if (off == -2 || off == 2) {
      EXPECT_EQ(write->work_bits, 0) << off;
    } else {
      EXPECT_GE(write->work_bits, 8) << off;
    }
  }
}

TEST_F(RequestValidatorTest, AcceptsAPurge) {
  const auto purge = ValidatePurge(Purge(), now_, Origin::kClient);
  ASSERT_THAT(purge, IsOk());
  EXPECT_EQ(std::get<PurgeMessages>(purge->op).order_id, purge->subject.id);
  EXPECT_EQ(purge->subject.expiry_ms, 0);
  // Members bring it to one another as long as it lives.
  EXPECT_THAT(ValidatePurge(Purge(), now_ + absl::Hours(2), Origin::kPeer),
              IsOk());
  EXPECT_THAT(ValidatePurge(Purge(), now_ + absl::Hours(2), Origin::kClient),
              StatusIs(StatusCode::kFailedPrecondition));
}

TEST_F(RequestValidatorTest, RefusesEveryMalformedPurge) {
  using E = Edit<v1::PurgeRequest>;
  const auto signed_edit = [this](std::function<void(PurgeTerms&)> edit) {
    return [this, edit](v1::PurgeRequest& r) { r = Purge(edit); };
  };
  const std::vector<E> edits = {
      {"no mailbox", [](auto& r) { r.clear_mailbox(); }},
      {"records' namespace", [](auto& r) { r.set_ns(1); }},
      {"no end", signed_edit([](auto& t) { t.expiry_until_ms = 0; })},
      {"an end beyond all messages", signed_edit([this](auto& t) {
         t.expiry_until_ms =
             Ms(kMaxTtl + 2 * kClockTolerance + absl::Milliseconds(1));
       })},
      {"other end", [](auto& r) { r.set_expiry_until_ms(7); },
       StatusCode::kUnauthenticated},
      {"no time", signed_edit([](auto& t) { t.timestamp_ms = 0; })},
      {"from the future", signed_edit([this](auto& t) {
         t.timestamp_ms = Ms(3 * kClockTolerance);
       }),
       StatusCode::kFailedPrecondition},
      {"no nonce", [](auto& r) { r.clear_nonce(); }},
      {"other key",
       [this](auto& r) {
         r.set_reader_key(std::string(other_key_.public_key().bytes()));
       },
       StatusCode::kPermissionDenied},
      {"flipped signature", [](auto& r) { (*r.mutable_signature())[9] ^= 1; },
       StatusCode::kUnauthenticated},
  };
  for (const E& edit : edits) {
    v1::PurgeRequest request = Purge();
    edit.apply(request);
    EXPECT_THAT(ValidatePurge(request, now_, Origin::kPeer),
                StatusIs(edit.code))
        << edit.what;
  }
  const v1::PurgeRequest past =
      Purge([this](PurgeTerms& t) { t.expiry_until_ms = Ms(-absl::Hours(1)); });
  EXPECT_THAT(ValidatePurge(past, now_, Origin::kClient),
              StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(RequestValidatorTest, AcceptsARegistrationThatWasPaidFor) {
  const auto registration =
      ValidateRegister(Register(), kBits, now_, Origin::kClient);
  ASSERT_THAT(registration, IsOk());
  EXPECT_EQ(std::get<PutRegistration>(registration->op).id,
            registration->subject.id);
  EXPECT_EQ(std::get<PutRegistration>(registration->op).proof.size(), 128);
  for (const Origin origin : {Origin::kClient, Origin::kPeer}) {
    EXPECT_THAT(ValidateRegister(Register(), 40, now_, origin),
                StatusIs(StatusCode::kPermissionDenied));
  }
  EXPECT_THAT(ValidateRegister(Register(), kBits,
                               now_ + kRegistrationKept - absl::Seconds(1),
                               Origin::kPeer),
              IsOk());
  EXPECT_THAT(ValidateRegister(Register(), kBits, now_ + kRegistrationKept,
                               Origin::kPeer),
              StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(RequestValidatorTest, RefusesEveryMalformedRegistration) {
  using E = Edit<v1::RegisterRequest>;
  const auto signed_edit =
      [this](std::function<void(RegistrationTerms&)> edit) {
        return [this, edit](v1::RegisterRequest& r) { r = Register(edit); };
      };
  const std::vector<E> edits = {
      {"no mailbox", [](auto& r) { r.clear_mailbox(); }},
      {"no time", signed_edit([](auto& t) { t.timestamp_ms = 0; })},
      {"from the future", signed_edit([this](auto& t) {
         t.timestamp_ms = Ms(3 * kClockTolerance);
       }),
       StatusCode::kFailedPrecondition},
      {"no write key", [](auto& r) { r.clear_write_key(); }},
      {"other key",
       [this](auto& r) {
         r.set_reader_key(std::string(other_key_.public_key().bytes()));
       },
       StatusCode::kPermissionDenied},
      {"no signature", [](auto& r) { r.clear_signature(); }},
      {"flipped signature", [](auto& r) { (*r.mutable_signature())[9] ^= 1; },
       StatusCode::kUnauthenticated},
  };
  for (const E& edit : edits) {
    v1::RegisterRequest request = Register();
    edit.apply(request);
    EXPECT_THAT(ValidateRegister(request, 0, now_, Origin::kPeer),
                StatusIs(edit.code))
        << edit.what;
  }
}

TEST_F(RequestValidatorTest, ChecksWhatAPeerBringsOfEveryKind) {
  v1::ReplicatedItem item;
  EXPECT_THAT(ValidateItem(item, kBits, now_),
              StatusIs(StatusCode::kInvalidArgument));
  *item.mutable_store() = Pairwise();
  EXPECT_THAT(ValidateItem(item, kBits, now_), IsOk());
  *item.mutable_delete_() = Delete();
  EXPECT_THAT(ValidateItem(item, kBits, now_), IsOk());
  *item.mutable_put_record() = Put();
  EXPECT_THAT(ValidateItem(item, kBits, now_), IsOk());
  *item.mutable_purge() = Purge();
  EXPECT_THAT(ValidateItem(item, kBits, now_), IsOk());
  *item.mutable_register_() = Register();
  EXPECT_THAT(ValidateItem(item, kBits, now_), IsOk());
  EXPECT_THAT(ValidateItem(item, 40, now_),
              StatusIs(StatusCode::kPermissionDenied));
}

TEST_F(RequestValidatorTest, ChecksWhatAReaderOfRecordsAsks) {
  v1::GetRecordsRequest request;
  request.set_mailbox(std::string(inbox_.bytes()));
  request.set_ns(1);
  request.set_page_bytes(kMinPageBytes);
  EXPECT_THAT(ValidateGetRecords(request), IsOk());
  v1::GetRecordsRequest messages = request;
  messages.set_ns(0);
  EXPECT_THAT(ValidateGetRecords(messages),
              StatusIs(StatusCode::kInvalidArgument));
  v1::GetRecordsRequest pair = request;
  pair.set_mailbox(std::string(pair_.bytes()));
  EXPECT_THAT(ValidateGetRecords(pair), StatusIs(StatusCode::kInvalidArgument));
  v1::GetRecordsRequest page = request;
  page.set_page_bytes(0);
  EXPECT_THAT(ValidateGetRecords(page), StatusIs(StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace messenger::swarm
