#include "connect/manifest_program.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "connect/program_text.h"
#include "json/program.h"

namespace tieline::connect {
namespace {

constexpr std::size_t kRememberedMax = 256;
constexpr std::size_t kRememberedTextMax = 256;

using Outcome = Result<std::optional<json::Document>>;

struct Slot {
  std::string_view name;
  bool in_webhooks, in_answers;
};
constexpr Slot kSlots[] = {{"variables", true, true}, {"headers", true, true}, {"status", false, true}};

bool visible(const Slot& slot, Sees sees) {
  if (slot.name == "variables") return true;
  return sees == Sees::kAnswer ? slot.in_answers : sees == Sees::kWebhook && slot.in_webhooks;
}

json::Document headers_as_object(const Headers& headers) {
  std::vector<std::string> names;
  for (const auto& header : headers) {
    std::string name = to_lower(header.first);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  }
  json::Builder out;
  out.begin_object();
  for (const std::string& name : names) out.key(name).string(*joined_header(headers, name));
  out.end_object();
  return out.finish();
}

json::Document empty_object() {
  json::Builder out;
  out.begin_object().end_object();
  return out.finish();
}

// A double does not hold it, or might not.
bool beyond_double(std::string_view number) {
  const auto digits = std::count_if(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
  return digits > 15;
}

void copy_with_text_numbers(json::Builder& out, json::Value value) {
  if (value.is_array()) {
    out.begin_array();
    for (const json::Value item : value.elements()) copy_with_text_numbers(out, item);
    out.end_array();
  } else if (value.is_object()) {
    out.begin_object();
    for (const json::KeyValue member : value.members()) {
      out.key(member.key);
      copy_with_text_numbers(out, member.value);
    }
    out.end_object();
  } else if (value.is_number() && beyond_double(value.number_text())) {
    out.string(value.number_text());
  } else {
    out.copy(value);
  }
}

// Nothing is an error, as jq's.
std::optional<json::Document> follow(const json::Document& input, const std::vector<Term::Hop>& path) {
  json::Value at = input.root();
  for (const Term::Hop& hop : path) {
    if (at.is_null()) return json::Document();
    if (hop.index) {
      if (!at.is_array()) return std::nullopt;
      const std::int64_t index = *hop.index < 0 ? *hop.index + static_cast<std::int64_t>(at.size()) : *hop.index;
      at = index < 0 ? json::Value() : at.at(static_cast<std::size_t>(index));
    } else {
      if (!at.is_object()) return std::nullopt;
      at = at[hop.key];
    }
  }
  return path.empty() ? input : input.part(at);
}

std::string_view variable_text(const Scope& scope, std::string_view name) {
  return scope.variables == nullptr ? std::string_view() : scope.variables->root()[name].as_string();
}

std::optional<json::Document> evaluate(const Term& term, const json::Document& input, const Scope& scope) {
  switch (term.kind) {
    case Term::Kind::kPath: return follow(input, term.path);
    case Term::Kind::kText: return json::make_string(term.text);
    case Term::Kind::kHeader:
    case Term::Kind::kHeaderVariable: {
      const std::string_view name = term.kind == Term::Kind::kHeader ? term.text : variable_text(scope, term.text);
      if (scope.headers == nullptr || name.empty()) return json::Document();
      const auto text = joined_header(*scope.headers, name);
      return text ? json::make_string(*text) : json::Document();
    }
  }
  return std::nullopt;
}

// From line and column of what the engine compiled to those of the text as written, of which `skipped` bytes were left
// out.
Error moved_to_source(Error error, const spec::ProgramText& text, const Expanded& expanded, std::size_t skipped) {
  std::size_t offset = 0;
  for (std::uint32_t line = 1; line < error.place.line && offset != std::string::npos; ++line) {
    offset = expanded.text.find('\n', offset);
    if (offset != std::string::npos) ++offset;
  }
  if (error.place.line == 0 || offset == std::string::npos) offset = 0;
  offset += error.place.column > 0 ? error.place.column - 1 : 0;
  const std::size_t at = std::min(skipped + expanded.source_offset(offset), text.source.size());
  const std::string_view before = std::string_view(text.source).substr(0, at);
  const std::size_t line_begin = before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1;
  error.place.line = 1 + static_cast<std::uint32_t>(std::count(before.begin(), before.end(), '\n'));
  error.place.column = static_cast<std::uint32_t>(at - line_begin) + 1;
  return text.located(std::move(error));
}

}  // namespace

std::optional<std::string> joined_header(const Headers& headers, std::string_view name) {
  std::optional<std::string> out;
  for (const auto& [key, value] : headers) {
    if (!equals_ignore_case(key, name)) continue;
    if (out) {
      *out += ", " + value;
    } else {
      out = value;
    }
  }
  return out;
}

struct ManifestProgram::State {
  Sees sees = Sees::kVariables;
  std::optional<PlainProgram> plain;
  spec::ProgramText text;
  bool needs_engine = false;               // the plain form does not say all
  mutable std::mutex mutex;                // one run at a time, and what follows
  mutable std::vector<std::string> names;  // of the variables that the compiled program is given
  mutable std::unique_ptr<const json::Program> program;
  mutable std::unordered_map<std::string, json::Document> remembered;  // what the rest makes of a text

  Result<void> compile() const;
  Outcome run_engine(const json::Document& input, const Scope& scope) const;
  Outcome run_plain(const json::Document& input, const Scope& scope) const;
  Outcome run_rest(const json::Document& input) const;
};

ManifestProgram::ManifestProgram(std::unique_ptr<State> state) : state_(std::move(state)) {}
ManifestProgram::~ManifestProgram() = default;

Result<ManifestProgramPtr> ManifestProgram::compile(const spec::ProgramText& text, Sees sees, CompileAt at) {
  auto state = std::make_unique<State>();
  state->sees = sees;
  state->plain = recognise(text.source);
  if (state->plain) {
    for (const Term& term : state->plain->terms) {
      const bool header = term.kind == Term::Kind::kHeader || term.kind == Term::Kind::kHeaderVariable;
      if (header && sees == Sees::kVariables) state->plain.reset();  // the engine says what is wrong
      if (!state->plain) break;
    }
  }
  state->text = text;
  state->needs_engine = !state->plain || state->plain->fallback || state->plain->rest;
  if (state->needs_engine && at == CompileAt::kOnce) TRY_VOID(state->compile());
  return ManifestProgramPtr(new ManifestProgram(std::move(state)));
}

Result<void> ManifestProgram::State::compile() const {
  const std::size_t skipped = plain && plain->rest ? *plain->rest : 0;
  const Expanded expanded = expand_headers(std::string_view(text.source).substr(skipped));
  for (const Slot& slot : kSlots) {
    if (skipped == 0 && visible(slot, sees) && expanded.text.find("$" + std::string(slot.name)) != std::string::npos)
      names.emplace_back(slot.name);
  }
  auto compiled = json::compile(expanded.text, names, Place{"", 1, 1});
  if (!compiled) return failure(moved_to_source(std::move(compiled.error()), text, expanded, skipped));
  program = std::move(*compiled);
  return {};
}

Outcome ManifestProgram::State::run_engine(const json::Document& input, const Scope& scope) const {
  const std::lock_guard lock(mutex);
  if (program == nullptr) CHECK(compile().has_value());
  std::vector<json::Document> variables;
  for (const std::string& name : names) {
    if (name == "variables") {
      variables.push_back(scope.variables != nullptr ? *scope.variables : empty_object());
    } else if (name == "status") {
      variables.push_back(json::make_integer(scope.status));
    } else {
      if (!scope.headers_document)
        scope.headers_document = scope.headers != nullptr ? headers_as_object(*scope.headers) : empty_object();
      variables.push_back(*scope.headers_document);
    }
  }
  auto outputs = program->run(input, variables);
  if (!outputs) return failure(std::move(outputs.error()));
  if (outputs->empty()) return std::optional<json::Document>();
  return std::optional(std::move(outputs->front()));
}

// The rest behind a `|` sees its input alone, so one text always gives one answer.
Outcome ManifestProgram::State::run_rest(const json::Document& input) const {
  const bool short_text = input.root().is_string() && input.root().size() <= kRememberedTextMax;
  const std::string key(short_text ? input.root().as_string() : std::string_view());
  if (short_text) {
    const std::lock_guard lock(mutex);
    if (const auto known = remembered.find(key); known != remembered.end()) return std::optional(known->second);
  }
  TRY(std::optional<json::Document> out, run_engine(input, Scope{}));
  if (short_text && out) {
    const std::lock_guard lock(mutex);
    if (remembered.size() < kRememberedMax) remembered.emplace(key, *out);
  }
  return out;
}

Outcome ManifestProgram::State::run_plain(const json::Document& input, const Scope& scope) const {
  std::optional<json::Document> out;
  bool found = false;
  for (std::size_t i = 0; i < plain->terms.size() && !found; ++i) {
    out = evaluate(plain->terms[i], input, scope);
    // As in jq 1.6, an alternative does not catch the failure of the one before it.
    if (!out) return failure(Code::kInvalid, "a field is read of something that has none");
    found = out->root().truthy();
  }
  if (!found && plain->fallback) return run_engine(input, scope);
  if (plain->equals) {
    const json::Value value = out->root();
    return std::optional(json::make_bool(value.is_string() && value.as_string() == *plain->equals));
  }
  if (plain->rest) return run_rest(*out);
  return out;
}

Outcome ManifestProgram::run(const json::Document& input, const Scope& scope) const {
  return state_->plain ? state_->run_plain(input, scope) : state_->run_engine(input, scope);
}

Outcome ManifestProgram::read(const json::Document& input, const Scope& scope) const {
  auto out = run(input, scope);
  if (out || !input.has_inexact_numbers() || !state_->needs_engine) return out;
  json::Builder texts;
  copy_with_text_numbers(texts, input.root());
  return run(texts.finish(), scope);
}

json::Document ManifestProgram::value(const json::Document& input, const Scope& scope) const {
  auto out = read(input, scope);
  return out && *out ? std::move(**out) : json::Document();
}

bool ManifestProgram::holds(const json::Document& input, const Scope& scope) const {
  return value(input, scope).root().truthy();
}

bool ManifestProgram::reads_input() const {
  if (!state_->plain || state_->plain->fallback) return true;
  return std::any_of(state_->plain->terms.begin(), state_->plain->terms.end(),
                     [](const Term& term) { return term.kind == Term::Kind::kPath; });
}

std::string ManifestProgram::first_header(const json::Document& variables) const {
  if (!state_->plain || state_->plain->terms.empty()) return {};
  const Term& first = state_->plain->terms.front();
  if (first.kind == Term::Kind::kHeader) return first.text;
  if (first.kind == Term::Kind::kHeaderVariable) return std::string(variables.root()[first.text].as_string());
  return {};
}

}  // namespace tieline::connect
