// From a flow's text to a flow that runs, and from a stored run's source back to the same flow.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/flow.h"
#include "spec/problems.h"
#include "spec/table.h"
#include "steps/actions.h"
#include "steps/schemas.h"

namespace tieline::workspace {

// What a flow is compiled from; its hash is the hash of all of it.
struct FlowInput {
  std::string name;
  std::string file;  // as shown in places: "flows/orders.yaml"
  std::string yaml;
  json::Document variables;                                     // `$vars`
  std::string zone = "UTC";                                     // of its programs
  std::shared_ptr<const steps::SchemaTexts> schemas = nullptr;  // those that there are; null: none
};

// A trigger, with the place of its connection's name for who checks it.
struct TriggerUse {
  std::string connection;
  Place place;
};

struct TopicUse {
  TopicPattern topic;
  Place place;
};

struct SyncUse {
  spec::At<std::string> resource;
  Duration every{0};
  std::optional<Schedule> full;
  bool never_full = false;  // as its trigger says
};

struct CompiledFlow {
  std::shared_ptr<const Flow> flow;  // null after reporting
  std::vector<TriggerUse> triggers;  // as far as they could be read
  std::vector<TopicUse> topics;
  std::vector<SyncUse> syncs;
  std::set<std::string, std::less<>> calls;      // the connections that its calls name and that exist
  std::optional<spec::At<std::string>> was;      // the name that it had
  std::optional<spec::At<std::string>> on_dead;  // the topic that is told of its dead letters
};

// What stands for a flow of this name and source.
std::string flow_hash(std::string_view name, std::string_view source);

// Reports all that is wrong with the text, the programs and the calls; not whether the triggers' connections can
// receive.
CompiledFlow compile_flow(const FlowInput& input, const steps::Actions& actions, spec::Problems& problems);

// Finds or recompiles the flow that a stored run began with. A run keeps its flow's text, `$vars` and zone; the
// connections it calls are those of now.
class FlowArchive final : public FlowSource {
 public:
  // Any thread. Runs that were compiled before keep what they have.
  void use(std::shared_ptr<const steps::Actions> actions, std::vector<FlowPtr> current);
  Result<FlowPtr> compile(const std::string& name, const std::string& hash, const std::string& source) override;

 private:
  std::mutex mutex_;
  std::shared_ptr<const steps::Actions> actions_;
  std::vector<FlowPtr> current_;
};

}  // namespace tieline::workspace
