#include "engine/pause.h"

namespace tieline::engine {
namespace {

constexpr std::string_view kApproval = "waits for approval", kKeep = "; newer runs of its key leave it alone";

}  // namespace

std::string pause_summary(const Pause& pause) {
  std::string out(pause.approval ? kApproval : "waits");
  if (!pause.who.empty()) out += " by " + pause.who;
  if (pause.until != Time::max()) out += (pause.approval ? ", until " : " until ") + format_time(pause.until);
  if (pause.approval && pause.until != Time::max())
    out += pause.then == Pause::Then::kSkip ? ", then it is skipped" : ", then it fails";
  if (pause.keep && !pause.approval) out += kKeep;
  return out;
}

bool asks_for_approval(std::string_view summary) { return summary.starts_with(kApproval); }

PauseMarks pause_marks(std::string_view summary) {
  PauseMarks marks;
  marks.approval = asks_for_approval(summary);
  marks.keep = marks.approval || summary.ends_with(kKeep);
  return marks;
}

}  // namespace tieline::engine
