// The options of retries and unknown outcomes, shared by flows and calls: the descriptions of core's types.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/flow.h"
#include "spec/table.h"

namespace tieline {

const spec::Table<RetryPolicy>& describe(const RetryPolicy*);
const spec::Names<Priority>& describe(const Priority*);
const spec::Names<OnUnknown>& describe(const OnUnknown*);
const spec::Names<OnReplay>& describe(const OnReplay*);
const spec::Custom<OnAnswer>& describe(const OnAnswer*);

namespace steps {
std::string answer_word(OnAnswer answer);  // "skip"
// Nothing after reporting that `what` was expected.
std::optional<OnAnswer> read_answer(const spec::Node& node, std::string_view what, spec::Problems& problems);

// What it means that there is nothing: like any answer, or to wait for it.
struct OnEmpty {
  OnAnswer then = OnAnswer::kContinue;
  std::optional<Duration> wait;  // until the next look
  Duration keep_for{24 * 3'600'000'000LL};
  Place place;  // of `wait`
};
const spec::Custom<OnEmpty>& describe(const OnEmpty*);

// Reports a name that the table of links cannot have.
void check_link_system(spec::Problems& problems, const std::string& name, const Place& place);
}  // namespace steps

}  // namespace tieline
