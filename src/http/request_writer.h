// The head of a request in HTTP/1.1. It must never let a method or a header end its line early.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "core/transport.h"
#include "http/url.h"

namespace tieline::http {

// Whether the request is sent with a body (of a HEAD never).
bool sends_body(const Request& request);

// Appends the request line, `Host`, `User-Agent` (unless empty), `Accept: */*`, each unless the request has its own,
// then its headers in their order, then the body's length. How the body is framed is ours: `Content-Length` and
// `Transfer-Encoding` of the request are left out. kInvalid: a method or header that cannot be sent.
Result<void> append_request_head(std::string& out, const Request& request, const Url& url, std::string_view user_agent);

}  // namespace tieline::http
