// The port Program on libjq 1.6, which tests and benchmarks compare with: compiled behind a prefix that binds the
// variables, run on values and not on text. It must never let a program see the environment (jq would load ~/.jq, too)
// nor hang in one of 1.6's own faults.
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "json/libjq_program.h"
#include "json/libjq_value.h"
#include "json/program_scan.h"

extern "C" {
#include <jq.h>
}

namespace tieline::json {
namespace {

using Tokens = std::vector<ProgramToken>;
using TokenKind = ProgramToken::Kind;

// What jq 1.6 does wrong with these ends in an endless loop, outside a string's memory, or in another number than the
// text said, so each is replaced where a program names it. A first definition keeps jq's own under another name.
struct Guard {
  std::string_view name;
  std::string_view definition;
  bool regex;
};

// Global searches for patterns that match the empty text never end on characters beyond ASCII (jq issue 2148, 2565).
constexpr std::string_view kRegexGuard = R"(
def tieline_check($re; $flags): . as $in
  | if ($re | type) == "string" and (($flags // "") | type) == "string" and (($flags // "") | contains("g"))
       and ("" | test($re; ($flags | split("g") | join(""))))
    then error("the pattern \($re | tojson) matches the empty text, which no global search can; use + in place of *")
    else $in end;
)";

constexpr std::array kGuards = {
    Guard{"match", R"(def tieline_match(r; f): match(r; f);
def match($re; $flags): tieline_check($re; $flags) | tieline_match($re; $flags);
def match($v): if ($v | type) == "array" then match($v[0]; $v[1]) else match($v; null) end;)",
          true},
    Guard{"capture", R"(def tieline_capture(r; f): capture(r; f);
def capture($re; $flags): tieline_check($re; $flags) | tieline_capture($re; $flags);
def capture($v): if ($v | type) == "array" then capture($v[0]; $v[1]) else capture($v; null) end;)",
          true},
    Guard{"scan", R"(def tieline_scan(r): scan(r); def scan($re): tieline_check($re; "g") | tieline_scan($re);)", true},
    Guard{"splits", R"(def tieline_splits(r; f): splits(r; f);
def splits($re; $flags): tieline_check($re; "g" + $flags) | tieline_splits($re; $flags);
def splits($re): splits($re; null);)",
          true},
    Guard{"split", R"(def tieline_split(s): split(s); def tieline_split(r; f): split(r; f);
def split($s): tieline_split($s);
def split($re; $flags): tieline_check($re; "g" + $flags) | tieline_split($re; $flags);)",
          true},
    Guard{"gsub", R"(def gsub($re; str; $flags): . as $in | tieline_check($re; "g" + $flags)
  | reduce match($re; "g" + $flags) as $m ({at: 0, out: ""};
      [reduce ($m.captures[] | select(.name != null)) as $c ({}; .[$c.name] = $c.string) | str] as $new
      | if ($new | length) == 1 and ($new[0] | type) == "string" then .
        else error("gsub needs exactly one text to put in") end
      | .out += $in[.at:$m.offset] + $new[0] | .at = $m.offset + $m.length)
  | .out + $in[.at:];
def gsub($re; str): gsub($re; str; "");)",
          true},
    Guard{"sub", R"(def tieline_sub(r; s; f): sub(r; s; f);
def sub($re; str; $flags): tieline_check($re; $flags) | tieline_sub($re; str; $flags);
def sub($re; str): sub($re; str; "");)",
          true},
    Guard{"indices", R"(def tieline_indices(i): indices(i);
def indices($i): if $i == "" then (if type == "string" then [] else error("indices(\"\") needs a text") end)
  else tieline_indices($i) end;)",
          false},
    Guard{"index",
          R"(def tieline_index(i): index(i); def index($i): if $i == "" then null else tieline_index($i) end;)", false},
    Guard{"rindex",
          R"(def tieline_rindex(i): rindex(i); def rindex($i): if $i == "" then null else tieline_rindex($i) end;)",
          false},
    Guard{"tonumber", R"(def tieline_tonumber: tonumber; def tonumber: tieline_tonumber as $n
  | if type == "string" and ($n >= 9007199254740992 or $n <= -9007199254740992)
    then error("the number \(.) cannot be computed exactly; keep it as text") else $n end;)",
          false},
    Guard{"fromjson", R"(def tieline_fromjson: fromjson; def fromjson: tieline_fromjson
  | if any(.. | numbers; . >= 9007199254740992 or . <= -9007199254740992)
    then error("a number beyond 2^53 in this JSON text cannot be computed exactly") else . end;)",
          false},
};

bool names(const Tokens& tokens, TokenKind kind, std::string_view text) {
  return std::any_of(tokens.begin(), tokens.end(),
                     [&](const ProgramToken& t) { return t.kind == kind && t.text == text; });
}

std::string guards_for(const Tokens& tokens) {
  std::string regex, all;
  for (const Guard& guard : kGuards) {
    if (!names(tokens, TokenKind::kName, guard.name)) continue;
    if (guard.regex && regex.empty()) regex = kRegexGuard;
    all += guard.definition;
    all += ' ';
  }
  std::string prefix = regex + all;
  std::replace(prefix.begin(), prefix.end(), '\n', ' ');  // jq's line numbers stay the program's
  return prefix;
}

struct FreeState {
  void operator()(jq_state* state) const { jq_teardown(&state); }
};
using State = std::unique_ptr<jq_state, FreeState>;

void collect_message(void* to, jv message) {
  static_cast<std::vector<std::string>*>(to)->push_back(error_text(message));
}
void ignore_message(void*, jv message) { jv_free(message); }

// Compiles; what jq complains of goes to `messages`.
State compiled(const std::string& text, std::vector<std::string>& messages) {
  State state(jq_init());
  CHECK(state != nullptr);
  jq_set_error_cb(state.get(), collect_message, &messages);
  const bool well = jq_compile(state.get(), text.c_str()) != 0;
  jq_set_error_cb(state.get(), ignore_message, nullptr);
  if (!well && messages.empty()) messages.emplace_back("jq: error: the program does not compile");
  return well ? std::move(state) : nullptr;
}

// One message of jq's compiler: "jq: error: TEXT at <top-level>, line N:\n…".
struct Complaint {
  std::string text;
  std::uint32_t line = 0;
};

Complaint read_complaint(std::string_view message) {
  constexpr std::string_view kHead = "jq: error: ";
  constexpr std::string_view kHint = " (Unix shell quoting issues?)";
  constexpr std::string_view kAt = " at <top-level>, line ";
  Complaint c;
  if (message.starts_with(kHead)) message.remove_prefix(kHead.size());
  if (const std::size_t at = message.find(kAt); at != std::string_view::npos) {
    c.line =
        static_cast<std::uint32_t>(std::strtoul(std::string(message.substr(at + kAt.size(), 10)).c_str(), nullptr, 10));
    message = message.substr(0, at);
  }
  c.text = message.substr(0, message.find('\n'));
  if (const std::size_t hint = c.text.find(kHint); hint != std::string::npos) c.text.erase(hint, kHint.size());
  return c;
}

// jq's names of grammar symbols, for people.
std::string readable(std::string text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kWords = {{
      {"QQSTRING_TEXT or QQSTRING_INTERP_START or QQSTRING_END", "closing quote"},
      {"INVALID_CHARACTER", "invalid character"},
      {"QQSTRING_START", "text"},
      {"QQSTRING_END", "closing quote"},
      {"$end", "end of the program"},
      {"IDENT", "name"},
      {"FIELD", "field"},
      {"LITERAL", "number"},
      {"FORMAT", "format"},
      {"KEYWORD", "keyword"},
  }};
  for (const auto& [from, to] : kWords) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
  }
  return text;
}

bool ends_early(const std::string& message) { return message.find("unexpected $end") != std::string::npos; }

// jq says only the line of a syntax error. A program cut off behind the token in question complains of it, one cut off
// before complains of the end; so the first token that makes a difference is found by halving.
std::size_t syntax_error_offset(std::string_view source, const Tokens& tokens) {
  std::size_t low = 0, high = tokens.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    std::vector<std::string> messages;
    const State state = compiled(std::string(source.substr(0, tokens[middle].end)), messages);
    const bool wrong =
        state == nullptr && messages.front().find("syntax error") != std::string::npos && !ends_early(messages.front());
    (wrong ? high : low) = wrong ? middle : middle + 1;
  }
  return low < tokens.size() ? tokens[low].offset : source.size();
}

class Compiler {
 public:
  Compiler(std::string_view source, std::span<const std::string> variable_names, const Place& at)
      : source_(source), names_(variable_names), at_(at), tokens_(scan_program(source)) {}

  // Puts the variables that the program names before it, and says which those are.
  Result<State> run(std::vector<std::size_t>& used) {
    TRY_VOID(acceptable());
    std::string prefix = guards_for(tokens_);
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (!names(tokens_, TokenKind::kVariable, names_[i])) continue;
      used.push_back(i);
      prefix += ".[" + std::to_string(used.size()) + "] as $" + names_[i] + " | ";
    }
    if (!used.empty()) prefix += ".[0] | ";
    std::vector<std::string> messages;
    State state = compiled(prefix + std::string(source_), messages);
    if (state == nullptr) return failure(explained(read_complaint(messages.front()), ends_early(messages.front())));
    return state;
  }

 private:
  Result<void> acceptable() const {
    if (source_.find('\0') != std::string_view::npos)
      return failure(Code::kInvalid, "a program cannot hold a NUL", at_);
    if (tokens_.empty()) return failure(Code::kInvalid, "the program is empty; write `.` for the input as it is", at_);
    if (auto error = refused_part(tokens_, source_)) {
      error->place = moved(at_, error->place);
      return failure(std::move(*error));
    }
    const char* const home = std::getenv("HOME");
    struct stat status {};
    if (home != nullptr && ::stat((std::string(home) + "/.jq").c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
      return failure(Code::kUnsupported, "libjq would add the file ~/.jq to every program; move it away", at_);
    }
    return {};
  }

  Error explained(const Complaint& complaint, bool at_end) const {
    constexpr std::string_view kUndefined = " is not defined";
    Error error{Code::kInvalid, "the program does not compile: " + readable(complaint.text), {}};
    Place inside{.line = complaint.line};
    if (complaint.text.starts_with("$*label-")) {
      error.message = "`break $" + complaint.text.substr(8, complaint.text.find(' ') - 8) + "` has no label around it";
    } else if (const std::size_t at = complaint.text.find(kUndefined); at != std::string::npos) {
      const std::string name = complaint.text.substr(0, at);
      inside = name.starts_with('$') ? unknown_variable(name.substr(1), complaint.line, error)
                                     : unknown_function(name, complaint.line, error);
    } else if (complaint.text.find("syntax error") != std::string::npos) {
      inside = place_in(source_, at_end ? source_.size() : syntax_error_offset(source_, tokens_));
    }
    error.place = moved(at_, inside);
    return error;
  }

  // The first such token of that line.
  Place find_token(TokenKind kind, std::string_view name, std::uint32_t line) const {
    for (const ProgramToken& token : tokens_) {
      if (token.kind != kind || token.text != name) continue;
      const Place place = place_in(source_, token.offset);
      if (place.line == line || line == 0) return place;
    }
    return Place{.line = line};
  }

  Place unknown_variable(const std::string& name, std::uint32_t line, Error& error) const {
    std::vector<std::string> known;
    for (const std::string& variable : names_) known.push_back('$' + variable);
    for (const ProgramToken& token : tokens_) {
      if (token.kind == TokenKind::kVariable && token.text != name) known.push_back('$' + std::string(token.text));
    }
    error.message = "the variable $" + name + " is not defined" + did_you_mean('$' + name, known);
    return find_token(TokenKind::kVariable, name, line);
  }

  // `called` is "name/arity".
  Place unknown_function(const std::string& called, std::uint32_t line, Error& error) const {
    const std::string name = called.substr(0, called.find('/'));
    std::vector<std::string> known;
    std::vector<std::string> arities;
    for (const std::string& builtin : builtin_names()) {
      const std::string other = builtin.substr(0, builtin.find('/'));
      if (other.starts_with('_') || is_refused_name(other)) continue;
      if (other == name) arities.push_back(builtin);
      known.push_back(other);
    }
    for (std::size_t i = 1; i < tokens_.size(); ++i) {
      if (tokens_[i].kind == TokenKind::kName && tokens_[i - 1].text == "def") known.emplace_back(tokens_[i].text);
    }
    std::sort(arities.begin(), arities.end());
    error.message = "the function " + called + " is not defined";
    error.message += arities.empty() ? did_you_mean(name, known) : "; there is " + join(arities, ", ");
    return find_token(TokenKind::kName, name, line);
  }

  static std::vector<std::string> builtin_names() {
    std::vector<std::string> messages, all;
    const State state = compiled("builtins", messages);
    if (state == nullptr) return all;
    jq_start(state.get(), jv_null(), 0);
    const jv list = jq_next(state.get());
    const int count = jv_get_kind(list) == JV_KIND_ARRAY ? jv_array_length(jv_copy(list)) : 0;
    for (int i = 0; i < count; ++i) all.push_back(error_text(jv_array_get(jv_copy(list), i)));
    jv_free(list);
    return all;
  }

  std::string_view source_;
  std::span<const std::string> names_;
  const Place& at_;
  Tokens tokens_;
};

class LibjqProgram final : public Program {
 public:
  struct Variable {
    std::size_t position;
    std::string name;
  };

  LibjqProgram(std::string source, State state, std::vector<Variable> used)
      : Program(std::move(source)), state_(std::move(state)), used_(std::move(used)) {}

  Result<std::vector<Document>> run(const Document& input, std::span<const Document> variables,
                                    const RunLimits& limits) const override {
    TRY_VOID(exact(input, "."));
    for (const Variable& variable : used_) {
      CHECK(variable.position < variables.size());
      TRY_VOID(exact(variables[variable.position], '$' + variable.name));
    }
    jq_start(state_.get(), seen(input, variables), 0);
    auto outputs = collect(limits);
    jq_start(state_.get(), jv_null(), 0);  // lets go of what the run held
    return outputs;
  }

 private:
  static Result<void> exact(const Document& document, const std::string& name) {
    if (!document.has_inexact_numbers()) return {};
    const auto found = inexact_number(document.root(), name);
    if (!found) return {};
    return failure(Code::kInvalid, "the number " + *found + " cannot be computed exactly, so no program may see it; " +
                                       "have it sent as text, in quotes");
  }

  // What the compiled program takes: the input, or a list of it and the variables.
  jv seen(const Document& input, std::span<const Document> variables) const {
    if (used_.empty()) return to_jv(input.root());
    jv list = jv_array_append(jv_array(), to_jv(input.root()));
    for (const Variable& variable : used_) list = jv_array_append(list, to_jv(variables[variable.position].root()));
    return list;
  }

  Result<std::vector<Document>> collect(const RunLimits& limits) const {
    std::vector<Document> outputs;
    std::size_t bytes = 0;
    for (;;) {
      const jv output = jq_next(state_.get());
      if (!jv_is_valid(output)) {
        if (!jv_invalid_has_msg(jv_copy(output))) {
          jv_free(output);
          return outputs;
        }
        return failure(Code::kInvalid, "the program failed: " + error_text(jv_invalid_get_msg(output)));
      }
      if (outputs.size() == limits.outputs_max) {
        jv_free(output);
        return failure(Code::kTooLarge, "the program gave more than " + std::to_string(limits.outputs_max) + " values");
      }
      TRY(Document document, from_jv(output, limits.output_bytes_max, bytes));
      outputs.push_back(std::move(document));
    }
  }

  State state_;
  std::vector<Variable> used_;
};

}  // namespace

Result<std::unique_ptr<const Program>> compile_libjq(std::string_view source,
                                                     std::span<const std::string> variable_names, const Place& at) {
  std::vector<std::size_t> used;
  TRY(State state, Compiler(source, variable_names, at).run(used));
  std::vector<LibjqProgram::Variable> variables;
  for (const std::size_t position : used) variables.push_back({position, variable_names[position]});
  return std::make_unique<const LibjqProgram>(std::string(source), std::move(state), std::move(variables));
}

}  // namespace tieline::json
