// What is refused in a request, and the order of what is sent.
#include "http/request_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/text.h"

namespace tieline::http {
namespace {

constexpr auto kTokenChars = [] {
  std::array<bool, 256> out{};
  for (unsigned c = 0x21; c < 0x7f; ++c)
    out[c] = std::string_view("\"(),/:;<=>?@[\\]{}").find(static_cast<char>(c)) == std::string_view::npos;
  return out;
}();

bool is_token(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return kTokenChars[static_cast<unsigned char>(c)]; });
}

bool is_one_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

bool frames(std::string_view name) {
  return (name.size() == 14 && equals_ignore_case(name, "Content-Length")) ||
         (name.size() == 17 && equals_ignore_case(name, "Transfer-Encoding"));
}

struct Own {
  bool host = false, agent = false, accept = false;
};

Result<Own> check(const Request& request) {
  if (!is_token(request.method)) return failure(Code::kInvalid, "\"" + request.method + "\" is not an HTTP method");
  Own own;
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name)) return failure(Code::kInvalid, "\"" + name + "\" is not the name of a header");
    if (!is_one_line(value)) return failure(Code::kInvalid, "the header " + name + " has a line break in it");
    own.host = own.host || (name.size() == 4 && equals_ignore_case(name, "Host"));
    own.accept = own.accept || (name.size() == 6 && equals_ignore_case(name, "Accept"));
    own.agent = own.agent || (name.size() == 10 && equals_ignore_case(name, "User-Agent"));
  }
  return own;
}

void append_number(std::string& out, std::size_t number) {
  char digits[20];
  out.append(digits, std::to_chars(std::begin(digits), std::end(digits), number).ptr);
}

}  // namespace

bool sends_body(const Request& request) { return !request.body.empty() && request.method != "HEAD"; }

Result<void> append_request_head(std::string& out, const Request& request, const Url& url,
                                 std::string_view user_agent) {
  TRY(const Own own, check(request));
  const std::string& method = request.method;
  out.append(method).append(1, ' ');
  if (!url.target.starts_with('/')) out.append(1, '/');
  out.append(url.target).append(" HTTP/1.1\r\n");
  if (!own.host) {
    // A port that goes without saying is not said.
    const std::size_t colon = url.authority.rfind(':');
    const bool has_port = colon != std::string_view::npos && !url.authority.ends_with(']');
    out.append("Host: ").append(has_port && url.has_default_port() ? url.authority.substr(0, colon) : url.authority);
    out.append("\r\n");
  }
  if (!own.agent && !user_agent.empty()) out.append("User-Agent: ").append(user_agent).append("\r\n");
  if (!own.accept) out.append("Accept: */*\r\n");
  for (const auto& [name, value] : request.headers) {
    if (frames(name)) continue;
    out.append(name).append(trim(value).empty() ? ":" : ": ").append(trim(value).empty() ? "" : value).append("\r\n");
  }
  if (sends_body(request) || method == "POST" || method == "PUT" || method == "PATCH") {
    out.append("Content-Length: ");
    append_number(out, request.body.size());
    out.append("\r\n");
  }
  out.append("\r\n");
  return {};
}

}  // namespace tieline::http
