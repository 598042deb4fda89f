// The checksum VFS works in a SQLite that also encrypts. In a process of its
// own, because registering it makes it the default.

#include <cksumvfs.h>
#include <sqlite3.h>

#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace messenger::third_party::smoke {
namespace {

TEST(ChecksumTest, AFlippedBitOnDiskIsAnError) {
  ASSERT_EQ(sqlite3_register_cksumvfs(nullptr), SQLITE_OK);
  const std::string path = ::testing::TempDir() + "/checksum.db";
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  int reserved_bytes = 8;
  ASSERT_EQ(sqlite3_file_control(database, nullptr, SQLITE_FCNTL_RESERVE_BYTES,
                                 &reserved_bytes),
            SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database,
                         "CREATE TABLE notes (body BLOB);"
                         "INSERT INTO notes VALUES (zeroblob(3000))",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  ASSERT_EQ(sqlite3_close(database), SQLITE_OK);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(2 * 4096 - 1000);  // In the blob, on the second page.
    file.put(1);
  }
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, "SELECT body FROM notes", nullptr, nullptr,
                         nullptr),
            SQLITE_IOERR);
  EXPECT_EQ(sqlite3_extended_errcode(database), SQLITE_IOERR_DATA);
  EXPECT_EQ(sqlite3_close(database), SQLITE_OK);
}

}  // namespace
}  // namespace messenger::third_party::smoke
