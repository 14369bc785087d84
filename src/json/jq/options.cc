#include "json/jq/options.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/text.h"
#include "json/jq/values.h"

namespace tieline::json::jq {

bool check_options(Machine& m, Node options, std::string_view function, std::span<const std::string_view> known) {
  const std::string name(function);
  if (!is_object(options)) {
    return m.fail_type(options, "are not the options of " + name + ", which are an object");
  }
  for (const Member& member : members_of(options)) {
    if (std::find(known.begin(), known.end(), member.key.view()) != known.end()) continue;
    const std::vector<std::string> names(known.begin(), known.end());
    const std::string hint = did_you_mean(member.key.view(), names);
    return m.fail(name + " has no option \"" + truncated(member.key.view(), 100) + '"' +
                  (hint.empty() ? "; it has " + join(names, ", ") : hint));
  }
  return true;
}

Node option(Node options, std::string_view name) {
  const Member* const found = is_object(options) ? find_member(options, name) : nullptr;
  return found == nullptr ? Node{} : found->value;
}

bool wrong_option(Machine& m, std::string_view function, std::string_view name, std::string_view what) {
  return m.fail(std::string(function) + ": the option " + std::string(name) + " is " + std::string(what));
}

bool flag_option(Machine& m, Node options, std::string_view function, std::string_view name, bool& value) {
  const Node given = option(options, name);
  if (given.kind == Kind::kNull) return true;
  if (given.kind != Kind::kBool) return wrong_option(m, function, name, "true or false");
  value = truthy(given);
  return true;
}

bool texts_option(Machine& m, Node options, std::string_view function, std::string_view name, Node& value) {
  const Node given = option(options, name);
  if (given.kind == Kind::kNull) return true;
  const bool texts = is_array(given) && std::all_of(given.elements, given.elements + given.length, is_string);
  if (!texts) return wrong_option(m, function, name, "an array of texts");
  value = given;
  return true;
}

}  // namespace tieline::json::jq
