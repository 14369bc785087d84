// Queries and form bodies as vendors read them. It must never fail: what cannot be decoded is left out.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json/value.h"

namespace tieline::sandbox {

// "a=1&b=2", decoded, in order.
std::vector<std::pair<std::string, std::string>> parse_form(std::string_view text);

// As nested values: "a[b]=1" is {"a": {"b": "1"}}, "a[]=1&a[]=2" is {"a": ["1", "2"]}. All leaves are text.
json::Document form_document(std::string_view text);

}  // namespace tieline::sandbox
