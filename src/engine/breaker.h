// Whether a connection's system is down, judged by what the calls of all its runs come to, and since when. It must
// never take one run's failures, or one action's, for an outage of the whole system.
//
// What is counted is failures in a row, not a share of them: a system that serves some calls is made progress with by
// trying again, and one call that it serves shows that it is there. Two rows are kept apart, as they mean different
// things. Calls that never left (refused, no address, no TLS) say that nobody is there, whichever action they were for:
// enough of them in a row and the whole connection is down. Calls that were answered with a failure, or never, say so
// of their action only: it is down after enough of them in a row from several runs, and the connection's other actions
// go on. All of that is one incident.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "async/clock.h"
#include "base/prng.h"
#include "core/connector.h"
#include "core/journal.h"

namespace tieline::engine {

struct BreakerLimits {
  std::uint32_t failures = 10;      // in a row
  std::size_t runs = 3;             // that answered failures must come from
  std::uint32_t again = 3;          // in a row, until what had come back is down again
  Duration probe_first{5'000'000};  // from the first failure to the first probe; each further wait is twice as long
  Duration probe_max{300'000'000};
};

struct Incident {
  Time since;
  std::string cause;                 // redacted, one line
  bool whole = false;                // the connection; else:
  std::vector<std::string> actions;  // those that are down now
  std::optional<Time> back;          // all of it served again: the backlog drains
  std::optional<Time> caught_up;
  std::uint64_t runs = 0;  // held in it so far
};
// JSON, and back; nothing where it is none.
Bytes encode(const Incident& incident);
std::optional<Incident> decode_incident(std::string_view bytes);

// One thread only.
class Breaker {
 public:
  Breaker(const BreakerLimits& limits, std::uint64_t seed) : limits_(limits), prng_(seed) {}

  // Calls of the action must not leave, but for a probe.
  bool covers(std::string_view action) const { return down_ && covered(action); }
  // Nothing has failed since the last success: there is nothing to be told of a success.
  bool quiet() const { return !incident_ && failing_.empty() && unreachable_ == 0; }
  bool down() const { return down_; }
  bool whole() const { return down_ && incident_->whole; }
  const std::optional<Incident>& incident() const { return incident_; }

  struct Failure {
    std::string_view action;
    RunId run;
    bool left = true;        // something of it left
    std::string_view cause;  // redacted
    bool probe = false;
  };
  struct Judgement {
    bool counts = true;  // against the run
    bool opened = false, worse = false;
  };
  // A transient or unknown end of a call.
  Judgement failed(const Failure& failure, Time now, Instant instant);
  // The system answered: true when something that was down is back by that.
  bool served(std::string_view action, Time now);
  // One more run is held.
  void held() { ++incident_->runs; }
  void held_at_least(std::uint64_t runs) { incident_->runs = std::max(incident_->runs, runs); }
  // Nobody waits any more: the incident, ended.
  Incident caught_up(Time now);

  // When the next probe may leave; none before `timeout` has passed for this one to end.
  Instant probe_at() const { return probe_at_; }
  bool take_probe(Instant now, Duration timeout);
  void probe_failed(Instant now);
  void probe_soon(Instant now) { probe_at_ = std::min(probe_at_, now); }

  // What an earlier process left.
  void restore(Incident incident, Instant now);

 private:
  struct Row {
    std::string action;
    std::uint32_t failures = 0;
    std::vector<RunId> runs;  // distinct, up to limits_.runs
  };
  bool covered(std::string_view action) const;
  Row& row(std::string_view action);
  void open(const Failure& failure, Time now, Instant instant);

  BreakerLimits limits_;
  Prng prng_;
  bool down_ = false;
  std::optional<Incident> incident_;
  std::vector<std::string> touched_;  // actions that were down in this incident; with whole_touched_ all
  bool whole_touched_ = false;
  std::vector<Row> failing_;  // bounded by the connector's actions
  std::uint32_t unreachable_ = 0;
  Duration interval_{0};
  Instant probe_at_{};
};

}  // namespace tieline::engine
