// How `tieline map` prints what a program gives: styles, separators, large writes.
// It must never lose what was printed before an error.
#pragma once

#include <string>

#include "base/result.h"
#include "json/program.h"

namespace tieline::cli {

struct OutputStyle {
  json::PrintStyle json;
  bool raw = false;             // strings without quotes
  std::string_view end = "\n";  // behind each output
  bool sequence = false;        // RFC 7464: a record separator before each
  bool unbuffered = false;      // each output at once
};

class Printer {
 public:
  explicit Printer(OutputStyle style) : style_(style) {}
  ~Printer() { flush(); }
  Printer(const Printer&) = delete;
  Printer& operator=(const Printer&) = delete;

  // kTooLarge as Output::print_to; kInternal when standard output cannot be written, which is the same for ever after.
  Result<void> put(const json::Output& output);
  Result<void> flush();

 private:
  OutputStyle style_;
  std::string held_;
  int write_error_ = 0;
};

}  // namespace tieline::cli
