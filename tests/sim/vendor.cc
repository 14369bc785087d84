#include "sim/vendor.h"

#include <algorithm>
#include <utility>

namespace tieline::sim {

Vendor::Vendor(Clock& clock, const Options& options)
    : clock_(clock), options_(options), prng_(options.seed ^ 0x7E4D02) {
  options_.lost_answers = static_cast<std::uint32_t>(prng_.below(2 * options.lost_answers + 1));
  options_.not_sent = static_cast<std::uint32_t>(prng_.below(2 * options.not_sent + 1));
  options_.failures = static_cast<std::uint32_t>(prng_.below(2 * options.failures + 1));
  if (prng_.chance(1, 3)) {  // its credentials are refused for a while
    locked_from_ = clock.instant() + Duration(static_cast<std::int64_t>(prng_.below(60'000'000)));
    locked_until_ = locked_from_ + Duration(static_cast<std::int64_t>(prng_.below(600'000'000)));
  }
  if (prng_.chance(1, 2)) {  // it is down for minutes
    down_from_ = clock.instant() + Duration(static_cast<std::int64_t>(prng_.below(60'000'000)));
    down_until_ = down_from_ + Duration(static_cast<std::int64_t>(prng_.below(1'200'000'000)));
    refuses_ = prng_.chance(1, 2);
  }
}

void Vendor::calm() {
  calm_ = true;
  locked_from_ = Instant::max();
}

void Vendor::caller_died(Instant kept) {
  if (limit_told_ > kept) limit_told_until_ = Instant{};
  not_refused();
}

void Vendor::refused() {
  ++refused_;
  const Instant now = clock_.instant();
  if (knows_ || !refuses_ || refused_ < kOutageRow || now < down_from_ || now >= down_until_) return;
  knows_ = true;
  outage_known_.push_back(Known{clock_.now(), clock_.now() + (down_until_ - now)});
}

void Vendor::not_refused() {
  refused_ = 0;
  if (std::exchange(knows_, false)) outage_known_.back().to = std::min(outage_known_.back().to, clock_.now());
}

std::size_t Vendor::count(const std::string& identity) const {
  const auto found = made_.find(identity);
  return found == made_.end() ? 0 : found->second.size();
}

Exchange Vendor::not_sent(Code code, const char* why) {
  refused();
  Exchange exchange;
  exchange.phase = Phase::kNotSent;
  exchange.error = Error{code, why, {}};
  return exchange;
}

Exchange Vendor::reset(const char* why) {
  not_refused();
  Exchange exchange;
  exchange.phase = Phase::kSent;
  exchange.error = Error{Code::kUnavailable, why, {}};
  return exchange;
}

Exchange Vendor::answered(int status, Headers headers, Bytes body) {
  not_refused();
  Exchange exchange;
  exchange.phase = Phase::kAnswered;
  exchange.response = Response{status, std::move(headers), std::move(body)};
  return exchange;
}

// The strict counter: no window of the vendor's, whenever it begins, may hold more than its limit.
void Vendor::arrive() {
  const Instant now = clock_.instant();
  std::erase_if(arrivals_, [&](Instant at) { return at + kLongWindow <= now; });
  arrivals_.push_back(now);
  if (arrivals_.size() > kLongCount) complaints_.push_back("over its rate: " + std::to_string(arrivals_.size()));
  const auto lately =
      std::count_if(arrivals_.begin(), arrivals_.end(), [&](Instant at) { return at + kRateWindow > now; });
  if (lately > static_cast<std::ptrdiff_t>(kRateCount))
    complaints_.push_back("over its short rate: " + std::to_string(lately));
}

std::vector<json::Value> Vendor::rows_of(json::Value body) {
  std::vector<json::Value> rows;
  for (const json::Value row : body["rows"].elements()) rows.push_back(row);
  if (rows.empty()) rows.push_back(body);
  return rows;
}

void Vendor::apply(const Request& request, const std::vector<json::Value>& rows, const std::vector<int>& said) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (said[i] == 200) apply(request, rows[i]);
  }
}

// What it says of each row of a request, where it takes the request: mostly yes.
std::vector<int> Vendor::decide(std::size_t rows) {
  std::vector<int> said(rows, 200);
  if (rows < 2 || calm_) return said;
  for (int& one : said) {
    if (prng_.chance(1, 20)) one = prng_.chance(1, 3) ? 422 : 503;
  }
  return said;
}

void Vendor::apply(const Request& request, json::Value body) {
  if (request.url.find("/get") != std::string::npos || request.url.find("/find") != std::string::npos) return;
  const std::string identity(body["identity"].as_string());
  const std::string key(find_header(request.headers, "Idempotency-Key"));
  if (!key.empty() && !by_idempotency_key_.emplace(key, identity).second) return;
  made_[identity].push_back(clock_.now());
  effects_.push_back(Effect{std::string(body["flow"].as_string()), std::string(body["event"].as_string()),
                            std::string(body["key"].as_string()), identity, body["version"].as_int64().value_or(0),
                            clock_.now()});
}

Response Vendor::answer(const Request& request, json::Value body, const std::vector<int>& said) {
  if (body.has("rows")) {
    json::Builder out;
    out.begin_array();
    for (const int status : said) out.begin_object().key("status").integer(status).end_object();
    return Response{200, {}, json::print(out.end_array().finish().root())};
  }
  const std::string identity(body["identity"].as_string());
  if (request.url.find("/find") != std::string::npos) {
    const auto found = made_.find(identity);
    // A new thing is found only after a while.
    const bool visible = found != made_.end() && found->second.front() + kIndexLag <= clock_.now();
    return visible ? Response{200, {}, "{\"id\":\"" + identity + "\"}"} : Response{404, {}, "{}"};
  }
  return Response{200, {}, "{\"id\":\"" + identity + "\"}"};
}

bool Vendor::in_outage() {
  const Instant now = clock_.instant();
  if (now < down_from_ || now >= down_until_) return false;
  ++outage_calls_;
  return true;
}

// Its credentials are refused now, or its limit is reached: neither is a try.
std::optional<Exchange> Vendor::refuse() {
  const Instant now = clock_.instant();
  if (now >= locked_from_ && now < locked_until_) return answered(401);
  if (!calm_ && now >= limited_until_ && prng_.chance(1, 25))
    limited_until_ = now + Duration(static_cast<std::int64_t>(1 + prng_.below(40)) * 1'000'000);
  if (now >= limited_until_ || calm_) return std::nullopt;
  const std::int64_t seconds = (limited_until_ - now).count() / 1'000'000 + 1;
  limit_told_ = now;
  limit_told_until_ = now + Duration(seconds * 1'000'000);
  return answered(429, {{"Retry-After", std::to_string(seconds)}});
}

asio::awaitable<Exchange> Vendor::send(Request request, Deadline deadline) {
  (void)deadline;
  const Instant sent = clock_.instant();
  if (sent > limit_told_ && sent < limit_told_until_) complaints_.push_back("called before Retry-After was over");
  const auto document = json::parse(request.body);
  const json::Value body = document->root();
  const std::string action = request.url.substr(request.url.rfind('/') + 1);
  const std::vector<json::Value> rows = rows_of(body);
  const auto tried = [&](std::int32_t by) {
    for (const json::Value row : rows) {
      const std::string run = std::string(row["flow"].as_string()) + "/" + std::string(row["event"].as_string());
      attempts_[run + "/" + action] += static_cast<std::uint32_t>(by);
    }
  };
  tried(1);
  if (rows.size() > 1) ++together_;
  const std::vector<int> said = decide(rows.size());
  const std::uint64_t dice = calm_ ? UINT64_MAX : prng_.below(100);
  const auto delay = [&] { return Duration(static_cast<std::int64_t>(prng_.below(calm_ ? 5'000 : 400'000))); };
  const bool down = in_outage();
  if (down && refuses_) {
    co_await clock_.sleep(delay());
    co_return not_sent(Code::kUnavailable, "connection refused");
  }
  std::uint64_t bound = options_.not_sent;
  if (dice < bound) {
    co_await clock_.sleep(delay());
    co_return not_sent(Code::kUnavailable, "connection refused");
  }
  // Whoever is cut off between here and the arrival may have been heard all the same.
  struct OnItsWay {
    Vendor& vendor;
    const Request& request;
    const std::vector<json::Value>& rows;
    const std::vector<int>& said;
    bool over = false;
    bool down;
    ~OnItsWay() {
      if (over || !vendor.prng_.chance(1, 2)) return;
      vendor.arrive();
      if (!down) vendor.apply(request, rows, said);
    }
  } on_its_way{*this, request, rows, said, false, down};
  co_await clock_.sleep(delay());
  on_its_way.over = true;
  arrive();
  if (down) co_return answered(503);
  if (auto shut = refuse()) {
    tried(-1);
    co_return std::move(*shut);
  }
  bound += options_.failures;
  if (dice < bound) co_return answered(prng_.chance(1, 2) ? 500 : 503);
  bound += options_.refusals;
  if (dice < bound) {
    if (rows.size() > 1) tried(-1);  // refused together, they come again in smaller requests
    co_return answered(422);
  }
  bound += options_.lost_answers;
  // Whoever gets no answer cannot tell these two: it failed before the effect, or after it.
  const bool lost = dice < bound, before = lost && prng_.chance(1, 2);
  if (!before) apply(request, rows, said);
  const Response response = answer(request, body, said);
  co_await clock_.sleep(delay());
  if (lost) {
    ++(before ? failed_before_ : lost_);
    if (prng_.chance(1, 4)) co_return answered(prng_.chance(1, 2) ? 502 : 504);
    co_return reset("connection reset");
  }
  co_return answered(response.status, response.headers, response.body);
}

}  // namespace tieline::sim
