// How the admin port says things, in JSON and with a status that fits; and what every request of a person has. It must
// never take a member of a wrong form for one that is not there.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "core/webhook.h"
#include "json/value.h"

namespace tieline::admin {

Reply json_text(int status, json::Value body);
// {"error", "code"}.
Reply error_reply(const Error& error);
Reply result_reply(const Result<json::Document>& result);

// Who decides, as the body's `by` says.
std::string by_of(json::Value body);
// False where there is no such member. kInvalid when it is not true or false.
Result<bool> flag(json::Value body, std::string_view key);

}  // namespace tieline::admin
