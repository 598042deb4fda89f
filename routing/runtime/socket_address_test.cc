#include "routing/runtime/socket_address.h"

#include "gtest/gtest.h"

namespace messenger::routing {
namespace {

TEST(SocketAddressTest, IpLiteralsWithPortsAreSocketAddresses) {
  for (const char* address :
       {"127.0.0.1:0", "192.0.2.1:443", "255.255.255.255:65535", "[::1]:4001",
        "[2001:db8::1]:1", "[::ffff:192.0.2.1]:80"}) {
    EXPECT_TRUE(IsSocketAddress(address)) << address;
  }
}

TEST(SocketAddressTest, EverythingElseIsNot) {
  for (const char* address : {"",
                              ":",
                              ":80",
                              "localhost:80",
                              "example.org:443",
                              "127.0.0.1",
                              "127.0.0.1:",
                              "127.0.0.1:65536",
                              "127.0.0.1:-1",
                              "127.0.0.1:+1",
                              "127.0.0.1: 80",
                              "127.0.0.1:80 ",
                              " 127.0.0.1:80",
                              "127.0.0.1:8O",
                              "127.0.0.1:000080",
                              "127.1:80",
                              "0x7f.0.0.1:80",
                              "256.0.0.1:80",
                              "::1:80",
                              "[::1]",
                              "[::1:80",
                              "::1]:80",
                              "[127.0.0.1]:80",
                              "[::1%lo]:80",
                              "[]:80",
                              "unix:/tmp/x:1",
                              "dns:127.0.0.1:80"}) {
    EXPECT_FALSE(IsSocketAddress(address)) << address;
    EXPECT_FALSE(IsPrivateAddress(address)) << address;
  }
}

TEST(SocketAddressTest, AddressesOutOfReachArePrivate) {
  for (const char* address : {"0.0.0.0:1",
                              "10.1.2.3:1",
                              "100.64.0.1:1",
                              "100.127.255.255:1",
                              "127.0.0.1:1",
                              "169.254.1.1:1",
                              "172.16.0.1:1",
                              "172.31.255.255:1",
                              "192.168.1.1:1",
                              "198.19.0.1:1",
                              "224.0.0.1:1",
                              "255.255.255.255:1",
                              "[::]:1",
                              "[::1]:1",
                              "[::ffff:8.8.8.8]:1",
                              "[fe80::1]:1",
                              "[fd00::1]:1",
                              "[ff02::1]:1",
                              "[2001:db8::1]:1",
                              "[2001::1]:1",
                              "[2002:a00:1::]:1"}) {
    EXPECT_TRUE(IsPrivateAddress(address)) << address;
  }
}

TEST(SocketAddressTest, AddressesOfTheInternetAreNotPrivate) {
  for (const char* address :
       {"1.1.1.1:1", "9.255.255.255:1", "11.0.0.0:1", "100.63.255.255:1",
        "100.128.0.0:1", "172.15.255.255:1", "172.32.0.0:1", "192.167.1.1:1",
        "223.255.255.255:1", "[2606:4700::1111]:1", "[2a00::1]:1",
        "[2001:4860::8888]:1", "[2002:808:808::]:1"}) {
    EXPECT_FALSE(IsPrivateAddress(address)) << address;
  }
}

}  // namespace
}  // namespace messenger::routing
