// The path of one webhook request, and the book of what was refused.
#include "engine/door.h"

#include "base/check.h"
#include "base/text.h"

namespace tieline::engine {
namespace {

constexpr std::size_t kMessageBytesMax = 300;  // a stranger's name can be as long as a header
constexpr std::string_view kRetryAfterSeconds = "5";

Reply json_reply(int status, std::string body) {
  Reply reply;
  reply.status = status;
  reply.headers.emplace_back("Content-Type", "application/json");
  reply.body = std::move(body);
  return reply;
}

// The stable word for an append that failed.
std::string_view reason_of(Code code) {
  switch (code) {
    case Code::kTimeout: return "not_durable_in_time";
    case Code::kFull: return "store_full";
    case Code::kTooLarge: return "event_too_large";
    default: return "store_unavailable";
  }
}

// The stable word for a request that the HTTP server refused.
std::string_view reason_of_status(int status) {
  switch (status) {
    case 408: return "too_slow";
    case 413: return "body_too_large";
    case 417: return "unmet_expectation";
    case 431: return "headers_too_large";
    case 503: return "too_many_bodies";
    default: return "malformed_request";
  }
}

std::string_view without_trailing_slash(std::string_view url) {
  while (url.ends_with('/')) url.remove_suffix(1);
  return url;
}

std::string_view path_of(std::string_view target) { return target.substr(0, target.find('?')); }

void check_options(const DoorOptions& options) {
  CHECK(options.hooks_path.starts_with('/') && options.hooks_path.ends_with('/'));
}

// The name behind the path of webhooks that `target` calls; nothing when it calls another path.
std::optional<std::string_view> name_in(std::string_view target, const DoorOptions& options) {
  const std::string_view path = path_of(target);
  if (!path.starts_with(options.hooks_path)) return std::nullopt;
  return path.substr(options.hooks_path.size());
}

}  // namespace

Door::Door(DoorOptions options, EventLog& log, Clock& clock, DoorObserver* observer)
    : log_(log), clock_(clock), observer_(observer) {
  check_options(options);
  config_ = std::make_shared<const Config>(Config{std::move(options), {}});
}

void Door::set_options(DoorOptions options) {
  check_options(options);
  const std::lock_guard lock(mutex_);
  config_ = std::make_shared<const Config>(Config{std::move(options), config_->sources});
}

void Door::configure(DoorSources sources) {
  for (const auto& [name, source] : sources) CHECK(source != nullptr);
  const std::lock_guard lock(mutex_);
  config_ = std::make_shared<const Config>(Config{config_->options, std::move(sources)});
}

std::shared_ptr<const Door::Config> Door::config() const {
  const std::lock_guard lock(mutex_);
  return config_;
}

DoorCounts Door::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

asio::awaitable<Reply> Door::receive(InboundRequest request) {
  const std::shared_ptr<const Config> config = this->config();
  const DoorOptions& options = config->options;
  const auto called = name_in(request.target, options);
  if (!called) {
    count_refusal("", "unknown_path", "called " + truncated(path_of(request.target), kMessageBytesMax));
    co_return json_reply(404, R"({"error":"not found"})");
  }
  const std::string_view name = *called;
  const auto found = config->sources.find(name);
  if (request.method != "POST") {
    // Before the name is looked at: the answer must not tell which connections exist.
    count_refusal(found == config->sources.end() ? "" : name, "method_not_allowed",
                  "called with " + truncated(request.method, 20) + ", webhooks are sent with POST");
    Reply reply = json_reply(405, R"({"error":"method not allowed"})");
    reply.headers.emplace_back("Allow", "POST");
    co_return reply;
  }
  if (found == config->sources.end()) co_return refuse_unknown(*config, name);
  request.url = std::string(without_trailing_slash(options.public_url)) + request.target;
  request.depth_max = options.depth_max;
  auto source = found->second;
  auto taking_in = take_in(std::move(source), std::move(request), options.ack_within);
  co_return co_await std::move(taking_in);
}

asio::awaitable<Reply> Door::take_in(std::shared_ptr<const WebhookSource> source, InboundRequest request,
                                     Duration ack_within) {
  const Instant begin = clock_.instant();
  auto reception = source->receive(request);
  if (!reception) {
    Refusal& refusal = reception.error();
    count_refusal(source->connection(), refusal.reason, std::move(refusal.message));
    co_return std::move(refusal.reply);
  }
  const std::size_t events = reception->events.size();
  std::size_t duplicates = 0;
  if (events > 0) {
    const Deadline deadline{begin + ack_within};
    auto appending = log_.append(std::move(reception->events), deadline);
    const auto appended = co_await std::move(appending);
    if (!appended) co_return refuse_append(source->connection(), appended.error());
    for (const Appended& one : *appended) duplicates += one.duplicate ? 1 : 0;
  }
  {
    const std::lock_guard lock(mutex_);
    counts_.received += events - duplicates;
    counts_.duplicates += duplicates;
    ++counts_.acknowledged;
  }
  if (observer_ != nullptr) observer_->received(source->connection(), events, duplicates, clock_.instant() - begin);
  co_return std::move(reception->reply);
}

void Door::count_unread(const UnreadRequest& request) {
  const std::shared_ptr<const Config> config = this->config();
  const auto name = name_in(request.target, config->options);
  const bool known = name && config->sources.contains(*name);
  count_refusal(known ? *name : "", reason_of_status(request.status),
                "answered " + std::to_string(request.status) + ": " + request.message);
}

Reply Door::refuse_unknown(const Config& config, std::string_view name) {
  std::vector<std::string> names;
  for (const auto& [known, source] : config.sources) names.push_back(known);
  // A long name is not near to any, and the distance would cost its length.
  const std::string hint = name.size() <= 64 ? did_you_mean(name, names) : "";
  count_refusal("", "unknown_connection",
                "no connection \"" + truncated(name, kMessageBytesMax) + "\" takes webhooks" + hint);
  return json_reply(404, R"({"error":"not found"})");
}

Reply Door::refuse_append(const std::string& connection, const Error& error) {
  count_refusal(connection, reason_of(error.code), error.message);
  // An item over the store's limit stays so: trying again cannot help.
  if (error.code == Code::kTooLarge) return json_reply(413, R"({"error":"event too large"})");
  Reply reply = json_reply(503, R"({"error":"not taken in, try again"})");
  reply.headers.emplace_back("Retry-After", kRetryAfterSeconds);
  return reply;
}

void Door::count_refusal(std::string_view connection, std::string_view reason, std::string message) {
  if (observer_ != nullptr) observer_->refused(connection, reason);
  std::pair<std::string, std::string> key(connection, reason);
  const std::lock_guard lock(mutex_);
  ++counts_.refused;
  if (refusals_.size() >= config_->options.refusals_max && !refusals_.contains(key)) key = {"", "other"};
  RefusalCount& entry = refusals_[key];
  entry.connection = key.first;
  entry.reason = key.second;
  ++entry.count;
  entry.last = clock_.now();
  entry.message = truncated(message, kMessageBytesMax);
}

std::vector<RefusalCount> Door::refusals() const {
  std::vector<RefusalCount> all;
  const std::lock_guard lock(mutex_);
  all.reserve(refusals_.size());
  for (const auto& [key, entry] : refusals_) all.push_back(entry);
  return all;
}

}  // namespace tieline::engine
