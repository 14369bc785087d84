// A Reply as bytes on the wire. It must never let a header's value begin a line of its own.
#pragma once

#include <string>
#include <string_view>

#include "base/time.h"
#include "core/webhook.h"

namespace tieline::http {

struct ReplyFraming {
  bool head = false;  // the request was HEAD: Content-Length of the body, but no body
  bool keep_alive = true;
  bool http10 = false;    // an HTTP/1.0 client has to be told that the connection stays
  std::string_view date;  // as http_date() writes it
};

// Appends status line, headers and body. Content-Length, Connection, Date and Transfer-Encoding are ours: such headers
// of the reply are left out, as is a body with 1xx, 204 and 304.
void append_reply(std::string& out, const Reply& reply, const ReplyFraming& framing);

// "Mon, 23 Nov 2026 21:44:00 GMT" (RFC 9110 §5.6.7).
std::string http_date(Time time);

}  // namespace tieline::http
