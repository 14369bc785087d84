// What `check` can say of a call's arguments before there is any data: names, and the kinds of literals.
#include <algorithm>

#include "base/text.h"
#include "steps/flow_builder.h"

namespace tieline {
namespace {

using Kind = spec::Data::Kind;

// Could a literal of this kind be meant for an argument of this type? Numbers and booleans may stand for text: a
// vendor's ids are text that looks like a number.
bool fits(const spec::Data& value, std::string_view type) {
  const Kind kind = value.kind;
  if (type == "any" || kind == Kind::kProgram || kind == Kind::kNull) return true;
  if (type == "array") return kind == Kind::kList;
  if (type == "object") return kind == Kind::kMap;
  if (type == "boolean") return kind == Kind::kBool;
  if (type == "number") return kind == Kind::kNumber;
  if (type == "integer") return kind == Kind::kNumber && value.text.find_first_of(".eE") == std::string::npos;
  if (type == "string") return kind == Kind::kText || kind == Kind::kNumber || kind == Kind::kBool;
  return true;
}

std::string_view kind_words(Kind kind) {
  switch (kind) {
    case Kind::kNull: return "nothing";
    case Kind::kBool: return "a boolean";
    case Kind::kNumber: return "a number";
    case Kind::kText: return "text";
    case Kind::kProgram: return "a program";
    case Kind::kList: return "a list";
    case Kind::kMap: return "a map";
  }
  return "";
}

std::string with_article(std::string_view type) {
  const bool vowel = type.find_first_of("aeio") == 0;
  return (vowel ? "an " : "a ") + std::string(type);
}

// Where the key of each entry stands; the value's place for a tree that was never written.
Place key_place(const spec::Data& with, std::size_t index) {
  const auto entries = with.node.entries();
  return index < entries.size() ? entries[index].key_place : with.entries[index].value.node.place();
}

}  // namespace

void FlowBuilder::check_arguments(const spec::Data& with, const steps::ActionInfo& info,
                                  const spec::At<std::string>& call) {
  if (with.kind != Kind::kMap && with.kind != Kind::kNull) return;  // a program: known only when it runs
  std::vector<std::string> names;
  for (const steps::Argument& argument : info.arguments) {
    if (!argument.refused) names.push_back(argument.name);
  }
  for (std::size_t i = 0; i < with.entries.size(); ++i) {
    const std::string& name = with.entries[i].key;
    const spec::Data& value = with.entries[i].value;
    const auto argument = std::find_if(info.arguments.begin(), info.arguments.end(),
                                       [&](const steps::Argument& a) { return a.name == name; });
    if (argument == info.arguments.end() ? !info.other_arguments : argument->refused) {
      const std::string hint = did_you_mean(name, names);
      problems_.error(key_place(with, i),
                      "`" + call.value + "` takes no argument \"" + name + "\"" +
                          (hint.empty() && !names.empty() ? "; it takes " + join(names, ", ") : hint));
      continue;
    }
    if (argument == info.arguments.end()) continue;
    if (!fits(value, argument->type)) {
      problems_.error(value.node.place(), "\"" + name + "\" of `" + call.value + "` is " +
                                              with_article(argument->type) + ", not " +
                                              std::string(kind_words(value.kind)));
    } else if (value.kind == Kind::kText && !argument->choices.empty() &&
               std::find(argument->choices.begin(), argument->choices.end(), value.text) == argument->choices.end()) {
      problems_.error(value.node.place(), "\"" + name + "\" of `" + call.value + "` is one of " +
                                              join(argument->choices, ", ") +
                                              did_you_mean(value.text, argument->choices));
    }
  }
  for (const steps::Argument& argument : info.arguments) {
    const spec::Data* given = with.find(argument.name);
    const bool literal = given == nullptr || given->kind == Kind::kText;
    const std::string named = !argument.names_argument || !literal ? ""
                              : given == nullptr                   ? argument.fallback
                                                                   : given->text;
    if (!named.empty() && with.find(named) == nullptr)
      problems_.error(call.place, "`" + call.value + "` needs the argument \"" + named + "\", which its `" +
                                      argument.name + "` names: write `with: { " + named + ": … }`");
    if (!argument.required || argument.refused || with.find(argument.name) != nullptr) continue;
    problems_.error(call.place, "`" + call.value + "` needs the argument \"" + argument.name + "\": write `with: { " +
                                    argument.name + ": … }`");
  }
}

}  // namespace tieline
