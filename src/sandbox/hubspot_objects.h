// HubSpot's objects as its double keeps them, and the search among them; private to that double. A search must never
// find what HubSpot would not, nor take a filter or an order that it does not know.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/value.h"

namespace tieline::sandbox {

struct HubspotObject {
  std::string id;
  std::map<std::string, std::string> properties;
  std::string created, updated;
};
using HubspotObjects = std::map<std::string, HubspotObject>;  // by id

// HubSpot keeps every property as text.
std::string hubspot_text(json::Value value);
std::size_t hubspot_number(std::string_view text, std::size_t otherwise);
// E-mail addresses are the same in whatever case.
bool has_property(const HubspotObject& object, std::string_view property, std::string_view value);

// Those that the body of a search asks for, in its order. kInvalid for a filter that this double does not know.
Result<std::vector<const HubspotObject*>> hubspot_search(const HubspotObjects& objects, json::Value body);

}  // namespace tieline::sandbox
