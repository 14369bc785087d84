// Everything that is wrong with what a person wrote, collected, so that `check` reports all of it at once.
// It must never stop at the first problem, and never hold the text of a secret.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/error.h"

namespace tieline::spec {

struct Problem {
  enum class Severity : std::uint8_t { kError, kWarning };
  Severity severity = Severity::kError;
  Error error;

  // "file:line:col: error: message" or "file:line:col: warning: message".
  std::string text() const;
  friend bool operator==(const Problem&, const Problem&) = default;
};

class Problems {
 public:
  void error(Place place, std::string message, Code code = Code::kInvalid);
  void error(Error error);
  void warning(Place place, std::string message);
  // All of another collection's problems.
  void add(const Problems& others);

  bool ok() const { return error_count_ == 0; }             // no errors; warnings may stand
  std::size_t error_count() const { return error_count_; }  // as reported, before equal ones are dropped
  bool empty() const { return problems_.empty(); }

  // By file, line, column and order of report (no file first); problems with one place and one message appear once.
  std::vector<Problem> sorted() const;
  // One line each, as sorted; empty if there are none.
  std::string text() const;
  // The first error as sorted. CHECKs that there is one: for callers that can give back only a single Error.
  Error first_error() const;

 private:
  std::vector<Problem> problems_;
  std::size_t error_count_ = 0;
};

}  // namespace tieline::spec
