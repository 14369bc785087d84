// Connections of the five manifests, for tests: bound with plain values, no file and no network. Only tests may include
// it.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "connect/catalog.h"

namespace tieline::connect {

inline std::optional<std::string> read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline const Catalog& catalog() {
  static const Catalog all;
  return all;
}

inline ConnectionSettings settings_of(const std::string& connector) {
  ConnectionSettings out;
  out.name = connector;
  if (connector == "hubspot") {
    out.auth_method = "private_app";
    out.auth_values = {{"token", "pat-1"}};
    out.webhook_secrets = {{"client_secret", "hush"}};
  } else if (connector == "shopify") {
    out.variables = {{"shop", "acme"}};
    out.auth_method = "access_token";
    out.auth_values = {{"token", "shpat-1"}};
    out.webhook_secrets = {{"client_secret", "hush"}};
  } else if (connector == "stripe") {
    out.auth_method = "key";
    out.auth_values = {{"key", "sk-live-1"}};
    out.webhook_secrets = {{"webhook_secret", "whsec-1"}};
  } else if (connector == "slack") {
    out.auth_method = "bot";
    out.auth_values = {{"token", "xoxb-1"}};
    out.webhook_secrets = {{"signing_secret", "8f742231b10e8888abcd99yyyzzz85a5"}};
  } else {
    out.variables = {{"base_url", "https://api.example.com/v1"}};
    out.auth_method = "header";
    out.auth_values = {{"name", "X-Api-Key"}, {"value", "key-1"}};
  }
  return out;
}

inline std::shared_ptr<const Connection> bound(const std::string& connector, const ConnectionSettings& settings) {
  auto connection = catalog().find(connector)->bind(settings);
  EXPECT_TRUE(connection.has_value()) << connection.error().text();
  return connection ? *connection : nullptr;
}

inline std::shared_ptr<const Connection> bound(const std::string& connector) {
  return bound(connector, settings_of(connector));
}

// "RESOURCE.ACTION" of a connection as settings_of makes it.
inline ActionPtr action_of(const std::string& connector, const std::string& name) {
  const std::size_t dot = name.find('.');
  return bound(connector)->action(name.substr(0, dot), name.substr(dot + 1));
}

inline json::Document doc(const std::string& text) {
  auto parsed = json::parse(text);
  EXPECT_TRUE(parsed.has_value()) << text;
  return parsed ? *parsed : json::Document();
}

inline Exchange answered(int status, std::string body, Headers headers = {}) {
  Exchange out;
  out.phase = Phase::kAnswered;
  out.response = {status, std::move(headers), std::move(body)};
  if (find_header(out.response.headers, "Content-Type").empty())
    out.response.headers.emplace_back("Content-Type", "application/json; charset=utf-8");
  return out;
}

inline constexpr Time kNow{Duration(1'790'000'000'000'000)};

}  // namespace tieline::connect
