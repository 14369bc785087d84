#include "workspace/load.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "spec/literal.h"
#include "workspace/compile.h"
#include "workspace/connection_file.h"
#include "workspace/reader.h"
#include "workspace/subscription_file.h"
#include "workspace/topics.h"

namespace tieline::workspace {
namespace {

// A connection while the workspace is being loaded: any part may be missing when it has errors.
struct Draft {
  ConnectionFile file;
  std::shared_ptr<const ConnectorInfo> own;  // `connector`, where it is one of the workspace
  const ConnectorInfo* connector = nullptr;
  std::shared_ptr<const BoundConnection> bound;
  bool verifiable = false;  // its webhooks: a secret is set, or none is wanted
  Place place;
};
using Drafts = std::map<std::string, Draft, std::less<>>;

// Names resolve as soon as the connector is known, so that a missing secret does not hide what is wrong with a call.
class WorkspaceActions final : public steps::Actions {
 public:
  explicit WorkspaceActions(const Drafts& drafts) : drafts_(drafts) {}
  std::vector<std::string> connections() const override {
    std::vector<std::string> names;
    for (const auto& [name, draft] : drafts_) names.push_back(name);
    return names;
  }
  bool loaded(std::string_view connection) const override { return connector(connection) != nullptr; }
  std::vector<std::string> resources(std::string_view connection) const override {
    const ConnectorInfo* info = connector(connection);
    return info == nullptr ? std::vector<std::string>{} : info->resources();
  }
  std::vector<std::string> actions(std::string_view connection, std::string_view resource) const override {
    const ConnectorInfo* info = connector(connection);
    return info == nullptr ? std::vector<std::string>{} : info->actions(resource);
  }
  std::optional<steps::ActionInfo> find(std::string_view connection, std::string_view resource,
                                        std::string_view action) const override {
    const ConnectorInfo* info = connector(connection);
    if (info == nullptr) return std::nullopt;
    std::optional<steps::ActionInfo> found = info->find(resource, action);
    const Draft& draft = drafts_.find(connection)->second;
    if (found && draft.bound != nullptr) found->action = draft.bound->action(resource, action);
    return found;
  }
  std::vector<std::string> syncs(std::string_view connection) const override {
    const ConnectorInfo* info = connector(connection);
    return info == nullptr ? std::vector<std::string>{} : info->syncs();
  }
  SyncSourcePtr sync(std::string_view connection, std::string_view resource) const override {
    if (connector(connection) == nullptr) return nullptr;
    const Draft& draft = drafts_.find(connection)->second;
    return draft.bound == nullptr ? nullptr : draft.bound->sync(resource);
  }

 private:
  const ConnectorInfo* connector(std::string_view connection) const {
    const auto found = drafts_.find(connection);
    return found == drafts_.end() ? nullptr : found->second.connector;
  }
  Drafts drafts_;
};

bool is_object_name(std::string_view name) {
  const auto ok = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), ok) && name.front() != '-';
}

class Loader {
 public:
  Loader(const Files& files, const ConnectorCatalog& catalog, const SecretSources& secrets)
      : files_(files), catalog_(catalog), secrets_(secrets) {}

  Loaded run() {
    auto workspace = std::make_shared<Workspace>();
    settings(*workspace);
    for (const auto& [path, why] : files_.ignored) problems_.warning({files_.prefix + path, 1, 1}, why);
    each_file("connectors/", [&](const std::string& name, const std::string& file, const std::string& text) {
      connector(name, file, text);
    });
    each_file("connections/", [&](const std::string& name, const std::string& file, const std::string& text) {
      connection(name, file, text);
    });
    each_file("subscriptions/", [&](const std::string& name, const std::string& file, const std::string& text) {
      subscription(name, file, text);
    });
    auto actions = std::make_shared<WorkspaceActions>(drafts_);
    for (const Subscription& one : subscriptions_) subscription_flow_of(one, *actions, *workspace);
    const auto schemas = schema_texts();
    each_file("flows/", [&](const std::string& name, const std::string& file, const std::string& text) {
      flow({.name = name,
            .file = file,
            .yaml = text,
            .variables = workspace->variables,
            .zone = workspace->settings.zone,
            .schemas = schemas},
           *actions, *workspace);
    });
    each_file("env/", [&](const std::string&, const std::string& file, const std::string&) {
      problems_.error({file, 1, 1}, "environments (`env/`) are not available in this version: remove the file",
                      Code::kUnsupported);
    });
    usage(*workspace);
    check_renames();
    if (flows_whole_) check_topics(topics_, problems_);
    if (!problems_.ok()) return {nullptr, std::move(problems_)};
    for (const auto& [name, draft] : drafts_) workspace->connections.push_back(draft.bound);
    workspace->actions = std::move(actions);
    return {std::move(workspace), std::move(problems_)};
  }

 private:
  struct Subscription {
    std::string name;
    SubscriptionFile file;
  };
  std::shared_ptr<const steps::SchemaTexts> schema_texts() {
    auto texts = std::make_shared<steps::SchemaTexts>();
    for (const auto& [path, text] : files_.texts) {
      if (!path.starts_with("schemas/")) continue;
      if (path.ends_with(".json") || path.ends_with(".yaml")) {
        texts->emplace(path, text);
      } else {
        problems_.warning({files_.prefix + path, 1, 1},
                          "this file is not read: names of schemas/ end in .json or .yaml");
      }
    }
    return texts;
  }

  template <class Use>
  void each_file(const std::string& folder, Use use) {
    for (const auto& [path, text] : files_.texts) {
      if (!path.starts_with(folder)) continue;
      const std::string shown = files_.prefix + path;
      const std::string base = path.substr(folder.size());
      if (!base.ends_with(".yaml")) {
        problems_.warning({shown, 1, 1}, "this file is not read: names of " + folder + " end in .yaml");
        continue;
      }
      const std::string name = base.substr(0, base.size() - 5);
      if (!is_object_name(name)) {
        if (folder == "flows/") flows_whole_ = false;
        problems_.error({shown, 1, 1}, "\"" + name + "\" cannot be a name: use a-z, 0-9, - and _, at most 64 of them");
        continue;
      }
      use(name, shown, text);
    }
  }

  void settings(Workspace& workspace) {
    const auto text = files_.texts.find("tieline.yaml");
    const std::string shown = files_.prefix + "tieline.yaml";
    if (text == files_.texts.end()) {
      problems_.error({shown, 0, 0},
                      "there is no such file: a workspace starts with it (an empty one has all defaults)");
      return;
    }
    const std::optional<spec::Node> node = spec::parse_yaml(text->second, shown, problems_);
    if (!node) return;
    // What could be read is used even when the rest has errors: flows are then checked with the variables there are.
    spec::Context context{problems_};
    describe(static_cast<const Settings*>(nullptr)).read(context, *node, workspace.settings);
    while (workspace.settings.public_url.ends_with('/')) workspace.settings.public_url.pop_back();
    json::Builder variables;
    variables.begin_object();
    for (const auto& [name, value] : workspace.settings.variables) {
      variables.key(name);
      spec::write_literal(variables, value);
    }
    workspace.variables = variables.end_object().finish();
  }

  void connector(const std::string& name, const std::string& shown, const std::string& text) {
    const Place place{shown, 1, 1};
    if (catalog_.find(name) != nullptr) {
      problems_.error(
          place, "\"" + name + "\" is a connector that Tieline brings, and a workspace cannot replace it: " +
                     "rename yours, for example to connectors/my-" + name + ".yaml with `connector: my-" + name + "`");
      return;
    }
    own_[name] = {catalog_.load(text, shown, problems_), place};
  }

  // Null after reporting; without a word when the workspace's own has errors, which are reported already.
  const ConnectorInfo* find_connector(Draft& draft) {
    const spec::At<std::string>& name = draft.file.connector;
    const auto own = own_.find(name.value);
    if (own != own_.end()) {
      own->second.used = true;
      draft.own = own->second.connector;
      return draft.own.get();
    }
    if (const ConnectorInfo* brought = catalog_.find(name.value)) return brought;
    std::vector<std::string> names = catalog_.connectors();
    for (const auto& [own_name, one] : own_) names.push_back(own_name);
    std::sort(names.begin(), names.end());
    const std::string hint = did_you_mean(name.value, names);
    problems_.error(name.place, "there is no connector \"" + name.value + "\"" +
                                    (hint.empty() ? "; there are " + join(names, ", ") + ", or write connectors/" +
                                                        name.value + ".yaml"
                                                  : hint));
    return nullptr;
  }

  void connection(const std::string& name, const std::string& shown, const std::string& text) {
    Draft& draft = drafts_[name];
    draft.place = {shown, 1, 1};
    const std::optional<spec::Node> node = spec::parse_yaml(text, shown, problems_);
    spec::Context context{problems_};
    const bool whole = node && describe(static_cast<const ConnectionFile*>(nullptr)).read(context, *node, draft.file);
    if (!whole) connections_whole_ = false;
    if (!node) return;
    draft.file.name = name;
    draft.verifiable = !draft.file.secrets.empty() || draft.file.verify == VerifyWebhooks::kNone ||
                       (!whole && node->find("secrets") != nullptr);
    const spec::At<std::string>& connector = draft.file.connector;
    if (connector.value.empty()) return;
    draft.connector = find_connector(draft);
    if (draft.connector == nullptr) return;
    std::optional<ConnectionSettings> settings = check_connection(draft.file, *draft.connector, secrets_, problems_);
    if (!settings || !whole) return;
    Result<std::shared_ptr<const BoundConnection>> bound = draft.connector->bind(*settings);
    if (!bound) {
      if (!bound.error().place.known()) bound.error().place = draft.place;
      problems_.error(std::move(bound.error()));
      return;
    }
    draft.bound = std::move(*bound);
  }

  // A connection and the text of a flow.
  void subscription(const std::string& name, const std::string& shown, const std::string& text) {
    const std::optional<spec::Node> node = spec::parse_yaml(text, shown, problems_);
    spec::Context context{problems_};
    SubscriptionFile file;
    if (!node || !describe(static_cast<const SubscriptionFile*>(nullptr)).read(context, *node, file)) {
      flows_whole_ = false;
      return;
    }
    Draft& draft = drafts_[subscription_name(name)];
    draft.place = {shown, 1, 1};
    draft.connector = &subscriber_connector();
    draft.bound = bind_subscription(name, file, secrets_, draft.place, problems_);
    subscriptions_.push_back({name, std::move(file)});
  }

  // Its filter is all that can be wrong with the text that is made of it.
  void subscription_flow_of(const Subscription& one, const steps::Actions& actions, Workspace& workspace) {
    const std::string name = subscription_name(one.name);
    const Place place = drafts_.find(name)->second.place;
    const FlowInput input{.name = name,
                          .file = place.file,
                          .yaml = subscription_flow(one.name, one.file),
                          .variables = workspace.variables,
                          .zone = workspace.settings.zone};
    spec::Problems found;
    CompiledFlow compiled = compile_flow(input, actions, found);
    for (const spec::Problem& problem : found.sorted()) {
      const Place at = one.file.filter.empty() ? place : one.file.filter.place();
      problem.severity == spec::Problem::Severity::kError ? problems_.error(at, problem.error.message)
                                                          : problems_.warning(at, problem.error.message);
    }
    used_.insert(name);
    if (compiled.flow == nullptr) {
      flows_whole_ = false;
      return;
    }
    for (std::size_t i = 0; i < compiled.topics.size(); ++i) compiled.topics[i].place = one.file.topics[i].place;
    topics_.push_back({name, {}, std::move(compiled.topics)});
    workspace.flows.push_back(std::move(compiled.flow));
  }

  void flow(FlowInput input, const steps::Actions& actions, Workspace& workspace) {
    const std::size_t before = problems_.error_count();
    CompiledFlow compiled = compile_flow(input, actions, problems_);
    for (const TriggerUse& trigger : compiled.triggers) check_trigger(trigger);
    for (const std::string& connection : compiled.calls) {
      used_.insert(connection);
      called_.insert(connection);
    }
    if (problems_.error_count() != before) flows_whole_ = false;
    flow_names_.insert(input.name);
    if (compiled.was) renames_.emplace_back(input.name, *compiled.was);
    if (compiled.flow != nullptr)
      topics_.push_back(
          {input.name, compiled.flow->publishes, std::move(compiled.topics), std::move(compiled.on_dead)});
    for (const SyncUse& use : compiled.syncs) reader(use, compiled.flow, actions, workspace);
    if (compiled.flow != nullptr) workspace.flows.push_back(std::move(compiled.flow));
  }

  // The flow that reads for this one; null: it has errors, and only the names are looked at.
  void reader(const SyncUse& use, const FlowPtr& flow, const steps::Actions& actions, Workspace& workspace) {
    const std::string connection = use.resource.value.substr(0, use.resource.value.find('.'));
    if (draft_of(connection, use.resource.place) == nullptr) return;
    called_.insert(connection);
    const SyncSourcePtr source = find_sync(use, actions, problems_);
    if (source != nullptr && flow != nullptr) workspace.flows.push_back(make_reader(use, *flow, source));
  }

  // A name that a flow had belongs to nobody else.
  void check_renames() {
    std::map<std::string, std::string> now;
    for (const auto& [name, was] : renames_) {
      const auto [found, first] = now.emplace(was.value, name);
      if (flow_names_.contains(was.value)) {
        problems_.error(was.place,
                        "`was: " + was.value + "` names a flow of this workspace: remove `was`, or rename that flow");
      } else if (!first) {
        problems_.error(was.place, "`was: " + was.value + "` stands in flow \"" + found->second +
                                       "\", too: only one of them goes on with what that flow left");
      }
    }
  }

  // The connection that a trigger uses. Null after reporting: there is none.
  const Draft* draft_of(const std::string& connection, const Place& place) {
    const auto found = drafts_.find(connection);
    if (found != drafts_.end()) {
      used_.insert(connection);
      return &found->second;
    }
    std::vector<std::string> names;
    for (const auto& [name, draft] : drafts_) names.push_back(name);
    const std::string hint = did_you_mean(connection, names);
    problems_.error(place, "there is no connection \"" + connection + "\"" +
                               (hint.empty() ? ": write connections/" + connection + ".yaml" : hint));
    return nullptr;
  }

  void check_trigger(const TriggerUse& trigger) {
    if (trigger.connection.empty()) return;
    const Draft* draft = draft_of(trigger.connection, trigger.place);
    if (draft == nullptr) return;
    const ConnectorInfo* connector = draft->connector;
    if (connector == nullptr) return;
    const std::vector<std::string> secrets = connector->webhook_secrets();
    if (secrets.empty()) {
      problems_.error(trigger.place, "the connector \"" + connector->name() + "\" receives no webhooks");
    } else if (!draft->verifiable) {
      problems_.error(
          draft->file.connector.place,
          "a flow receives webhooks of this connection, and there is no secret to verify them: write `secrets: { " +
              secrets.front() + ": env:NAME }`, or `verify: none` to take them unsigned");
    }
  }

  void usage(const Workspace& workspace) {
    for (const auto& [name, own] : own_) {
      if (own.connector != nullptr && !own.used && connections_whole_) {
        problems_.warning(own.place, "no connection uses this connector");
      }
    }
    for (const auto& [name, draft] : drafts_) {
      if (draft.connector == nullptr) continue;
      if (!used_.contains(name) && flows_whole_) {
        problems_.warning(draft.place, "no flow uses this connection");
      } else if (called_.contains(name) && draft.file.auth.empty() && !draft.connector->auth_methods().empty() &&
                 draft.file.node.find("auth") == nullptr) {
        problems_.warning(draft.place,
                          "flows call this connection and it has no `auth`: its calls go out without credentials");
      }
    }
    const bool any = std::any_of(files_.texts.begin(), files_.texts.end(),
                                 [](const auto& file) { return file.first.starts_with("flows/"); });
    if (workspace.flows.empty() && !any) {
      problems_.warning({files_.prefix + "tieline.yaml", 1, 1}, "the workspace has no flow: write flows/NAME.yaml");
    }
  }

  // A file of connectors/.
  struct Own {
    std::shared_ptr<const ConnectorInfo> connector;  // null when it has errors
    Place place;
    bool used = false;
  };

  const Files& files_;
  const ConnectorCatalog& catalog_;
  const SecretSources& secrets_;
  spec::Problems problems_;
  std::map<std::string, Own, std::less<>> own_;
  Drafts drafts_;
  std::set<std::string, std::less<>> used_, called_;
  std::vector<TopicFlow> topics_;
  std::set<std::string, std::less<>> flow_names_;
  std::vector<std::pair<std::string, spec::At<std::string>>> renames_;  // by flow, `was`
  std::vector<Subscription> subscriptions_;
  bool connections_whole_ = true;  // false: what an unreadable connection would have used is not known
  bool flows_whole_ = true;        // false: what an unreadable flow would have used is not known
};

}  // namespace

const BoundConnection* Workspace::connection(std::string_view name) const {
  for (const auto& connection : connections) {
    if (connection->info().name == name) return connection.get();
  }
  return nullptr;
}

std::size_t Workspace::written_flows() const {
  return static_cast<std::size_t>(std::ranges::count_if(flows, [](const FlowPtr& flow) { return !flow->reads; }));
}

Loaded load(const Files& files, const ConnectorCatalog& catalog, const SecretSources& secrets) {
  return Loader(files, catalog, secrets).run();
}

std::string problems_json(const spec::Problems& problems) {
  json::Builder out;
  out.begin_array();
  for (const spec::Problem& problem : problems.sorted()) {
    out.begin_object();
    out.key("file").string(problem.error.place.file);
    out.key("line").integer(problem.error.place.line);
    out.key("column").integer(problem.error.place.column);
    out.key("severity").string(problem.severity == spec::Problem::Severity::kError ? "error" : "warning");
    out.key("message").string(problem.error.message);
    out.end_object();
  }
  return json::print(out.end_array().finish().root(), json::PrintStyle{});
}

}  // namespace tieline::workspace
