#include "spec/problems.h"

#include <algorithm>
#include <tuple>

#include "base/check.h"

namespace tieline::spec {

std::string Problem::text() const {
  if (severity == Severity::kError) return error.text();
  std::string out = error.place.text();
  if (!out.empty()) out += ": ";
  return out + "warning: " + error.message;
}

void Problems::error(Place place, std::string message, Code code) {
  error(Error{code, std::move(message), std::move(place)});
}

void Problems::error(Error error) {
  problems_.push_back({Problem::Severity::kError, std::move(error)});
  ++error_count_;
}

void Problems::warning(Place place, std::string message) {
  problems_.push_back({Problem::Severity::kWarning, Error{Code::kInvalid, std::move(message), std::move(place)}});
}

void Problems::add(const Problems& others) {
  problems_.insert(problems_.end(), others.problems_.begin(), others.problems_.end());
  error_count_ += others.error_count_;
}

std::vector<Problem> Problems::sorted() const {
  std::vector<Problem> out = problems_;
  const auto by_place = [](const Problem& problem) {
    const Place& place = problem.error.place;
    return std::tie(place.file, place.line, place.column);
  };
  std::stable_sort(out.begin(), out.end(),
                   [&](const Problem& a, const Problem& b) { return by_place(a) < by_place(b); });
  // Equal ones need not be neighbours: two checks may each have said two things about one place.
  std::vector<Problem> unique;
  for (Problem& problem : out) {
    bool seen = false;
    for (auto at = unique.rbegin(); at != unique.rend() && at->error.place == problem.error.place && !seen; ++at)
      seen = at->error.message == problem.error.message;
    if (!seen) unique.push_back(std::move(problem));
  }
  return unique;
}

std::string Problems::text() const {
  std::string out;
  for (const Problem& problem : sorted()) out += problem.text() + "\n";
  return out;
}

Error Problems::first_error() const {
  for (const Problem& problem : sorted()) {
    if (problem.severity == Problem::Severity::kError) return problem.error;
  }
  check_failed(__FILE__, __LINE__, "there is an error");
}

}  // namespace tieline::spec
