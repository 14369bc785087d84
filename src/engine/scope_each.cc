// Work that goes on beside other work of the same run: the arms of `parallel`, the items of `foreach`. Whoever is
// cancelled while it waits for its strands is gone before they are: a strand must never use what the waiter owns.
#include <algorithm>
#include <map>

#include "base/text.h"
#include "engine/scope.h"

namespace tieline::engine {

namespace {

constexpr std::size_t kSummaryBytesMax = 300;
// As many items are worked on before others of the shard get their turn, where no call makes them wait.
constexpr std::size_t kItemsOfATurn = 32;
constexpr std::size_t kFailuresTold = 3;
// A run that is there again reads its whole journal: of many items that wait, each until a time of its own, those that
// are due within this for each record are tried together. What comes late by it counts against no policy.
constexpr Duration kPauseOfARecord{1'000};

void allow_several(Run& run) {
  if (run.turns == nullptr) run.turns = std::make_unique<Gate>(1);
}

std::string without_category(const Transition& end) {
  const std::string prefix = std::string(category_name(end.body.category.value_or(Category::kValidation))) + ": ";
  return end.summary.starts_with(prefix) ? end.summary.substr(prefix.size()) : end.summary;
}

}  // namespace

// Owned by everyone who works on them or waits for them.
struct Arms {
  Ends ends;
  std::vector<std::unique_ptr<Scope>> scopes;
  std::optional<std::pair<std::size_t, StepResult>> skip;  // of the first one in order
  std::size_t left = 0;
  Signal ended;

  static asio::awaitable<void> work(std::shared_ptr<Arms> arms, std::size_t at, const StepList* list) {
    Scope& scope = *arms->scopes[at];
    StepResult result = co_await scope.go_through(list->steps, scope.step_ + list->first);
    if (result.kind == StepResult::Kind::kSuspend) arms->ends.add(at, std::move(scope.transition));
    if (result.kind == StepResult::Kind::kSkip && (!arms->skip || at < arms->skip->first))
      arms->skip.emplace(at, std::move(result));
    if (--arms->left == 0) arms->ended.notify_all();
  }
};

asio::awaitable<StepResult> Scope::work_all(const std::vector<StepList>& lists) {
  allow_several(run_);
  auto arms = std::make_shared<Arms>();
  arms->left = lists.size();
  for (const StepList& list : lists) arms->scopes.push_back(strand(list.name));
  for (std::size_t i = 0; i < lists.size(); ++i) shard_.runs.spawn(Arms::work(arms, i, &lists[i]));
  while (arms->left > 0) co_await arms->ended.wait();
  if (arms->ends.any()) {
    transition = arms->ends.take();
    co_return StepResult::suspend();
  }
  if (arms->skip) {
    step_ = arms->scopes[arms->skip->first]->step_;
    co_return std::move(arms->skip->second);
  }
  for (std::size_t i = 0; i < lists.size(); ++i) {
    for (const std::size_t slot : lists[i].slots) variables_.at(slot) = std::move(arms->scopes[i]->variables_.at(slot));
  }
  co_return StepResult::next();
}

// One `foreach`. Owned like Arms.
struct Each {
  explicit Each(EachRequest what) : request(std::move(what)) {}

  EachRequest request;
  std::unique_ptr<Scope> origin;  // what every item begins with
  json::Document list;            // of items: all, or those of a page
  std::size_t before = 0;         // items of the pages before
  std::size_t next = 0;           // of the list
  std::size_t workers = 0;
  Signal ended;
  Ends ends;
  std::size_t failed_count = 0;
  std::map<std::size_t, Transition> failures;  // the first ones in order
  std::optional<Transition> stopped;           // it cannot go on to further items
  std::vector<std::optional<json::Document>> kept;
  std::size_t kept_bytes = 0, page_bytes = 0;
  std::size_t empty_pages = 0;  // which count towards no bound of items or bytes

  Shard& shard() const { return origin->shard_; }
  Run& run() const { return origin->run_; }
  void stop(std::string why) { stopped = failed(Error{Code::kTooLarge, std::move(why), {}}, origin->step_); }
  bool admit(json::Document items);
  void keep(std::size_t number, const json::Document& value);
  void item_ended(std::size_t number, Scope& scope, const StepResult& result);
  asio::awaitable<void> item(json::Document value, std::size_t number);
  static asio::awaitable<void> work(std::shared_ptr<Each> each);
  static asio::awaitable<void> work_list(std::shared_ptr<Each> each);
  static asio::awaitable<std::optional<StepResult>> work_pages(std::shared_ptr<Each> each, Scope* scope);
  Transition failure() const;
  RunContext::EachResult conclude(Scope& scope);
};

// False, with `stopped`, where they are no items or too many.
bool Each::admit(json::Document items) {
  const json::Value root = items.root();
  if (!root.is_array() && !root.is_null()) {
    stop("`foreach` has " + std::string(json::kind_name(root.kind())) + ", not a list of items");
    return false;
  }
  const std::size_t count = root.is_array() ? root.size() : 0, most = shard().limits.items_max;
  run().items += count;
  if (run().items > most) {
    stop("`foreach` has more than " + std::to_string(most) + " items, which is the most of one run");
    return false;
  }
  list = count == 0 ? json::Document() : std::move(items);
  next = 0;
  if (request.collect) kept.resize(before + count);
  return true;
}

// A copy: a part would keep the whole page in memory.
void Each::keep(std::size_t number, const json::Document& value) {
  kept_bytes += json::print(value.root()).size();
  if (kept_bytes > shard().limits.result_bytes_max)
    return stop("what `foreach` collects is together more than " + std::to_string(shard().limits.result_bytes_max) +
                " bytes");
  json::Builder copy;
  copy.copy(value.root());
  kept[number] = copy.finish();
}

void Each::item_ended(std::size_t number, Scope& scope, const StepResult& result) {
  if (result.kind != StepResult::Kind::kSuspend) return;
  Transition& end = scope.transition;
  if (end.kind != Transition::Kind::kState || !is_terminal(end.state)) return ends.add(number, std::move(end));
  ++failed_count;
  failures.emplace(number, std::move(end));
  if (failures.size() > kFailuresTold) failures.erase(std::prev(failures.end()));
}

asio::awaitable<void> Each::item(json::Document value, std::size_t number) {
  auto scope = origin->strand("item " + std::to_string(number + 1));
  scope->items_.push_back(static_cast<std::uint32_t>(number));
  scope->bind(request.item_slot, value);
  scope->bind(request.index_slot, json::make_integer(static_cast<std::int64_t>(number)));
  if (request.as_slot) scope->bind(*request.as_slot, value);
  const std::uint32_t first = scope->step_ + request.steps->first;
  const std::vector<std::uint32_t> place = scope->items_;
  StepResult result = co_await scope->go_through(request.steps->steps, first);
  if (request.collect && result.kind == StepResult::Kind::kNext && !stopped)
    keep(number, scope->mapped_ ? scope->input_ : value);
  item_ended(number, *scope, result);
  std::uint32_t count = 0;
  for (const auto& step : request.steps->steps) count += step->size();
  run().history.forget(place, first, count);
}

asio::awaitable<void> Each::work(std::shared_ptr<Each> each) {
  struct Worker {
    Each& each;
    explicit Worker(Each& one) : each(one) {}
    ~Worker() {
      if (--each.workers == 0) each.ended.notify_all();
    }
  } worker(*each);
  const std::size_t count = each->list.root().size();
  while (each->next < count && !each->ends.stops() && !each->stopped) {
    const std::size_t at = each->next++;
    json::Document value = each->list.part(each->list.root().at(at));
    co_await each->item(std::move(value), each->before + at);
    if (at % kItemsOfATurn == kItemsOfATurn - 1) co_await next_turn();
  }
}

// Returns when all items of the list have ended.
asio::awaitable<void> Each::work_list(std::shared_ptr<Each> each) {
  const std::size_t count = each->list.root().is_array() ? each->list.root().size() : 0;
  each->workers = std::min<std::size_t>(each->request.concurrency, count);
  if (each->workers == 1) {
    co_await work(each);
  } else if (each->workers > 1) {
    allow_several(each->run());
    for (std::size_t i = each->workers; i > 0; --i) each->shard().runs.spawn(work(each));
    while (each->workers > 0) co_await each->ended.wait();
  }
  each->before += count;
  each->list = json::Document();
}

// A skip that the first page's answer asks for, or nothing.
asio::awaitable<std::optional<StepResult>> Each::work_pages(std::shared_ptr<Each> each, Scope* scope) {
  CallRequest::Page page;
  do {
    CallRequest request = *each->request.pages;
    request.page = &page;
    if (!page.at.empty()) request.on = nullptr;  // what is expected of the whole is not of a later page
    CallId id{scope->items_, scope->step_, scope->calls_};
    RunContext::CallResult answer = co_await scope->call(std::move(request));
    if (answer.step.kind == StepResult::Kind::kSkip) co_return std::move(answer.step);
    if (answer.step.kind == StepResult::Kind::kSuspend) {
      Transition& end = scope->transition;
      const bool over = end.kind == Transition::Kind::kState && is_terminal(end.state);
      if (over) each->stopped = std::move(end);
      if (!over) each->ends.add(each->before, std::move(end));
      co_return std::nullopt;
    }
    page.at = std::exchange(page.next, {});
    each->page_bytes += json::print(answer.value.root()).size();
    if (each->page_bytes > each->shard().limits.streamed_bytes_max) {
      each->stop("the pages of `foreach` are together more than " +
                 std::to_string(each->shard().limits.streamed_bytes_max) + " bytes");
      co_return std::nullopt;
    }
    const bool admitted = each->admit(std::move(answer.value));
    if (!admitted) co_return std::nullopt;
    if (each->list.root().is_null() && ++each->empty_pages > each->shard().limits.pages_max) {
      each->stop("`foreach` was given more than " + std::to_string(each->shard().limits.pages_max) +
                 " pages without an item");
      co_return std::nullopt;
    }
    each->run().history.forget(id);
    co_await work_list(each);
  } while (!page.at.empty() && !each->ends.stops() && !each->stopped);
  co_return std::nullopt;
}

// "3 of 40 items failed: item 5: …", as the first one's category and at its step.
Transition Each::failure() const {
  Transition out = failures.begin()->second;
  std::string text =
      std::to_string(failed_count) + " of " + std::to_string(before) + (before == 1 ? " item failed" : " items failed");
  std::string separator = ": ";
  for (const auto& [number, end] : failures) {
    text += separator + "item " + std::to_string(number + 1) + ": " + without_category(end);
    separator = "; ";
  }
  out.body.message = text;
  out.summary = truncated(std::string(category_name(out.body.category.value_or(Category::kValidation))) + ": " + text,
                          kSummaryBytesMax);
  return out;
}

RunContext::EachResult Each::conclude(Scope& scope) {
  RunContext::EachResult out;
  out.step = StepResult::suspend();
  if (ends.waits()) {
    scope.transition = ends.take();
    if (scope.transition.state == RunState::kRetrying)
      scope.transition.due = std::max(scope.transition.due, shard().now() + run().records * kPauseOfARecord);
  } else if (stopped) {
    scope.transition = std::move(*stopped);
  } else if (failed_count > 0) {
    scope.transition = failure();
  } else {
    out.step = StepResult::next();
    json::Builder all;
    all.begin_array();
    for (const auto& value : kept) {
      if (value) all.share(*value);
    }
    all.end_array();
    if (request.collect) out.collected = all.finish();
  }
  return out;
}

asio::awaitable<RunContext::EachResult> Scope::each(EachRequest request) {
  auto each = std::make_shared<Each>(std::move(request));
  each->origin = copy();
  if (!each->request.pages) {
    const bool admitted = each->admit(each->request.list);
    if (admitted) co_await Each::work_list(each);
  } else {
    std::optional<StepResult> skip = co_await Each::work_pages(each, this);
    if (skip) {
      EachResult out;
      out.step = std::move(*skip);
      co_return out;
    }
  }
  co_return each->conclude(*this);
}

}  // namespace tieline::engine
