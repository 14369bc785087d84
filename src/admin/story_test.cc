#include "admin/story.h"

#include <gtest/gtest.h>

#include "engine/record.h"

namespace tieline::admin {
namespace {

using engine::RecordBody;

json::Document told(const Record& record) {
  json::Builder out;
  put_story_entry(out, record);
  return out.finish();
}

struct Case {
  const char* name;
  Record record;
  RecordBody body;
  std::string expected;
};

RecordBody call(Category category, int status, std::string message = {}, std::string code = {}) {
  RecordBody body{.action = "hubspot.deals.upsert", .category = category};
  body.code = std::move(code);
  body.message = std::move(message);
  body.took = 40ms;
  body.response = engine::KeptResponse{.status = status, .phase = status == 0 ? "sent" : "answered"};
  return body;
}

TEST(Story, EachRecordIsToldInPlainWords) {
  const Record outcome{.kind = RecordKind::kOutcome, .attempt = 1}, again{.kind = RecordKind::kOutcome, .attempt = 3};
  RecordBody empty = call(Category::kDelivered, 200), found{.action = "hubspot.deals.create"}, dropped = found,
             once = found, lookup = call(Category::kTransient, 503, "down"), settled{.by = "ops"};
  empty.empty = true;
  found.resolved = engine::Resolved::kFound;
  dropped.resolved = engine::Resolved::kDropped;
  once.resolved = engine::Resolved::kOnce;
  lookup.lookup = true;
  settled.answer = engine::HeldAnswer::kRepeat;
  RecordBody item = call(Category::kDelivered, 200), item_waits{.message = "down"},
             item_held{.message = "unknown outcome"};
  item.path = item_waits.path = item_held.path = "each line › item 17 › step 4";
  item_waits.wait = Duration(60s);
  item_held.hold = engine::Hold::kUnknownOutcome;
  const auto state = [](RunState to, std::string summary = {}) {
    return Record{.kind = RecordKind::kState, .state = to, .due = Time(100s), .summary = std::move(summary)};
  };
  const std::vector<Case> cases{
      {"intent",
       {.kind = RecordKind::kIntent, .attempt = 2},
       {.action = "slack.chat.postMessage"},
       "wrote down the intent to send slack.chat.postMessage (attempt 2): if no answer comes, it counts as unknown"},
      {"delivered", outcome, call(Category::kDelivered, 200), "hubspot.deals.upsert: answered 200 in 40 ms"},
      {"nothing found", outcome, empty, "hubspot.deals.upsert: answered 200 in 40 ms, found nothing"},
      {"refused", again, call(Category::kValidation, 400, "no such property", "VALIDATION_ERROR"),
       "hubspot.deals.upsert, attempt 3: answered 400 in 40 ms, validation: no such property (VALIDATION_ERROR)"},
      {"the code stands in the message", outcome, call(Category::kConflict, 409, "CONFLICT: twice", "CONFLICT"),
       "hubspot.deals.upsert: answered 409 in 40 ms, conflict: CONFLICT: twice"},
      {"the call's name stands in the message", outcome,
       call(Category::kValidation, 422, "hubspot.deals.upsert: body: no such field"),
       "hubspot.deals.upsert: answered 422 in 40 ms, validation: body: no such field"},
      {"no answer", outcome, call(Category::kUnknown, 0, "reset"),
       "hubspot.deals.upsert: no answer after 40 ms, unknown: reset"},
      {"a look", outcome, lookup,
       "hubspot.deals.upsert (looking whether it happened): answered 503 in 40 ms, transient: down"},
      {"found", outcome, found, "hubspot.deals.create: looked for it, and it had happened"},
      {"dropped", outcome, dropped, "hubspot.deals.create: the answer is unknown; dropped, as the flow says"},
      {"once", outcome, once, "hubspot.deals.create: done before by another run (`once`); its result is used"},
      {"taken up", state(RunState::kRunning), {}, "taken up"},
      {"settled", state(RunState::kRunning), settled, "decided by ops: send it again"},
      {"retrying",
       state(RunState::kRetrying, "transient: down"),
       {},
       "will try again at 1970-01-01T00:01:40Z (transient: down)"},
      {"parked", state(RunState::kParked), {}, "waits behind an older run of the same key"},
      {"held", state(RunState::kHeld, "unknown outcome: x"), {}, "held: unknown outcome: x"},
      {"skipped", state(RunState::kSkipped, "test order"), {}, "skipped: test order"},
      {"stale", state(RunState::kStale), {}, "stale: a newer version was delivered before"},
      {"dead", state(RunState::kDead, "validation: x"), {}, "dead letter: validation: x"},
      {"discarded", state(RunState::kDiscarded), {}, "discarded"},
      {"note", {.kind = RecordKind::kNote}, {.message = "done by hand"}, "done by hand"},
      {"an item", outcome, item, "each line › item 17 › step 4: hubspot.deals.upsert: answered 200 in 40 ms"},
      {"an item waits",
       {.kind = RecordKind::kNote},
       item_waits,
       "each line › item 17 › step 4: will try again at 1970-01-01T00:01:00Z, while the others go on (down)"},
      {"an item is held",
       {.kind = RecordKind::kNote},
       item_held,
       "each line › item 17 › step 4: held, while the others go on: unknown outcome"},
  };
  for (const Case& one : cases) {
    Record record = one.record;
    record.body = engine::encode(one.body);
    EXPECT_EQ(told(record).root()["text"].as_string(), one.expected) << one.name;
  }
}

TEST(Story, AnExchangeIsShownAsItWasKept) {
  RecordBody body = call(Category::kDelivered, 200);
  body.request = engine::KeptRequest{"POST", "https://api.example.com/deals", {{"Authorization", "***"}}, "{\"a\":1}"};
  body.response->headers = {{"X-Left", "9"}};
  body.response->body = "{}";
  const json::Document entry =
      told({.number = 4, .kind = RecordKind::kOutcome, .step = 2, .attempt = 1, .at = Time(5s), .body = encode(body)});
  EXPECT_EQ(
      json::print(entry.root()),
      R"({"at":"1970-01-01T00:00:05Z","number":4,"kind":"outcome",)"
      R"("text":"hubspot.deals.upsert: answered 200 in 40 ms","step":2,)"
      R"("request":{"method":"POST","url":"https://api.example.com/deals","headers":{"Authorization":"***"},)"
      R"("body":"{\"a\":1}"},"response":{"status":200,"phase":"answered","headers":{"X-Left":"9"},"body":"{}"}})");
}

TEST(Story, ARecordThatCannotBeReadIsSaidNotHidden) {
  const json::Document entry = told({.kind = RecordKind::kOutcome, .body = "not JSON"});
  EXPECT_EQ(entry.root()["kind"].as_string(), "unreadable");
  EXPECT_TRUE(entry.root()["text"].as_string().starts_with("a record that cannot be read: "));
}

}  // namespace
}  // namespace tieline::admin
