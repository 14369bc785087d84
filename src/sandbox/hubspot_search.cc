#include <algorithm>
#include <charconv>
#include <optional>

#include "base/text.h"
#include "base/time.h"
#include "sandbox/hubspot_objects.h"

namespace tieline::sandbox {
namespace {

// What is compared by size: a number, or a moment in milliseconds since 1970.
std::optional<double> size_of(std::string_view text) {
  if (const auto time = parse_time(text)) return static_cast<double>(to_unix_us(*time)) / 1000;
  double value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failed == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::string_view property_of(const HubspotObject& object, std::string_view name) {
  const auto found = object.properties.find(std::string(name));
  return found == object.properties.end() ? std::string_view() : std::string_view(found->second);
}

// True or false; nothing for an operator that this double does not know.
std::optional<bool> fits(const HubspotObject& object, json::Value filter) {
  const std::string_view property = filter["propertyName"].as_string(), how = filter["operator"].as_string();
  const bool known = object.properties.contains(std::string(property));
  if (how == "EQ") return has_property(object, property, hubspot_text(filter["value"]));
  if (how == "NEQ") return !has_property(object, property, hubspot_text(filter["value"]));
  if (how == "HAS_PROPERTY") return known;
  if (how == "NOT_HAS_PROPERTY") return !known;
  if (how == "IN") {
    for (const json::Value value : filter["values"].elements()) {
      if (has_property(object, property, hubspot_text(value))) return true;
    }
    return false;
  }
  if (how != "GTE" && how != "GT" && how != "LTE" && how != "LT") return std::nullopt;
  const auto mine = size_of(property_of(object, property)), other = size_of(hubspot_text(filter["value"]));
  if (!mine || !other) return false;
  if (*mine == *other) return how.size() == 3;
  return how.starts_with('G') == (*mine > *other);
}

// Any group of filters, all filters of a group.
std::optional<bool> fits_any(const HubspotObject& object, json::Value groups) {
  if (groups.size() == 0) return true;
  for (const json::Value group : groups.elements()) {
    bool all = true;
    for (const json::Value filter : group["filters"].elements()) {
      const auto one = fits(object, filter);
      if (!one) return std::nullopt;
      all = all && *one;
    }
    if (all) return true;
  }
  return false;
}

}  // namespace

std::string hubspot_text(json::Value value) {
  return value.is_string() ? std::string(value.as_string()) : value.is_null() ? "" : json::print(value);
}

std::size_t hubspot_number(std::string_view text, std::size_t otherwise) {
  std::size_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failed == std::errc() && end == text.data() + text.size() ? value : otherwise;
}

bool has_property(const HubspotObject& object, std::string_view property, std::string_view value) {
  const auto found = object.properties.find(std::string(property));
  if (found == object.properties.end()) return false;
  return property == "email" ? equals_ignore_case(found->second, value) : found->second == value;
}

Result<std::vector<const HubspotObject*>> hubspot_search(const HubspotObjects& objects, json::Value body) {
  std::vector<const HubspotObject*> found;
  for (const auto& [id, object] : objects) {
    const auto wanted = fits_any(object, body["filterGroups"]);
    if (!wanted)
      return failure(Code::kInvalid,
                     "this double searches with EQ, NEQ, IN, GT, GTE, LT, LTE, HAS_PROPERTY and NOT_HAS_PROPERTY only");
    if (*wanted) found.push_back(&object);
  }
  // A sort that is a text, as the specification has it, does nothing at HubSpot.
  const json::Value sort = body["sorts"].at(0);
  const std::string_view by = sort["propertyName"].as_string();
  if (by.empty()) return found;
  const bool down = sort["direction"].as_string() == "DESCENDING";
  std::ranges::stable_sort(found, [&](const HubspotObject* a, const HubspotObject* b) {
    if (down) std::swap(a, b);
    const std::string_view x = property_of(*a, by), y = property_of(*b, by);
    const auto m = size_of(x), n = size_of(y);
    return m && n ? *m < *n : x < y;
  });
  return found;
}

}  // namespace tieline::sandbox
