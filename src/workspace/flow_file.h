// flows/NAME.yaml: trigger and steps as they were written, parsed but not compiled.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/flow.h"
#include "spec/table.h"
#include "steps/policy.h"
#include "steps/step_kind.h"

namespace tieline {

const spec::Names<FlowMode>& describe(const FlowMode*);
const spec::Names<HistoryKept>& describe(const HistoryKept*);
const spec::Custom<StartFrom>& describe(const StartFrom*);

}  // namespace tieline

namespace tieline::workspace {

struct WebhookTriggerFile {
  spec::At<std::string> connection;
  std::vector<std::string> types;
};
const spec::Table<WebhookTriggerFile>& describe(const WebhookTriggerFile*);

struct TopicTriggerFile {
  spec::At<std::string> topic;
  std::vector<std::string> types;
  spec::ProgramText filter;
};
const spec::Table<TopicTriggerFile>& describe(const TopicTriggerFile*);

enum class Missed : std::uint8_t { kRun, kSkip };
const spec::Names<Missed>& describe(const Missed*);

struct ScheduleTriggerFile {
  spec::At<std::string> schedule;
  std::optional<spec::At<std::string>> zone;
  Missed missed = Missed::kRun;
};
const spec::Table<ScheduleTriggerFile>& describe(const ScheduleTriggerFile*);

struct SyncTriggerFile {
  spec::At<std::string> resource;
  Duration every{900'000'000};
  std::optional<spec::At<std::string>> full, zone;
};
const spec::Table<SyncTriggerFile>& describe(const SyncTriggerFile*);

struct ManualTriggerFile {
  bool manual = true;
};
const spec::Table<ManualTriggerFile>& describe(const ManualTriggerFile*);

struct TriggerFile {
  TriggerFile() = default;
  template <class T>
  explicit TriggerFile(T trigger) : kind(std::move(trigger)) {}
  std::variant<WebhookTriggerFile, TopicTriggerFile, ScheduleTriggerFile, SyncTriggerFile, ManualTriggerFile> kind;
};
const spec::Union<TriggerFile>& describe(const TriggerFile*);

struct BrakeFile {
  spec::Rate max;
  spec::At<std::string> of{"runs", {}};
};
const spec::Table<BrakeFile>& describe(const BrakeFile*);

struct BatchFile {
  static constexpr std::uint32_t kCount = 100;  // unless it is said
  std::optional<std::uint32_t> count;
  spec::Size bytes{1'000'000};
  Duration time{1'000'000};
  Place place;
};
const spec::Table<BatchFile>& describe(const BatchFile*);

struct OnDeadFile {
  spec::At<std::string> topic;
};
const spec::Table<OnDeadFile>& describe(const OnDeadFile*);

struct FlowFile {
  std::vector<TriggerFile> on;
  spec::ProgramText key, version;
  spec::Map<spec::ProgramText> index;
  RetryPolicy retry;
  FlowMode mode = FlowMode::kLive;
  HistoryKept history = HistoryKept::kFull;
  std::uint32_t concurrency = 0;
  bool coalesce = false;
  std::optional<BrakeFile> brake;
  std::optional<BatchFile> batch;
  std::optional<OnDeadFile> on_dead;
  StartFrom from;
  std::optional<spec::At<std::string>> was;
  Priority priority = Priority::kNormal;
  std::vector<steps::StepDraft> steps;
};
const spec::Table<FlowFile>& describe(const FlowFile*);

}  // namespace tieline::workspace
