#include "connect/manifest_tables.h"

namespace tieline::connect {

const spec::Names<Decode>& describe(const Decode*) {
  static const spec::Names<Decode> names{{Decode::kJson, "json"},
                                         {Decode::kAny, "any", "by content type: JSON, a form, else text"},
                                         {Decode::kAny, "form", "", true}};
  return names;
}

const spec::Names<TimestampUnit>& describe(const TimestampUnit*) {
  static const spec::Names<TimestampUnit> names{{TimestampUnit::kSeconds, "s", "seconds since 1970"},
                                                {TimestampUnit::kMilliseconds, "ms", "milliseconds since 1970"},
                                                {TimestampUnit::kSeconds, "iso", "", true},
                                                {TimestampUnit::kSeconds, "http_date", "", true}};
  return names;
}

const spec::Names<KeyForm>& describe(const KeyForm*) {
  static const spec::Names<KeyForm> names{
      {KeyForm::kText, "text", "the secret is the key"},
      {KeyForm::kWhsec, "whsec", "the key is the base64 behind whsec_ (Standard Webhooks)"}};
  return names;
}

const spec::Table<TimestampSpec>& describe(const TimestampSpec*) {
  static const auto table = spec::Table<TimestampSpec>("timestamp", "When the vendor signed")
                                .field("header", &TimestampSpec::header, {.doc = "The header it stands in"})
                                .field("pair", &TimestampSpec::pair, {.doc = "Its name in the signature's header"})
                                .field("unit", &TimestampSpec::unit, {.doc = "What is counted", .required = true})
                                .field("tolerance", &TimestampSpec::tolerance,
                                       {.doc = "How far from now it may be, either way", .required = true})
                                .check([](const TimestampSpec& spec, const spec::Node& node, spec::Problems& problems) {
                                  if (spec.header.has_value() == spec.pair.has_value())
                                    problems.error(node.place(), "exactly one of header, pair is needed");
                                });
  return table;
}

namespace {

void check_scheme(const SchemeSpec& spec, const spec::Node& node, spec::Problems& problems) {
  if (spec.hmac.has_value() == spec.token.has_value()) {
    problems.error(node.place(), "exactly one of hmac, token is needed");
    return;
  }
  if (spec.keys.empty()) problems.error(node.place(), "`keys` must name at least one secret");
  if (spec.token) {
    if (spec.token->value.starts_with("query.")) {
      problems.error(spec.token->place, "`" + spec.token->value + "` is not available in this version",
                     Code::kUnsupported);
    } else if (!spec.token->value.starts_with("header.")) {
      problems.error(spec.token->place, "expected header.NAME, found \"" + spec.token->value + "\"");
    }
    return;
  }
  if (spec.encoding.value.empty()) problems.error(node.place(), "missing key `encoding`: hex or base64");
  if (spec.header.value.empty()) problems.error(node.place(), "missing key `header`: where the signature stands");
  if (spec.split && (spec.pair || spec.split->empty()))
    problems.error(node.place(), "`split` is what stands between signatures, and goes without `pair`");
  if (spec.timestamp && spec.timestamp->pair && !spec.pair)
    problems.error(node.place(), "`timestamp.pair` needs the scheme's `pair`");
}

}  // namespace

const spec::Table<SchemeSpec>& describe(const SchemeSpec*) {
  static const auto table = [] {
    auto made =
        spec::Table<SchemeSpec>("scheme", "One way the vendor proves a webhook")
            .field("name", &SchemeSpec::name, {.doc = "For logs and check"})
            .field("hmac", &SchemeSpec::hmac, {.doc = "sha1, sha256 or sha512"})
            .field("token", &SchemeSpec::token, {.doc = "Where the secret itself stands", .example = "header.X-Token"})
            .field("encoding", &SchemeSpec::encoding, {.doc = "hex or base64"})
            .field("header", &SchemeSpec::header, {.doc = "The header that holds the signature"})
            .field("prefix", &SchemeSpec::prefix, {.doc = "What stands before it", .example = "\"sha256=\""})
            .field("pair", &SchemeSpec::pair, {.doc = "The header is a=b,c=d; every value of this name is a signature"})
            .field("split", &SchemeSpec::split,
                   {.doc = "The header holds several signatures with this between them", .example = "\" \""})
            .field("over", &SchemeSpec::over, {.doc = "What is signed", .fallback = "{body}"})
            .field("keys", &SchemeSpec::keys, {.doc = "The secrets that may have signed", .required = true})
            .field("key_as", &SchemeSpec::key_as, {.doc = "How the key stands in the secret"})
            .field("timestamp", &SchemeSpec::timestamp, {.doc = "When the vendor signed"})
            .place(&SchemeSpec::place)
            .check(check_scheme);
    for (const std::string_view name :
         {"rsa", "ecdsa", "ed25519", "basic", "mtls", "jwt", "digest", "urls", "body_hash", "certificate"})
      std::move(made).reserved(name, "another proof, later");
    return made;
  }();
  return table;
}

const spec::Table<HandshakeReply>& describe(const HandshakeReply*) {
  static const auto table =
      spec::Table<HandshakeReply>("handshake reply", "What a handshake is answered")
          .field("status", &HandshakeReply::status, {.doc = "The status", .min = "200", .max = "299"})
          .field("json", &HandshakeReply::json, {.doc = "The body", .text_is_program = true})
          .reserved("headers", "Headers of the reply")
          .reserved("body", "The body as text");
  return table;
}

const spec::Table<HandshakeSpec>& describe(const HandshakeSpec*) {
  static const auto table = [] {
    auto made = spec::Table<HandshakeSpec>("handshake", "A request that is answered and not kept")
                    .field("when", &HandshakeSpec::when, {.doc = "Holds for a handshake", .required = true})
                    .field("reply", &HandshakeSpec::reply, {.doc = "The answer"});
    for (const std::string_view name : {"only_during", "keep", "call", "method"})
      std::move(made).reserved(name, "other handshakes, later");
    return made;
  }();
  return table;
}

const spec::Table<EventSpec>& describe(const EventSpec*) {
  static const auto table =
      spec::Table<EventSpec>("event", "What an event is made of")
          .field("id", &EventSpec::id, {.doc = "Two events of one id are one", .fallback = "a new one each time"})
          .field("type", &EventSpec::type, {.doc = "Its type", .fallback = "unknown"})
          .field("time", &EventSpec::time, {.doc = "When it happened", .fallback = "the time of receipt"})
          .field("subject", &EventSpec::subject, {.doc = "What it is about"})
          .field("op", &EventSpec::op, {.doc = "created, updated, deleted or snapshot", .fallback = "other"})
          .reserved("live", "Live or test");
  return table;
}

const spec::Table<WebhooksSpec>& describe(const WebhooksSpec*) {
  static const auto table = [] {
    auto made =
        spec::Table<WebhooksSpec>("webhooks", "What the vendor sends, and how it proves it")
            .field("decode", &WebhooksSpec::decode, {.doc = "What the body is"})
            .field("verify", &WebhooksSpec::verify, {.doc = "The schemes; one of them must pass", .required = true})
            .field("handshake", &WebhooksSpec::handshake, {.doc = "A request that is answered and not kept"})
            .field("split", &WebhooksSpec::split, {.doc = "The events of one request", .fallback = "one event"})
            .field("event", &WebhooksSpec::event, {.doc = "What an event is made of", .required = true})
            .place(&WebhooksSpec::place);
    for (const std::string_view name :
         {"nested", "path", "reply", "route", "register", "lifecycle", "ignore", "answer_get", "fetch"})
      std::move(made).reserved(name, "more of webhooks, later");
    return made;
  }();
  return table;
}

}  // namespace tieline::connect
