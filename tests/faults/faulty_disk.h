// What shim.cc knows of the disk: which of the store's files are open, what no sync has followed, when to die. It must
// never write to them, but to lose what a power failure would have lost.
#pragma once

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace faults {

using Word = std::atomic<std::uint64_t>;

// The order is that of `words` in control.mjs.
struct Control {
  Word points;       // counted: operations of `kinds`
  Word kinds;        // sum of Kind
  Word die_at;       // the point at which the process dies; 0: none
  Word die_how;      // How
  Word die_now;      // at the next operation of any kind
  Word lose;         // what is not synced is lost when it dies: as when the power goes
  Word seed;         // of what is lost
  Word write_error;  // an errno that writes and truncations give; 0: none
  Word sync_error;   // the same of fsync and fdatasync
  Word error_from;   // the first point at which they do
  Word errors_left;  // so many times; 0: until it is taken back
  Word clock_us;     // signed: added to the wall clock
  Word dns;          // Dns, for names that end with ".faults"
  Word dns_ms;       // with kSlow
  Word full;         // 1: the disk has no room
  Word undone;       // told: writes and directory changes that were lost
  Word errors;       // told: errors given
  Word lookups;      // told: names looked up
  Word tmp_error;    // an errno that making a file `*.tmp` gives: nothing is sealed
};

enum Kind : std::uint64_t { kWrite = 1, kSync = 2, kRename = 4, kUnlink = 8, kTruncate = 16, kCreate = 32 };
enum How : std::uint64_t { kBefore = 0, kAfter = 1, kHalf = 2 };
enum Dns : std::uint64_t { kFound = 0, kTryAgain = 1, kNoName = 2, kSlow = 3 };

inline constexpr std::size_t kSector = 512, kPage = 4096;

// A file by inode, with a descriptor of its own: it may be closed, renamed or unlinked before it is restored.
struct File {
  int descriptor = -1;
  bool directory = false;
  ~File() {
    if (descriptor >= 0) ::syscall(SYS_close, descriptor);
  }
};

// A write that no sync has followed, and what stood there before.
struct Pending {
  std::shared_ptr<File> file;
  off_t at = 0, size_before = 0;
  std::size_t size = 0;
  std::string before;
  bool dropped = false;  // a sync failed: the system takes the page for clean, and no later sync writes it
};

// A change of the directory that no sync of it has followed.
struct Change {
  Kind kind = kCreate;
  std::string path, from, trash;  // trash: what stood at `path`, when something did
};

struct State {
  std::recursive_mutex mutex;
  Control* control = nullptr;
  std::string store, trash;
  std::map<int, std::shared_ptr<File>> open;
  std::map<std::pair<dev_t, ino_t>, std::weak_ptr<File>> files;
  std::vector<Pending> pending;
  std::vector<Change> changes;
  std::uint64_t trash_names = 0, random = 0;

  bool in_store(std::string_view path) const {
    return path.size() > store.size() && path.starts_with(store) && path[store.size()] == '/' &&
           !path.ends_with("-shm") && !path.ends_with("/lock");
  }
  // splitmix64
  std::uint64_t chance() {
    std::uint64_t z = random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
};

// Null before the library is loaded, and in a process that is told of no store.
State* attached();
inline bool on() { return attached() != nullptr; }
inline State& state() { return *attached(); }

// One operation on the store's files. Holds the lock as long as it lasts: after a death nothing else gets through.
class Operation {
 public:
  explicit Operation(Kind kind);
  ~Operation();
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  // Only half of it is to be done, before the process dies.
  bool half() const { return due_ && all_.control->die_how == kHalf; }
  bool full() const { return all_.control->full != 0; }
  // The errno that is to be given instead of doing it; 0: none.
  int error(const Word& kind) const;

 private:
  State& all_;
  std::lock_guard<std::recursive_mutex> lock_;
  bool due_ = false;
};

}  // namespace faults
