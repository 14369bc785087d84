#include "admin/api_reply.h"

namespace tieline::admin {
namespace {

int status_of(Code code) {
  switch (code) {
    case Code::kInvalid: return 400;
    case Code::kDenied: return 403;
    case Code::kNotFound: return 404;
    case Code::kConflict: return 409;
    case Code::kUnavailable:
    case Code::kFull: return 503;
    case Code::kTimeout: return 504;
    default: return 500;
  }
}

}  // namespace

Reply json_text(int status, json::Value body) {
  return {.status = status, .headers = {{"Content-Type", "application/json"}}, .body = json::print(body) + "\n"};
}

Reply error_reply(const Error& error) {
  json::Builder out;
  out.begin_object().key("error").string(error.message).key("code").string(code_name(error.code)).end_object();
  return json_text(status_of(error.code), out.finish().root());
}

Reply result_reply(const Result<json::Document>& result) {
  return result ? json_text(200, result->root()) : error_reply(result.error());
}

std::string by_of(json::Value body) {
  const std::string_view by = body["by"].as_string();
  return std::string(by.empty() ? "a person at the admin port" : by);
}

Result<bool> flag(json::Value body, std::string_view key) {
  const json::Value value = body[key];
  if (value.is_null() || value.kind() == json::Kind::kBool) return value.as_bool();
  return failure(Code::kInvalid, std::string(key) + " is true or false");
}

}  // namespace tieline::admin
