// What a run that waits outside of its lane says of itself in one line, and what that line says to whoever finds the
// run again without its journal. It must never change how an older line is read.
#pragma once

#include <string>
#include <string_view>

#include "core/flow.h"

namespace tieline::engine {

// "waits until 2026-11-30T09:00:00Z", "waits for approval by finance, until …, then it is skipped".
std::string pause_summary(const Pause& pause);

struct PauseMarks {
  bool approval = false;
  bool keep = false;  // a newer run of its key leaves it alone
};
PauseMarks pause_marks(std::string_view summary);
// Whether a waiting run's summary says that it waits for a person's yes.
bool asks_for_approval(std::string_view summary);

}  // namespace tieline::engine
