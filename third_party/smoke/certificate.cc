#include "third_party/smoke/certificate.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <string>

namespace messenger::third_party::smoke {
namespace {

void Require(bool ok) {
  if (!ok) abort();
}

std::string Take(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<size_t>(size));
  BIO_free(bio);
  return text;
}

}  // namespace

Certificate MakeCertificate() {
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  Require(key != nullptr);
  X509* certificate = X509_new();
  Require(certificate != nullptr);
  Require(X509_set_version(certificate, X509_VERSION_3) == 1);
  Require(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1);
  Require(X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != nullptr);
  Require(X509_gmtime_adj(X509_getm_notAfter(certificate), 86400) != nullptr);
  X509_NAME* name = X509_get_subject_name(certificate);
  Require(X509_NAME_add_entry_by_txt(
              name, "CN", MBSTRING_ASC,
              reinterpret_cast<const unsigned char*>("localhost"), -1, -1,
              0) == 1);
  Require(X509_set_issuer_name(certificate, name) == 1);
  Require(X509_set_pubkey(certificate, key) == 1);
  X509_EXTENSION* names = X509V3_EXT_conf_nid(
      nullptr, nullptr, NID_subject_alt_name, "DNS:localhost");
  Require(names != nullptr && X509_add_ext(certificate, names, -1) == 1);
  X509_EXTENSION_free(names);
  Require(X509_sign(certificate, key, nullptr) > 0);

  Certificate result;
  BIO* bio = BIO_new(BIO_s_mem());
  Require(PEM_write_bio_X509(bio, certificate) == 1);
  result.certificate_pem = Take(bio);
  bio = BIO_new(BIO_s_mem());
  Require(PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr,
                                        nullptr) == 1);
  result.private_key_pem = Take(bio);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return result;
}

std::string SystemOpenSslVersion() { return OpenSSL_version(OPENSSL_VERSION); }

}  // namespace messenger::third_party::smoke
