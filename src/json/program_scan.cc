#include "json/program_scan.h"

#include <algorithm>
#include <array>

#include "json/number.h"

namespace tieline::json {
namespace {

using Kind = ProgramToken::Kind;

bool name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

class Scan {
 public:
  explicit Scan(std::string_view source) : source_(source) {}

  std::vector<ProgramToken> run() {
    while (at_ < source_.size()) {
      const char c = source_[at_];
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        ++at_;
      } else if (c == '#') {
        while (at_ < source_.size() && source_[at_] != '\n') ++at_;
      } else if (c == '"') {
        add(Kind::kOther, at_, at_ + 1);
        text(at_ - 1);
      } else if (name_start(c)) {
        word();
      } else if (digit(c) || (c == '.' && digit(peek(1)))) {
        number();
      } else if (c == '.' && name_start(peek(1))) {
        const std::size_t start = at_++;
        while (at_ < source_.size() && (name_start(source_[at_]) || digit(source_[at_]))) ++at_;
        add(Kind::kField, start, at_);
        tokens_.back().text.remove_prefix(1);
      } else if (c == '@') {
        const std::size_t start = at_++;
        while (name_start(peek(0)) || digit(peek(0))) ++at_;
        add(Kind::kOther, start, at_);
      } else {
        sign();
      }
    }
    return std::move(tokens_);
  }

 private:
  char peek(std::size_t ahead) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }

  void add(Kind kind, std::size_t start, std::size_t end) {
    tokens_.push_back({kind, source_.substr(start, end - start), start, end});
    at_ = end;
  }

  bool last_is(std::string_view text) const {
    return !tokens_.empty() && tokens_.back().kind == Kind::kOther && tokens_.back().text == text;
  }

  // A name, with the `::` of modules; behind `$` a variable, and directly behind `{` or `,` of an object a key.
  void word() {
    const std::size_t start = at_;
    while (name_start(peek(0)) || digit(peek(0)) || (peek(0) == ':' && peek(1) == ':' && name_start(peek(2)))) {
      at_ += peek(0) == ':' ? 2 : 1;
    }
    if (last_is("$")) {
      const std::size_t dollar = tokens_.back().offset;
      tokens_.pop_back();
      tokens_.push_back({Kind::kVariable, source_.substr(start, at_ - start), dollar, at_});
      return;
    }
    const bool key = !open_.empty() && open_.back() == '{' && (last_is("{") || last_is(","));
    add(key ? Kind::kKey : Kind::kName, start, at_);
  }

  void number() {
    const std::size_t start = at_;
    while (digit(peek(0))) ++at_;
    if (peek(0) == '.') ++at_;
    while (digit(peek(0))) ++at_;
    if ((peek(0) == 'e' || peek(0) == 'E') &&
        (digit(peek(1)) || ((peek(1) == '+' || peek(1) == '-') && digit(peek(2))))) {
      at_ += 2;
      while (digit(peek(0))) ++at_;
    }
    add(Kind::kNumber, start, at_);
  }

  void sign() {
    const char c = source_[at_];
    const bool rec = c == '.' && peek(1) == '.';
    add(Kind::kOther, at_, at_ + (rec ? 2 : 1));
    if (c == '(' || c == '[' || c == '{') open_.push_back(c);
    if ((c == ')' || c == ']' || c == '}') && !open_.empty()) {
      const char was = open_.back();
      open_.pop_back();
      if (was == '"') text(at_ - 1);
    }
  }

  // Up to the closing quote or the next interpolation, whose end is the parenthesis that matches.
  void text(std::size_t start) {
    while (at_ < source_.size()) {
      const char c = source_[at_];
      if (c == '"') {
        add(Kind::kOther, at_, at_ + 1);
        return;
      }
      if (c == '\\' && peek(1) == '(') {
        add(Kind::kOther, at_, at_ + 2);
        open_.push_back('"');
        return;
      }
      at_ += c == '\\' ? 2 : 1;
    }
    add(Kind::kUnclosed, start, source_.size());
  }

  std::string_view source_;
  std::size_t at_ = 0;
  std::vector<ProgramToken> tokens_;
  std::string open_;  // brackets; a quote stands for the parenthesis of an interpolation
};

struct Refusal {
  std::string_view name;
  std::string_view instead;
};

constexpr std::string_view kPure = "a program sees only its input and its variables";

constexpr std::array kRefused = {
    Refusal{"input", kPure},
    Refusal{"inputs", kPure},
    Refusal{"debug", "a program has no side effects"},
    Refusal{"stderr", "a program has no side effects"},
    Refusal{"input_filename", kPure},
    Refusal{"input_line_number", kPure},
    Refusal{"env", "use a workspace variable, `$vars`"},
    Refusal{"import", "programs have no modules"},
    Refusal{"include", "programs have no modules"},
    Refusal{"modulemeta", "programs have no modules"},
    Refusal{"get_search_list", "programs have no modules"},
    Refusal{"get_prog_origin", "programs have no modules"},
    Refusal{"get_jq_origin", "programs have no modules"},
    Refusal{"halt", "use `empty` or `error(\"…\")`"},
    Refusal{"halt_error", "use `error(\"…\")`"},
    Refusal{"now", "a program has no clock; use `$event.time` or `$run.started`"},
};

const Refusal* refusal_of(std::string_view name) {
  const auto* const at =
      std::find_if(kRefused.begin(), kRefused.end(), [&](const Refusal& r) { return r.name == name; });
  return at == kRefused.end() ? nullptr : at;
}

std::optional<std::string> refusal(const ProgramToken& token) {
  if (token.kind == Kind::kName) {
    const Refusal* const r = refusal_of(token.text);
    if (r == nullptr) return std::nullopt;
    return '`' + std::string(r->name) + "` is not available in a program: " + std::string(r->instead);
  }
  if (token.kind == Kind::kVariable) {
    if (token.text == "ENV") {
      return "`$ENV` is not available in a program: " + std::string(refusal_of("env")->instead);
    }
    if (token.text == "__prog_args") {
      return "`$__prog_args` is not available in a program: " + std::string(kPure);
    }
    return std::nullopt;
  }
  // libjq would say so, too, but loses memory over it.
  if (token.kind == Kind::kUnclosed) return "a text in quotes is not closed";
  if (token.kind == Kind::kNumber && is_inexact(token.text)) {
    return "the number " + std::string(token.text) + " cannot be computed exactly; compare it as text, in quotes";
  }
  return std::nullopt;
}

}  // namespace

std::vector<ProgramToken> scan_program(std::string_view source) { return Scan(source).run(); }

Place place_in(std::string_view source, std::size_t offset) {
  Place place{.line = 1, .column = 1};
  for (std::size_t i = 0; i < offset && i < source.size(); ++i) {
    if (source[i] == '\n') {
      ++place.line;
      place.column = 1;
    } else if ((static_cast<unsigned char>(source[i]) & 0xC0) != 0x80) {
      ++place.column;
    }
  }
  return place;
}

Place moved(const Place& base, const Place& inside) {
  if (inside.line == 0) return base;
  Place place = inside;
  place.file = base.file;
  if (base.line == 0) return place;
  place.line = base.line + inside.line - 1;
  if (inside.line == 1 && base.column != 0 && inside.column != 0) place.column = base.column + inside.column - 1;
  return place;
}

std::optional<Error> refused_part(const std::vector<ProgramToken>& tokens, std::string_view source) {
  for (const ProgramToken& token : tokens) {
    if (auto message = refusal(token)) return Error{Code::kInvalid, *message, place_in(source, token.offset)};
  }
  return std::nullopt;
}

bool is_refused_name(std::string_view name) { return refusal_of(name) != nullptr; }

std::string_view refusal_reason(std::string_view name) {
  const Refusal* const r = refusal_of(name);
  return r != nullptr ? r->instead : std::string_view();
}

}  // namespace tieline::json
