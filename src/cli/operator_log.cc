#include "cli/operator_log.h"

#include <chrono>

#include "base/text.h"
#include "cli/command.h"
#include "engine/pause.h"

namespace tieline::cli {
namespace {

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  return "info";
}

std::string name_of(const engine::RunInfo& run) {
  return std::string(run.flow) + "/" + std::to_string(run.run.event.value);
}

// What the door's word for a refusal means (docs/admin-api.md has all of them).
std::string_view meaning_of(std::string_view reason) {
  if (reason == "bad_signature")
    return "its signature is wrong: the secret is not the vendor's, or it was not the vendor";
  if (reason == "missing_signature") return "it has no signature";
  if (reason == "missing_timestamp" || reason == "stale_timestamp") return "its time is missing or too far from ours";
  if (reason == "no_secret") return "the connection has no secret to verify it";
  if (reason == "malformed_body") return "its body does not decode";
  if (reason == "unknown_connection" || reason == "unknown_path") return "nothing takes webhooks there";
  if (reason == "not_durable_in_time" || reason == "store_full" || reason == "store_unavailable")
    return "the store did not take it; the vendor will try again";
  return "";
}

bool is_power_of_ten(std::uint64_t count) {
  while (count % 10 == 0 && count > 1) count /= 10;
  return count == 1;
}

}  // namespace

std::string log_lines(Time now, LogLevel level, std::string_view text) {
  const std::string head =
      format_time(std::chrono::floor<std::chrono::seconds>(now)) + " " + std::string(level_name(level)) + " ";
  std::string out;
  for (const std::string_view line : split(text, '\n')) {
    if (!trim(line).empty()) out += head + without_controls(line) + "\n";
  }
  return out;
}

void OperatorLog::run_ended(const engine::RunInfo& run) {
  went_on(run);
  if (run.state != RunState::kDead) return;
  log_(LogLevel::kError, "dead letter: " + name_of(run) + ": " + std::string(run.summary) + "; `tieline show " +
                             name_of(run) + "` tells what was tried");
}

// The first run that a brake held has gone on: somebody let it go, and what is held next is news.
void OperatorLog::went_on(const engine::RunInfo& run) {
  const auto first = braked_.find(run.flow);
  if (first != braked_.end() && first->second == run.run.event) braked_.erase(first);
}

void OperatorLog::run_waits(const engine::RunInfo& run) {
  went_on(run);
  if (run.state == RunState::kWaiting && engine::asks_for_approval(run.summary))
    log_(LogLevel::kWarning,
         name_of(run) + " " + std::string(run.summary) + "; `tieline approve yes " + name_of(run) + "`, or `no`");
  if (run.state != RunState::kHeld) return;
  // Said of the connection, once, and not of each of its runs.
  const auto hold = engine::hold_of_summary(run.summary);
  if (hold == engine::Hold::kAuthorization || hold == engine::Hold::kOutage) return;
  if (hold == engine::Hold::kBrake) {
    if (!braked_.try_emplace(std::string(run.flow), run.run.event).second) return;
    log_(LogLevel::kWarning, "held: " + name_of(run) + ": " + std::string(run.summary) +
                                 "; what comes after it is held, too: `tieline flow release " + std::string(run.flow) +
                                 "` lets all of it go");
    return;
  }
  log_(LogLevel::kWarning, "held: " + name_of(run) + ": " + std::string(run.summary) + "; `tieline show " +
                               name_of(run) + "` says what to do");
}

void OperatorLog::authorization_changed(std::string_view connection, bool needed) {
  const std::string name = "connection \"" + std::string(connection) + "\"";
  if (needed) {
    log_(LogLevel::kError, name +
                               " needs authorization: the vendor refuses its credentials, and its runs are held; "
                               "mend the secret and say `tieline reload`, then they go on by themselves");
  } else {
    log_(LogLevel::kInfo, name + " is authorized again: its held runs go on");
  }
}

// One line when it begins, one when it is over; and one when more is down, for that is news.
void OperatorLog::incident_changed(std::string_view connection, const engine::Incident& incident) {
  const std::string name = "connection \"" + std::string(connection) + "\"";
  if (incident.caught_up) {
    down_.erase(std::string(connection));
    log_(LogLevel::kInfo, name + " was down from " + format_time(incident.since) + " until " +
                              format_time(incident.back.value_or(*incident.caught_up)) + ": " +
                              counted(incident.runs, "run", "runs") + " waited, caught up at " +
                              format_time(*incident.caught_up));
    return;
  }
  if (incident.back) return;
  const std::string what = incident.whole ? "" : " in " + join(incident.actions, ", ");
  std::string& said = down_[std::string(connection)];
  if (said == (incident.whole ? "all" : what)) return;
  said = incident.whole ? "all" : what;
  log_(LogLevel::kError, name + " is down" + what + " since " + format_time(incident.since) + " (" + incident.cause +
                             "): its runs wait and lose no try, a probe tells when it is back; `tieline incidents` "
                             "shows how many wait");
}

void OperatorLog::refused(std::string_view connection, std::string_view reason) {
  const std::uint64_t count = ++refused_[{std::string(connection), std::string(reason)}];
  if (!is_power_of_ten(count)) return;
  std::string text = "refused a request";
  if (!connection.empty()) text += " to /hooks/" + std::string(connection);
  text += ": " + std::string(reason);
  if (const std::string_view meaning = meaning_of(reason); !meaning.empty()) text += " (" + std::string(meaning) + ")";
  text += count == 1 ? "; more of them are counted" : "; " + std::to_string(count) + " so far";
  log_(LogLevel::kWarning, text + ", `tieline events --refused` shows them");
}

}  // namespace tieline::cli
