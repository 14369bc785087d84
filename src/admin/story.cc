#include "admin/story.h"

#include <algorithm>

#include "base/text.h"
#include "core/topic.h"
#include "engine/record.h"

namespace tieline::admin {
namespace {

using engine::RecordBody;

std::string quoted_message(const RecordBody& body) {
  std::string out = body.message;
  if (out.starts_with(body.action + ": ")) out.erase(0, body.action.size() + 2);
  if (!body.code.empty() && body.message.find(body.code) == std::string::npos)
    out += (out.empty() ? "" : " ") + ("(" + body.code + ")");
  return out;
}

std::string intent_words(const RecordBody& body, std::uint16_t attempt) {
  return "wrote down the intent to send " + body.action + " (attempt " + std::to_string(attempt) +
         "): if no answer comes, it counts as unknown";
}

std::string resolution_words(const RecordBody& body) {
  switch (body.resolved) {
    case engine::Resolved::kFound: return body.action + ": looked for it, and it had happened";
    case engine::Resolved::kNotFound: return body.action + ": looked for it, and it had not happened";
    case engine::Resolved::kDropped: return body.action + ": the answer is unknown; dropped, as the flow says";
    case engine::Resolved::kOnce: return body.action + ": done before by another run (`once`); its result is used";
    case engine::Resolved::kShadow: return body.action + ": not sent, the flow is a shadow";
    case engine::Resolved::kTable: return body.action + ": " + body.message;
    case engine::Resolved::kAnswer: return {};
  }
  return {};
}

std::string outcome_words(const RecordBody& body, std::uint16_t attempt, Time at) {
  if (std::string words = resolution_words(body); !words.empty()) return words;
  std::string out = body.action;
  if (body.lookup) out += " (looking whether it happened)";
  if (attempt > 1) out += ", attempt " + std::to_string(attempt);
  if (body.together > 1) out += ", in one request of " + std::to_string(body.together) + " items";
  if (body.response && body.response->status != 0) {
    out += ": answered " + std::to_string(body.response->status) + " in " + humane_duration(body.took);
  } else {
    out += ": no answer after " + humane_duration(body.took);
  }
  const Category category = body.category.value_or(Category::kDelivered);
  if (category == Category::kDelivered) return out + (body.empty ? ", found nothing" : "");
  out += ", " + std::string(category_name(category));
  if (const std::string message = quoted_message(body); !message.empty()) out += ": " + message;
  if (body.outage) out += "; in an outage, which costs the run no try";
  if (category == Category::kRateLimited && body.wait)
    out += "; will try again at " + format_time(std::chrono::ceil<std::chrono::seconds>(at + *body.wait)) + " or later";
  return out;
}

std::string answer_words(const RecordBody& body) {
  switch (*body.answer) {
    case engine::HeldAnswer::kDelivered: return "it was delivered";
    case engine::HeldAnswer::kRepeat: return body.hold == engine::Hold::kBrake ? "let it pass" : "send it again";
    case engine::HeldAnswer::kApproved: return "approved";
    case engine::HeldAnswer::kDeclined: return "declined";
  }
  return {};
}

std::string person(const RecordBody& body) { return body.by.empty() ? "a person" : body.by; }

std::string replay_words(const RecordBody& body) {
  std::string out = "replayed by " + person(body) + ", from the " + (body.replay->start ? "start" : "failed step");
  if (body.replay->as_now) out += ", with the flow as it is now";
  if (body.replay->damaged) out += ", whatever its journal says";
  if (body.redo) out += ", `once` or not (--redo)";
  if (body.replay->job != 0) out += " (job " + std::to_string(body.replay->job) + ")";
  return out;
}

constexpr std::size_t kPublishedShown = 3;

// "; published customer.created (event id 1042-3-…)".
std::string published_words(const RecordBody& body) {
  std::string out;
  for (std::size_t i = 0; i < std::min(body.published.size(), kPublishedShown); ++i) {
    const engine::PublishedEvent& event = body.published[i];
    out += (i == 0 ? "; published " : ", ") + std::string(topic_of(event.source).value_or(event.source)) +
           " (event id " + event.id + ")";
  }
  if (body.published.size() > kPublishedShown)
    out += " and " + std::to_string(body.published.size() - kPublishedShown) + " more";
  return out;
}

std::string state_words(const Record& record, const RecordBody& body) {
  switch (record.state) {
    case RunState::kRunning:
      if (body.replay) return replay_words(body);
      if (body.answer)
        return "decided by " + person(body) + ": " + answer_words(body) +
               (body.redo ? ", although another run made it (--redo)" : "");
      return "taken up";
    case RunState::kRetrying:
      return "will try again at " + format_time(record.due) +
             (record.summary.empty() ? "" : " (" + record.summary + ")");
    case RunState::kParked: return "waits behind an older run of the same key";
    case RunState::kHeld: return "held: " + record.summary;
    case RunState::kDelivered:
      return "delivered" + (body.message.empty() ? "" : ": " + body.message) + published_words(body);
    case RunState::kSkipped: return "skipped: " + record.summary + published_words(body);
    case RunState::kStale: return "stale: a newer version was delivered before";
    case RunState::kDead: return "dead letter: " + record.summary;
    case RunState::kDiscarded: return "discarded by " + person(body);
    case RunState::kWaiting: return record.summary;
    case RunState::kCancelled: return "cancelled: " + record.summary;
  }
  return "unknown state";
}

std::string note_words(const Record& record, const RecordBody& body) {
  if (body.data) return "data edited by " + person(body) + "; the event stays as it came";
  if (body.hold) return "held, while the others go on: " + body.message;
  if (!body.wait) return body.message;
  return "will try again at " + format_time(record.at + *body.wait) + ", while the others go on (" + body.message + ")";
}

void put_headers(json::Builder& out, const Headers& headers) {
  out.key("headers").begin_object();
  for (const auto& [name, value] : headers) out.key(name).string(value);
  out.end_object();
}

}  // namespace

namespace {

StoryLine line_of(const Record& record, const Result<RecordBody>& body) {
  if (!body) return {"unreadable", "a record that cannot be read: " + body.error().message};
  // What happens to a run as a whole stands without the call that it came of; its summary names that.
  const std::string at = body->path.empty() ? "" : body->path + ": ";
  switch (record.kind) {
    case RecordKind::kIntent: return {"intent", at + intent_words(*body, record.attempt)};
    case RecordKind::kOutcome: return {"outcome", at + outcome_words(*body, record.attempt, record.at)};
    case RecordKind::kState: return {"state", (body->answer ? at : "") + state_words(record, *body)};
    case RecordKind::kNote: break;
  }
  return {"note", at + note_words(record, *body)};
}

}  // namespace

StoryLine story_line(const Record& record) { return line_of(record, engine::decode(record.body)); }

void put_missing_records(json::Builder& out, std::uint32_t first, std::uint32_t last) {
  const std::string which = first == last ? "record " + std::to_string(first) + " is"
                                          : "records " + std::to_string(first) + " to " + std::to_string(last) + " are";
  out.begin_object().key("at").string("").key("number").integer(first).key("kind").string("missing");
  out.key("text").string(which + " missing: corrupt in the store (`tieline store verify`), or let go of").end_object();
}

void put_story_entry(json::Builder& out, const Record& record) {
  const auto body = engine::decode(record.body);
  const StoryLine line = line_of(record, body);
  out.begin_object().key("at").string(format_time(record.at)).key("number").integer(record.number);
  out.key("kind").string(line.kind).key("text").string(line.text);
  if (!body) {
    out.end_object();
    return;
  }
  if (record.kind == RecordKind::kOutcome) out.key("step").integer(record.step);
  if (body->request) {
    out.key("request").begin_object().key("method").string(body->request->method).key("url").string(body->request->url);
    put_headers(out, body->request->headers);
    out.key("body").string(body->request->body).end_object();
  }
  if (body->response) {
    out.key("response").begin_object().key("status").integer(body->response->status);
    out.key("phase").string(body->response->phase);
    put_headers(out, body->response->headers);
    out.key("body").string(body->response->body).end_object();
  }
  out.end_object();
}

}  // namespace tieline::admin
