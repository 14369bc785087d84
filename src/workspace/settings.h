// tieline.yaml: what one Tieline is told about itself. Each option stands once, in the table; nothing else may list
// them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "spec/table.h"

namespace tieline::workspace {

// HOST:PORT; an IPv6 address stands in brackets. Port 0 takes any free one.
struct Address {
  std::string host;
  std::uint16_t port = 0;
  std::string text() const;
  friend bool operator==(const Address&, const Address&) = default;
};
const spec::Custom<Address>& describe(const Address*);

struct Listen {
  Address hooks{"0.0.0.0", 8080};
  Address admin{"127.0.0.1", 8081};
};
const spec::Table<Listen>& describe(const Listen*);

struct StoreSettings {
  std::string url = "sqlite:data";
  Duration keep = std::chrono::hours(24 * 30);
  // Clocks of their own; those that are not set follow `keep`, see below.
  std::optional<Duration> keep_payloads, keep_history, keep_dedupe, keep_once, keep_index;
  spec::Size max{20'000'000'000};
  spec::Size reserve{256 << 20};

  Duration payloads() const { return keep_payloads.value_or(std::min(keep, history())); }
  Duration history() const { return keep_history.value_or(keep); }
  Duration dedupe() const { return keep_dedupe.value_or(kLeastDedupe); }
  Duration once() const { return keep_once.value_or(std::max(history(), Duration(std::chrono::hours(24 * 90)))); }
  Duration index() const { return keep_index.value_or(history()); }
  // As long as vendors send an event again that was not answered.
  static constexpr Duration kLeastDedupe = std::chrono::hours(24 * 7);

  // The directory of `sqlite:DIRECTORY`, as written.
  std::string_view directory() const { return std::string_view(url).substr(std::string_view("sqlite:").size()); }
};
const spec::Table<StoreSettings>& describe(const StoreSettings*);

// Bounds of the door.
struct Limits {
  spec::Size body{1 << 20};
  spec::Size headers{32 << 10};
  std::int64_t depth = 128;
  Duration request = std::chrono::seconds(10);
};
const spec::Table<Limits>& describe(const Limits*);

struct Settings {
  Listen listen;
  std::string public_url;  // without a slash at the end; empty: vendors that sign the address cannot be verified
  StoreSettings store;
  std::string zone = "UTC";
  spec::Map<spec::Data> variables;
  Duration ack_within = std::chrono::seconds(2);
  Duration drain = std::chrono::seconds(30);
  Limits limits;
};
const spec::Table<Settings>& describe(const Settings*);

}  // namespace tieline::workspace
