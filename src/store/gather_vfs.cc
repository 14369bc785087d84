#include "store/gather_vfs.h"

#include <sqlite3.h>

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

namespace tieline::store {
namespace {

// SQLite's VFS for Unix counts the bytes of one write with 17 bits, and says that the disk is full when they are zero
// (seekAndWriteFd). A larger group takes several writes.
constexpr int kGatheredMax = (1 << 17) - 1;

struct LogFile {
  sqlite3_file base;
  char* bytes;         // kGatheredMax of them
  int size;            // of what is gathered
  sqlite3_int64 from;  // where in the file it belongs

  // The base VFS's file stands behind this one.
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

LogFile* log(sqlite3_file* file) { return reinterpret_cast<LogFile*>(file); }
sqlite3_file* real(sqlite3_file* file) { return log(file)->real(); }

int hand_on(LogFile* file) {
  if (file->size == 0) return SQLITE_OK;
  const int size = std::exchange(file->size, 0);
  return file->real()->pMethods->xWrite(file->real(), file->bytes, size, file->from);
}

int close_log(sqlite3_file* file) {
  const int written = hand_on(log(file));
  delete[] log(file)->bytes;
  const int closed = real(file)->pMethods->xClose(real(file));
  return written != SQLITE_OK ? written : closed;
}

int read_log(sqlite3_file* file, void* to, int count, sqlite3_int64 at) {
  LogFile* own = log(file);
  if (at < own->from + own->size && own->from < at + count) {
    if (const int code = hand_on(own); code != SQLITE_OK) return code;
  }
  return real(file)->pMethods->xRead(real(file), to, count, at);
}

int write_log(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 at) {
  LogFile* own = log(file);
  if (at != own->from + own->size || count > kGatheredMax - own->size) {
    if (const int code = hand_on(own); code != SQLITE_OK) return code;
  }
  if (count > kGatheredMax) return real(file)->pMethods->xWrite(real(file), bytes, count, at);
  if (own->size == 0) own->from = at;
  std::memcpy(own->bytes + own->size, bytes, static_cast<std::size_t>(count));
  own->size += count;
  return SQLITE_OK;
}

// What is gathered goes first, then the base VFS's own method.
template <auto kMethod, class... Arguments>
int handed_on(sqlite3_file* file, Arguments... arguments) {
  const int code = hand_on(log(file));
  return code != SQLITE_OK ? code : (real(file)->pMethods->*kMethod)(real(file), arguments...);
}

// The log's lock stands in the database's file; what asks for the log's own one finds it whole all the same.
const sqlite3_io_methods& log_methods() {
  static const sqlite3_io_methods all = [] {
    sqlite3_io_methods m{};
    m.iVersion = 1;
    m.xClose = close_log;
    m.xRead = read_log;
    m.xWrite = write_log;
    m.xTruncate = handed_on<&sqlite3_io_methods::xTruncate>;
    m.xSync = handed_on<&sqlite3_io_methods::xSync>;
    m.xFileSize = handed_on<&sqlite3_io_methods::xFileSize>;
    m.xLock = handed_on<&sqlite3_io_methods::xLock>;
    m.xUnlock = handed_on<&sqlite3_io_methods::xUnlock>;
    m.xCheckReservedLock = [](sqlite3_file* f, int* out) {
      return real(f)->pMethods->xCheckReservedLock(real(f), out);
    };
    m.xFileControl = [](sqlite3_file* f, int op, void* arg) {
      return real(f)->pMethods->xFileControl(real(f), op, arg);
    };
    m.xSectorSize = [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); };
    m.xDeviceCharacteristics = [](sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); };
    return m;
  }();
  return all;
}

sqlite3_vfs* base_of(sqlite3_vfs* vfs) { return static_cast<sqlite3_vfs*>(vfs->pAppData); }

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
  sqlite3_vfs* base = base_of(vfs);
  // Any other file is the base VFS's own, with nothing before it.
  if ((flags & SQLITE_OPEN_WAL) == 0) return base->xOpen(base, name, file, flags, out);
  LogFile* own = log(file);
  own->base.pMethods = nullptr;
  own->size = 0;
  own->from = 0;
  own->bytes = new (std::nothrow) char[kGatheredMax];
  if (own->bytes == nullptr) return SQLITE_NOMEM;
  own->real()->pMethods = nullptr;
  const int code = base->xOpen(base, name, own->real(), flags, out);
  // SQLite closes what has methods, also when it did not open.
  if (own->real()->pMethods != nullptr) {
    own->base.pMethods = &log_methods();
  } else {
    delete[] own->bytes;
  }
  return code;
}

struct GatherVfs {
  std::string name;
  sqlite3_vfs vfs{};

  GatherVfs(std::string name_of_it, sqlite3_vfs* base) : name(std::move(name_of_it)) {
    vfs.iVersion = 2;
    vfs.szOsFile = static_cast<int>(sizeof(LogFile)) + base->szOsFile;
    vfs.mxPathname = base->mxPathname;
    vfs.zName = name.c_str();
    vfs.pAppData = base;
    vfs.xOpen = open_file;
    vfs.xDelete = [](sqlite3_vfs* v, const char* file, int sync) {
      return base_of(v)->xDelete(base_of(v), file, sync);
    };
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
  }
};

}  // namespace

std::string gather_vfs(const std::string& base) {
  static std::mutex mutex;
  static auto& made =
      *new std::map<std::string, std::unique_ptr<GatherVfs>>;  // connections may outlive the program's end
  const std::lock_guard lock(mutex);
  if (const auto known = made.find(base); known != made.end()) return known->second->name;
  sqlite3_vfs* under = sqlite3_vfs_find(base.empty() ? nullptr : base.c_str());
  if (under == nullptr) return base;
  auto vfs = std::make_unique<GatherVfs>("gather-" + std::string(under->zName), under);
  if (sqlite3_vfs_register(&vfs->vfs, 0) != SQLITE_OK) return base;
  return made.emplace(base, std::move(vfs)).first->second->name;
}

}  // namespace tieline::store
