#include "workspace/settings.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "json/zone.h"

namespace tieline::workspace {
namespace {

std::optional<std::uint16_t> read_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

bool is_host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

bool is_ipv4(std::string_view host) {
  const std::vector<std::string_view> parts = split(host, '.');
  return parts.size() == 4 && std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
           const auto number = read_port(part);
           return number && *number <= 255 && (part == "0" || !part.starts_with('0'));
         });
}

bool is_loopback(std::string_view host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

std::optional<Address> read_address(const spec::Node& node, spec::Problems& problems) {
  const std::string& text = node.text();
  const auto refuse = [&]() {
    problems.error(node.place(), "expected HOST:PORT like 127.0.0.1:8080, found " +
                                     (node.is_scalar() ? "\"" + text + "\"" : std::string(node.kind_name())));
    return std::nullopt;
  };
  if (!node.is_scalar()) return refuse();
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return refuse();
  std::string host = text.substr(0, colon);
  const std::optional<std::uint16_t> port = read_port(std::string_view(text).substr(colon + 1));
  if (!port) return refuse();
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    const bool ipv6 = !host.empty() && host.find_first_not_of("0123456789abcdefABCDEF:.") == std::string::npos;
    if (!ipv6) return refuse();
  } else if (host.empty() || !std::all_of(host.begin(), host.end(), is_host_char)) {
    return refuse();
  } else if (host != "localhost" && !is_ipv4(host)) {
    problems.error(node.place(), "\"" + host + "\" is no address of this machine: write one of its IP addresses, " +
                                     "127.0.0.1 or 0.0.0.0 for all of them");
    return std::nullopt;
  }
  return Address{std::move(host), *port};
}

void check_public_url(const std::string& url, const Place& place, spec::Problems& problems) {
  const bool http = url.starts_with("http://") || url.starts_with("https://");
  const std::string_view rest = http ? std::string_view(url).substr(url.find("://") + 3) : std::string_view();
  if (!http || rest.empty() || rest.front() == '/') {
    problems.error(place, "\"" + url + "\" is not an address that vendors can call: write https://HOST");
  } else if (rest.find_first_of("?# ") != std::string_view::npos) {
    problems.error(
        place, "\"" + url + "\" has a query, a fragment or a space: write only https://HOST, with a path if need be");
  }
}

Place place_of(const spec::Node& node, std::string_view key) {
  const spec::Node* value = node.find(key);
  return value == nullptr ? node.place() : value->place();
}

}  // namespace

std::string Address::text() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

const spec::Custom<Address>& describe(const Address*) {
  static const spec::Custom<Address> custom{.what = "HOST:PORT like 127.0.0.1:8080",
                                            .word = "HOST:PORT",
                                            .schema = R"({"type": "string"})",
                                            .read = read_address,
                                            .print = [](const Address& address) { return address.text(); }};
  return custom;
}

const spec::Table<Listen>& describe(const Listen*) {
  static const auto table =
      spec::Table<Listen>("listen", "The addresses that Tieline listens on")
          .field("hooks", &Listen::hooks, {.doc = "Where vendors' webhooks come in", .example = "\"0.0.0.0:8080\""})
          .field("admin", &Listen::admin,
                 {.doc = "Where operators and the command line come in; keep it off the internet",
                  .example = "\"127.0.0.1:8081\""});
  return table;
}

const spec::Table<StoreSettings>& describe(const StoreSettings*) {
  static const auto table =
      spec::Table<StoreSettings>("store", "Where events and runs are kept")
          .field("url", &StoreSettings::url,
                 {.doc = "sqlite:DIRECTORY; a relative one is below the workspace",
                  .example = "\"sqlite:data\"",
                  .pattern = "^sqlite:.+"})
          .field("keep", &StoreSettings::keep,
                 {.doc = "How long finished events are kept; what dead, held or waiting runs need stays longer",
                  .example = "30d",
                  .min = "1h",
                  .max = "3650d"})
          .field("keep_payloads", &StoreSettings::keep_payloads,
                 {.doc = "How long the data of finished events is kept; what was done with them is seen as long as "
                         "`keep_history` says. Not longer than that",
                  .example = "7d",
                  .fallback = "`keep`",
                  .min = "1h",
                  .max = "3650d"})
          .field("keep_history", &StoreSettings::keep_history,
                 {.doc = "How long is kept what became of events: their runs, and every attempt",
                  .example = "90d",
                  .fallback = "`keep`",
                  .min = "1h",
                  .max = "3650d"})
          .field(
              "keep_dedupe", &StoreSettings::keep_dedupe,
              {.doc = "How long an event that comes again is known to be the same, whatever `keep` says. Vendors send "
                      "again for days",
               .example = "14d",
               .fallback = "7d",
               .min = "1h",
               .max = "365d"})
          .field(
              "keep_once", &StoreSettings::keep_once,
              {.doc = "How long a call with `once` is not made a second time, from when it was made. Not shorter than "
                      "`keep_history`",
               .example = "365d",
               .fallback = "90d, or `keep_history` if that is longer",
               .min = "1h",
               .max = "3650d"})
          .field("keep_index", &StoreSettings::keep_index,
                 {.doc = "How long a run is found by the keys of its flow's `index`. Not longer than `keep_history`",
                  .example = "30d",
                  .fallback = "`keep_history`",
                  .min = "1h",
                  .max = "3650d"})
          .field("max", &StoreSettings::max,
                 {.doc = "How much disk the store may take; the oldest finished events go first",
                  .example = "20GB",
                  .min = "256MB"})
          .field(
              "reserve", &StoreSettings::reserve,
              {.doc = "How much of the disk stays free: below it the oldest history goes before its time, below a "
                      "quarter of it webhooks are refused with 503 until there is room, below an eighth runs wait, too",
               .example = "1GB",
               .min = "16MiB",
               .max = "1TB"})
          .check([](const StoreSettings& store, const spec::Node& node, spec::Problems& problems) {
            if (store.payloads() > store.history())
              problems.error(place_of(node, "keep_payloads"),
                             "the data of events cannot outlive their history: make `keep_payloads` no longer than "
                             "`keep_history`");
            if (store.once() < store.history())
              problems.error(place_of(node, "keep_once"),
                             "a run that is replayed out of the history would make its call a second time: make "
                             "`keep_once` no shorter than `keep_history`");
            if (store.index() > store.history())
              problems.error(place_of(node, "keep_index"),
                             "a key that outlives the history leads to nothing: make `keep_index` no longer than "
                             "`keep_history`");
            if (store.dedupe() < StoreSettings::kLeastDedupe)
              problems.warning(
                  place_of(node, "keep_dedupe"),
                  "vendors send an event again for days when they got no answer: with less than 7d it may be "
                  "taken for a new one, and be delivered twice");
          });
  return table;
}

const spec::Table<Limits>& describe(const Limits*) {
  static const auto table =
      spec::Table<Limits>("limits", "Bounds of what the door accepts")
          .field("body", &Limits::body,
                 {.doc = "The largest request body; a larger one gets 413", .min = "1KiB", .max = "64MiB"})
          .field("headers", &Limits::headers,
                 {.doc = "The most that a request's headers may take; more gets 431", .min = "1KiB", .max = "1MiB"})
          .field(
              "depth", &Limits::depth,
              {.doc = "How deep a document's lists and maps may be nested; deeper gets 400", .min = "8", .max = "128"})
          .field("request", &Limits::request,
                 {.doc = "How long a sender may take for one request; slower gets 408", .min = "100ms", .max = "5m"});
  return table;
}

const spec::Table<Settings>& describe(const Settings*) {
  static const auto table =
      spec::Table<Settings>("tieline.yaml", "What one Tieline is told about itself")
          .field("listen", &Settings::listen, {.doc = "The addresses that Tieline listens on"})
          .field("public_url", &Settings::public_url,
                 {.doc = "The address that vendors sign and call", .example = "https://hooks.example.com"})
          .field("store", &Settings::store, {.doc = "Where events and runs are kept"})
          .field("zone", &Settings::zone,
                 {.doc = "The time zone that times without one are meant in", .example = "Europe/Berlin"})
          .field("variables", &Settings::variables,
                 {.doc = "Literal values that programs see as `$vars`", .example = "{ slack: { leads: C0123LEADS } }"})
          .field("ack_within", &Settings::ack_within,
                 {.doc = "A webhook that is not on disk after so long is answered with 503, so that the vendor sends "
                         "it again",
                  .example = "2s",
                  .min = "100ms",
                  .max = "1m"})
          .field("drain", &Settings::drain,
                 {.doc = "How long a stopping Tieline lets calls that are under way come to an end",
                  .min = "0s",
                  .max = "10m"})
          .field("limits", &Settings::limits, {.doc = "Bounds of what the door accepts"})
          .reserved("alerts", "Who is told of what goes wrong")
          .reserved("consumers", "Who may call the gateway")
          .reserved("environments", "Overlays for test and live systems")
          .reserved("gateway", "The one entry point for the company's APIs")
          .reserved("telemetry", "Where traces and metrics are sent")
          .reserved("topics", "Named streams of events inside Tieline")
          .reserved("users", "Who may see, replay, edit and authorize")
          .reserved("vault", "The encrypted store of secrets")
          .check([](const Settings& settings, const spec::Node& node, spec::Problems& problems) {
            if (!settings.public_url.empty())
              check_public_url(settings.public_url, place_of(node, "public_url"), problems);
            if (const auto zone = json::find_zone(settings.zone); !zone) {
              problems.error(place_of(node, "zone"), zone.error().message);
            }
            const Address& hooks = settings.listen.hooks;
            if (hooks == settings.listen.admin && hooks.port != 0) {
              problems.error(place_of(node, "listen"),
                             "`hooks` and `admin` have the same address: give each its own port");
            }
            const Address& admin = settings.listen.admin;
            if (!is_loopback(admin.host)) {
              const spec::Node* listen = node.find("listen");
              problems.warning(listen == nullptr ? node.place() : place_of(*listen, "admin"),
                               "the admin port has no login and shows what events hold: who reaches " + admin.text() +
                                   " reads them; listen on 127.0.0.1, or let nobody else through");
            }
            for (const auto& [name, value] : settings.variables) {
              if (value.has_programs()) {
                problems.error(value.node.place(),
                               "the variable \"" + name +
                                   "\" holds a program: workspace variables are literal; put quotes "
                                   "around a text that starts with `=`, or compute it in a `let` step");
              }
            }
          });
  return table;
}

}  // namespace tieline::workspace
