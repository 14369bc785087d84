// How the admin port says things: JSON, and errors with a status that fits.
#pragma once

#include "base/result.h"
#include "core/webhook.h"
#include "json/value.h"

namespace tieline::admin {

Reply json_text(int status, json::Value body);
// {"error", "code"}.
Reply error_reply(const Error& error);
Reply result_reply(const Result<json::Document>& result);

}  // namespace tieline::admin
