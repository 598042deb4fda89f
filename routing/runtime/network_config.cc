#include "routing/runtime/network_config.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "crypto/base/status_macros.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"
#include "routing/proto/network_config.pb.h"
#include "routing/runtime/socket_address.h"

namespace messenger::routing {
namespace {

constexpr size_t kMaxNicknameBytes = 32;
constexpr size_t kMaxTextBytes = 256 * 1024;

absl::Status FieldError(absl::string_view field, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", problem));
}

// Remembers where the first mistake is, instead of logging it.
class FirstError final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, google::protobuf::io::ColumnNumber,
                const std::string& message) override {
    if (!text_.empty()) return;
    text_ = absl::StrCat("line ", line + 1, ": ", message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

template <typename Bytes>
absl::StatusOr<Bytes> ParseHex(absl::string_view field,
                               absl::string_view text) {
  absl::StatusOr<Bytes> bytes = Bytes::FromHex(text);
  if (!bytes.ok()) {
    return FieldError(
        field, absl::StrCat("not ", 2 * Bytes::kSize, " hexadecimal digits"));
  }
  if (bytes->IsZero()) return FieldError(field, "all zero");
  return bytes;
}

absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view field,
                                       const std::string& address,
                                       absl::string_view tls_key) {
  Endpoint endpoint;
  if (!IsSocketAddress(address)) {
    return FieldError(absl::StrCat(field, ".address"),
                      "not an IP address and a port");
  }
  endpoint.address = address;
  ASSIGN_OR_RETURN(endpoint.tls_key,
                   ParseHex<TlsKey>(absl::StrCat(field, ".tls_key"), tls_key));
  return endpoint;
}

bool IsNickname(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxNicknameBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
         });
}

absl::StatusOr<NetworkConfig::Authority> ParseAuthority(
    absl::string_view field, const v1::NetworkConfig::Authority& proto) {
  NetworkConfig::Authority authority;
  if (!IsNickname(proto.nickname())) {
    return FieldError(absl::StrCat(field, ".nickname"),
                      "not 1 to 32 of a-z, 0-9 and '-'");
  }
  authority.nickname = proto.nickname();
  ASSIGN_OR_RETURN(authority.key, ParseHex<crypto::Ed25519PublicKey>(
                                      absl::StrCat(field, ".ed25519_key"),
                                      proto.ed25519_key()));
  ASSIGN_OR_RETURN(authority.endpoint,
                   ParseEndpoint(field, proto.address(), proto.tls_key()));
  return authority;
}

}  // namespace

absl::StatusOr<NetworkConfig> NetworkConfig::Parse(absl::string_view text) {
  if (text.size() > kMaxTextBytes) {
    return absl::InvalidArgumentError("network configuration is too long");
  }
  v1::NetworkConfig proto;
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  parser.SetRecursionLimit(4);
  if (!parser.ParseFromString(std::string(text), &proto)) {
    return absl::InvalidArgumentError(error.text());
  }

  NetworkConfig config;
  ASSIGN_OR_RETURN(config.network_id,
                   ParseHex<NetworkId>("network_id", proto.network_id()));
  if (proto.authorities().empty() ||
      static_cast<size_t>(proto.authorities_size()) > kMaxAuthorities) {
    return FieldError("authorities",
                      absl::StrCat("not 1 to ", kMaxAuthorities));
  }
  absl::flat_hash_set<std::string> nicknames;
  absl::flat_hash_set<std::string> keys;
  for (int i = 0; i < proto.authorities_size(); ++i) {
    const std::string field = absl::StrCat("authorities[", i, "]");
    ASSIGN_OR_RETURN(Authority authority,
                     ParseAuthority(field, proto.authorities(i)));
    // One vote each: a key or a name that counts twice would be a majority.
    if (!nicknames.insert(authority.nickname).second) {
      return FieldError(absl::StrCat(field, ".nickname"), "appears twice");
    }
    if (!keys.insert(std::string(authority.key.bytes())).second) {
      return FieldError(absl::StrCat(field, ".ed25519_key"), "appears twice");
    }
    config.authorities.push_back(std::move(authority));
  }
  if (static_cast<size_t>(proto.seeds_size()) > kMaxSeeds) {
    return FieldError("seeds", absl::StrCat("more than ", kMaxSeeds));
  }
  for (int i = 0; i < proto.seeds_size(); ++i) {
    ASSIGN_OR_RETURN(
        Endpoint seed,
        ParseEndpoint(absl::StrCat("seeds[", i, "]"), proto.seeds(i).address(),
                      proto.seeds(i).tls_key()));
    config.seeds.push_back(std::move(seed));
  }
  config.allow_private_addresses = proto.allow_private_addresses();
  config.params = proto.params() == v1::NetworkConfig::PARAMS_SMALL
                      ? Params::kSmall
                      : Params::kNormal;
  return config;
}

std::string NetworkConfig::ToText() const {
  v1::NetworkConfig proto;
  proto.set_network_id(network_id.ToHex());
  for (const Authority& authority : authorities) {
    v1::NetworkConfig::Authority& entry = *proto.add_authorities();
    entry.set_nickname(authority.nickname);
    entry.set_ed25519_key(authority.key.ToHex());
    entry.set_address(authority.endpoint.address);
    entry.set_tls_key(authority.endpoint.tls_key.ToHex());
  }
  for (const Endpoint& seed : seeds) {
    v1::NetworkConfig::Seed& entry = *proto.add_seeds();
    entry.set_address(seed.address);
    entry.set_tls_key(seed.tls_key.ToHex());
  }
  proto.set_allow_private_addresses(allow_private_addresses);
  proto.set_params(params == Params::kSmall ? v1::NetworkConfig::PARAMS_SMALL
                                            : v1::NetworkConfig::PARAMS_NORMAL);
  std::string text;
  google::protobuf::TextFormat::PrintToString(proto, &text);
  return text;
}

}  // namespace messenger::routing
