#!/bin/bash
# Makes the amalgamation, sqlite3.c and sqlite3.h, from SQLCipher's sources.
set -euo pipefail
./configure --with-tempstore=yes --disable-tcl CFLAGS=-w
make sqlite3.c
# Keep the amalgamation, and the checksum VFS that is not part of it.
mkdir keep
mv sqlite3.c sqlite3.h ext/misc/cksumvfs.c LICENSE.md keep/
find . -mindepth 1 -maxdepth 1 ! -name keep -exec rm -rf {} +
mv keep/* .
rmdir keep
cat >cksumvfs.h <<'END'
// SQLite's checksum VFS (https://sqlite.org/cksumvfs.html), which has no
// header of its own. Registers it, and makes it the default VFS.
#ifndef CKSUMVFS_H_
#define CKSUMVFS_H_
#ifdef __cplusplus
extern "C" {
#endif
int sqlite3_register_cksumvfs(const char *unused);
#ifdef __cplusplus
}
#endif
#endif
END
