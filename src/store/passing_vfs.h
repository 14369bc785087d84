// A SQLite VFS that stands before another one and passes every call on: what gathers, counts, fails or loses says only
// what it does otherwise. It must never answer anything but what the other one answers.
#pragma once

#include <sqlite3.h>

#include <cstring>

namespace tieline::store {

// A file of such a VFS: SQLite's part, `own` (which begins as zeroes, and is neither constructed nor destroyed), and
// the other VFS's file behind them.
template <class Own>
struct PassingFile {
  sqlite3_file base;
  Own own;

  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  static PassingFile* of(sqlite3_file* file) { return reinterpret_cast<PassingFile*>(file); }
};

// The other VFS's method of the file, with the same arguments.
template <class Own, auto kMethod, class... Arguments>
int pass(sqlite3_file* file, Arguments... arguments) {
  sqlite3_file* real = PassingFile<Own>::of(file)->real();
  return (real->pMethods->*kMethod)(real, arguments...);
}

// All of a file's methods, each passed on. `shared_memory`: also those of a database file in WAL mode.
template <class Own>
sqlite3_io_methods passing_methods(bool shared_memory) {
  using M = sqlite3_io_methods;
  M m{};
  m.iVersion = shared_memory ? 2 : 1;
  m.xClose = pass<Own, &M::xClose>;
  m.xRead = pass<Own, &M::xRead>;
  m.xWrite = pass<Own, &M::xWrite>;
  m.xTruncate = pass<Own, &M::xTruncate>;
  m.xSync = pass<Own, &M::xSync>;
  m.xFileSize = pass<Own, &M::xFileSize>;
  m.xLock = pass<Own, &M::xLock>;
  m.xUnlock = pass<Own, &M::xUnlock>;
  m.xCheckReservedLock = pass<Own, &M::xCheckReservedLock>;
  m.xFileControl = pass<Own, &M::xFileControl>;
  m.xSectorSize = pass<Own, &M::xSectorSize>;
  m.xDeviceCharacteristics = pass<Own, &M::xDeviceCharacteristics>;
  if (!shared_memory) return m;
  m.xShmMap = pass<Own, &M::xShmMap>;
  m.xShmLock = pass<Own, &M::xShmLock>;
  m.xShmBarrier = [](sqlite3_file* file) {
    sqlite3_file* real = PassingFile<Own>::of(file)->real();
    real->pMethods->xShmBarrier(real);
  };
  m.xShmUnmap = pass<Own, &M::xShmUnmap>;
  return m;
}

inline sqlite3_vfs* base_of(sqlite3_vfs* vfs) { return static_cast<sqlite3_vfs*>(vfs->pAppData); }

// Opens the other VFS's file behind this one, and gives this one `methods`. SQLite closes what has methods, also when
// it did not open.
template <class Own>
int open_passing(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out,
                 const sqlite3_io_methods& methods) {
  auto* passing = PassingFile<Own>::of(file);
  std::memset(static_cast<void*>(passing), 0, sizeof *passing);
  passing->real()->pMethods = nullptr;
  const int code = base_of(vfs)->xOpen(base_of(vfs), name, passing->real(), flags, out);
  if (passing->real()->pMethods != nullptr) passing->base.pMethods = &methods;
  return code;
}

// A VFS named `name` (which must outlive it) before `base`, to be given an xOpen: the rest is passed on.
template <class Own>
sqlite3_vfs passing_vfs(const char* name, sqlite3_vfs* base) {
  sqlite3_vfs vfs{};
  vfs.iVersion = 2;
  vfs.szOsFile = static_cast<int>(sizeof(PassingFile<Own>)) + base->szOsFile;
  vfs.mxPathname = base->mxPathname;
  vfs.zName = name;
  vfs.pAppData = base;
  vfs.xDelete = [](sqlite3_vfs* v, const char* file, int sync) { return base_of(v)->xDelete(base_of(v), file, sync); };
  vfs.xAccess = [](sqlite3_vfs* v, const char* file, int flags, int* out) {
    return base_of(v)->xAccess(base_of(v), file, flags, out);
  };
  vfs.xFullPathname = [](sqlite3_vfs* v, const char* file, int count, char* out) {
    return base_of(v)->xFullPathname(base_of(v), file, count, out);
  };
  vfs.xRandomness = [](sqlite3_vfs* v, int count, char* out) {
    return base_of(v)->xRandomness(base_of(v), count, out);
  };
  vfs.xSleep = [](sqlite3_vfs* v, int us) { return base_of(v)->xSleep(base_of(v), us); };
  vfs.xCurrentTime = [](sqlite3_vfs* v, double* out) { return base_of(v)->xCurrentTime(base_of(v), out); };
  vfs.xGetLastError = [](sqlite3_vfs* v, int count, char* out) {
    return base_of(v)->xGetLastError(base_of(v), count, out);
  };
  // Before version 2 a VFS has no such function.
  if (base->iVersion >= 2 && base->xCurrentTimeInt64 != nullptr) {
    vfs.xCurrentTimeInt64 = [](sqlite3_vfs* v, sqlite3_int64* out) {
      return base_of(v)->xCurrentTimeInt64(base_of(v), out);
    };
  }
  return vfs;
}

}  // namespace tieline::store
