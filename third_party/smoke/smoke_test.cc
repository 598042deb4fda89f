// All dependencies in one binary, each doing what the product wants of it.
//
// What could go wrong is in the linking: BoringSSL and the system's OpenSSL
// have functions of the same names, gRPC and SQLCipher need the latter.

#include <grpcpp/grpcpp.h>
#include <openssl/aead.h>
#include <openssl/crypto.h>
#include <openssl/hpke.h>
#include <sodium.h>
#include <sqlite3.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "third_party/smoke/certificate.h"
#include "third_party/smoke/echo.grpc.pb.h"
#include "third_party/smoke/echo.pb.h"

namespace messenger::third_party::smoke {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class EchoService final : public Echo::Service {
 public:
  grpc::Status Say(grpc::ServerContext*, const Text* request,
                   Text* response) override {
    *response = *request;
    absl::MutexLock lock(&mutex_);
    ++calls_;
    return grpc::Status::OK;
  }

  int calls() const {
    absl::MutexLock lock(&mutex_);
    return calls_;
  }

 private:
  mutable absl::Mutex mutex_;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
};

class TlsServer {
 public:
  explicit TlsServer(const Certificate& certificate) {
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back(
        {certificate.private_key_pem, certificate.certificate_pem});
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options),
                             &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  }

  ~TlsServer() { server_->Shutdown(); }

  std::unique_ptr<Echo::Stub> Connect(const std::string& trusted_pem) const {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = trusted_pem;
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride("localhost");
    return Echo::NewStub(
        grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port_),
                                  grpc::SslCredentials(options), arguments));
  }

  int calls() const { return service_.calls(); }

 private:
  EchoService service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

grpc::Status Say(Echo::Stub& stub, absl::string_view text, Text* response) {
  grpc::ClientContext context;
  Text request;
  request.set_text(std::string(text));
  request.mutable_delay()->set_seconds(3);
  return stub.Say(&context, request, response);
}

TEST(SmokeTest, EachTlsLibraryIsTheOneItsCallerWasCompiledAgainst) {
  EXPECT_THAT(SystemOpenSslVersion(), StartsWith("OpenSSL 3."));
  EXPECT_STREQ(OpenSSL_version(OPENSSL_VERSION), "BoringSSL");
}

TEST(SmokeTest, GrpcCallsGoOverTls) {
  const Certificate certificate = MakeCertificate();
  TlsServer server(certificate);
  const std::unique_ptr<Echo::Stub> stub =
      server.Connect(certificate.certificate_pem);
  Text response;
  const grpc::Status status = Say(*stub, "hello", &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.text(), "hello");
  EXPECT_EQ(response.delay().seconds(), 3);
}

TEST(SmokeTest, GrpcRefusesACertificateItWasNotToldToTrust) {
  TlsServer server(MakeCertificate());
  const std::unique_ptr<Echo::Stub> stub =
      server.Connect(MakeCertificate().certificate_pem);
  Text response;
  const grpc::Status status = Say(*stub, "hello", &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(server.calls(), 0);
}

TEST(SmokeTest, GrpcServesManyThreads) {
  const Certificate certificate = MakeCertificate();
  TlsServer server(certificate);
  const std::unique_ptr<Echo::Stub> stub =
      server.Connect(certificate.certificate_pem);
  absl::Mutex mutex;
  absl::flat_hash_map<std::string, int> seen;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 10; ++j) {
        Text response;
        if (!Say(*stub, absl::StrCat(i, "/", j), &response).ok()) continue;
        absl::MutexLock lock(&mutex);
        ++seen[response.text()];
      }
    });
  }
  {
    const auto all_seen = [&] {
      mutex.AssertReaderHeld();
      return seen.size() == 40;
    };
    absl::MutexLock lock(&mutex, absl::Condition(&all_seen));
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(server.calls(), 40);
}

TEST(SmokeTest, NotificationOrdersWhatWasWrittenBeforeIt) {
  absl::Notification notification;
  int value = 0;
  std::thread writer([&] {
    value = 7;
    notification.Notify();
  });
  notification.WaitForNotification();
  EXPECT_EQ(value, 7);
  writer.join();
}

TEST(SmokeTest, BoringSslSealsAndOpensWithAesGcm) {
  const std::vector<uint8_t> key(32, 1), nonce(12, 2);
  const std::string plain = "attack at dawn";
  bssl::ScopedEVP_AEAD_CTX context;
  ASSERT_TRUE(EVP_AEAD_CTX_init(context.get(), EVP_aead_aes_256_gcm(),
                                key.data(), key.size(),
                                EVP_AEAD_DEFAULT_TAG_LENGTH, nullptr));
  std::vector<uint8_t> sealed(plain.size() + 16);
  size_t sealed_size = 0;
  ASSERT_TRUE(EVP_AEAD_CTX_seal(context.get(), sealed.data(), &sealed_size,
                                sealed.size(), nonce.data(), nonce.size(),
                                reinterpret_cast<const uint8_t*>(plain.data()),
                                plain.size(), nullptr, 0));
  ASSERT_EQ(sealed_size, sealed.size());

  std::vector<uint8_t> opened(sealed.size());
  size_t opened_size = 0;
  ASSERT_TRUE(EVP_AEAD_CTX_open(context.get(), opened.data(), &opened_size,
                                opened.size(), nonce.data(), nonce.size(),
                                sealed.data(), sealed.size(), nullptr, 0));
  EXPECT_EQ(std::string(opened.begin(), opened.begin() + opened_size), plain);

  sealed[0] ^= 1;
  EXPECT_FALSE(EVP_AEAD_CTX_open(context.get(), opened.data(), &opened_size,
                                 opened.size(), nonce.data(), nonce.size(),
                                 sealed.data(), sealed.size(), nullptr, 0));
}

TEST(SmokeTest, BoringSslHasHpke) {
  bssl::ScopedEVP_HPKE_KEY key;
  ASSERT_TRUE(EVP_HPKE_KEY_generate(key.get(), EVP_hpke_x25519_hkdf_sha256()));
  std::array<uint8_t, EVP_HPKE_MAX_PUBLIC_KEY_LENGTH> public_key;
  size_t public_key_size = 0;
  ASSERT_TRUE(EVP_HPKE_KEY_public_key(key.get(), public_key.data(),
                                      &public_key_size, public_key.size()));
  EXPECT_EQ(public_key_size, 32u);
}

TEST(SmokeTest, SodiumAgreesOnAnXWingSecret) {
  ASSERT_GE(sodium_init(), 0);
  std::array<uint8_t, crypto_kem_xwing_PUBLICKEYBYTES> public_key;
  std::array<uint8_t, crypto_kem_xwing_SECRETKEYBYTES> secret_key;
  std::array<uint8_t, crypto_kem_xwing_CIPHERTEXTBYTES> ciphertext;
  std::array<uint8_t, crypto_kem_xwing_SHAREDSECRETBYTES> theirs, ours;
  ASSERT_EQ(crypto_kem_xwing_keypair(public_key.data(), secret_key.data()), 0);
  ASSERT_EQ(
      crypto_kem_xwing_enc(ciphertext.data(), theirs.data(), public_key.data()),
      0);
  ASSERT_EQ(
      crypto_kem_xwing_dec(ours.data(), ciphertext.data(), secret_key.data()),
      0);
  EXPECT_EQ(ours, theirs);
}

class SqliteTest : public ::testing::Test {
 protected:
  SqliteTest()
      : path_(absl::StrCat(
            ::testing::TempDir(), "/",
            ::testing::UnitTest::GetInstance()->current_test_info()->name(),
            ".db")) {}

  // An open database; closed by the caller. `key` is a raw key in SQLCipher's
  // notation; null leaves the database plain.
  sqlite3* Open(const char* key) {
    sqlite3* database = nullptr;
    EXPECT_EQ(
        sqlite3_open_v2(path_.c_str(), &database,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr),
        SQLITE_OK);
    if (key != nullptr) {
      EXPECT_EQ(sqlite3_key(database, key, static_cast<int>(strlen(key))),
                SQLITE_OK);
    }
    return database;
  }

  static int Run(sqlite3* database, const char* sql) {
    return sqlite3_exec(database, sql, nullptr, nullptr, nullptr);
  }

  std::string FileContents() const {
    std::ifstream file(path_, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  const std::string path_;
};

constexpr char kKey[] =
    "x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'";
constexpr char kOtherKey[] =
    "x'100102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'";
constexpr char kMakeNote[] =
    "CREATE TABLE notes (body TEXT); INSERT INTO notes VALUES ('a secret');";

TEST_F(SqliteTest, APlainFileShowsItsText) {
  sqlite3* database = Open(nullptr);
  EXPECT_EQ(Run(database, kMakeNote), SQLITE_OK);
  EXPECT_EQ(sqlite3_close(database), SQLITE_OK);
  EXPECT_THAT(FileContents(), StartsWith("SQLite format 3"));
  EXPECT_THAT(FileContents(), HasSubstr("a secret"));
}

TEST_F(SqliteTest, AKeyedFileShowsNothing) {
  sqlite3* database = Open(kKey);
  EXPECT_EQ(Run(database, kMakeNote), SQLITE_OK);
  EXPECT_EQ(sqlite3_close(database), SQLITE_OK);
  EXPECT_THAT(FileContents(), Not(StartsWith("SQLite format 3")));
  EXPECT_THAT(FileContents(), Not(HasSubstr("a secret")));
  EXPECT_THAT(FileContents(), Not(HasSubstr("notes")));
}

TEST_F(SqliteTest, OnlyItsKeyOpensAFile) {
  sqlite3* database = Open(kKey);
  EXPECT_EQ(Run(database, kMakeNote), SQLITE_OK);
  EXPECT_EQ(sqlite3_close(database), SQLITE_OK);

  database = Open(kOtherKey);
  EXPECT_EQ(Run(database, "SELECT body FROM notes"), SQLITE_NOTADB);
  EXPECT_EQ(sqlite3_close(database), SQLITE_OK);
  database = Open(kKey);
  EXPECT_EQ(Run(database, "SELECT body FROM notes"), SQLITE_OK);
  EXPECT_EQ(sqlite3_close(database), SQLITE_OK);
}

TEST_F(SqliteTest, HasTheOptionsThatStoresRelyOn) {
  EXPECT_EQ(sqlite3_threadsafe(), 1);
  EXPECT_TRUE(sqlite3_compileoption_used("TEMP_STORE=3"));
  EXPECT_TRUE(sqlite3_compileoption_used("OMIT_LOAD_EXTENSION"));
  sqlite3* database = Open(kKey);
  EXPECT_EQ(Run(database, "CREATE VIRTUAL TABLE words USING fts5(word)"),
            SQLITE_OK);
  EXPECT_EQ(Run(database, "SELECT \"neither column nor string\""),
            SQLITE_ERROR);
  EXPECT_EQ(sqlite3_close(database), SQLITE_OK);
}

}  // namespace
}  // namespace messenger::third_party::smoke
