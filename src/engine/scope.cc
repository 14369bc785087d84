#include "engine/scope.h"

#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "engine/caller.h"
#include "engine/outbox.h"
#include "engine/pause.h"
#include "engine/sync_reading.h"
#include "engine/table_work.h"

namespace tieline::engine {
namespace {

constexpr std::size_t kLabelBytesMax = 60, kPathBytesMax = 200;

// Higher goes first.
int rank(const Transition& end) {
  switch (end.kind) {
    case Transition::Kind::kRefused: return 8;
    case Transition::Kind::kAbandoned: return 7;
    case Transition::Kind::kState: break;
  }
  if (end.state == RunState::kRetrying) return end.behind ? 2 : 6;
  if (end.state == RunState::kHeld) return end.hold && waits_for_a_person(*end.hold) ? 5 : 4;
  return end.state == RunState::kWaiting ? 3 : 1;
}

}  // namespace

Transition failed(const Error& error, std::uint16_t step) {
  Transition out;
  out.state = RunState::kDead;
  out.summary = one_line(std::string(category_name(Category::kValidation)) + ": " + error.message);
  out.step = step;
  out.body.category = Category::kValidation;
  out.body.message = error.text();
  return out;
}

// Only the order decides, never which of them ended first.
void Ends::add(std::size_t strand, Transition end) {
  const auto before = [](const Transition& a, std::size_t a_strand, const Transition& b, std::size_t b_strand) {
    const int x = rank(a), y = rank(b);
    if (x != y) return x > y;
    return std::tie(a.due, a_strand) < std::tie(b.due, b_strand);
  };
  if (best_ && !before(end, strand, *best_, strand_)) return;
  best_ = std::move(end);
  strand_ = strand;
}

bool Ends::waits() const { return best_ && rank(*best_) > 1; }
bool Ends::stops() const { return best_ && best_->kind != Transition::Kind::kState; }

Scope::Scope(Shard& shard, Run& run, std::vector<json::Document> variables)
    : shard_(shard), run_(run), input_(run.data), variables_(std::move(variables)) {
  variables_.resize(std::max(variables_.size(), run.flow->variables.size()));
}

std::unique_ptr<Scope> Scope::copy() const {
  auto out = std::make_unique<Scope>(shard_, run_, variables_);
  out->input_ = input_;
  out->step_ = step_;
  out->current_ = current_;
  out->items_ = items_;
  out->path_ = path_;
  return out;
}

std::unique_ptr<Scope> Scope::strand(const std::string& name) const {
  auto out = copy();
  out->path_ = truncated((path_.empty() ? "" : path_ + " › ") + label() + " › " + name, kPathBytesMax);
  return out;
}

std::string Scope::label() const {
  if (current_ != nullptr && !current_->name().empty()) return truncated(current_->name(), kLabelBytesMax);
  return "step " + std::to_string(step_ + 1);
}

std::string Scope::path_here() const {
  return path_.empty() ? std::string() : truncated(path_ + " › " + label(), kPathBytesMax);
}

asio::awaitable<StepResult> Scope::go_through(const std::vector<std::shared_ptr<const Step>>& steps,
                                              std::uint32_t first) {
  for (const auto& one : steps) {
    const Step& step = *one;
    current_ = &step;
    step_ = static_cast<std::uint16_t>(first);
    calls_ = 0;
    first += step.size();
    if (step.condition() != nullptr) {
      auto holds = step.condition()->test(input(), variables());
      if (!holds) {
        transition = failed(std::move(holds.error()).in("if"), step_);
        co_return StepResult::suspend();
      }
      if (!*holds) continue;
    }
    StepResult result = co_await step.run(*this);
    if (result.kind == StepResult::Kind::kNext) continue;
    if (result.kind != StepResult::Kind::kFail) co_return result;
    transition = failed(result.error, step_);
    co_return StepResult::suspend();
  }
  co_return StepResult::next();
}

asio::awaitable<StepResult> Scope::work(const StepList& list) {
  const Step* const holder = current_;
  const std::uint16_t step = step_;
  const std::uint32_t calls = calls_;
  StepResult result = co_await go_through(list.steps, step + list.first);
  if (result.kind == StepResult::Kind::kNext) {
    current_ = holder;
    step_ = step;
    calls_ = calls;
  }
  co_return result;
}

asio::awaitable<RunContext::CallResult> Scope::table(TableWork work) {
  const bool beside = !path_.empty();
  CallId id{items_, step_, calls_++};
  CallResult result = co_await do_table_work(shard_, run_, work, id, path_here(), transition);
  if (beside && result.step.kind == StepResult::Kind::kSuspend) co_await note(std::move(id));
  co_return result;
}

Result<Bytes> Scope::derive(std::string_view purpose, std::size_t count) {
  if (shard_.deps.secrets == nullptr) return failure(Code::kUnavailable, "this store has no key to make secrets with");
  // Names that another store's run of the same event would not share: positions and numbers of flows are its own.
  std::string name = run_.flow->name + '\n' + run_.event->source + '\n' + run_.event->id + '\n' + std::to_string(step_);
  for (const std::uint32_t item : items_) name += '\n' + std::to_string(item);
  return shard_.deps.secrets->derive(name + '\n' + std::string(purpose), count);
}

json::Document Scope::conceal(std::string name, std::string handle, std::string secret) {
  json::Document out = json::make_string(handle);
  const bool known = std::ranges::any_of(run_.concealed, [&](const Concealed& one) { return one.handle == handle; });
  if (!known) run_.concealed.push_back({std::move(name), std::move(handle), std::move(secret)});
  return out;
}

asio::awaitable<RunContext::CallResult> Scope::call(CallRequest request) {
  if (!run_.concealed.empty()) request.concealed = &run_.concealed;
  CallId id{items_, step_, calls_++};
  const bool noted = !path_.empty() || request.page != nullptr;
  CallResult result;
  {
    Caller caller(shard_, run_, request, id, path_here());
    result = co_await caller.perform(transition);
  }
  if (noted && result.step.kind == StepResult::Kind::kSuspend) co_await note(std::move(id));
  co_return result;
}

Time Scope::now() const { return shard_.now(); }

asio::awaitable<StepResult> Scope::pause(Pause pause) {
  const CallId id{items_, step_, calls_++};
  const PauseHistory* known = run_.history.pause(id);
  if (known != nullptr) pause.until = known->until;
  if (known != nullptr && known->answer == HeldAnswer::kApproved) co_return StepResult::next();
  if (known != nullptr && known->answer) co_return StepResult::skip("declined by " + known->by);
  const EngineFaults& faults = shard_.deps.faults;
  if (faults.cut_waits && known == nullptr && pause.until != Time::max())
    pause.until -= (pause.until - shard_.now()) / 2;
  if (faults.approve_unasked) pause.then = Pause::Then::kGoOn;
  if (shard_.now() >= pause.until) {
    const std::string why = "nobody approved it until " + format_time(pause.until);
    switch (pause.then) {
      case Pause::Then::kGoOn: co_return StepResult::next();
      case Pause::Then::kSkip: co_return StepResult::skip(why);
      case Pause::Then::kFail: co_return StepResult::fail(Error{Code::kInvalid, why, {}});
    }
  }
  transition = Transition();
  transition.state = RunState::kWaiting;
  transition.due = pause.until;
  transition.summary = one_line(pause_summary(pause));
  transition.step = step_;
  transition.body.call = id.call;
  transition.body.items = items_;
  transition.body.until = pause.until;
  if (path_.empty() || known != nullptr) co_return StepResult::suspend();
  // The run may be there again before: for others of its strands.
  transition.body.path = path_here();
  RecordDraft draft;
  draft.kind = RecordKind::kNote;
  draft.step = step_;
  draft.body = transition.body;
  draft.body.message = transition.summary;
  auto written = co_await append_record(shard_, run_, std::move(draft), Sync::kWithNext);
  if (!written) transition.kind = Transition::Kind::kRefused;
  co_return StepResult::suspend();
}

asio::awaitable<StepResult> Scope::read(const SyncRequest& request) {
  return read_page(shard_, run_, *this, request, step_);
}

Result<void> Scope::publish(Publication publication) {
  return engine::publish(shard_, run_, std::move(publication), step_);
}

// Others of the run go on, and it will be there for them before this call may be made again: what was decided of it is
// written down by itself.
asio::awaitable<void> Scope::note(CallId id) {
  if (transition.kind != Transition::Kind::kState || is_terminal(transition.state)) co_return;
  RecordDraft draft;
  draft.body = transition.body;
  draft.body.message = transition.summary;
  if (const std::string& path = transition.body.path; !path.empty())
    transition.summary = truncated(transition.summary, kSummaryBytesMax - path.size()) + " (" + path + ")";
  CallHistory& history = run_.history.call(id);
  const bool waits = transition.state == RunState::kRetrying;
  if (history.attempts == 0 || (waits ? history.due == transition.due : history.standing_since.has_value())) co_return;
  if (waits) history.due = transition.due;
  draft.kind = RecordKind::kNote;
  draft.step = transition.step;
  draft.attempt = transition.attempt;
  auto written = co_await append_record(shard_, run_, std::move(draft), Sync::kWithNext);
  if (!written) transition.kind = Transition::Kind::kRefused;
}

}  // namespace tieline::engine
