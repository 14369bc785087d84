// A SQLite VFS that hands a write-ahead log to another VFS in few large writes: what is written between two syncs goes
// in one call. It must never serve a connection that is not synchronous=FULL, nor anybody who only reads.
#pragma once

#include <string>

namespace tieline::store {

// The name of the VFS that gathers before `base` (empty: SQLite's default one); registered at the first call. Any
// thread. An unknown `base` comes back as it is, so that opening with it says so.
//
// Writes to a `-wal` that follow on each other are kept until it is synced, or anything else touches the file: a read
// of them, a write elsewhere, a truncation, a question for its size, its closing. With synchronous=FULL that changes
// nothing for anybody: SQLite lets no other connection see frames before their sync. (With NORMAL it does, and they
// would look for them in the file.) What SQLite learns is what `base` answers: SQLITE_FULL, SQLITE_IOERR_WRITE. It
// learns it of the call that handed the writes on, and they are dropped: it rolls back what they were part of.
std::string gather_vfs(const std::string& base);

}  // namespace tieline::store
