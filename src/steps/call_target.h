// What a `call` and the pages of a `foreach` have in common: an action, its arguments, and how it is asked.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "steps/answers.h"
#include "steps/flow_builder.h"

namespace tieline::steps {

// As it is compiled. Lives as long as the step; what make_request gives points into it.
struct Target {
  ActionPtr action;
  Template with;
  std::vector<AnswerRule> on;
  std::optional<RetryPolicy> retry;
  std::optional<Duration> timeout;

  // With the arguments of now. An error has `place` where the arguments are no object.
  Result<CallRequest> make_request(const RunContext& context, const Place& place) const;
};

// As it is written.
struct CallTarget {
  spec::At<std::string> path;
  spec::Data with;
  Answers on;
  std::optional<RetryPolicy> retry;
  std::optional<Duration> timeout;

  // Nothing after reporting. `whole`: nothing of the step was misspelled, so that a missing argument is missing indeed.
  std::optional<Target> compile_target(FlowBuilder& builder, bool whole) const;
};

}  // namespace tieline::steps
