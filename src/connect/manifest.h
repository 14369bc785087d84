// A manifest as it was written: the model of docs/manifests.md, read by field descriptors and by nothing else. It holds
// texts and places only; connector.h makes something that runs of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "core/category.h"
#include "core/sync_source.h"
#include "spec/table.h"

namespace tieline::connect {

using Text = spec::At<std::string>;  // a template, or a literal whose place a message needs

struct VariableSpec {
  std::string title, example, pattern;
  std::optional<std::string> fallback;
  std::vector<std::string> choices;
  bool optional = false;
  Place place;
};

struct BasicSpec {
  Text user, password;
};

enum class Grant : std::uint8_t { kAuthorizationCode };
enum class ClientAuth : std::uint8_t { kBasic, kBody };
enum class Refresh : std::uint8_t { kNone, kReusable, kRotating, kMaybeRotating };
struct OAuth2Spec {
  Grant grant = Grant::kAuthorizationCode;
  Text authorize, token;
  ClientAuth client_auth = ClientAuth::kBasic;
  std::vector<std::string> scopes;
  Refresh refresh = Refresh::kMaybeRotating;
  std::string expires = "unknown";
};

struct AuthSpec {
  std::optional<Text> bearer;
  std::optional<BasicSpec> basic;
  spec::Map<Text> header;
  std::optional<OAuth2Spec> oauth2;
  Place place;
};

// A number or rate, or one for each value of a variable: `{by: plan, standard: 2/s, plus: 20/s}`.
template <class X>
struct Chosen {
  std::optional<X> fixed;
  std::string by;
  spec::Map<X> values;
  Place place;
};
using ChosenRate = Chosen<spec::Rate>;
using ChosenCount = Chosen<std::uint32_t>;

enum class Unit : std::uint8_t { kRequests, kPoints };
enum class Window : std::uint8_t { kRolling, kFixed };
enum class SharedWith : std::uint8_t { kNobody, kOutside };
enum class Applies : std::uint8_t { kRest, kNamed, kEvery };
struct LimitSpec {
  std::string name;
  Unit unit = Unit::kRequests;
  std::optional<ChosenRate> rate, restore;
  std::optional<ChosenCount> burst, concurrent;
  Window window = Window::kRolling;
  std::vector<Text> per;
  Applies applies = Applies::kRest;
  SharedWith shared_with = SharedWith::kNobody;
  std::optional<Text> zone;
  double estimate = 1;
  std::optional<spec::ProgramText> actual, observe;
  Place place;
};

// 429, or a class like 4xx.
struct StatusMatch {
  int first = 0, last = 0;
  bool matches(int status) const { return status >= first && status <= last; }
};
enum class Judgement : std::uint8_t {
  kTransient,
  kRateLimited,
  kAuth,
  kConflict,
  kValidation,
  kPermanent,
  kMissing,
  kUnknown,
};
struct RuleSpec {
  std::vector<StatusMatch> status;
  std::vector<std::string> code;
  std::optional<spec::ProgramText> when, wait, message;
  Judgement as = Judgement::kTransient;
  std::optional<Text> bucket;
  Place place;
};
struct ErrorsSpec {
  std::optional<spec::ProgramText> message, code;
  std::vector<RuleSpec> rules;
};

struct PaginateSpec {
  std::optional<Text> cursor;  // "query.NAME"
  std::optional<spec::ProgramText> from, items, more;
  std::optional<std::string> link;
  std::optional<Text> limit;
  std::optional<std::int64_t> size;
  Place place;
};
// An action's own: a map over the connector's, or false.
struct ActionPaginate {
  bool off = false;
  PaginateSpec own;
};

enum class ArgType : std::uint8_t { kString, kInteger, kNumber, kBoolean, kArray, kObject, kAny, kRefused };
struct ArgSpec {
  ArgType type = ArgType::kAny;
  bool required = false;
  bool names_arg = false;
  std::optional<spec::Data> fallback;
  std::vector<spec::Data> choices;
  std::string pattern, title, example;
  Place place;
};

struct IdempotencySpec {
  Text into;
  std::uint32_t max = 64;
  Duration keep_for{0};
};
struct FindSpec {
  std::optional<spec::ProgramText> condition;
  Text call;
  std::optional<spec::Data> with;
  std::optional<spec::ProgramText> result;
};

// Of an action that takes several items in one request: where they are, and what its answer says of each.
struct MatchSpec {
  spec::ProgramText item, answer;
};
struct EachSpec {
  Text of;  // an arg
  std::uint32_t max = 100;
  std::optional<spec::ProgramText> items, ok, status, error, result;
  std::optional<MatchSpec> match;
  Place place;
};

// A program, or a program for each key.
struct ResultSpec {
  std::optional<spec::ProgramText> whole;
  spec::Map<spec::ProgramText> keys;
};

enum class Returns : std::uint8_t { kOne, kList, kNone };
struct ActionSpec {
  std::optional<Text> get, post, put, patch, remove;
  spec::Map<ArgSpec> args;
  std::optional<spec::Data> query, headers, body, form;
  std::optional<ResultSpec> result;
  std::optional<Returns> returns;
  std::optional<bool> safe, repeatable;
  std::optional<IdempotencySpec> idempotency;
  std::optional<FindSpec> find;
  std::optional<EachSpec> each;
  Duration settle{0};
  std::vector<Text> bucket;
  std::optional<ActionPaginate> paginate;
  std::vector<std::string> scopes;
  Place place;

  std::string_view method() const;  // "GET", …
  const Text& path() const;
};

// A call that a reading begins with: NAME of the same resource, or RESOURCE.ACTION.
struct ReadingSpec {
  Text call;
  std::optional<spec::Data> with;
};
enum class ChangesOrder : std::uint8_t { kNone, kUpdated };
struct SyncSpec {
  std::optional<ReadingSpec> all, changes;
  Duration overlap{300'000'000};
  ChangesOrder order = ChangesOrder::kNone;
  Deletions deletions = Deletions::kNone;
};
struct ResourceSpec {
  spec::Map<ActionSpec> actions;
  std::optional<spec::ProgramText> id, updated, version, deleted;
  std::optional<SyncSpec> sync;
};

enum class Decode : std::uint8_t { kJson, kAny };
enum class TimestampUnit : std::uint8_t { kSeconds, kMilliseconds };
struct TimestampSpec {
  std::optional<Text> header;
  std::optional<std::string> pair;
  TimestampUnit unit = TimestampUnit::kSeconds;
  Duration tolerance{300'000'000};
};
enum class KeyForm : std::uint8_t { kText, kWhsec };
const spec::Names<KeyForm>& describe(const KeyForm*);
struct SchemeSpec {
  std::string name;
  std::optional<Text> hmac, token;
  Text encoding, header, prefix;
  std::optional<std::string> pair, split;
  std::optional<Text> over;
  std::vector<std::string> keys;
  KeyForm key_as = KeyForm::kText;
  std::optional<TimestampSpec> timestamp;
  Place place;
};
struct HandshakeReply {
  int status = 200;
  std::optional<spec::Data> json;
};
struct HandshakeSpec {
  std::optional<spec::ProgramText> when;
  HandshakeReply reply;
};
struct EventSpec {
  std::optional<spec::ProgramText> id, type, time, subject, op;
};
struct WebhooksSpec {
  Decode decode = Decode::kJson;
  std::vector<SchemeSpec> verify;
  std::optional<HandshakeSpec> handshake;
  std::optional<spec::ProgramText> split;
  EventSpec event;
  Place place;
};

struct HealthSpec {
  Text call;
  std::string proves;
};

struct Manifest {
  Text connector;
  std::string title, category, docs;
  std::optional<std::string> version;
  spec::Map<VariableSpec> variables;
  std::optional<Text> base_url;
  spec::Map<Text> headers;
  spec::Map<AuthSpec> auth;
  std::vector<LimitSpec> limits;
  ErrorsSpec errors;
  std::optional<PaginateSpec> paginate;
  spec::Map<ResourceSpec> resources;
  std::optional<WebhooksSpec> webhooks;
  std::optional<HealthSpec> health;
};

// The descriptors, for parsing, schema and reference docs.
const spec::Table<Manifest>& describe(const Manifest*);

// What the tables alone can check; connector.h does the rest. Nothing after reporting.
std::optional<Manifest> parse_manifest(std::string text, std::string file, spec::Problems& problems);

}  // namespace tieline::connect
