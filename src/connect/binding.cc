#include "connect/binding.h"

#include <algorithm>

#include "base/check.h"

namespace tieline::connect {

std::optional<std::string> Binding::variable(std::string_view variable_name) const {
  const json::Value value = variables.root()[variable_name];
  return value.is_string() ? std::optional<std::string>(value.as_string()) : std::nullopt;
}

TextTemplate::Lookup Binding::variable_lookup() const {
  return [this](std::string_view one) { return variable(one); };
}

const std::vector<BoundSpend>& Binding::spends_of(const ActionPlan* action) const {
  const auto at = std::find_if(spends.begin(), spends.end(), [&](const auto& one) { return one.first == action; });
  CHECK(at != spends.end());
  return at->second;
}

std::string Binding::redacted(std::string text) const {
  constexpr std::string_view kHidden = "[redacted]";
  for (const std::string& secret : secrets) {
    // Behind what stands there now: a secret may be a part of it.
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + kHidden.size()))
      text.replace(at, secret.size(), kHidden);
  }
  return text;
}

}  // namespace tieline::connect
