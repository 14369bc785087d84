#include "workspace/subscription_file.h"

#include "connect/standard_webhooks.h"

namespace tieline::workspace {
namespace {

class Subscriber final : public BoundConnection {
 public:
  Subscriber(ConnectionInfo info, ActionPtr send) : info_(std::move(info)), send_(std::move(send)) {}
  const ConnectionInfo& info() const override { return info_; }
  ActionPtr action(std::string_view resource, std::string_view action) const override {
    return resource == "events" && action == "send" ? send_ : nullptr;
  }
  std::shared_ptr<const WebhookSource> webhook() const override { return nullptr; }

 private:
  const ConnectionInfo info_;
  const ActionPtr send_;
};

class SubscriberConnector final : public ConnectorInfo {
 public:
  const std::string& name() const override { return name_; }
  std::vector<VariableInfo> variables() const override { return {}; }
  std::vector<AuthMethodInfo> auth_methods() const override { return {}; }
  std::vector<std::string> webhook_secrets() const override { return {}; }
  std::vector<std::string> buckets() const override { return {}; }
  std::vector<std::string> resources() const override { return {"events"}; }
  std::vector<std::string> actions(std::string_view) const override { return {"send"}; }
  std::optional<steps::ActionInfo> find(std::string_view resource, std::string_view action) const override {
    if (resource != "events" || action != "send") return std::nullopt;
    return steps::ActionInfo{.arguments = {{.name = "id", .type = "string", .required = true}, {.name = "body"}},
                             .other_arguments = false,
                             .action = nullptr};
  }
  Result<std::shared_ptr<const BoundConnection>> bind(const ConnectionSettings&) const override {
    return failure(Code::kInternal, "a subscription is bound by bind_subscription");
  }

 private:
  const std::string name_ = "standard-webhooks";
};

// As YAML reads it back, whatever is in it.
std::string quoted(std::string_view text) { return json::print(json::make_string(std::string(text)).root()); }

std::string quoted_list(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) out += (out.empty() ? "" : ", ") + quoted(text);
  return "[" + out + "]";
}

void check_file(const SubscriptionFile& file, const spec::Node& node, spec::Problems& problems) {
  if (file.topics.empty() && node.find("topics") != nullptr)
    problems.error(node.find("topics")->place(), "`topics` is an empty list: name a topic or a pattern");
  for (const spec::At<std::string>& topic : file.topics) {
    if (const auto pattern = TopicPattern::parse(topic.value); !pattern)
      problems.error(topic.place, pattern.error().message);
  }
  if (file.secrets.empty() && node.find("secrets") != nullptr)
    problems.error(node.find("secrets")->place(), "`secrets` is an empty list: what is sent must be signed");
  if (file.secrets.size() > 8)
    problems.error(node.find("secrets")->place(),
                   "at most 8 secrets sign at once: remove those that nobody knows any more");
  const bool https = file.url.value.starts_with("https://");
  if (!file.url.value.empty() && !https && !(file.url.value.starts_with("http://") && file.private_addresses))
    problems.error(file.url.place,
                   "expected an address that begins with https:// (or http:// with "
                   "`private_addresses: true`), found " +
                       quoted(file.url.value));
}

}  // namespace

const spec::Names<BodyFormat>& describe(const BodyFormat*) {
  static const spec::Names<BodyFormat> names{
      {BodyFormat::kStandard, "standard", "`{type, timestamp, data}`, as Standard Webhooks has it"},
      {BodyFormat::kCloudEvents, "cloudevents", "CloudEvents 1.0, structured"}};
  return names;
}

const spec::Table<SubscriptionFile>& describe(const SubscriptionFile*) {
  static const auto table =
      spec::Table<SubscriptionFile>(
          "subscription",
          "Who outside receives events of topics, as webhooks signed by Standard Webhooks; the "
          "file's name is the subscription's name")
          .field("url", &SubscriptionFile::url,
                 {.doc = "The address that is called", .example = "https://erp.example.com/events", .required = true})
          .field(
              "topics", &SubscriptionFile::topics,
              {.doc = "The topics or patterns, one or a list: `*` stands for one word, `>` at the end for one or more",
               .example = "[customer.*, order.created]",
               .required = true,
               .one_or_list = true})
          .field("event", &SubscriptionFile::types,
                 {.doc = "The event types, one or a list", .fallback = "all", .one_or_list = true})
          .field("filter", &SubscriptionFile::filter,
                 {.doc = "Events for which this is false or null are not sent", .example = ".country == \"DE\""})
          .field(
              "secrets", &SubscriptionFile::secrets,
              {.doc = "`whsec_…` secrets, one or a list: each signs, so that the subscriber can change from one to the "
                      "next",
               .example = "env:ERP_WEBHOOK_SECRET",
               .required = true,
               .one_or_list = true})
          .field("format", &SubscriptionFile::format, {.doc = "What the body is"})
          .field("retry", &SubscriptionFile::retry, {.doc = "How what was not taken is sent again"})
          .field("rate", &SubscriptionFile::rate, {.doc = "At most so many per so long", .example = "50/s"})
          .field("concurrent", &SubscriptionFile::concurrent,
                 {.doc = "At most so many at once", .min = "1", .max = "100"})
          .field("timeout", &SubscriptionFile::timeout, {.doc = "How long one try may take", .min = "1s", .max = "1m"})
          .field("private_addresses", &SubscriptionFile::private_addresses,
                 {.doc = "Whether the address may be a loopback, private or link-local one, and plain http"})
          .check(check_file);
  return table;
}

std::string subscription_name(std::string_view name) { return std::string(kSubscriptionPrefix) + std::string(name); }

const ConnectorInfo& subscriber_connector() {
  static const SubscriberConnector connector;
  return connector;
}

std::shared_ptr<const BoundConnection> bind_subscription(const std::string& name, const SubscriptionFile& file,
                                                         const SecretSources& secrets, const Place& place,
                                                         spec::Problems& problems) {
  connect::SubscriberSpec spec;
  spec.name = subscription_name(name);
  spec.url = file.url.value;
  spec.timeout = file.timeout;
  spec.private_addresses = file.private_addresses;
  if (file.format == BodyFormat::kCloudEvents) spec.content_type = "application/cloudevents+json";
  for (const spec::SecretRef& reference : file.secrets) {
    const auto secret = resolve_secret(reference, secrets);
    if (!secret) {
      problems.error(secret.error());
      return nullptr;
    }
    if (const auto key = connect::standard_webhooks_key(secret->reveal()); !key) {
      problems.error(reference.place.known() ? reference.place : place, key.error().message);
      return nullptr;
    }
    spec.secrets.push_back(secret->reveal());
  }
  auto send = connect::make_subscriber(std::move(spec));
  if (!send) {
    problems.error(place, send.error().message);
    return nullptr;
  }
  ConnectionInfo info;
  info.name = subscription_name(name);
  info.connector = subscriber_connector().name();
  Bucket bucket;
  bucket.name = "sent";
  bucket.concurrent = file.concurrent;
  if (file.rate) {
    bucket.count = static_cast<double>(file.rate->count);
    bucket.window = file.rate->per;
  }
  info.buckets = {bucket};
  return std::make_shared<Subscriber>(std::move(info), std::move(*send));
}

std::string subscription_flow(const std::string& name, const SubscriptionFile& file) {
  std::string out = "on:\n";
  for (const spec::At<std::string>& topic : file.topics) {
    out += "  - { topic: " + quoted(topic.value);
    if (!file.types.empty()) out += ", event: " + quoted_list(file.types);
    if (!file.filter.empty()) out += ", filter: " + quoted(file.filter.source);
    out += " }\n";
  }
  out += "key: $event.subject\n";
  out += "retry: { first: " + format_duration(file.retry.first) + ", max: " + format_duration(file.retry.max) +
         ", multiplier: " + json::print(json::Builder().real(file.retry.multiplier).finish().root()) +
         ", for: " + format_duration(file.retry.keep_for) + ", tries: " + std::to_string(file.retry.tries) + " }\n";
  out += "steps:\n  - call: " + subscription_name(name) + ".events.send\n    with:\n      id: =$event.id\n";
  if (file.format == BodyFormat::kStandard) {
    out += "      body: { type: =$event.type, timestamp: =$event.time, data: =. }\n";
  } else {
    out +=
        "      body: '={specversion: \"1.0\", id: $event.id, source: $event.source, type: $event.type, time: "
        "$event.time,"
        " datacontenttype: \"application/json\"} + (if $event.subject then {subject: $event.subject} else {} end)"
        " + {data: .}'\n";
  }
  return out;
}

}  // namespace tieline::workspace
