// The files of a store as one thread reads them: which segments stand, and a few open readers. It must never keep a
// reader of a segment that is gone.
#pragma once

#include <filesystem>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include "store/segment.h"
#include "store/state_db.h"

namespace tieline::store {

struct Segment {
  std::string path;
  std::uint64_t first_lsn = 1, first_seq = 1;
  bool sealed = false;
  bool loss_accepted = false;  // of what it held when its log was damaged, by a person: it may be done again
  bool damaged = false;        // its write-ahead log is, or was when it was opened: nothing is appended to it
  bool loss_before = false;    // the one before it cannot be read
  // Of a segment that is full; of the hot one zero.
  std::uint64_t bytes = 0, events = 0, records = 0;
  std::uint64_t last_seq = 0, last_lsn = 0;
  Time first_received = Time::min(), last_received = Time::min();
  Holds holds = Holds::kAll;    // of a sealed one; those that hold less stand before those that hold more
  std::uint64_t log_bytes = 0;  // its own frames, of an open form's log; 0: not known, then all of it is its own
  // Shared by all copies of this value, which readers keep as long as they read: while anybody else has one, the files
  // may be removed, but not be written over.
  std::shared_ptr<const char> in_use = std::make_shared<const char>();
};

// "seg-00000000000000000001.db", "sealed-….db"
std::string segment_name(std::uint64_t first_lsn, bool sealed);
// The segment that holds the position or lsn, if it stands; null otherwise.
const Segment* segment_of_position(const std::vector<Segment>& segments, std::uint64_t seq);
const Segment* segment_of_lsn(const std::vector<Segment>& segments, std::uint64_t lsn);
// The first one that holds its events' data: flows and reads begin there. Null when there is none.
const Segment* first_with_data(const std::vector<Segment>& segments);

// The last part of a path, as messages name a file.
std::string name_of(const std::string& path);
// kFull where an errno says that there is no room, else kInternal.
Code code_of_errno(int error);
// "opening /path: No such file or directory", by errno as it is now.
Error file_error(const std::string& path, std::string_view doing);
// kFull, kInternal.
Result<void> sync_file(const std::string& path);
Result<void> sync_directory(const std::string& path);
// What a file that is being made is called behind its name: an opening removes it.
inline constexpr const char* kUnfinished = ".tmp";
// Also its WAL and index.
void remove_database(const std::string& path);
// Out of the way, but not gone, as a person may want to look: a database, its WAL and index become "<path><why>", or
// "<path><why>-2" and so on where that is taken. The first name; kInternal.
Result<std::string> set_aside(const std::string& path, const std::string& why);
// The same as second names: what stands stays until something takes its place.
Result<std::string> keep_aside(const std::string& path, const std::string& why);
// What a whole state.db that is to take the place of a damaged one is called until it has, and the damaged one's WAL is
// gone: put_in_place() may be repeated after a crash.
inline constexpr const char* kMendedState = "state.db.mended";
Result<void> put_in_place(const std::filesystem::path& directory);
// Both give a large file's room back in steps: at once it keeps other files' syncs waiting, for tens of milliseconds
// where the disk is told of free blocks. Nobody may have the files open. False: it is not cut, as it has a second name,
// or was not found.
bool shrink_file(const std::string& path, std::uint64_t bytes_max);
void remove_database_slowly(const std::string& path);

class Files {
 public:
  // `state_path` empty: there is none.
  Files(std::string state_path, std::string vfs) : state_path_(std::move(state_path)), vfs_(std::move(vfs)) {}

  // Valid until the next call of segment().
  Result<SegmentReader*> segment(const Segment& segment);
  // Closes the readers of all but these.
  void only(const std::vector<Segment>& segments);
  // Null when the store has no state.db.
  Result<StateReader*> state();

 private:
  struct Open {
    Segment segment;
    SegmentReader reader;
  };
  std::string state_path_, vfs_;
  std::list<Open> open_;  // the last used first
  std::optional<StateReader> state_;
};

}  // namespace tieline::store
