#include "routing/endpoint/public_file.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include "absl/strings/str_cat.h"
#include "crypto/base/status_macros.h"
#include "routing/proto/public_file.pb.h"
#include "routing/runtime/socket_address.h"

namespace messenger::routing {
namespace {

template <typename Message>
absl::StatusOr<Message> ParseText(absl::string_view text) {
  google::protobuf::TextFormat::Parser parser;
  // Errors go into the status, not to standard error.
  class Silence final : public google::protobuf::io::ErrorCollector {
    void AddError(int, int, const std::string&) override {}
  } silence;
  parser.RecordErrorsTo(&silence);
  Message message;
  if (!parser.ParseFromString(std::string(text), &message)) {
    return absl::InvalidArgumentError("public file: not its text format");
  }
  return message;
}

template <typename Key>
absl::StatusOr<Key> ParseKey(absl::string_view field, absl::string_view hex) {
  absl::StatusOr<Key> key = Key::FromHex(hex);
  if (!key.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("public file: ", field, " is not 64 hex digits"));
  }
  return key;
}

absl::StatusOr<Endpoint> ParseEndpoint(const std::string& address,
                                       absl::string_view tls_key) {
  if (!IsSocketAddress(address)) {
    return absl::InvalidArgumentError(
        "public file: address is not an IP literal and a port");
  }
  ASSIGN_OR_RETURN(const TlsKey key, ParseKey<TlsKey>("tls_key", tls_key));
  return Endpoint{.address = address, .tls_key = key};
}

template <typename Message>
std::string Print(const Message& message) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(message, &text);
  return text;
}

}  // namespace

absl::StatusOr<RouterPublicFile> RouterPublicFile::Parse(
    absl::string_view text) {
  ASSIGN_OR_RETURN(const v1::RouterPublic message,
                   ParseText<v1::RouterPublic>(text));
  RouterPublicFile file;
  ASSIGN_OR_RETURN(file.node_id,
                   ParseKey<NodeId>("node_id", message.node_id()));
  file.nickname = message.nickname();
  ASSIGN_OR_RETURN(file.link,
                   ParseEndpoint(message.address(), message.tls_key()));
  return file;
}

std::string RouterPublicFile::ToText() const {
  v1::RouterPublic message;
  message.set_node_id(node_id.ToHex());
  message.set_nickname(nickname);
  message.set_address(link.address);
  message.set_tls_key(link.tls_key.ToHex());
  return Print(message);
}

absl::StatusOr<StoragePublicFile> StoragePublicFile::Parse(
    absl::string_view text) {
  ASSIGN_OR_RETURN(const v1::StoragePublic message,
                   ParseText<v1::StoragePublic>(text));
  StoragePublicFile file;
  ASSIGN_OR_RETURN(file.storage,
                   ParseEndpoint(message.address(), message.tls_key()));
  ASSIGN_OR_RETURN(file.storage_key, ParseKey<crypto::Ed25519PublicKey>(
                                         "storage_key", message.storage_key()));
  file.capacity_mib = message.capacity_mib();
  return file;
}

std::string StoragePublicFile::ToText() const {
  v1::StoragePublic message;
  message.set_address(storage.address);
  message.set_tls_key(storage.tls_key.ToHex());
  message.set_storage_key(storage_key.ToHex());
  message.set_capacity_mib(capacity_mib);
  return Print(message);
}

}  // namespace messenger::routing
