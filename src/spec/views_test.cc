// What is made from a table without its type: schema, docs, redaction.
#include <gtest/gtest.h>

#include <algorithm>
#include <variant>

#include "spec/docs.h"
#include "spec/redact.h"
#include "spec/schema.h"
#include "spec/table.h"

namespace tieline::spec::shop {

using namespace std::chrono_literals;

enum class Mode { kLive, kShadow, kMirror };
struct Limit {
  Rate rate;
  std::string unit = "requests";
};
struct Login {
  SecretRef token;
  std::string password;
  std::string user;
};
struct Shop {
  std::string name;
  Mode mode = Mode::kLive;
  std::vector<Limit> limits;
  std::vector<std::string> events;
  Duration timeout = 30s;
  Map<SecretRef> keys;
  std::optional<Login> login;
  Data with;
  std::vector<Shop> branches;
};
struct Call {
  std::string call;
  std::string pin;
};
struct Wait {
  Duration wait{};
  std::string pin;
};
struct Step {
  std::variant<Call, Wait> kind;
};
struct Flow {
  std::vector<Step> steps;
};

const Names<Mode>& describe(const Mode*) {
  static const Names<Mode> names{
      {Mode::kLive, "live"}, {Mode::kShadow, "shadow", "sends nothing"}, {Mode::kMirror, "mirror", "", true}};
  return names;
}
const Table<Limit>& describe(const Limit*) {
  static const auto table =
      Table<Limit>("limit", "What the vendor allows")
          .field("rate", &Limit::rate, {.doc = "So many per so long", .example = "90/10s", .required = true})
          .field("unit", &Limit::unit, {.doc = "What is counted", .pattern = "^(a|b)"})
          .shorthand("rate");
  return table;
}
const Table<Login>& describe(const Login*) {
  static const auto table =
      Table<Login>("login", "How to get in")
          .field("token", &Login::token, {.doc = "Where the token is kept"})
          .field("password", &Login::password, {.doc = "The password", .example = "hunter2", .secret = true})
          .field("user", &Login::user, {.doc = "Who"})
          .shorthand("password");
  return table;
}
const Table<Shop>& describe(const Shop*) {
  static const auto table =
      Table<Shop>("shop", "A shop")
          .field("name", &Shop::name, {.doc = "What it is called", .example = "north", .required = true})
          .field("mode", &Shop::mode, {.doc = "Whether it sends"})
          .field("limits", &Shop::limits, {.doc = "Its limits", .one_or_list = true})
          .field("events", &Shop::events, {.doc = "What it hears", .one_or_list = true})
          .field("timeout", &Shop::timeout, {.doc = "How long an answer may take", .min = "1s", .max = "10m"})
          .field("keys", &Shop::keys, {.doc = "Its keys"})
          .field("login", &Shop::login, {.doc = "How to get in"})
          .field("with", &Shop::with, {.doc = "What is sent"})
          .field("branches", &Shop::branches, {.doc = "Shops below it"})
          .reserved("twin", "A second one");
  return table;
}
const Table<Call>& describe(const Call*) {
  static const auto table = Table<Call>("call", "Calls")
                                .field("call", &Call::call, {.doc = "What"})
                                .field("pin", &Call::pin, {.secret = true});
  return table;
}
const Table<Wait>& describe(const Wait*) {
  static const auto table =
      Table<Wait>("wait", "Waits").field("wait", &Wait::wait, {.doc = "How long"}).field("pin", &Wait::pin);
  return table;
}
const Union<Step>& describe(const Step*) {
  static const auto steps = Union<Step>("step", "One thing a flow does")
                                .kind<Call>("call")
                                .kind<Wait>("wait")
                                .reserved("approve", "A person");
  return steps;
}
const Table<Flow>& describe(const Flow*) {
  static const auto table = Table<Flow>("flow", "Steps in order").field("steps", &Flow::steps, {.doc = "The steps"});
  return table;
}

}  // namespace tieline::spec::shop

namespace tieline::spec {
namespace {

const TableInfo& shop() { return description_of<shop::Shop>(); }
const TableInfo& flow() { return description_of<shop::Flow>(); }

TEST(Docs, AreWrittenFromTheTable) {
  EXPECT_EQ(reference_docs(shop()), R"(## shop

A shop.

| field | type | default | limits | meaning | example |
| --- | --- | --- | --- | --- | --- |
| `name` | text | required |  | What it is called | `north` |
| `mode` | name | `live` | `live`, `shadow` (sends nothing) | Whether it sends |  |
| `limits` | [limit](#limit) or list of [limit](#limit) |  |  | Its limits |  |
| `events` | text or list of text |  |  | What it hears |  |
| `timeout` | duration | `30s` | 1s to 10m | How long an answer may take |  |
| `keys` | map of secret |  |  | Its keys |  |
| `login` | [login](#login) |  |  | How to get in |  |
| `with` | data |  |  | What is sent |  |
| `branches` | list of [shop](#shop) |  |  | Shops below it |  |

Not available in this version: `twin` (A second one).

## limit

What the vendor allows.
A value that is not a map is its `rate`.

| field | type | default | limits | meaning | example |
| --- | --- | --- | --- | --- | --- |
| `rate` | rate | required |  | So many per so long | `90/10s` |
| `unit` | text | `requests` | `^(a\|b)` | What is counted |  |

## login

How to get in.
A value that is not a map is its `password`.

| field | type | default | limits | meaning | example |
| --- | --- | --- | --- | --- | --- |
| `token` | secret |  |  | Where the token is kept |  |
| `password` | text, secret |  |  | The password |  |
| `user` | text |  |  | Who |  |
)");
  EXPECT_EQ(reference_docs(flow(), 1), R"(# flow

Steps in order.

| field | type | default | limits | meaning | example |
| --- | --- | --- | --- | --- | --- |
| `steps` | list of [step](#step) |  |  | The steps |  |

# step

One thing a flow does. Exactly one of these keys says what it is:

- `call`: [call](#call). Calls.
- `wait`: [wait](#wait). Waits.

Not available in this version: `approve` (A person).

# call

Calls.

| field | type | default | limits | meaning | example |
| --- | --- | --- | --- | --- | --- |
| `call` | text |  |  | What |  |
| `pin` | text, secret |  |  |  |  |

# wait

Waits.

| field | type | default | limits | meaning | example |
| --- | --- | --- | --- | --- | --- |
| `wait` | duration | `0s` |  | How long |  |
| `pin` | text |  |  |  |  |
)");
}

TEST(Schema, IsWrittenFromTheTable) {
  const std::string schema = json_schema(flow(), "https://example.com/flow.json");
  EXPECT_EQ(schema, R"({
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "https://example.com/flow.json",
  "title": "flow",
  "$ref": "#/$defs/flow",
  "$defs": {
    "flow": {
      "description": "Steps in order",
      "type": [
        "object",
        "null"
      ],
      "properties": {
        "steps": {
          "type": "array",
          "items": {
            "anyOf": [
              {
                "$ref": "#/$defs/call",
                "required": [
                  "call"
                ]
              },
              {
                "$ref": "#/$defs/wait",
                "required": [
                  "wait"
                ]
              }
            ]
          },
          "description": "The steps"
        }
      },
      "additionalProperties": false
    },
    "call": {
      "description": "Calls",
      "type": [
        "object",
        "null"
      ],
      "properties": {
        "call": {
          "type": [
            "string",
            "number",
            "boolean"
          ],
          "description": "What"
        },
        "pin": {
          "type": [
            "string",
            "number",
            "boolean"
          ]
        }
      },
      "additionalProperties": false
    },
    "wait": {
      "description": "Waits",
      "type": [
        "object",
        "null"
      ],
      "properties": {
        "wait": {
          "anyOf": [
            {
              "type": "string",
              "pattern": "^[0-9]+(us|ms|s|m|h|d)$"
            },
            {
              "const": 0
            }
          ],
          "description": "How long. Default: 0s"
        },
        "pin": {
          "type": [
            "string",
            "number",
            "boolean"
          ]
        }
      },
      "additionalProperties": false
    }
  }
}
)");
}

TEST(Schema, IsJsonAndKeepsSecretsOut) {
  const std::string schema = json_schema(shop(), "https://example.com/shop.json");
  const auto document = json::parse(schema);
  ASSERT_TRUE(document.has_value()) << document.error().text();
  const json::Value defs = document->root()["$defs"];
  EXPECT_EQ(json::print(defs["limit"]["anyOf"].at(0)["required"]), "[\"rate\"]");
  EXPECT_EQ(json::print(defs["shop"]["properties"]["mode"]["enum"]), "[\"live\",\"shadow\"]");
  EXPECT_EQ(defs["shop"]["properties"]["timeout"]["description"].as_string(),
            "How long an answer may take. Default: 30s");
  EXPECT_FALSE(defs["shop"]["properties"].has("twin"));
  EXPECT_EQ(schema.find("hunter2"), std::string::npos);
}

constexpr const char* kShop = R"(name: north
tokn: SECRET1
keys: { a: secret:x, b: SECRET2, c: [SECRET3], d: { e: SECRET4 } }
login: { token: SECRET5, password: SECRET6, user: ann, pasword: SECRET7 }
with: { a: =.x, b: [1, text] }
limits: [ 90/10s, { rate: 1/s, uint: SECRET8 } ]
branches:
  - { name: south, login: SECRET9 }
  - { name: { deep: SECRETa }, login: [ SECRETb ] }
twin: { of: SECRETc }
)";

TEST(Redact, LetsNoSecretSurvive) {
  Problems problems;
  const auto node = parse_yaml(kShop, "f", problems);
  ASSERT_TRUE(node.has_value()) << problems.text();
  const std::string text = print_yaml(redacted(shop(), *node));
  EXPECT_EQ(text, R"(name: north
tokn: '[redacted]'
keys:
  a: 'secret:x'
  b: '[redacted]'
  c:
    - '[redacted]'
  d:
    e: '[redacted]'
login:
  token: '[redacted]'
  password: '[redacted]'
  user: ann
  pasword: '[redacted]'
with:
  a: =.x
  b:
    - 1
    - text
limits:
  - 90/10s
  -
    rate: 1/s
    uint: '[redacted]'
branches:
  -
    name: south
    login: '[redacted]'
  -
    name:
      deep: '[redacted]'
    login:
      - '[redacted]'
twin:
  of: '[redacted]'
)");
  EXPECT_TRUE(parse_yaml(text, "f", problems).has_value()) << problems.text();
}

TEST(Redact, WorksOnJsonToo) {
  const auto document = json::parse(R"({"name":"north","tokn":"SECRET1","keys":{"a":"env:X","b":"SECRET2"},
    "login":{"password":123456,"user":"ann"},"with":{"a":1.10,"b":null},"branches":[{"login":"SECRET3"}]})");
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(
      json::print(redacted(shop(), document->root()).root()),
      R"({"name":"north","tokn":"[redacted]","keys":{"a":"env:X","b":"[redacted]"},"login":{"password":"[redacted]",)"
      R"("user":"ann"},"with":{"a":1.10,"b":null},"branches":[{"login":"[redacted]"}]})");
}

TEST(Redact, GoesByTheKindOfAUnion) {
  Problems problems;
  const auto node = parse_yaml("steps: [ { call: x, pin: 1 }, { wait: 5s, pin: 2 }, { call: x, wait: 5s, pin: 3 }, 4 ]",
                               "f", problems);
  ASSERT_TRUE(node.has_value());
  EXPECT_EQ(print_yaml(redacted(flow(), *node)), R"(steps:
  -
    call: x
    pin: '[redacted]'
  -
    wait: 5s
    pin: 2
  -
    call: '[redacted]'
    wait: '[redacted]'
    pin: '[redacted]'
  - '[redacted]'
)");
}

}  // namespace
}  // namespace tieline::spec
