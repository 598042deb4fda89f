#include "routing/runtime/network_config.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "crypto/base/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

using ::messenger::testing::IsOk;
using ::messenger::testing::StatusIs;
using ::testing::HasSubstr;

std::string Hex(char digit) { return std::string(64, digit); }

std::string ValidText() {
  return absl::StrCat(R"(
    network_id: ")",
                      Hex('1'), R"("
    authorities {
      nickname: "north"
      ed25519_key: ")",
                      Hex('2'), R"("
      address: "192.0.2.1:7001"
      tls_key: ")",
                      Hex('3'), R"("
    }
    authorities {
      nickname: "south-2"
      ed25519_key: ")",
                      Hex('4'), R"("
      address: "[2001:db8::1]:7001"
      tls_key: ")",
                      Hex('5'), R"("
    }
    seeds {
      address: "192.0.2.3:7002"
      tls_key: ")",
                      Hex('6'), R"("
    }
    allow_private_addresses: true
    params: PARAMS_SMALL
  )");
}

TEST(NetworkConfigTest, ValidTextGivesItsValues) {
  const absl::StatusOr<NetworkConfig> config =
      NetworkConfig::Parse(ValidText());
  ASSERT_THAT(config, IsOk());
  EXPECT_EQ(config->network_id.ToHex(), Hex('1'));
  ASSERT_EQ(config->authorities.size(), 2u);
  EXPECT_EQ(config->authorities[0].nickname, "north");
  EXPECT_EQ(config->authorities[0].key.ToHex(), Hex('2'));
  EXPECT_EQ(config->authorities[1].endpoint.address, "[2001:db8::1]:7001");
  EXPECT_EQ(config->authorities[1].endpoint.tls_key.ToHex(), Hex('5'));
  ASSERT_EQ(config->seeds.size(), 1u);
  EXPECT_EQ(config->seeds[0].address, "192.0.2.3:7002");
  EXPECT_EQ(config->seeds[0].tls_key.ToHex(), Hex('6'));
  EXPECT_TRUE(config->allow_private_addresses);
  EXPECT_EQ(config->params, NetworkConfig::Params::kSmall);
}

TEST(NetworkConfigTest, TextOfAConfigGivesTheSameConfig) {
  const absl::StatusOr<NetworkConfig> config =
      NetworkConfig::Parse(ValidText());
  ASSERT_THAT(config, IsOk());
  const std::string text = config->ToText();
  const absl::StatusOr<NetworkConfig> again = NetworkConfig::Parse(text);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->ToText(), text);
  EXPECT_EQ(again->authorities.size(), 2u);
  EXPECT_EQ(again->params, NetworkConfig::Params::kSmall);
}

TEST(NetworkConfigTest, LeftOutSettingsAreThoseOfARealNetwork) {
  const absl::StatusOr<NetworkConfig> config = NetworkConfig::Parse(
      absl::StrReplaceAll(ValidText(), {{"allow_private_addresses: true", ""},
                                        {"params: PARAMS_SMALL", ""}}));
  ASSERT_THAT(config, IsOk());
  EXPECT_FALSE(config->allow_private_addresses);
  EXPECT_EQ(config->params, NetworkConfig::Params::kNormal);
}

struct Edit {
  std::string name;
  std::string from;
  std::string to;
  std::string named_in_error;
};

class RefusedNetworkConfigTest : public ::testing::TestWithParam<Edit> {};

TEST_P(RefusedNetworkConfigTest, ErrorNamesTheFieldAtFault) {
  const Edit& edit = GetParam();
  ASSERT_THAT(ValidText(), HasSubstr(edit.from));
  EXPECT_THAT(NetworkConfig::Parse(
                  absl::StrReplaceAll(ValidText(), {{edit.from, edit.to}})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(edit.named_in_error)));
}

INSTANTIATE_TEST_SUITE_P(
    Edits, RefusedNetworkConfigTest,
    ::testing::Values(
        Edit{"ShortNetworkId", Hex('1'), "11", "network_id"},
        Edit{"ZeroNetworkId", Hex('1'), Hex('0'), "network_id"},
        Edit{"NoHex", Hex('2'), Hex('x'), "authorities[0].ed25519_key"},
        Edit{"SameKeyTwice", Hex('4'), Hex('2'), "authorities[1].ed25519_key"},
        Edit{"SameNameTwice", "south-2", "north", "authorities[1].nickname"},
        Edit{"NoName", "south-2", "", "authorities[1].nickname"},
        Edit{"ForeignName", "south-2", "South", "authorities[1].nickname"},
        Edit{"LongName", "south-2", std::string(33, 'a'),
             "authorities[1].nickname"},
        Edit{"HostName", "192.0.2.1:7001", "example.org:7001",
             "authorities[0].address"},
        Edit{"NoPort", "192.0.2.3:7002", "192.0.2.3", "seeds[0].address"},
        Edit{"LongTlsKey", Hex('6'), Hex('6') + "66", "seeds[0].tls_key"},
        Edit{"UnknownField", "params: PARAMS_SMALL", "colour: 3", "colour"},
        Edit{"UnknownParams", "PARAMS_SMALL", "PARAMS_HUGE", "line"}),
    [](const auto& info) { return info.param.name; });

TEST(NetworkConfigTest, NoAuthorityIsRefused) {
  EXPECT_THAT(
      NetworkConfig::Parse("network_id: \"" + Hex('1') + "\""),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("authorities")));
  EXPECT_THAT(NetworkConfig::Parse(""),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(NetworkConfigTest, MoreAuthoritiesThanAllowedAreRefused) {
  const auto text = [](size_t count) {
    std::string text = absl::StrCat("network_id: \"", Hex('1'), "\"\n");
    for (size_t i = 0; i < count; ++i) {
      absl::StrAppend(&text, "authorities { nickname: \"a", i,
                      "\" ed25519_key: \"", absl::Hex(i + 1, absl::kZeroPad16),
                      std::string(48, '1'), "\" address: \"192.0.2.1:", i + 1,
                      "\" tls_key: \"", Hex('3'), "\" }\n");
    }
    return text;
  };
  EXPECT_THAT(NetworkConfig::Parse(text(NetworkConfig::kMaxAuthorities)),
              IsOk());
  EXPECT_THAT(
      NetworkConfig::Parse(text(NetworkConfig::kMaxAuthorities + 1)),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("authorities")));
}

TEST(NetworkConfigTest, TextCutAnywhereNeverCrashes) {
  const std::string text = ValidText();
  for (size_t size = 0; size < text.size(); ++size) {
    (void)NetworkConfig::Parse(text.substr(0, size)).ok();
  }
}

}  // namespace
}  // namespace messenger::routing
