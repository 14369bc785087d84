// What `tieline map` runs a program on: the documents, or lines, of files and of standard input, one at a time.
// It must never hold more than one of them, unless all are asked for as one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "json/stream.h"
#include "json/value.h"

namespace tieline::cli {

// Of each document; far above what a vendor sends, and still a bound.
inline constexpr json::ParseLimits kInputLimits{.depth_max = 4096, .bytes_max = 1u << 30};

struct InputStyle {
  bool raw = false;    // lines, as strings, instead of JSON
  bool slurp = false;  // all of them in one array; of raw ones all text in one string
};

// All of a file, "-" and empty: standard input. kNotFound when it cannot be read, kTooLarge beyond kInputLimits.
Result<std::string> read_file(const std::string& file);
// The documents of a file, in an array.
Result<json::Document> read_documents(const std::string& file);

class Inputs {
 public:
  // No files: standard input. `before_waiting` is called when there is nothing to read at once.
  Inputs(std::vector<std::string> files, InputStyle style, std::function<void()> before_waiting);
  ~Inputs();
  Inputs(const Inputs&) = delete;
  Inputs& operator=(const Inputs&) = delete;

  // The next one; nothing at the end. Give the one before up first, since its memory is lent to the next one. After
  // kNotFound, a file that cannot be read, the next call goes on behind it. kInvalid and kTooLarge have a place and are
  // the end.
  Result<std::optional<json::Document>> next();
  // Where the last one began.
  Place place() const;

 private:
  Result<bool> open_next();
  void close();
  Result<std::size_t> read_some(char* to, std::size_t size);
  Result<std::optional<json::Document>> next_document();
  Result<std::optional<json::Document>> next_line();
  Result<std::optional<json::Document>> slurp();
  Result<std::string> rest_of_texts();
  tl::unexpected<Error> cannot_read(const std::string& file, int error) const;
  std::string shown() const;

  std::vector<std::string> files_;
  InputStyle style_;
  std::function<void()> before_waiting_;
  std::size_t opened_ = 0;  // files
  int fd_ = -1;
  bool regular_ = false;
  bool slurped_ = false;
  std::optional<json::StreamReader> reader_;  // of the open file
  std::string lines_;                         // read, and not given yet from lines_at_ on
  std::size_t lines_at_ = 0;
  std::uint32_t line_ = 0;
};

}  // namespace tieline::cli
