#include "core/flow.h"

#include <algorithm>

namespace tieline {

bool Flow::matches(const Event& event) const {
  return std::any_of(triggers.begin(), triggers.end(), [&](const WebhookTrigger& trigger) {
    return trigger.connection == event.source &&
           (trigger.types.empty() ||
            std::find(trigger.types.begin(), trigger.types.end(), event.type) != trigger.types.end());
  });
}

}  // namespace tieline
