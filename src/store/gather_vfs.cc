#include "store/gather_vfs.h"

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include "store/passing_vfs.h"

namespace tieline::store {
namespace {

// SQLite's VFS for Unix counts the bytes of one write with 17 bits, and says that the disk is full when they are zero
// (seekAndWriteFd). A larger group takes several writes.
constexpr int kGatheredMax = (1 << 17) - 1;

struct Gathered {
  char* bytes;         // kGatheredMax of them
  int size;            // of what is gathered
  sqlite3_int64 from;  // where in the file it belongs
};
using LogFile = PassingFile<Gathered>;

Gathered& gathered(sqlite3_file* file) { return LogFile::of(file)->own; }
sqlite3_file* real(sqlite3_file* file) { return LogFile::of(file)->real(); }

int hand_on(sqlite3_file* file) {
  Gathered& own = gathered(file);
  if (own.size == 0) return SQLITE_OK;
  const int size = std::exchange(own.size, 0);
  return real(file)->pMethods->xWrite(real(file), own.bytes, size, own.from);
}

int close_log(sqlite3_file* file) {
  const int written = hand_on(file);
  delete[] gathered(file).bytes;
  const int closed = real(file)->pMethods->xClose(real(file));
  return written != SQLITE_OK ? written : closed;
}

int read_log(sqlite3_file* file, void* to, int count, sqlite3_int64 at) {
  const Gathered& own = gathered(file);
  if (at < own.from + own.size && own.from < at + count) {
    if (const int code = hand_on(file); code != SQLITE_OK) return code;
  }
  return real(file)->pMethods->xRead(real(file), to, count, at);
}

int write_log(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 at) {
  Gathered& own = gathered(file);
  if (at != own.from + own.size || count > kGatheredMax - own.size) {
    if (const int code = hand_on(file); code != SQLITE_OK) return code;
  }
  if (count > kGatheredMax) return real(file)->pMethods->xWrite(real(file), bytes, count, at);
  if (own.size == 0) own.from = at;
  std::memcpy(own.bytes + own.size, bytes, static_cast<std::size_t>(count));
  own.size += count;
  return SQLITE_OK;
}

// What is gathered goes first, then the base VFS's own method.
template <auto kMethod, class... Arguments>
int handed_on(sqlite3_file* file, Arguments... arguments) {
  const int code = hand_on(file);
  return code != SQLITE_OK ? code : (real(file)->pMethods->*kMethod)(real(file), arguments...);
}

// The log's lock stands in the database's file; what asks for the log's own one finds it whole all the same.
const sqlite3_io_methods& log_methods() {
  static const sqlite3_io_methods all = [] {
    sqlite3_io_methods m = passing_methods<Gathered>(false);
    m.xClose = close_log;
    m.xRead = read_log;
    m.xWrite = write_log;
    m.xTruncate = handed_on<&sqlite3_io_methods::xTruncate>;
    m.xSync = handed_on<&sqlite3_io_methods::xSync>;
    m.xFileSize = handed_on<&sqlite3_io_methods::xFileSize>;
    m.xLock = handed_on<&sqlite3_io_methods::xLock>;
    m.xUnlock = handed_on<&sqlite3_io_methods::xUnlock>;
    return m;
  }();
  return all;
}

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
  // Any other file is the base VFS's own, with nothing before it.
  if ((flags & SQLITE_OPEN_WAL) == 0) return base_of(vfs)->xOpen(base_of(vfs), name, file, flags, out);
  char* bytes = new (std::nothrow) char[kGatheredMax];
  if (bytes == nullptr) return SQLITE_NOMEM;
  const int code = open_passing<Gathered>(vfs, name, file, flags, out, log_methods());
  gathered(file).bytes = bytes;
  if (file->pMethods == nullptr) delete[] bytes;
  return code;
}

struct GatherVfs {
  std::string name;
  sqlite3_vfs vfs;

  GatherVfs(std::string name_of_it, sqlite3_vfs* base)
      : name(std::move(name_of_it)), vfs(passing_vfs<Gathered>(name.c_str(), base)) {
    vfs.xOpen = open_file;
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
