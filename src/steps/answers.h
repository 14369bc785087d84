// `on:` of a call: what its expected answers mean for the run.
#pragma once

#include <optional>
#include <vector>

#include "core/flow.h"
#include "spec/table.h"
#include "steps/policy.h"

namespace tieline::steps {

// What `on:` says of each expected answer.
struct Answers {
  std::optional<OnEmpty> empty, missing;
  std::optional<OnAnswer> conflict;
  spec::Map<OnAnswer> codes;

  std::vector<AnswerRule> rules() const;
};
const spec::Table<Answers>& describe(const Answers*);

}  // namespace tieline::steps
