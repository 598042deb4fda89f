#include "routing/runtime/tls_identity.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <string>
#include <type_traits>

#include "crypto/base/testing/status_matchers.h"
#include "crypto/random/testing/seeded_random.h"
#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::IsOkAndHolds;
using ::messenger::testing::StatusIs;

static_assert(!std::is_copy_constructible_v<TlsIdentity>);
static_assert(!std::is_copy_assignable_v<TlsIdentity>);

class TlsIdentityTest : public ::testing::Test {
 protected:
  crypto::SeededRandom random_{1};

  TlsIdentity Make() {
    absl::StatusOr<TlsIdentity> identity = TlsIdentity::Generate(random_);
    EXPECT_THAT(identity, IsOk());
    return *std::move(identity);
  }

  static X509* Read(const std::string& pem) {
    BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    return certificate;
  }
};

TEST_F(TlsIdentityTest, CertificateHoldsTheKey) {
  const TlsIdentity identity = Make();
  EXPECT_THAT(TlsKeyOfCertificate(identity.certificate_pem()),
              IsOkAndHolds(identity.key()));
}

TEST_F(TlsIdentityTest, KeyIsTheEd25519KeyOfTheSeed) {
  // RFC 8032, section 7.1, test 1.
  auto seed = crypto::SecretBytes<32>::FromBytes(
      "\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4"
      "\x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60");
  ASSERT_THAT(seed, IsOk());
  const absl::StatusOr<TlsIdentity> identity = TlsIdentity::FromSeed(*seed);
  ASSERT_THAT(identity, IsOk());
  EXPECT_EQ(identity->key().ToHex(),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
}

TEST_F(TlsIdentityTest, SameSeedGivesTheSameCertificate) {
  const crypto::SecretBytes<32> seed = random_.Secret<32>();
  const absl::StatusOr<TlsIdentity> a = TlsIdentity::FromSeed(seed);
  const absl::StatusOr<TlsIdentity> b = TlsIdentity::FromSeed(seed);
  ASSERT_THAT(a, IsOk());
  ASSERT_THAT(b, IsOk());
  EXPECT_EQ(a->certificate_pem(), b->certificate_pem());
  EXPECT_EQ(a->private_key_pem(), b->private_key_pem());
}

TEST_F(TlsIdentityTest, TwoIdentitiesDiffer) {
  EXPECT_NE(Make().key(), Make().key());
}

TEST_F(TlsIdentityTest, CertificateIsSignedByItsOwnKeyAndNamesNobody) {
  const TlsIdentity identity = Make();
  X509* const certificate = Read(identity.certificate_pem());
  ASSERT_NE(certificate, nullptr);
  EXPECT_EQ(X509_verify(certificate, X509_get0_pubkey(certificate)), 1);
  char name[64];
  X509_NAME_oneline(X509_get_subject_name(certificate), name, sizeof(name));
  EXPECT_STREQ(name, "/CN=node");
  EXPECT_EQ(X509_get_ext_count(certificate), 0);
  X509_free(certificate);
}

TEST_F(TlsIdentityTest, EveryTruncationIsRefused) {
  const std::string pem = Make().certificate_pem();
  const size_t complete = pem.find("-----END CERTIFICATE-----") + 25;
  for (size_t size = 0; size < complete; ++size) {
    EXPECT_THAT(TlsKeyOfCertificate(pem.substr(0, size)),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << size;
  }
}

TEST_F(TlsIdentityTest, CertificateOfAnotherKindOfKeyIsRefused) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  ASSERT_NE(key, nullptr);
  X509* const certificate = X509_new();
  X509_set_pubkey(certificate, key);
  ASSERT_GT(X509_sign(certificate, key, EVP_sha256()), 0);
  BIO* const bio = BIO_new(BIO_s_mem());
  ASSERT_EQ(PEM_write_bio_X509(bio, certificate), 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  EXPECT_THAT(TlsKeyOfCertificate({data, static_cast<size_t>(size)}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  BIO_free(bio);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

}  // namespace
}  // namespace messenger::routing
