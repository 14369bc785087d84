// The port between engine and connectors: an action of a connector, bound to a connection. Rendering and judging are
// pure; only the engine spends budget and sends.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "core/category.h"
#include "core/transport.h"
#include "json/value.h"
#include "json/zone.h"

namespace tieline {

// Who goes first where a budget is short.
enum class Priority : std::uint8_t { kHigh, kNormal, kLow };
inline constexpr std::size_t kPriorities = 3;

// A bucket of a connection's budget: at most `count` units per `window`, at most `concurrent` at once (0: no limit).
struct Bucket {
  std::string name;
  double count = 0;  // 0: no rate limit
  Duration window{0};
  enum class Kind : std::uint8_t { kRolling, kFixed, kRestore } kind = Kind::kRolling;
  std::uint32_t concurrent = 0;
  // kFixed: a window is a day there, from midnight to midnight (23 or 25 hours where clocks are changed), and `window`
  // is 24 hours. Null: windows are counted from 1970-01-01T00:00Z.
  const json::Zone* zone = nullptr;
  // Others spend it too: what is counted here is only the least that is spent, and a part is left to them.
  bool shared = false;
};

// What one call takes from a bucket before it leaves. `key` tells apart the counters of one bucket that counts for each
// value of an argument; each counter has the bucket's whole size. Empty: the bucket's one counter.
struct Spend {
  std::string bucket;
  std::string key;
  double amount = 1;
};

// What an answer says of a counter. `actual` replaces the amount that its call took; the others correct the counter:
// downwards at once, upwards never above what the bucket allows.
struct BudgetReading {
  std::string bucket;
  std::string key;
  std::optional<double> actual;
  std::optional<double> limit, used, left;
  std::optional<double> restore;  // per second
  std::optional<Duration> reset;  // until the vendor's window ends
};

// Who the call is for: what an idempotency key is derived from. The key is the same for every attempt of one call of
// one run.
struct CallIdentity {
  std::string key;  // printable, at most 255 characters
  Time now{};       // of this attempt, for those who sign the time
};

// What an exchange means.
struct Verdict {
  Category category = Category::kDelivered;
  std::string code;              // the vendor's own, where it says one
  std::string message;           // for a person; already redacted
  std::optional<Duration> wait;  // how long the vendor asks to wait
  json::Document result;         // with kDelivered: what `as:` binds
  bool empty = false;            // with kDelivered: the action returns one or a list, and there is none
  bool happened = false;         // with kValidation: the call was made, only its answer cannot be read
  std::string bucket;            // with kRateLimited: the one to slow down instead of the action's own; or empty
};

class Action {
 public:
  virtual ~Action() = default;

  // Constant after construction.
  const std::string& name() const { return name_; }              // "hubspot.deals.upsert"
  const std::string& connection() const { return connection_; }  // "hubspot"
  Safety safety() const { return safety_; }
  Duration timeout() const { return timeout_; }
  const std::vector<std::string>& buckets() const { return buckets_; }  // names in the connection's budget
  bool has_idempotency_key() const { return has_idempotency_key_; }
  // How long the vendor knows an idempotency key, from the first byte sent; zero: not said.
  Duration idempotency_keep() const { return idempotency_keep_; }
  bool has_find() const { return has_find_; }
  Duration settle() const { return settle_; }  // how long an effect takes to become visible to find
  // Of an action that takes several items in one request and answers for each of them: the argument that holds them, an
  // array, and how many a request may have. Empty: it takes none.
  const std::string& items_arg() const { return items_arg_; }
  std::size_t items_max() const { return items_max_; }

  // The request for `args` (an object), with credentials. kInvalid when args do not fit, with the argument's name.
  virtual Result<Request> render(const json::Document& args, const CallIdentity& identity) const = 0;
  // What a call with `args` spends, all of it or nothing; by default one unit of each of buckets().
  virtual std::vector<Spend> spends(const json::Document& /*args*/) const {
    std::vector<Spend> all;
    for (const std::string& name : buckets_) all.push_back({name, {}, 1});
    return all;
  }
  // What the whole answer to a call with `args` says of the buckets that it spent.
  virtual std::vector<BudgetReading> observe(const Exchange& /*exchange*/, const json::Document& /*args*/) const {
    return {};
  }
  virtual Verdict judge(const Exchange& exchange, Time now) const = 0;
  // What a delivered answer says of each of the request's `items`, an array, in their order. Only with items_arg().
  virtual std::vector<Verdict> judge_items(const Exchange& /*exchange*/, json::Value /*items*/) const { return {}; }
  // The next page's request after a delivered one, merged by the engine into one list; nothing at the end.
  virtual Result<std::optional<Request>> next_page(const Request& request, const Exchange& exchange) const = 0;

  // How to look whether an earlier, unanswered attempt happened. Only with has_find().
  virtual Result<Request> render_find(const json::Document& args, const CallIdentity& identity) const = 0;
  // kDelivered with the result when it is there, kMissing when it is not; else the category of the failed look-up.
  virtual Verdict judge_find(const Exchange& exchange, Time now) const = 0;

 protected:
  std::string name_, connection_;
  Safety safety_ = Safety::kUnsafe;
  Duration timeout_{30'000'000};
  std::vector<std::string> buckets_;
  bool has_idempotency_key_ = false, has_find_ = false;
  Duration settle_{0};
  std::string items_arg_;
  std::size_t items_max_ = 0;
  Duration idempotency_keep_{0};
};
using ActionPtr = std::shared_ptr<const Action>;

// One account of a connector, as the engine needs it.
struct ConnectionInfo {
  std::string name;
  std::string connector;
  std::vector<Bucket> buckets;
  std::string health_action;   // the cheap call that proves it works, or empty
  ActionPtr health = nullptr;  // the same, ready to be made; may be null
};

}  // namespace tieline
