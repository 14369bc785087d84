#include "connect/program_text.h"

#include <charconv>

#include "base/text.h"

namespace tieline::connect {
namespace {

bool is_name_start(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_name(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }
bool is_header_name(char c) { return c != '_' && (is_name(c) || c == '-'); }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

constexpr std::string_view kHeader = "header.";

// The header's name when `header.X` stands at `at`; empty when something else does.
std::string_view header_at(std::string_view source, std::size_t at) {
  if (!source.substr(at).starts_with(kHeader)) return {};
  if (at > 0 && (is_name(source[at - 1]) || source[at - 1] == '.' || source[at - 1] == '$')) return {};
  std::size_t end = at + kHeader.size();
  while (end < source.size() && is_header_name(source[end])) ++end;
  return source.substr(at + kHeader.size(), end - at - kHeader.size());
}

// Walks jq's own lexical shape: text in quotes with code inside \( ), comments, code.
class Expander {
 public:
  explicit Expander(std::string_view source) : source_(source) {}
  Expanded run() {
    code(0);
    return std::move(out_);
  }

 private:
  // Until the `)` that ends an interpolation, when there is one open.
  void code(int parentheses) {
    const bool interpolated = parentheses > 0;
    while (at_ < source_.size()) {
      const char c = source_[at_];
      if (c == '"') {
        copy();
        text();
      } else if (c == '#') {
        while (at_ < source_.size() && source_[at_] != '\n') copy();
      } else if (const std::string_view name = header_at(source_, at_); !name.empty()) {
        out_.text += "$headers[\"" + to_lower(name) + "\"]";
        at_ += kHeader.size() + name.size();
        out_.shifts.emplace_back(out_.text.size(), at_);
      } else {
        if (c == '(') ++parentheses;
        if (c == ')') --parentheses;
        copy();
        if (interpolated && parentheses == 0) return;
      }
    }
  }

  void text() {
    while (at_ < source_.size()) {
      const char c = source_[at_];
      copy();
      if (c == '"') return;
      if (c != '\\' || at_ == source_.size()) continue;
      const bool interpolation = source_[at_] == '(';
      copy();
      if (interpolation) code(1);
    }
  }

  void copy() { out_.text += source_[at_++]; }

  std::string_view source_;
  std::size_t at_ = 0;
  Expanded out_;
};

class Recogniser {
 public:
  explicit Recogniser(std::string_view source) : source_(source) {}

  std::optional<PlainProgram> run() {
    PlainProgram out;
    while (true) {
      auto term = one_term();
      if (!term) return std::nullopt;
      out.terms.push_back(std::move(*term));
      space();
      if (at_ == source_.size()) return out;
      if (!take("//") || peek() == '=') break;
      space();
      if (peek() == '(') {
        if (!closes_at_end()) return std::nullopt;
        out.fallback = true;
        return out;
      }
    }
    return tail(std::move(out));
  }

 private:
  // Behind the terms; `//` was not there.
  std::optional<PlainProgram> tail(PlainProgram out) {
    if (take("==")) {
      space();
      if (peek() != '"' || out.terms.size() != 1) return std::nullopt;
      auto text = quoted();
      space();
      if (!text || at_ != source_.size()) return std::nullopt;
      out.equals = std::move(text);
      return out;
    }
    if (peek() != '|' || source_.substr(at_).starts_with("|=")) return std::nullopt;
    ++at_;
    space();
    const std::string_view rest = source_.substr(at_);
    if (rest.empty() || rest.find('$') != rest.npos || rest.find(kHeader) != rest.npos) return std::nullopt;
    out.rest = at_;
    return out;
  }

  std::optional<Term> one_term() {
    space();
    if (const std::string_view name = header_at(source_, at_); !name.empty()) {
      at_ += kHeader.size() + name.size();
      return Term{Term::Kind::kHeader, to_lower(name), {}};
    }
    if (peek() == '"') {
      auto text = quoted();
      if (!text) return std::nullopt;
      return Term{Term::Kind::kText, std::move(*text), {}};
    }
    if (take("$headers[")) return header_variable();
    if (peek() == '.') return path();
    return std::nullopt;
  }

  // Behind `$headers[`.
  std::optional<Term> header_variable() {
    space();
    if (!take("$variables.")) return std::nullopt;
    const std::string_view name = name_here();
    space();
    if (name.empty() || !take("|")) return std::nullopt;
    space();
    if (!take("ascii_downcase")) return std::nullopt;
    space();
    if (!take("]")) return std::nullopt;
    return Term{Term::Kind::kHeaderVariable, std::string(name), {}};
  }

  std::optional<Term> path() {
    Term out;
    ++at_;
    if (is_name_start(peek())) {
      out.path.push_back({std::string(name_here()), {}});
    } else if (peek() == '"') {
      auto key = quoted();
      if (!key) return std::nullopt;
      out.path.push_back({std::move(*key), {}});
    } else if (peek() == '.') {
      return std::nullopt;  // `..`
    }
    while (true) {
      if (peek() == '[') {
        ++at_;
        auto hop = bracket();
        if (!hop) return std::nullopt;
        out.path.push_back(std::move(*hop));
      } else if (peek() == '.' && !out.path.empty()) {
        ++at_;
        if (peek() == '"') {
          auto key = quoted();
          if (!key) return std::nullopt;
          out.path.push_back({std::move(*key), {}});
        } else if (is_name_start(peek())) {
          out.path.push_back({std::string(name_here()), {}});
        } else {
          return std::nullopt;
        }
      } else {
        break;
      }
    }
    // What may follow a path is the caller's; `?` and the like are not plain.
    return out;
  }

  // Behind `[`.
  std::optional<Term::Hop> bracket() {
    Term::Hop hop;
    if (peek() == '"') {
      auto key = quoted();
      if (!key || !take("]")) return std::nullopt;
      hop.key = std::move(*key);
      return hop;
    }
    std::int64_t index = 0;
    const std::string_view rest = source_.substr(at_);
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), index);
    if (error != std::errc()) return std::nullopt;
    at_ += static_cast<std::size_t>(end - rest.data());
    if (!take("]")) return std::nullopt;
    hop.index = index;
    return hop;
  }

  // A text without escapes; at its opening quote.
  std::optional<std::string> quoted() {
    const std::size_t end = source_.find('"', at_ + 1);
    if (end == source_.npos) return std::nullopt;
    std::string text(source_.substr(at_ + 1, end - at_ - 1));
    if (text.find('\\') != text.npos) return std::nullopt;
    at_ = end + 1;
    return text;
  }

  // At `(`: its `)` is the last thing of the program.
  bool closes_at_end() const {
    int open = 0;
    bool text = false;
    std::vector<int> interpolations;  // parentheses open when each began
    for (std::size_t i = at_; i < source_.size(); ++i) {
      const char c = source_[i];
      if (text) {
        if (c == '\\' && i + 1 < source_.size()) {
          if (source_[++i] == '(') {
            interpolations.push_back(open++);
            text = false;
          }
        } else if (c == '"') {
          text = false;
        }
        continue;
      }
      if (c == '#') return false;
      if (c == '"') text = true;
      if (c == '(') ++open;
      if (c == ')') {
        --open;
        if (!interpolations.empty() && interpolations.back() == open) {
          interpolations.pop_back();
          text = true;
        } else if (open == 0) {
          return trim(source_.substr(i + 1)).empty();
        }
      }
    }
    return false;
  }

  std::string_view name_here() {
    const std::size_t begin = at_;
    while (at_ < source_.size() && is_name(source_[at_])) ++at_;
    return source_.substr(begin, at_ - begin);
  }
  void space() {
    while (at_ < source_.size() && is_space(source_[at_])) ++at_;
  }
  char peek() const { return at_ < source_.size() ? source_[at_] : '\0'; }
  bool take(std::string_view word) {
    if (!source_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  std::string_view source_;
  std::size_t at_ = 0;
};

}  // namespace

std::size_t Expanded::source_offset(std::size_t offset) const {
  std::size_t out = offset;
  for (const auto& [in_text, in_source] : shifts) {
    if (in_text > offset) break;
    out = in_source + (offset - in_text);
  }
  return out;
}

Expanded expand_headers(std::string_view source) { return Expander(source).run(); }

std::optional<PlainProgram> recognise(std::string_view source) { return Recogniser(source).run(); }

}  // namespace tieline::connect
