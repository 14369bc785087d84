#include <gtest/gtest.h>

#include "async/manual_clock.h"
#include "engine/answer.h"
#include "engine/due_queue.h"
#include "engine/history.h"
#include "engine/job.h"
#include "engine/lane_table.h"
#include "engine/record.h"
#include "engine/redact.h"
#include "engine/scope.h"
#include "engine/version.h"

namespace tieline::engine {
namespace {

json::Document doc(std::string text) { return *json::parse(std::move(text)); }

TEST(Version, ComparesByKind) {
  const auto order = [](const char* a, const char* b) {
    const json::Document left = doc(a), right = doc(b);
    const auto result = compare_versions(left.root(), right.root());
    const auto back = compare_versions(right.root(), left.root());
    EXPECT_EQ(result<0, back> 0) << a << " " << b;
    return result < 0 ? -1 : (result > 0 ? 1 : 0);
  };
  EXPECT_EQ(order("1", "2"), -1);
  EXPECT_EQ(order("9", "10"), -1);
  EXPECT_EQ(order("1.0", "1"), 0);
  EXPECT_EQ(order("1.10", "1.1"), 0);
  EXPECT_EQ(order("1.2", "1.10"), 1);
  EXPECT_EQ(order("-3", "2"), -1);
  EXPECT_EQ(order("-3.5", "-3.4"), -1);
  EXPECT_EQ(order("12345678901234567890123", "12345678901234567890124"), -1);
  EXPECT_EQ(order("1e30", "999999999999999999999999999999"), 1);
  EXPECT_EQ(order("0.1", "0.01"), 1);
  EXPECT_EQ(order(R"("2026-01-01T00:00:00+01:00")", R"("2025-12-31T23:30:00Z")"), -1);
  EXPECT_EQ(order(R"("2026-01-01T00:00:00+01:00")", R"("2025-12-31T23:00:00Z")"), 0);
  EXPECT_EQ(order(R"("a")", R"("b")"), -1);
  EXPECT_EQ(order("[1,2]", "[1,3]"), -1);
  EXPECT_EQ(order("[1]", "[1,0]"), -1);
  EXPECT_EQ(order("null", "0"), -1);
}

TEST(LaneTable, KeepsOneHeadALane) {
  LaneTable lanes;
  EXPECT_TRUE(lanes.push(7, Position(1)));
  EXPECT_FALSE(lanes.push(7, Position(3)));
  EXPECT_TRUE(lanes.push(8, Position(4)));
  EXPECT_TRUE(lanes.is_head(7, Position(1)));
  EXPECT_FALSE(lanes.is_head(7, Position(3)));
  EXPECT_EQ(lanes.followers(7), std::vector<Position>{Position(3)});
  EXPECT_EQ(lanes.pop(7), Position(3));
  EXPECT_EQ(lanes.pop(7), Position());
  EXPECT_TRUE(lanes.push(7, Position(9)));
  EXPECT_EQ(lanes.size(), 2u);
}

TEST(LaneTable, PutsLateOnesWhereTheyBelong) {
  LaneTable lanes;
  for (const std::uint64_t position : {8, 3, 5}) lanes.insert(7, Position(position));
  EXPECT_EQ(lanes.head(7), Position(3));
  EXPECT_EQ(lanes.pop(7), Position(5));
  EXPECT_EQ(lanes.pop(7), Position(8));
}

TEST(LaneTable, LosesOneOutOfTheMiddle) {
  LaneTable lanes;
  for (const std::uint64_t position : {2, 3, 5, 8}) lanes.push(7, Position(position));
  EXPECT_EQ(lanes.pop(7), Position(3));
  lanes.erase(7, Position(5));
  EXPECT_EQ(lanes.pop(7), Position(8));
  EXPECT_EQ(lanes.pop(7), Position());
}

TEST(LaneTable, StaysInOrderOverManyPops) {
  LaneTable lanes;
  std::uint64_t next = 1;
  for (std::uint64_t position = 1; position <= 1'000; ++position) {
    lanes.push(1, Position(position));
    if (position % 3 != 0) continue;
    EXPECT_EQ(lanes.head(1), Position(next));
    lanes.pop(1);
    ++next;
  }
  EXPECT_EQ(lanes.followers(1).size(), 1'000 - 333 - 1u);
}

TEST(Redactor, HidesSecretsInEveryForm) {
  const Redactor redactor({"s3cr\"t/key", "ab"});
  EXPECT_EQ(redactor.text("x s3cr\"t/key y"), "x [redacted] y");
  EXPECT_EQ(redactor.text("?t=s3cr%22t%2Fkey&u=1"), "?t=[redacted]&u=1");
  EXPECT_EQ(redactor.text("{\"a\":\"s3cr\\\"t/key\"}"), "{\"a\":\"[redacted]\"}");
  EXPECT_EQ(redactor.text("Basic czNjciJ0L2tleQ=="), "Basic [redacted]");
  EXPECT_EQ(redactor.text("ab stays: too short to look for"), "ab stays: too short to look for");
  const json::Document hidden = redactor.document(doc(R"({"s3cr\"t/key":["s3cr\"t/key",1]})"));
  EXPECT_EQ(json::print(hidden.root()), R"({"[redacted]":["[redacted]",1]})");
}

TEST(Redactor, LeavesNoHalfSecretAtTheCut) {
  const Redactor redactor({"0123456789"});
  for (std::size_t cut = 1; cut < 30; ++cut) {
    EXPECT_EQ(redactor.body("aaaa0123456789bbbb0123456789", cut).find("0123"), std::string::npos) << cut;
  }
}

TEST(Redactor, KeepsHarmlessHeadersOnly) {
  const Headers kept = harmless_headers({{"Authorization", "Bearer x"},
                                         {"Content-Type", "application/json"},
                                         {"X-Shopify-Access-Token", "x"},
                                         {"Set-Cookie", "x"},
                                         {"X-RateLimit-Remaining", "3"},
                                         {"Retry-After", "7"}});
  const Headers expected{{"content-type", "application/json"}, {"x-ratelimit-remaining", "3"}, {"retry-after", "7"}};
  EXPECT_EQ(kept, expected);
}

TEST(RecordBody, ReadsBackWhatItWrote) {
  RecordBody body;
  body.start = RecordBody::Start{"hash", from_unix_us(12)};
  body.call = 2;
  body.action = "hubspot.deals.create";
  body.once = "k";
  body.category = Category::kConflict;
  body.code = "TAKEN";
  body.message = "taken";
  body.took = Duration(5);
  body.wait = Duration(6);
  body.lookup = body.empty = body.happened = true;
  body.resolved = Resolved::kNotFound;
  body.pages = 3;
  body.request = KeptRequest{"POST", "https://x/", {{"accept", "a"}}, "body"};
  body.response = KeptResponse{409, "answered", {{"date", "d"}}, "taken"};
  body.result = doc(R"({"n":12345678901234567890})");
  body.hold = Hold::kAuthorization;
  body.answer = HeldAnswer::kRepeat;
  body.by = "ada";
  const Bytes bytes = encode(body);
  const auto back = decode(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(encode(*back), bytes);
  // Neither the exchange nor what a person said is what a run goes on with.
  const Bytes conclusion = encode(body.conclusion());
  body.request.reset();
  body.response.reset();
  body.start.reset();
  body.hold.reset();
  body.answer.reset();
  body.by.clear();
  EXPECT_EQ(conclusion, encode(body));
  EXPECT_EQ(back->response->status, 409);
  EXPECT_EQ(encode(RecordBody()), "{}");
  EXPECT_FALSE(decode("nonsense").has_value());
  EXPECT_EQ(decode("[]").error().code, Code::kCorrupt);
}

TEST(DueQueue, KeepsFewThatHoldNoMore) {
  ManualClock clock(*parse_time("2026-11-23T00:00:00Z"));
  DueQueue queue;
  queue.ask([](const DueQueue::Entry& entry) { return entry.run.event.value % 1'000 == 0; });
  const Time start = clock.now();
  for (std::uint64_t i = 1; i <= 100'000; ++i) {
    // The later they come, the earlier they are due.
    queue.push(start + Duration(200'000 - i), RunId{FlowId(1), Position(i)}, clock);
    ASSERT_LE(queue.size(), 2 * 2 * (i / 1'000) + DueQueue::kStaleMax + 1);
  }
  clock.advance(Duration(200'000));
  std::vector<std::uint64_t> held;
  for (const DueQueue::Entry& entry : queue.take(clock)) {
    if (entry.run.event.value % 1'000 == 0) held.push_back(entry.run.event.value);
  }
  // By each of the two clocks once, in their order.
  ASSERT_EQ(held.size(), 200u);
  EXPECT_TRUE(std::ranges::is_sorted(held.begin(), held.begin() + 100, std::greater<>()));
  EXPECT_EQ(held.front(), 100'000u);
}

TEST(Hold, IsReadFromASummary) {
  EXPECT_EQ(hold_of_summary("needs authorization: hubspot: x"), Hold::kAuthorization);
  EXPECT_EQ(hold_of_summary("unknown outcome: hubspot: x"), Hold::kUnknownOutcome);
  EXPECT_FALSE(hold_of_summary("something else").has_value());
}

TEST(Job, ReadsBackWhatItWroteAndNoStateThatThereIsNot) {
  Job job;
  job.id = 7;
  job.select.flow = FlowId(3);
  job.select.states = {RunState::kDead, RunState::kCancelled};
  job.select.text = "contact";
  job.how.by = "ada";
  const Bytes entry = encode(job);
  const auto read = decode_job(entry);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->select.states, job.select.states);
  EXPECT_EQ(encode(*read), entry);
  for (const char* states : {"[11]", "[-1]", "[300]", "[\"dead\"]"}) {
    std::string other = entry;
    other.replace(other.find("[7,10]"), 6, states);
    EXPECT_EQ(decode_job(other).error().code, Code::kCorrupt) << states;
  }
}

TEST(Hold, OfACallSaysWhichOne) {
  const auto call = held_call("outage: hubspot: deals.create: said: no: hubspot: x");
  ASSERT_TRUE(call.has_value());
  EXPECT_EQ(call->connection, "hubspot");
  EXPECT_EQ(call->action, "deals.create");
  for (const char* none : {"outage", "outage: ", "outage: : deals.create: x", "needs authorization: hubspot: 401",
                           "flow does not compile: flows/a.yaml: 3: a mistake", "dead: hubspot: deals.create: x"})
    EXPECT_FALSE(held_call(none).has_value()) << none;
}

using Then = Answer::Then;

TEST(Answer, FollowsCategoriesAndRules) {
  const std::vector<AnswerRule> rules{{"empty", OnAnswer::kSkip},
                                      {"missing", OnAnswer::kContinue},
                                      {"conflict", OnAnswer::kFail},
                                      {"DUP", OnAnswer::kContinue}};
  struct Case {
    Category category;
    const char* code;
    bool empty;
    std::uint32_t conflicts;
    Then without, with;
  };
  for (const Case& c : std::vector<Case>{{Category::kDelivered, "", false, 0, Then::kBind, Then::kBind},
                                         {Category::kDelivered, "", true, 0, Then::kBind, Then::kSkip},
                                         {Category::kMissing, "", false, 0, Then::kDead, Then::kBind},
                                         {Category::kConflict, "", false, 1, Then::kRetry, Then::kDead},
                                         {Category::kConflict, "", false, 4, Then::kDead, Then::kDead},
                                         {Category::kValidation, "DUP", false, 0, Then::kDead, Then::kBind},
                                         {Category::kPermanent, "", false, 0, Then::kDead, Then::kDead},
                                         {Category::kTransient, "", false, 0, Then::kRetry, Then::kRetry},
                                         {Category::kRateLimited, "", false, 0, Then::kLimited, Then::kLimited},
                                         {Category::kAuth, "", false, 0, Then::kHold, Then::kHold},
                                         {Category::kUnknown, "DUP", false, 0, Then::kResolve, Then::kResolve}}) {
    RecordBody outcome;
    outcome.action = "a.b";
    outcome.category = c.category;
    outcome.code = c.code;
    outcome.empty = c.empty;
    EXPECT_EQ(interpret(outcome, nullptr, c.conflicts, 3).then, c.without) << category_name(c.category);
    EXPECT_EQ(interpret(outcome, &rules, c.conflicts, 3).then, c.with) << category_name(c.category);
  }
}

TEST(Answer, AsksAgainWhereItsRuleWaits) {
  const std::vector<AnswerRule> rules{{.answer = "empty", .again = Duration(5), .keep_for = Duration(9)},
                                      {.answer = "missing", .again = Duration(6), .keep_for = Duration(9)}};
  RecordBody outcome{.action = "a.b", .category = Category::kDelivered};
  EXPECT_EQ(interpret(outcome, &rules, 0, 3).then, Then::kBind);
  outcome.empty = true;
  const Answer empty = interpret(outcome, &rules, 0, 3);
  EXPECT_EQ(empty.then, Then::kAsk);
  EXPECT_EQ(empty.again, Duration(5));
  EXPECT_EQ(empty.keep_for, Duration(9));
  EXPECT_EQ(empty.reason, "a.b: found nothing");
  outcome.category = Category::kMissing;
  EXPECT_EQ(interpret(outcome, &rules, 0, 3).again, Duration(6));
}

TEST(Answer, TheReasonNamesTheCallAndItsCategoryOnce) {
  RecordBody outcome{.action = "hubspot.deals.upsert", .category = Category::kValidation};
  outcome.message = "hubspot.deals.upsert: body: it has no name";
  EXPECT_EQ(interpret(outcome, nullptr, 0, 3).reason, "hubspot.deals.upsert: body: it has no name");
  outcome.code = "BAD";
  EXPECT_EQ(interpret(outcome, nullptr, 0, 3).reason, "hubspot.deals.upsert (BAD): body: it has no name");
  outcome.category = Category::kMissing;  // the run is told as permanent, and why
  EXPECT_EQ(interpret(outcome, nullptr, 0, 3).reason, "hubspot.deals.upsert: missing (BAD): body: it has no name");
}

Record record(std::uint32_t number, RecordKind kind, std::int64_t at_s, const RecordBody& body) {
  Record out;
  out.number = number;
  out.kind = kind;
  out.attempt = 1;
  out.at = from_unix_us(at_s * 1'000'000);
  out.body = encode(body);
  return out;
}

RecordBody first_body(RecordBody body = {}) {
  body.start = RecordBody::Start{"hash", from_unix_us(1)};
  return body;
}

TEST(History, AGapOrAnUnreadableRecordIsDamage) {
  const Record one = record(1, RecordKind::kIntent, 10, first_body()), two = record(2, RecordKind::kOutcome, 11, {}),
               three = record(3, RecordKind::kIntent, 12, {});
  EXPECT_TRUE(RunHistory::of({one, two, three}).has_value());
  EXPECT_EQ(RunHistory::of({one, three}).error().message, "record 2 is missing");
  EXPECT_EQ(RunHistory::of({two, three}).error().message, "record 1 is missing");
  EXPECT_EQ(RunHistory::of({one}, 3).error().message, "record 2 is missing");
  EXPECT_EQ(RunHistory::of({record(1, RecordKind::kIntent, 10, {})}).error().code, Code::kCorrupt);
  Record broken = two;
  broken.body = "nonsense";
  EXPECT_EQ(RunHistory::of({one, broken}).error().code, Code::kCorrupt);
}

TEST(History, WhoeverBeginsItAgainPassesOverTheDamage) {
  RecordBody again = first_body();
  again.answer = HeldAnswer::kRepeat;
  Record restart = record(5, RecordKind::kState, 20, again);
  const Record old = record(3, RecordKind::kIntent, 12, {});
  auto history = RunHistory::of({old, restart});
  ASSERT_TRUE(history.has_value());
  EXPECT_EQ(history->records(), 5u);
  EXPECT_EQ(history->start()->flow, "hash");
  EXPECT_FALSE(history->call(CallId{}).open);
  EXPECT_FALSE(history->call(CallId{}).repeat_asked);
  EXPECT_EQ(RunHistory::of({old, restart, record(7, RecordKind::kIntent, 21, {})}).error().message,
            "record 6 is missing");
}

TEST(History, AnIntentWithoutAnOutcomeIsOpen) {
  std::vector<Record> records{record(1, RecordKind::kIntent, 10, first_body())};
  auto history = RunHistory::of(records);
  EXPECT_TRUE(history->call(CallId{}).open);
  EXPECT_FALSE(history->call(CallId{}).open_known);
  RecordBody delivered;
  delivered.category = Category::kDelivered;
  records.push_back(record(2, RecordKind::kOutcome, 11, delivered));
  history = RunHistory::of(records);
  EXPECT_FALSE(history->call(CallId{}).open);
  EXPECT_EQ(history->call(CallId{}).policy.tries, 1u);
}

TEST(RecordBody, OfACallInsideOtherStepsSaysWhere) {
  RecordBody body;
  body.call = 2;
  body.items = {16, 0};
  body.path = "each line › item 17 › step 4";
  body.next = "/list?after=2";
  const auto back = decode(encode(body));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->items, body.items);
  EXPECT_EQ(back->path, body.path);
  EXPECT_EQ(back->next, body.next);
  EXPECT_EQ(back->conclusion().items, body.items);
  EXPECT_EQ(encode(RecordBody()), "{}");  // nothing of it where there is no nesting, as in every journal before
  EXPECT_TRUE(decode(R"({"call":3})")->items.empty());
}

TEST(History, CallsOfItemsAreToldApart) {
  RecordBody body = first_body();
  body.items = {1};
  const auto history = RunHistory::of({record(1, RecordKind::kIntent, 10, body)});
  RunHistory calls = *history;
  EXPECT_TRUE(calls.call(CallId{{1}, 0, 0}).open);
  EXPECT_FALSE(calls.call(CallId{{0}, 0, 0}).open);
  EXPECT_FALSE(calls.call(CallId{}).open);
  calls.call(CallId{{1, 4}, 1, 0}).attempts = 1;
  calls.call(CallId{{1}, 7, 0}).attempts = 1;
  calls.call(CallId{{2}, 0, 0}).attempts = 1;
  calls.forget({1}, 0, 3);
  EXPECT_FALSE(calls.call(CallId{{1}, 0, 0}).open);
  EXPECT_EQ(calls.call(CallId{{1, 4}, 1, 0}).attempts, 0u);
  EXPECT_EQ(calls.call(CallId{{1}, 7, 0}).attempts, 1u);  // of another `foreach`
  EXPECT_EQ(calls.call(CallId{{2}, 0, 0}).attempts, 1u);
}

TEST(History, ANoteSaysWhenOneCallIsTriedAgain) {
  RecordBody failed = first_body();
  failed.category = Category::kTransient;
  failed.items = {3};
  RecordBody decided;
  decided.action = "a.b";
  decided.items = {3};
  decided.category = Category::kTransient;
  decided.wait = Duration(30'000'000);
  auto history =
      RunHistory::of({record(1, RecordKind::kOutcome, 10, failed), record(2, RecordKind::kNote, 10, decided)});
  const CallHistory& call = history->call(CallId{{3}, 0, 0});
  EXPECT_FALSE(call.undecided);
  EXPECT_EQ(call.due, from_unix_us(40'000'000));
  EXPECT_EQ(call.standing_since, from_unix_us(40'000'000));
  CallHistory later = call;
  later.begin(from_unix_us(100'000'000));
  EXPECT_FALSE(later.due.has_value());
  EXPECT_EQ(later.policy.standing, Duration(60'000'000));
}

TEST(History, AConflictKeepsWhatItemsCameFrom) {
  const auto outcome = [](std::uint32_t number, std::uint16_t step, std::vector<std::uint32_t> items) {
    RecordBody body;
    if (number == 1) body = first_body();
    body.category = Category::kDelivered;
    body.items = std::move(items);
    Record out = record(number, RecordKind::kOutcome, 10, body);
    out.step = step;
    return out;
  };
  RecordBody conflict;
  conflict.category = Category::kConflict;
  Record retrying = record(5, RecordKind::kState, 20, conflict);
  retrying.step = 4;
  retrying.state = RunState::kRetrying;
  auto history =
      RunHistory::of({outcome(1, 0, {}), outcome(2, 2, {0}), outcome(3, 3, {}), outcome(4, 4, {}), retrying});
  EXPECT_FALSE(history->call(CallId{{}, 0, 0}).reread) << "the items came from it";
  EXPECT_FALSE(history->call(CallId{{0}, 2, 0}).reread);
  EXPECT_TRUE(history->call(CallId{{}, 3, 0}).reread);
}

Transition going(RunState state, std::int64_t due_s = 0, std::optional<Hold> hold = {}) {
  Transition out;
  out.state = state;
  if (due_s != 0) out.due = from_unix_us(due_s * 1'000'000);
  out.hold = hold;
  return out;
}

TEST(Ends, OneTransitionForAllInWhateverOrderTheyCome) {
  Transition refused, abandoned, behind = going(RunState::kRetrying, 1);
  refused.kind = Transition::Kind::kRefused;
  abandoned.kind = Transition::Kind::kAbandoned;
  behind.behind = true;
  // From the one that goes first.
  const std::vector<Transition> order{refused,
                                      abandoned,
                                      going(RunState::kRetrying, 5),
                                      going(RunState::kRetrying, 9),
                                      going(RunState::kHeld, 0, Hold::kUnknownOutcome),
                                      going(RunState::kHeld, 0, Hold::kAuthorization),
                                      behind,
                                      going(RunState::kDead)};
  for (std::size_t first = 0; first < order.size(); ++first) {
    for (std::size_t second = first + 1; second < order.size(); ++second) {
      for (const bool turned : {false, true}) {
        Ends ends;
        ends.add(turned ? 1 : 2, order[turned ? second : first]);
        ends.add(turned ? 2 : 1, order[turned ? first : second]);
        EXPECT_EQ(ends.waits(), first + 1 < order.size());
        EXPECT_EQ(ends.stops(), first < 2);
        const Transition taken = ends.take();
        EXPECT_EQ(taken.kind, order[first].kind) << first << " " << second;
        EXPECT_EQ(taken.state, order[first].state) << first << " " << second;
        EXPECT_EQ(taken.due, order[first].due) << first << " " << second;
        EXPECT_EQ(taken.hold, order[first].hold) << first << " " << second;
      }
    }
  }
}

TEST(History, ThePolicyClockStandsStillWhileHeld) {
  RecordBody refused;
  refused.category = Category::kAuth;
  Record held = record(2, RecordKind::kState, 20, {});
  held.state = RunState::kHeld;
  RecordBody failed;
  failed.category = Category::kTransient;
  Record next = record(3, RecordKind::kOutcome, 100, failed);
  next.attempt = 2;
  const auto history = RunHistory::of({record(1, RecordKind::kOutcome, 10, first_body(refused)), held, next});
  CallHistory call = RunHistory(*history).call(CallId{});
  EXPECT_EQ(call.policy.standing, Duration(80s));
  EXPECT_EQ(call.policy.tries, 1u);
}

}  // namespace
}  // namespace tieline::engine
