#include <algorithm>
#include <cstdio>

#include "cli/demo.h"

namespace tieline::cli {

void DemoTally::run_ended(const engine::RunInfo& run) {
  switch (run.state) {
    case RunState::kDelivered:
      ++delivered;
      latencies_.push_back(run.latency);
      return;
    case RunState::kSkipped: ++skipped; break;
    case RunState::kStale: ++stale; return;
    case RunState::kDead: ++dead; break;
    default: return;
  }
  ++reasons[std::string(run_state_name(run.state)) + ": " + std::string(run.summary)];
}

double DemoTally::latency_ms(double percent) const {
  if (latencies_.empty()) return 0;
  std::vector<Duration> sorted = latencies_;
  const auto rank = static_cast<std::size_t>(percent / 100.0 * static_cast<double>(sorted.size() - 1) + 0.5);
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(rank), sorted.end());
  return static_cast<double>(sorted[rank].count()) / 1000.0;
}

bool DemoReport::complete() const {
  return sent == received && received == delivered + skipped + stale && held + dead + pending == 0 &&
         deals == delivered && tied_deals == deals;
}

json::Document DemoReport::document() const {
  json::Builder out;
  const auto number = [&](const char* name, std::uint64_t value) {
    out.key(name).integer(static_cast<std::int64_t>(value));
  };
  out.begin_object();
  number("sent", sent);
  number("received", received);
  number("delivered", delivered);
  number("skipped", skipped);
  number("stale", stale);
  number("held", held);
  number("dead", dead);
  number("pending", pending);
  number("duplicates", duplicates);
  number("deals", deals);
  number("tied_deals", tied_deals);
  out.key("latency_ms").begin_object().key("p50").real(p50_ms).key("p99").real(p99_ms).end_object();
  out.key("seconds").real(seconds).key("reasons").begin_object();
  for (const auto& [reason, count] : reasons) number(reason.c_str(), count);
  out.end_object().key("complete").boolean(complete()).key("workspace").string(workspace);
  return out.end_object().finish();
}

std::string DemoReport::text() const {
  char line[256];
  std::string out = "\n";
  const auto row = [&](const char* name, std::uint64_t value, const std::string& note = {}) {
    std::snprintf(line, sizeof line, "  %-11s %6llu%s%s\n", name, static_cast<unsigned long long>(value),
                  note.empty() ? "" : "   ", note.c_str());
    out += line;
  };
  row("received", received,
      duplicates == 0 ? "" : std::to_string(duplicates) + " more were duplicates: answered, not repeated");
  row("delivered", delivered,
      std::to_string(deals) + " deals at HubSpot, " + std::to_string(tied_deals) + " tied to their contact");
  row("skipped", skipped);
  for (const auto& [reason, count] : reasons) {
    if (reason.starts_with("skipped: "))
      out += "              " + std::to_string(count) + " × " + reason.substr(9) + "\n";
  }
  if (stale != 0) row("stale", stale);
  row("held", held);
  row("dead", dead);
  for (const auto& [reason, count] : reasons) {
    if (reason.starts_with("dead: ")) out += "              " + std::to_string(count) + " × " + reason.substr(6) + "\n";
  }
  row("pending", pending);
  std::snprintf(line, sizeof line, "\n  from receipt to delivery: p50 %.1f ms, p99 %.1f ms; all of it in %.1f s\n",
                p50_ms, p99_ms, seconds);
  out += line;
  if (interrupted) {
    out += "  interrupted after " + std::to_string(sent) + " of " + std::to_string(wanted) +
           " orders; what is pending stands in the store\n";
    return out;
  }
  out += complete() ? "  nothing is missing\n" : "  error: the numbers do not add up; something is missing\n";
  return out;
}

}  // namespace tieline::cli
