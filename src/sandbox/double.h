// A double of a vendor: answers as the vendor would, keeps a small scripted state, enforces its limits strictly, and
// fails on demand. For the demo and for tests; it must never be kinder than the vendor.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "async/async.h"
#include "async/clock.h"
#include "base/prng.h"
#include "core/webhook.h"
#include "json/value.h"
#include "sandbox/limiter.h"
#include "sandbox/vendor_rules.h"

namespace tieline::sandbox {

// Chances in 1,000 that a request meets the fault; at most one fault a request, in this order.
struct Faults {
  std::uint32_t rate_limited = 0;  // 429 as the vendor says it
  std::uint32_t unavailable = 0;   // 503
  std::uint32_t reset_before = 0;  // the connection is closed before anything happened
  std::uint32_t reset_after = 0;   // it happened, and the connection is closed without an answer
  std::uint32_t timeout = 0;       // it happened, and no answer comes for `timeout_after`
  std::uint32_t slow = 0;          // the answer comes after `slow_by`
  Duration timeout_after{60'000'000};
  Duration slow_by{2'000'000};
};
// From a JSON object with these names (durations as text, "2s"). kInvalid on an unknown name or a wrong type.
Result<Faults> parse_faults(json::Value value);

// One request as a route sees it.
struct Call {
  std::vector<std::string> path;  // what stood for {…} in the pattern, decoded
  std::string base;               // what stood before the pattern, as it was sent: "/admin/api/2026-07"; or empty
  std::vector<std::pair<std::string, std::string>> query;
  json::Document body;  // of JSON, or of a form: "a[b]=1" is {"a": {"b": "1"}}; null without one
  const InboundRequest* request = nullptr;
  std::string_view query_value(std::string_view name) const;  // empty without it
};

struct DoubleOptions {
  VendorRules rules;
  // The secret that it accepts, as a connection gives it ("user:password" for basic); empty: any, but there must be
  // one.
  std::string credential;
  Faults faults;
  std::uint64_t seed = 1;  // of the faults
};

// One thread only.
class Double {
 public:
  Double(std::string vendor, DoubleOptions options, Clock& clock);
  virtual ~Double() = default;
  Double(const Double&) = delete;
  Double& operator=(const Double&) = delete;

  // Serves one request; `/_double/state` and `/_double/faults` are its own. A reply with status 0 asks the server to
  // close the connection without an answer.
  asio::awaitable<Reply> serve(InboundRequest request);

  const std::string& vendor() const { return vendor_; }
  void set_faults(const Faults& faults) { options_.faults = faults; }
  // {vendor, requests, unauthorized, limited, unexpected: ["GET /path"], …the vendor's own objects}
  json::Document state() const;
  std::uint64_t requests() const { return requests_; }

 protected:
  using Handler = std::function<Reply(const Call&)>;
  // `pattern` as in a manifest, below the base address: "/crm/v3/objects/{type}/{id}". The first that fits serves.
  void route(std::string method, std::string_view pattern, Handler handler);

  // The vendor's way to say: credentials wrong, too many requests, no such path, body not readable, down.
  enum class Trouble { kUnauthorized, kRateLimited, kNoSuchPath, kBadBody, kUnavailable };
  // With kRateLimited: the limit that is reached, and how long. A fault names no limit.
  struct Over {
    const Limit* limit = nullptr;
    Duration wait{1'000'000};
  };
  virtual Reply trouble(Trouble what, const Over& over) const = 0;
  // What a request takes from a limit that counts points.
  virtual double points(const Call&) const { return 1; }
  // The vendor tells in headers or body how much of a limit is spent.
  virtual void tell(const Limit&, double /*used*/, Reply&) const {}
  virtual void put_state(json::Builder& out) const = 0;

  std::string next_id() { return std::to_string(++last_id_); }
  Clock& clock() const { return clock_; }

 private:
  struct Route {
    std::string method;
    std::vector<std::string> segments;
    Handler handler;
  };
  enum class Fault { kNone, kRateLimited, kUnavailable, kResetBefore, kResetAfter, kTimeout, kSlow };
  Fault draw();
  Reply handle(const InboundRequest& request, std::vector<Charge>& charges);
  Reply control(const InboundRequest& request);
  bool authorized(const Headers& headers) const;
  std::vector<Charge> charges_of(const Call& call, const std::vector<std::string>& path) const;

  std::string vendor_;
  DoubleOptions options_;
  Clock& clock_;
  Prng prng_;
  Limiter limiter_;
  std::vector<Route> routes_;
  std::uint64_t last_id_ = 1000;
  std::uint64_t requests_ = 0, refused_ = 0, limited_ = 0;
  std::vector<std::string> unexpected_;  // a bounded number of paths that no route serves
};

// A JSON reply.
Reply json_reply(int status, const json::Document& body);

std::unique_ptr<Double> make_hubspot_double(DoubleOptions options, Clock& clock);
// Puts a contact into a double made by make_hubspot_double (CHECK), as if it had been there before.
void add_hubspot_contact(Double& hubspot, std::string_view email, std::string_view first, std::string_view last);
std::unique_ptr<Double> make_stripe_double(DoubleOptions options, Clock& clock);
std::unique_ptr<Double> make_slack_double(DoubleOptions options, Clock& clock);
std::unique_ptr<Double> make_shopify_double(DoubleOptions options, Clock& clock);
// By the vendor's name; null when there is no double of it.
std::unique_ptr<Double> make_double(std::string_view vendor, DoubleOptions options, Clock& clock);
std::vector<std::string> doubled_vendors();

}  // namespace tieline::sandbox
