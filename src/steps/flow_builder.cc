#include "steps/flow_builder.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"
#include "json/program.h"

namespace tieline {
namespace {

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_char(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }

bool is_variable_name(std::string_view name) {
  return !name.empty() && is_name_start(name.front()) && std::all_of(name.begin(), name.end(), is_name_char);
}

// May `$name` stand in the text? Strings and comments count too, and a `$` with space behind it: a cheap first look.
bool mentions(std::string_view source, std::string_view name) {
  for (std::size_t at = source.find('$'); at != std::string_view::npos; at = source.find('$', at + 1)) {
    const std::string_view rest = source.substr(at + 1);
    if (!rest.empty() && (std::isspace(static_cast<unsigned char>(rest.front())) != 0 || rest.front() == '#'))
      return true;
    if (rest.starts_with(name) && (rest.size() == name.size() || !is_name_char(rest[name.size()]))) return true;
  }
  return false;
}

constexpr std::array<std::string_view, kFixedSlots> kFixedNames{"event", "vars", "flow", "run"};
// Names with a meaning of their own in the language, now or later.
constexpr std::array<std::string_view, 4> kReservedNames{"item", "index", "ENV", "__loc__"};

std::string position(const Place& place) { return "line " + std::to_string(place.line); }

const Place kInSource{"", 1, 1};

}  // namespace

FlowBuilder::FlowBuilder(std::span<const steps::BoundName> names, const steps::Actions& actions,
                         spec::Problems& problems, json::CompileOptions options)
    : actions_(actions), problems_(problems), options_(std::move(options)) {
  static_assert(kSlotEvent == 0 && kSlotVars == 1 && kSlotFlow == 2 && kSlotRun == 3);
  for (const std::string_view name : kFixedNames) {
    variables_.emplace_back(name);
    states_.push_back({.place = {}, .bound = true});
  }
  for (const steps::BoundName& bound : names) {
    const std::string name = bound.name;
    if (!bound.given && (std::find(kFixedNames.begin(), kFixedNames.end(), name) != kFixedNames.end() ||
                         std::find(kReservedNames.begin(), kReservedNames.end(), name) != kReservedNames.end())) {
      problems_.error(bound.place, "`$" + name + "` has a meaning of its own: bind another name");
      continue;
    }
    if (!is_variable_name(name)) {
      problems_.error(
          bound.place,
          "\"" + name + "\" cannot be a variable: a name has letters, digits and _, and starts with no digit");
      continue;
    }
    if (std::find(variables_.begin(), variables_.end(), name) != variables_.end()) continue;
    variables_.push_back(name);
    states_.push_back({.place = bound.place, .bound = false, .given = bound.given});
  }
}

std::shared_ptr<const json::Program> FlowBuilder::compile(const spec::ProgramText& text) {
  if (text.empty()) return nullptr;
  Result<std::unique_ptr<const json::Program>> program = json::compile(text.source, variables_, kInSource, options_);
  if (!program) {
    problems_.error(text.located(std::move(program.error())));
    return nullptr;
  }
  if (uses_unbound(text) || uses_secret(text)) return nullptr;
  for (std::size_t slot = 0; slot < kFixedSlots; ++slot) {
    visible_[slot] = visible_[slot] || mentions(text.source, kFixedNames[slot]);
  }
  static const std::vector<std::string> event_members{"id", "source", "type", "time",  "subject",
                                                      "op", "key",    "data", "batch", "topic"};
  warn_of_unknown_members(text, kSlotEvent, event_members);
  if (workspace_variables_) warn_of_unknown_members(text, kSlotVars, *workspace_variables_);
  return std::move(*program);
}

void FlowBuilder::warn_of_unknown_members(const spec::ProgramText& text, std::size_t slot,
                                          std::span<const std::string> known) {
  const std::string variable = "$" + variables_[slot], start = variable + ".";
  const std::string_view source = text.source;
  if (source.find("as " + variable) != std::string_view::npos) return;  // the program's own
  for (std::size_t at = source.find(start); at != std::string_view::npos; at = source.find(start, at + 1)) {
    const std::string_view rest = source.substr(at + start.size());
    const auto end = std::find_if_not(rest.begin(), rest.end(), is_name_char);
    const std::string name(rest.begin(), end);
    if (name.empty() || !is_name_start(name.front()) || std::ranges::find(known, name) != known.end()) continue;
    const std::string_view before = source.substr(0, at);
    const auto line = static_cast<std::uint32_t>(1 + std::ranges::count(before, '\n'));
    const std::string_view on_line = before.substr(before.rfind('\n') + 1);  // npos + 1 is 0
    const auto characters =
        std::ranges::count_if(on_line, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
    const std::string hint = did_you_mean(name, known);
    problems_.warning(text.in_file(line, static_cast<std::uint32_t>(1 + characters)),
                      "`" + variable + "` has no \"" + name + "\", so this is null" +
                          (hint.empty() && slot == kSlotVars ? ": write it to `variables:` of tieline.yaml" : hint));
  }
}

bool FlowBuilder::uses_unbound(const spec::ProgramText& text) {
  bool reported = false;
  for (std::size_t slot = kFixedSlots; slot < variables_.size(); ++slot) {
    if (states_[slot].bound) continue;
    std::optional<Error> use = use_of(text, slot);
    if (!use) continue;
    Error error = text.located(std::move(*use));
    const Place& bound_at = states_[slot].place;
    error.message = "`$" + variables_[slot] + "` is not bound yet: " + position(bound_at) +
                    " binds it, and steps see only what steps before them bound";
    if (states_[slot].given) error.message = "`$" + variables_[slot] + "` is there inside of a `foreach` only";
    if (states_[slot].beside)
      error.message = "`$" + variables_[slot] + "` is bound in another arm of the `parallel` (" + position(bound_at) +
                      "), which works at the same time: use it behind the `parallel`";
    problems_.error(std::move(error));
    reported = true;
  }
  return reported;
}

std::optional<Error> FlowBuilder::use_of(const spec::ProgramText& text, std::size_t slot) const {
  if (!mentions(text.source, variables_[slot])) return std::nullopt;
  // The name may be one that the program binds itself (`. as $x`): only a compilation without it can tell.
  std::vector<std::string> without = variables_;
  without[slot] = "__unbound";
  auto program = json::compile(text.source, without, kInSource, options_);
  return program ? std::nullopt : std::optional(std::move(program.error()));
}

bool FlowBuilder::uses_secret(const spec::ProgramText& text) {
  for (const std::string& name : secrets_) {
    if (secrets_allowed_ && trim(text.source) == "$" + name) continue;
    const auto slot = static_cast<std::size_t>(std::ranges::find(variables_, name) - variables_.begin());
    if (!use_of(text, slot)) continue;
    problems_.error(text.place(), "`$" + name +
                                      "` is a secret, which no program sees: pass it as a whole leaf of a "
                                      "call's `with`, as in `password: =$" +
                                      name + "`");
    return true;
  }
  return false;
}

std::optional<Template> FlowBuilder::compile_arguments(const spec::Data& with) {
  // A program in the place of the whole map is none of its leaves.
  secrets_allowed_ = with.kind == spec::Data::Kind::kMap;
  std::optional<Template> compiled = compile(with);
  secrets_allowed_ = false;
  return compiled;
}

std::optional<Template> FlowBuilder::compile(const spec::Data& data) {
  json::Builder literal;
  switch (data.kind) {
    case spec::Data::Kind::kNull: return Template::literal(literal.null().finish());
    case spec::Data::Kind::kBool: return Template::literal(literal.boolean(data.text == "true").finish());
    case spec::Data::Kind::kNumber: return Template::literal(literal.number(data.text).finish());
    case spec::Data::Kind::kText: return Template::literal(json::make_string(data.text));
    case spec::Data::Kind::kProgram: {
      auto program = compile(data.program);
      if (program == nullptr) return std::nullopt;
      return Template::program(std::move(program));
    }
    case spec::Data::Kind::kList: {
      std::vector<Template> items;
      for (const spec::Data& item : data.items) {
        if (std::optional<Template> compiled = compile(item)) items.push_back(std::move(*compiled));
      }
      if (items.size() != data.items.size()) return std::nullopt;
      return Template::list(std::move(items));
    }
    case spec::Data::Kind::kMap: {
      std::vector<std::pair<std::string, Template>> members;
      for (const auto& [key, value] : data.entries) {
        if (std::optional<Template> compiled = compile(value)) members.emplace_back(key, std::move(*compiled));
      }
      if (members.size() != data.entries.size()) return std::nullopt;
      return Template::map(std::move(members));
    }
  }
  return std::nullopt;
}

std::optional<std::size_t> FlowBuilder::slot_of(const std::string& name) const {
  const auto found = std::find(variables_.begin() + kFixedSlots, variables_.end(), name);
  if (found == variables_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - variables_.begin());
}

std::optional<std::size_t> FlowBuilder::bind(const steps::BoundName& name) {
  const std::optional<std::size_t> slot = slot_of(name.name);
  if (slot) states_[*slot].bound = true;
  return slot;
}

std::optional<steps::ActionInfo> FlowBuilder::resolve(const spec::At<std::string>& path) {
  const std::vector<std::string_view> parts = split(path.value, '.');
  if (parts.size() != 3 ||
      std::any_of(parts.begin(), parts.end(), [](std::string_view part) { return part.empty(); })) {
    problems_.error(path.place, "\"" + path.value + "\" is not a call: write CONNECTION.RESOURCE.ACTION");
    return std::nullopt;
  }
  const auto part_place = [&](std::size_t part) {
    Place place = path.place;
    place.column += static_cast<std::uint32_t>(parts[part].data() - path.value.data());
    return place;
  };
  const std::string connection(parts[0]);
  const std::vector<std::string> connections = actions_.connections();
  if (std::find(connections.begin(), connections.end(), connection) == connections.end()) {
    const std::string hint = did_you_mean(connection, connections);
    problems_.error(part_place(0), "there is no connection \"" + connection + "\"" +
                                       (hint.empty() ? ": write connections/" + connection + ".yaml" : hint));
    return std::nullopt;
  }
  connections_.insert(connection);
  if (!actions_.loaded(connection)) return std::nullopt;
  const auto unknown = [&](std::size_t part, std::string_view what, const std::vector<std::string>& names) {
    const std::string name(parts[part]);
    std::string message = "\"" + connection + "\" has no " + std::string(what) + " \"" + name + "\"";
    const std::string hint = did_you_mean(name, names);
    message += hint.empty() ? "; it has " + join(names, ", ") : hint;
    problems_.error(part_place(part), std::move(message));
  };
  const std::vector<std::string> resources = actions_.resources(connection);
  if (std::find(resources.begin(), resources.end(), parts[1]) == resources.end()) {
    unknown(1, "resource", resources);
    return std::nullopt;
  }
  std::optional<steps::ActionInfo> info = actions_.find(connection, parts[1], parts[2]);
  if (!info) unknown(2, "action", actions_.actions(connection, parts[1]));
  return info;
}

std::shared_ptr<const Step> FlowBuilder::build(const steps::StepSpec& spec) {
  const std::uint32_t number = steps_++, outer = std::exchange(holder_, number);
  if (number == kStepsMax)
    problems_.error(spec.place, "a flow has at most " + std::to_string(kStepsMax) + " steps, those inside others too");
  std::shared_ptr<const json::Program> condition;
  bool ok = true;
  if (!spec.condition.empty()) {
    condition = compile(spec.condition);
    ok = condition != nullptr;
  }
  std::shared_ptr<Step> step = spec.compile(*this);
  holder_ = outer;
  if (step == nullptr || !ok || !spec.whole) return nullptr;
  step->kind_ = spec.kind();
  step->name_ = spec.name;
  step->place_ = spec.place;
  step->condition_ = std::move(condition);
  step->size_ = steps_ - number;
  return step;
}

}  // namespace tieline
