// Values as they stand in a URL or a form, and the parts of a URL that paging needs. Nothing here may leave a character
// unescaped that would begin another field.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "json/value.h"

namespace tieline::connect {

// A text as it is, a number or boolean as JSON spells it; nothing for null, a list or an object.
std::optional<std::string> scalar_text(json::Value value);

// `a=1&b=2` of an object (docs/manifests.md §6.2); kInvalid unless it is an object or null.
Result<std::string> encode_query(json::Value object);
// `a=1&b[c][0]=2` of an object; a space is `+`.
Result<std::string> encode_form(json::Value object);

// Scheme, host and port of an absolute http(s) URL, in lower case, with the port always there; nothing for all else,
// userinfo, white space and backslashes included.
std::optional<std::string> url_origin(std::string_view url);
// The decoded value of the first query entry `name`.
std::optional<std::string> url_query_value(std::string_view url, std::string_view name);
// The same URL with exactly one entry `name`, at its end.
std::string url_with_query(std::string_view url, std::string_view name, std::string_view value);

// The target of the first link of relation `rel` in a Link header (RFC 8288 §3); nothing when there is none.
std::optional<std::string> link_target(std::string_view header, std::string_view rel);

}  // namespace tieline::connect
