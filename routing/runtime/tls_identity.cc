#include "routing/runtime/tls_identity.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "crypto/base/secure_memory.h"

namespace messenger::routing {
namespace {

// The same for every host, so that a certificate tells nothing but its key.
constexpr char kCommonName[] = "node";
constexpr char kNotBefore[] = "20200101000000Z";
constexpr char kNotAfter[] = "99991231235959Z";  // RFC 5280: no expiry

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;

absl::Status OpensslFailed() {
  return absl::InternalError("making a certificate failed");
}

Certificate MakeCertificate(EVP_PKEY* key) {
  Certificate certificate(X509_new());
  if (certificate == nullptr) return nullptr;
  X509* const x = certificate.get();
  X509_NAME* const name = X509_get_subject_name(x);
  const bool ok =
      X509_set_version(x, X509_VERSION_3) == 1 &&
      ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
      ASN1_TIME_set_string_X509(X509_getm_notBefore(x), kNotBefore) == 1 &&
      ASN1_TIME_set_string_X509(X509_getm_notAfter(x), kNotAfter) == 1 &&
      X509_NAME_add_entry_by_txt(
          name, "CN", MBSTRING_ASC,
          reinterpret_cast<const unsigned char*>(kCommonName), -1, -1,
          0) == 1 &&
      X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, key) == 1 &&
      // Ed25519 hashes for itself.
      X509_sign(x, key, /*md=*/nullptr) > 0;
  return ok ? std::move(certificate) : nullptr;
}

std::string Contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size))
                  : std::string();
}

// The raw public key, if it is an Ed25519 key.
absl::StatusOr<TlsKey> RawKey(const EVP_PKEY* key) {
  TlsKey raw;
  size_t size = TlsKey::kSize;
  if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519 ||
      EVP_PKEY_get_raw_public_key(
          key, reinterpret_cast<unsigned char*>(raw.data()), &size) != 1 ||
      size != TlsKey::kSize) {
    return absl::InvalidArgumentError("not an Ed25519 certificate");
  }
  return raw;
}

}  // namespace

TlsIdentity::TlsIdentity(const TlsKey& key, std::string certificate_pem,
                         std::string private_key_pem)
    : key_(key),
      certificate_pem_(std::move(certificate_pem)),
      private_key_pem_(std::move(private_key_pem)) {}

TlsIdentity::~TlsIdentity() { crypto::SecureWipe(private_key_pem_); }

TlsIdentity TlsIdentity::Clone() const {
  return TlsIdentity(key_, certificate_pem_, private_key_pem_);
}

absl::StatusOr<TlsIdentity> TlsIdentity::Generate(crypto::Random& random) {
  return FromSeed(random.Secret<32>());
}

absl::StatusOr<TlsIdentity> TlsIdentity::FromSeed(
    const crypto::SecretBytes<32>& seed) {
  const Key key(EVP_PKEY_new_raw_private_key(
      EVP_PKEY_ED25519, /*engine=*/nullptr,
      reinterpret_cast<const unsigned char*>(seed.Expose().data()),
      seed.Expose().size()));
  if (key == nullptr) return OpensslFailed();
  const absl::StatusOr<TlsKey> raw = RawKey(key.get());
  const Certificate certificate = MakeCertificate(key.get());
  const Bio certificate_bio(BIO_new(BIO_s_mem()));
  const Bio key_bio(BIO_new(BIO_s_secmem()));
  if (!raw.ok() || certificate == nullptr || certificate_bio == nullptr ||
      key_bio == nullptr ||
      PEM_write_bio_X509(certificate_bio.get(), certificate.get()) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key_bio.get(), key.get(),
                                    /*enc=*/nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1) {
    return OpensslFailed();
  }
  return TlsIdentity(*raw, Contents(certificate_bio.get()),
                     Contents(key_bio.get()));
}

absl::StatusOr<TlsKey> TlsKeyOfCertificate(absl::string_view certificate_pem) {
  const Bio bio(BIO_new_mem_buf(certificate_pem.data(),
                                static_cast<int>(certificate_pem.size())));
  if (bio == nullptr) return OpensslFailed();
  const Certificate certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) {
    return absl::InvalidArgumentError("not a certificate");
  }
  return RawKey(X509_get0_pubkey(certificate.get()));
}

}  // namespace messenger::routing
