#include "connect/manifest_tables.h"

namespace tieline::connect {

std::string_view ActionSpec::method() const {
  if (get) return "GET";
  if (post) return "POST";
  if (put) return "PUT";
  return patch ? "PATCH" : "DELETE";
}

const Text& ActionSpec::path() const {
  if (get) return *get;
  if (post) return *post;
  if (put) return *put;
  return patch ? *patch : *remove;
}

const spec::Names<ArgType>& describe(const ArgType*) {
  static const spec::Names<ArgType> names{
      {ArgType::kString, "string"}, {ArgType::kInteger, "integer"},
      {ArgType::kNumber, "number"}, {ArgType::kBoolean, "boolean"},
      {ArgType::kArray, "array"},   {ArgType::kObject, "object"},
      {ArgType::kAny, "any"},       {ArgType::kRefused, "false", "refused, although \"*\" takes other names"}};
  return names;
}

const spec::Table<ArgSpec>& describe(const ArgSpec*) {
  static const auto table = [] {
    auto made = spec::Table<ArgSpec>("arg", "One argument of an action")
                    .field("type", &ArgSpec::type, {.doc = "What it is"})
                    .field("required", &ArgSpec::required, {.doc = "Must be given; so must every arg of the path"})
                    .field("names_arg", &ArgSpec::names_arg,
                           {.doc = "Its value is the name of another arg, which must then be given"})
                    .field("default", &ArgSpec::fallback, {.doc = "The value where none is given"})
                    .field("enum", &ArgSpec::choices, {.doc = "The values it may have"})
                    .field("pattern", &ArgSpec::pattern, {.doc = "What the text must match; anchor with ^ and $"})
                    .field("title", &ArgSpec::title, {.doc = "What it is, for people"})
                    .field("example", &ArgSpec::example, {.doc = "A value as it looks"})
                    .place(&ArgSpec::place)
                    .shorthand("type")
                    .check([](const ArgSpec& spec, const spec::Node& node, spec::Problems& problems) {
                      if (!spec.pattern.empty() && spec.type != ArgType::kString)
                        problems.error(node.place(), "`pattern` is for type: string");
                      if (spec.names_arg && spec.type != ArgType::kString)
                        problems.error(node.place(), "`names_arg` is for type: string");
                      bool programs = spec.fallback && spec.fallback->has_programs();
                      for (const spec::Data& choice : spec.choices) programs = programs || choice.has_programs();
                      if (programs) problems.error(node.place(), "`default` and `enum` hold values, not programs");
                    });
    for (const std::string_view name :
         {"items", "properties", "min", "max", "max_length", "format", "nullable", "dates"})
      std::move(made).reserved(name, "more of the argument's schema, later");
    return made;
  }();
  return table;
}

const spec::Table<IdempotencySpec>& describe(const IdempotencySpec*) {
  static const auto table =
      spec::Table<IdempotencySpec>("idempotency", "The vendor's key against doing one thing twice")
          .field("into", &IdempotencySpec::into,
                 {.doc = "Where the key goes", .example = "header.Idempotency-Key", .required = true})
          .field("max", &IdempotencySpec::max, {.doc = "The key's longest form, in characters", .min = "32"})
          .field("keep_for", &IdempotencySpec::keep_for, {.doc = "How long the vendor knows the key", .required = true})
          .reserved("shape", "The key as a UUID")
          .check([](const IdempotencySpec& spec, const spec::Node&, spec::Problems& problems) {
            const std::string& into = spec.into.value;
            if (into.starts_with("query.") || into.starts_with("body.") || into.starts_with("form.")) {
              problems.error(spec.into.place, "`into: " + into + "` is not available in this version",
                             Code::kUnsupported);
            } else if (!into.starts_with("header.") || into.size() == 7) {
              problems.error(spec.into.place, "expected header.NAME, found \"" + into + "\"");
            }
          });
  return table;
}

const spec::Table<FindSpec>& describe(const FindSpec*) {
  static const auto table =
      spec::Table<FindSpec>("find", "How to look whether an unanswered call happened")
          .field("if", &FindSpec::condition, {.doc = "Whether it can be looked for"})
          .field("call", &FindSpec::call, {.doc = "RESOURCE.ACTION; a safe one", .required = true})
          .field("with", &FindSpec::with, {.doc = "Its args", .text_is_program = true})
          .field("result", &FindSpec::result, {.doc = "The call's result, out of what was found", .fallback = "."});
  return table;
}

const spec::Table<MatchSpec>& describe(const MatchSpec*) {
  static const auto table =
      spec::Table<MatchSpec>("match", "Which answer is which item's: where both programs give the same")
          .field("item", &MatchSpec::item, {.doc = "Over an item of the request", .example = ".sku", .required = true})
          .field("answer", &MatchSpec::answer,
                 {.doc = "Over one of the answers", .example = ".reference", .required = true});
  return table;
}

const spec::Table<EachSpec>& describe(const EachSpec*) {
  static const auto table =
      spec::Table<EachSpec>("each", "The action takes several items in one request, and answers for each of them")
          .field("of", &EachSpec::of, {.doc = "The arg that holds them, a list", .example = "rows", .required = true})
          .field("max", &EachSpec::max, {.doc = "How many one request may have", .min = "1", .max = "10000"})
          .field("items", &EachSpec::items,
                 {.doc = "The list of answers, out of the whole answer's body", .example = ".results", .fallback = "."})
          .field("match", &EachSpec::match,
                 {.doc = "Which answer is which item's", .fallback = "they come in the items' order"})
          .field("ok", &EachSpec::ok,
                 {.doc = "Over one answer: whether the item went through", .fallback = "`status` is 2xx"})
          .field("status", &EachSpec::status,
                 {.doc = "Over one answer: a status like that of HTTP, which says what became of the item",
                  .fallback = "none: what did not go through is a validation error"})
          .field("error", &EachSpec::error, {.doc = "Over one answer: what was wrong", .fallback = "the answer itself"})
          .field("result", &EachSpec::result, {.doc = "Over one answer: what the item's call gives", .fallback = "."})
          .place(&EachSpec::place)
          .check([](const EachSpec& spec, const spec::Node& node, spec::Problems& problems) {
            if (!spec.ok && !spec.status)
              problems.error(node.place(), "`ok` or `status` is needed: nothing else tells what became of an item");
          });
  return table;
}

const spec::Custom<ResultSpec>& describe(const ResultSpec*) {
  static const spec::Custom<ResultSpec> custom{
      "a program, or a map of programs",
      "program or map of programs",
      R"({"type":["string","object"]})",
      [](const spec::Node& node, spec::Problems& problems) -> std::optional<ResultSpec> {
        ResultSpec out;
        if (node.is_map()) {
          auto keys = spec::parse<spec::Map<spec::ProgramText>>(node, problems);
          if (!keys) return std::nullopt;
          out.keys = std::move(*keys);
          return out;
        }
        out.whole = spec::parse<spec::ProgramText>(node, problems);
        return out.whole ? std::optional(std::move(out)) : std::nullopt;
      },
      {}};
  return custom;
}

const spec::Names<Returns>& describe(const Returns*) {
  static const spec::Names<Returns> names{{Returns::kOne, "one"}, {Returns::kList, "list"}, {Returns::kNone, "none"}};
  return names;
}

namespace {

void check_action(const ActionSpec& spec, const spec::Node& node, spec::Problems& problems) {
  const int methods = int{spec.get.has_value()} + int{spec.post.has_value()} + int{spec.put.has_value()} +
                      int{spec.patch.has_value()} + int{spec.remove.has_value()};
  if (methods != 1) problems.error(node.place(), "exactly one of get, post, put, patch, delete is needed");
  if (spec.safe.value_or(false) && spec.repeatable.value_or(false))
    problems.error(node.place(), "an action is safe or repeatable, not both");
}

}  // namespace

const spec::Table<ActionSpec>& describe(const ActionSpec*) {
  static const auto table = [] {
    auto made =
        spec::Table<ActionSpec>("action", "One thing a connection can be called for")
            .field("get", &ActionSpec::get, {.doc = "The path of a GET"})
            .field("post", &ActionSpec::post, {.doc = "The path of a POST"})
            .field("put", &ActionSpec::put, {.doc = "The path of a PUT"})
            .field("patch", &ActionSpec::patch, {.doc = "The path of a PATCH"})
            .field("delete", &ActionSpec::remove, {.doc = "The path of a DELETE"})
            .field("args", &ActionSpec::args, {.doc = "What it takes; \"*\" for all other names"})
            .field("query", &ActionSpec::query, {.doc = "The query", .text_is_program = true})
            .field("headers", &ActionSpec::headers, {.doc = "Headers of this action", .text_is_program = true})
            .field("body", &ActionSpec::body, {.doc = "The body, as JSON", .text_is_program = true})
            .field("form", &ActionSpec::form, {.doc = "The body, as a form", .text_is_program = true})
            .field("result", &ActionSpec::result, {.doc = "What the call gives", .fallback = "the body"})
            .field("returns", &ActionSpec::returns,
                   {.doc = "How much it gives", .fallback = "list with a paginate of its own, else one"})
            .field("safe", &ActionSpec::safe, {.doc = "It only reads", .fallback = "true for get"})
            .field("repeatable", &ActionSpec::repeatable,
                   {.doc = "Twice leaves what once leaves", .fallback = "true for put and delete"})
            .field("idempotency", &ActionSpec::idempotency, {.doc = "The vendor's key against doing it twice"})
            .field("find", &ActionSpec::find, {.doc = "How to look whether it happened"})
            .field("settle", &ActionSpec::settle, {.doc = "How long until find can see it"})
            .field("each", &ActionSpec::each, {.doc = "It takes several items in one request"})
            .field("bucket", &ActionSpec::bucket, {.doc = "The buckets it spends, by name", .one_or_list = true})
            .field("paginate", &ActionSpec::paginate, {.doc = "Over the connector's, or false"})
            .field("scopes", &ActionSpec::scopes, {.doc = "What the credentials must allow"})
            .place(&ActionSpec::place)
            .check(check_action);
    for (const std::string_view name : {"head", "title", "graphql", "soap", "text", "multipart", "async", "keep",
                                        "cost", "auth", "then", "accept", "timeout", "lock"})
      std::move(made).reserved(name, "more of an action, later");
    return made;
  }();
  return table;
}

}  // namespace tieline::connect
