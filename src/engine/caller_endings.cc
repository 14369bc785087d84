// What a call's end means for its run: where the run goes, and the one line that says why.
#include "engine/caller.h"

namespace tieline::engine {

Caller::Ending Caller::wait_until(Time due, std::string summary, Category category) {
  transition_->kind = Transition::Kind::kState;
  transition_->state = RunState::kRetrying;
  transition_->due = due;
  transition_->summary = one_line(std::move(summary));
  transition_->body.category = category;
  transition_->body.wait = due - shard_.now();
  return suspended();
}

Caller::Ending Caller::hold(Hold why, const std::string& text) {
  return hold_as(why, std::string(hold_name(why)) + ": " + action_.connection() + ": " + action_.name() + ": " + text);
}

Caller::Ending Caller::hold_as(Hold why, std::string summary) {
  transition_->kind = Transition::Kind::kState;
  transition_->state = RunState::kHeld;
  transition_->hold = why;
  transition_->connection = action_.connection();
  transition_->summary = one_line(std::move(summary));
  transition_->body.hold = why;
  return suspended();
}

Caller::Ending Caller::dead(Category category, std::string why) {
  transition_->kind = Transition::Kind::kState;
  transition_->state = RunState::kDead;
  transition_->summary = one_line(std::string(category_name(category)) + ": " + std::move(why));
  transition_->body.category = category;
  return suspended();
}

std::string Caller::named(const std::string& why) const {
  const std::string name = action_.name() + ": ";
  return why.starts_with(name) ? why : name + why;
}

Caller::Ending Caller::abandoned() {
  transition_->kind = Transition::Kind::kAbandoned;
  return suspended();
}

Caller::Ending Caller::refused(const Error& error) {
  transition_->kind = Transition::Kind::kRefused;
  transition_->summary = error.message;
  return suspended();
}

Caller::Ending Caller::suspended() {
  transition_->step = id_.step;
  transition_->attempt = static_cast<std::uint16_t>(history_.attempts);
  transition_->body.call = id_.call;
  transition_->body.items = id_.items;
  transition_->body.path = path_;
  transition_->body.action = action_.name();
  RunContext::CallResult result;
  result.step = StepResult::suspend();
  return result;
}

Caller::Ending Caller::bind(json::Document value) const {
  RunContext::CallResult result;
  result.value = std::move(value);
  return result;
}

}  // namespace tieline::engine
