// A simulated vendor behind the Transport port: it keeps its state over crashes of the engine, and loses answers. It
// must never forget an effect, since every check compares with what it holds.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "async/clock.h"
#include "base/prng.h"
#include "core/transport.h"
#include "json/value.h"
#include "sim/options.h"

namespace tieline::sim {

inline constexpr Duration kRateWindow{1'000'000};
inline constexpr std::size_t kRateCount = 20;
// A longer window besides, of which what was spent must survive a crash.
inline constexpr Duration kLongWindow{10'000'000};
inline constexpr std::size_t kLongCount = 60;
inline constexpr Duration kIndexLag{2'000'000};
// So many calls in a row that never left, and the engine knows of an outage.
inline constexpr std::size_t kOutageRow = 10;

class Vendor final : public Transport {
 public:
  Vendor(Clock& clock, const Options& options);

  asio::awaitable<Exchange> send(Request request, Deadline deadline) override;

  // From now on everything works.
  void calm();
  bool is_calm() const { return calm_ && clock_.instant() >= down_until_; }
  // A process ended: what it had on its way arrives now or never, and what it was told after `kept` it could not keep.
  void caller_died(Instant kept);

  struct Effect {
    std::string flow, event, key, identity;
    std::int64_t version = 0;
    Time at;
  };
  const std::vector<Effect>& effects() const { return effects_; }
  // How often the effect was made.
  std::size_t count(const std::string& identity) const;
  // Attempts that a policy counts, by "flow/event/action".
  const std::map<std::string, std::uint32_t>& attempts() const { return attempts_; }
  const std::vector<std::string>& complaints() const { return complaints_; }
  // While nobody could connect and the engine must have known of it.
  struct Known {
    Time from, to;
  };
  const std::vector<Known>& outage_known() const { return outage_known_; }
  std::size_t together() const { return together_; }  // requests of several runs
  std::size_t outage_calls() const { return outage_calls_; }
  std::size_t lost() const { return lost_; }                    // effects whose answer was lost
  std::size_t failed_before() const { return failed_before_; }  // answers lost without an effect

 private:
  struct Arrival;
  void arrive();
  bool in_outage();  // counts the call where it is
  void refused();
  void not_refused();
  std::optional<Exchange> refuse();
  // The rows of a request that has several, or its one body.
  static std::vector<json::Value> rows_of(json::Value body);
  std::vector<int> decide(std::size_t rows);
  void apply(const Request& request, const std::vector<json::Value>& rows, const std::vector<int>& said);
  void apply(const Request& request, json::Value body);
  Response answer(const Request& request, json::Value body, const std::vector<int>& said);
  Exchange not_sent(Code code, const char* why);
  Exchange reset(const char* why);
  Exchange answered(int status, Headers headers = {}, Bytes body = "{}");

  Clock& clock_;
  Options options_;
  Prng prng_;
  bool calm_ = false;
  std::vector<Effect> effects_;
  std::map<std::string, std::vector<Time>> made_;  // by identity
  std::map<std::string, std::string> by_idempotency_key_;
  std::map<std::string, std::uint32_t> attempts_;
  std::vector<Instant> arrivals_;
  std::vector<std::string> complaints_;
  Instant limited_until_{}, limit_told_{}, limit_told_until_{};
  Instant locked_from_ = Instant::max(), locked_until_{};
  Instant down_from_ = Instant::max(), down_until_{};
  bool refuses_ = false;  // in the outage: nobody can connect; else everything is answered 503
  std::vector<Known> outage_known_;
  bool knows_ = false;       // the last of them is not over
  std::size_t refused_ = 0;  // calls in a row that never left
  std::size_t outage_calls_ = 0;
  std::size_t lost_ = 0, failed_before_ = 0, together_ = 0;
};

}  // namespace tieline::sim
