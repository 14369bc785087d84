// SQLite as values: a connection, a statement, and what its codes mean here. One thread at a time per connection;
// nothing of sqlite3.h may leak out of this folder.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tieline::store {

// kFull, kCorrupt, kUnavailable (busy, given up), else kInternal; the message names `what` and SQLite's own words.
Error sql_error(sqlite3* db, int code, std::string_view what);

// kUnsupported, in words, when a file's format is none that this program reads.
Result<void> check_format(const std::string& path, std::int64_t found, std::int64_t oldest, std::int64_t newest);

// A prepared statement. Bound bytes must stay alive until reset().
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::uint64_t value) { return bind(index, static_cast<std::int64_t>(value)); }
  Statement& bind(int index, std::uint32_t value) { return bind(index, static_cast<std::int64_t>(value)); }
  Statement& bind_blob(int index, std::string_view bytes);
  Statement& bind_text(int index, std::string_view text);

  // True when there is a row.
  Result<bool> step();
  // Steps to the end of a statement that gives no rows, and resets it. SQLite's code, 0 when it worked.
  int run_code();
  Result<void> run();
  void reset();

  std::int64_t integer(int column) const;
  std::uint64_t natural(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  std::string_view bytes(int column) const;  // valid until the next step or reset
  bool is_null(int column) const;
  // Binds this row's first `columns` values to `into`, from index 1.
  void copy_row(Statement& into, int columns) const;

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}
  sqlite3_stmt* handle_ = nullptr;
};

// Resets a statement at the end of a scope, so that no read transaction stays open.
class Rewind {
 public:
  explicit Rewind(Statement& statement) : statement_(statement) {}
  ~Rewind() { statement_.reset(); }
  Rewind(const Rewind&) = delete;
  Rewind& operator=(const Rewind&) = delete;

 private:
  Statement& statement_;
};

class Database {
 public:
  enum class Mode { kCreate, kReadWrite, kRead };
  Database() = default;
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();

  // Never checkpoints on close; no mmap. `vfs` empty: the default one.
  static Result<Database> open(const std::string& path, Mode mode, const std::string& vfs = {});
  Result<void> run(const char* sql);
  Result<Statement> prepare(std::string_view sql);
  // The one number that `sql` gives.
  Result<std::int64_t> number(const char* sql);
  // From now on what runs here ends with kUnavailable when `flag` becomes true; null: no longer. It must stay alive.
  void give_up_when(const std::atomic<bool>* flag);
  explicit operator bool() const { return handle_ != nullptr; }
  sqlite3* handle() const { return handle_; }

 private:
  sqlite3* handle_ = nullptr;
};

}  // namespace tieline::store
