// What a step may call: the actions of the workspace's connections, by the names that people write. The port between
// `call:` and whoever reads manifests; it must never need a network, a vault or a running engine.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/connector.h"
#include "core/sync_source.h"

namespace tieline::steps {

// One argument of an action, as its manifest declares it.
struct Argument {
  std::string name;
  std::string type = "any";          // string, integer, number, boolean, object, array, any
  bool required = false;             // and without a default
  bool refused = false;              // declared only in order to say no to it
  std::vector<std::string> choices;  // of a string; empty: all
  bool names_argument = false;       // its value names another argument, which must be given
  std::string fallback;              // of one that names another; may be empty
};

struct ActionInfo {
  std::vector<Argument> arguments;
  bool other_arguments = false;  // takes names that are not declared
  ActionPtr action;  // bound to its connection; nullptr where that one's own file has errors, which were reported
};

class Actions {
 public:
  virtual ~Actions() = default;
  // The workspace's connections, by name, in order; those whose own file has errors too.
  virtual std::vector<std::string> connections() const = 0;
  // False for a connection that did not load: what is wrong was reported there, so nothing is said of its calls.
  virtual bool loaded(std::string_view connection) const = 0;
  // Empty unless the connection is loaded.
  virtual std::vector<std::string> resources(std::string_view connection) const = 0;
  virtual std::vector<std::string> actions(std::string_view connection, std::string_view resource) const = 0;
  virtual std::optional<ActionInfo> find(std::string_view connection, std::string_view resource,
                                         std::string_view action) const = 0;
  // The connection's resources that can be read again and again, and how; empty and null unless it is loaded.
  virtual std::vector<std::string> syncs(std::string_view /*connection*/) const { return {}; }
  virtual SyncSourcePtr sync(std::string_view /*connection*/, std::string_view /*resource*/) const { return nullptr; }
};

}  // namespace tieline::steps
