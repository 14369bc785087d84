#include "admin/story.h"

#include "base/text.h"
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
    case engine::Resolved::kAnswer: return {};
  }
  return {};
}

std::string outcome_words(const RecordBody& body, std::uint16_t attempt, Time at) {
  if (std::string words = resolution_words(body); !words.empty()) return words;
  std::string out = body.action;
  if (body.lookup) out += " (looking whether it happened)";
  if (attempt > 1) out += ", attempt " + std::to_string(attempt);
  if (body.response && body.response->status != 0) {
    out += ": answered " + std::to_string(body.response->status) + " in " + humane_duration(body.took);
  } else {
    out += ": no answer after " + humane_duration(body.took);
  }
  const Category category = body.category.value_or(Category::kDelivered);
  if (category == Category::kDelivered) return out + (body.empty ? ", found nothing" : "");
  out += ", " + std::string(category_name(category));
  if (const std::string message = quoted_message(body); !message.empty()) out += ": " + message;
  if (category == Category::kRateLimited && body.wait)
    out += "; will try again at " + format_time(std::chrono::ceil<std::chrono::seconds>(at + *body.wait)) + " or later";
  return out;
}

std::string state_words(const Record& record, const RecordBody& body) {
  switch (record.state) {
    case RunState::kRunning:
      if (body.answer)
        return std::string("decided by ") + (body.by.empty() ? "a person" : body.by) + ": " +
               (*body.answer == engine::HeldAnswer::kRepeat ? "send it again" : "it was delivered");
      return "taken up";
    case RunState::kRetrying:
      return "will try again at " + format_time(record.due) +
             (record.summary.empty() ? "" : " (" + record.summary + ")");
    case RunState::kParked: return "waits behind an older run of the same key";
    case RunState::kHeld: return "held: " + record.summary;
    case RunState::kDelivered: return "delivered";
    case RunState::kSkipped: return "skipped: " + record.summary;
    case RunState::kStale: return "stale: a newer version was delivered before";
    case RunState::kDead: return "dead letter: " + record.summary;
    case RunState::kDiscarded: return "discarded";
  }
  return "unknown state";
}

std::string note_words(const Record& record, const RecordBody& body) {
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

void put_story_entry(json::Builder& out, const Record& record) {
  out.begin_object().key("at").string(format_time(record.at)).key("number").integer(record.number);
  const auto body = engine::decode(record.body);
  if (!body) {
    out.key("kind").string("unreadable").key("text").string("a record that cannot be read: " + body.error().message);
    out.end_object();
    return;
  }
  // What happens to a run as a whole stands without the call that it came of; its summary names that.
  const std::string at = body->path.empty() ? "" : body->path + ": ";
  switch (record.kind) {
    case RecordKind::kIntent:
      out.key("kind").string("intent").key("text").string(at + intent_words(*body, record.attempt));
      break;
    case RecordKind::kOutcome:
      out.key("kind").string("outcome").key("text").string(at + outcome_words(*body, record.attempt, record.at));
      break;
    case RecordKind::kState:
      out.key("kind").string("state").key("text").string((body->answer ? at : "") + state_words(record, *body));
      break;
    case RecordKind::kNote: out.key("kind").string("note").key("text").string(at + note_words(record, *body)); break;
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
