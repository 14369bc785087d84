// flows/NAME.yaml: trigger and steps as they were written, parsed but not compiled.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/flow.h"
#include "spec/table.h"
#include "steps/policy.h"
#include "steps/step_kind.h"

namespace tieline::workspace {

struct WebhookTriggerFile {
  spec::At<std::string> connection;
  std::vector<std::string> types;
};
const spec::Table<WebhookTriggerFile>& describe(const WebhookTriggerFile*);

struct TriggerFile {
  TriggerFile() = default;
  explicit TriggerFile(WebhookTriggerFile trigger) : webhook(std::move(trigger)) {}
  WebhookTriggerFile webhook;
};
const spec::Union<TriggerFile>& describe(const TriggerFile*);

struct FlowFile {
  std::vector<TriggerFile> on;
  spec::ProgramText key, version;
  spec::Map<spec::ProgramText> index;
  RetryPolicy retry;
  Priority priority = Priority::kNormal;
  std::vector<steps::StepDraft> steps;
};
const spec::Table<FlowFile>& describe(const FlowFile*);

}  // namespace tieline::workspace
