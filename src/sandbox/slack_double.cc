// Slack: posted messages and the errors inside a 200. Bodies follow Slack's published Web API description; a refusal
// must never have another status than Slack's.
#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "sandbox/double.h"

namespace tieline::sandbox {
namespace {

constexpr std::int64_t kMicro = 1'000'000;
constexpr std::array<const char*, 3> kChannels{"general", "random", "orders"};

struct Message {
  std::string channel, ts, text;
  json::Document blocks, attachments;
};

Reply refusal(std::string_view code) {
  json::Builder out;
  return json_reply(200, out.begin_object().key("ok").boolean(false).key("error").string(code).end_object().finish());
}

class SlackDouble final : public Double {
 public:
  SlackDouble(DoubleOptions options, Clock& clock) : Double("slack", std::move(options), clock) {
    for (const char* method : {"GET", "POST"})  // Slack takes either, here
      route(method, "/auth.test", [](const Call&) { return who_am_i(); });
    route("POST", "/chat.postMessage", [this](const Call& call) { return post(call); });
    route("POST", "/chat.update", [this](const Call& call) { return update(call); });
    route("GET", "/users.lookupByEmail", [](const Call& call) { return look_up(call.query_value("email")); });
    route("GET", "/conversations.list", [](const Call& call) { return channels(call); });
  }

 protected:
  Reply trouble(Trouble what, const Over& over) const override {
    switch (what) {
      case Trouble::kUnauthorized: return refusal("invalid_auth");
      case Trouble::kRateLimited: {
        Reply reply = refusal("ratelimited");
        reply.status = 429;
        reply.headers.emplace_back("Retry-After", std::to_string((over.wait.count() + kMicro - 1) / kMicro));
        return reply;
      }
      case Trouble::kNoSuchPath: return refusal("unknown_method");
      case Trouble::kBadBody: return refusal("invalid_json");
      case Trouble::kUnavailable: return {.status = 503, .headers = {}, .body = "service_unavailable"};
    }
    return {};
  }

  void put_state(json::Builder& out) const override {
    out.key("messages").begin_array();
    for (const Message& message : messages_) {
      out.begin_object().key("channel").string(message.channel).key("ts").string(message.ts);
      out.key("text").string(message.text);
      if (!message.blocks.root().is_null()) out.key("blocks").copy(message.blocks.root());
      out.end_object();
    }
    out.end_array();
  }

 private:
  static Reply who_am_i() {
    json::Builder out;
    out.begin_object().key("ok").boolean(true).key("url").string("https://double.slack.com/");
    out.key("team").string("Double").key("team_id").string("T00000001");
    out.key("user").string("tieline").key("user_id").string("U00000001");
    return json_reply(200, out.end_object().finish());
  }

  static void put_message(json::Builder& out, const Message& message) {
    out.key("message").begin_object().key("type").string("message").key("subtype").string("bot_message");
    out.key("text").string(message.text).key("ts").string(message.ts);
    out.key("username").string("tieline").key("bot_id").string("B00000001").key("user").string("U00000001");
    if (!message.blocks.root().is_null()) out.key("blocks").copy(message.blocks.root());
    if (!message.attachments.root().is_null()) out.key("attachments").copy(message.attachments.root());
    out.end_object();
  }

  static void take(Message& message, json::Value body) {
    const auto document = [](json::Value value) {
      json::Builder out;
      return value.is_array() ? out.copy(value).finish() : json::Document();
    };
    message.text = body["text"].as_string();
    message.blocks = document(body["blocks"]);
    message.attachments = document(body["attachments"]);
  }

  static bool says_something(json::Value body) {
    return !body["text"].as_string().empty() || body["blocks"].size() > 0 || body["attachments"].size() > 0;
  }

  Reply post(const Call& call) {
    const json::Value body = call.body.root();
    const std::string channel(body["channel"].as_string());
    if (channel.empty() || channel.starts_with("no-such")) return refusal("channel_not_found");
    if (!says_something(body)) return refusal("no_text");
    // A timestamp is a message's name in its channel: a counter stands for the fraction.
    std::string fraction = next_id();
    fraction.insert(0, 6 - std::min<std::size_t>(6, fraction.size()), '0');
    Message message{.channel = channel, .ts = std::to_string(to_unix_us(clock().now()) / kMicro) + "." + fraction};
    take(message, body);
    messages_.push_back(std::move(message));
    json::Builder out;
    out.begin_object().key("ok").boolean(true).key("channel").string(messages_.back().channel);
    out.key("ts").string(messages_.back().ts);
    put_message(out, messages_.back());
    return json_reply(200, out.end_object().finish());
  }

  Reply update(const Call& call) {
    const json::Value body = call.body.root();
    if (!says_something(body)) return refusal("no_text");
    for (Message& message : messages_) {
      if (message.channel != body["channel"].as_string() || message.ts != body["ts"].as_string()) continue;
      take(message, body);
      json::Builder out;
      out.begin_object().key("ok").boolean(true).key("channel").string(message.channel).key("ts").string(message.ts);
      out.key("text").string(message.text);
      put_message(out, message);
      return json_reply(200, out.end_object().finish());
    }
    return refusal("message_not_found");
  }

  // Everybody at example.com is a member, and nobody else.
  static Reply look_up(std::string_view email) {
    if (!email.ends_with("@example.com")) return refusal("users_not_found");
    const std::string name(email.substr(0, email.find('@')));
    json::Builder out;
    out.begin_object().key("ok").boolean(true).key("user").begin_object().key("id").string("U" + name);
    out.key("team_id").string("T00000001").key("name").string(name).key("deleted").boolean(false);
    out.key("profile").begin_object().key("email").string(email).key("real_name").string(name).end_object();
    return json_reply(200, out.end_object().end_object().finish());
  }

  static void put_channel(json::Builder& out, std::size_t index) {
    out.begin_object().key("id").string("C0000000" + std::to_string(index + 1));
    out.key("name").string(kChannels[index]).key("name_normalized").string(kChannels[index]);
    out.key("created").integer(1'449'252'889).key("creator").string("U00000001").key("is_general").boolean(index == 0);
    out.key("is_channel").boolean(true).key("is_member").boolean(true).key("num_members").integer(4);
    for (const char* no : {"is_archived", "is_ext_shared", "is_group", "is_im", "is_mpim", "is_org_shared",
                           "is_pending_ext_shared", "is_private", "is_shared"})
      out.key(no).boolean(false);
    for (const char* none : {"pending_shared", "previous_names"}) out.key(none).begin_array().end_array();
    for (const char* words : {"purpose", "topic"}) {
      out.key(words).begin_object().key("creator").string("").key("last_set").integer(0).key("value").string("");
      out.end_object();
    }
    out.key("unlinked").integer(0).end_object();
  }

  // Pages of `limit`, and a cursor that stands for the place.
  static Reply channels(const Call& call) {
    const auto number = [&](std::string_view name, std::size_t otherwise) {
      const std::string_view text = call.query_value(name);
      std::size_t value = 0;
      const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
      return failed == std::errc() && end == text.data() + text.size() ? value : otherwise;
    };
    const std::string_view cursor = call.query_value("cursor");
    const std::size_t first = cursor.empty() ? 0 : number("cursor", kChannels.size() + 1);
    const std::size_t limit = number("limit", 100);
    if (first > kChannels.size()) return refusal("invalid_cursor");
    if (limit < 1 || limit > 1000) return refusal("invalid_limit");
    const std::size_t end = std::min(first + limit, kChannels.size());
    json::Builder out;
    out.begin_object().key("ok").boolean(true).key("channels").begin_array();
    for (std::size_t i = first; i < end; ++i) put_channel(out, i);
    out.end_array().key("response_metadata").begin_object().key("next_cursor");
    out.string(end < kChannels.size() ? std::to_string(end) : "");
    return json_reply(200, out.end_object().end_object().finish());
  }

  std::vector<Message> messages_;
};

}  // namespace

std::unique_ptr<Double> make_slack_double(DoubleOptions options, Clock& clock) {
  return std::make_unique<SlackDouble>(std::move(options), clock);
}

}  // namespace tieline::sandbox
