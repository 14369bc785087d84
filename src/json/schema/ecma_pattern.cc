#include "json/schema/ecma_pattern.h"

#include <oniguruma.h>

#include <array>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace tieline::json::schema {
namespace {

constexpr unsigned long kRetries = 1'000'000;
constexpr std::size_t kPatternBytesMax = 16'384;
constexpr std::string_view kDigits = "0-9";
constexpr std::string_view kWords = "A-Za-z0-9_";
constexpr std::string_view kSpaces =
    "\\t\\n\\x0b\\x0c\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}";

std::string code_point(std::uint32_t value) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "\\x{%x}", static_cast<unsigned>(value));
  return text.data();
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  Result<std::string> run() {
    if (pattern_.size() > kPatternBytesMax) return failure(Code::kTooLarge, "is longer than 16 KiB");
    while (at_ < pattern_.size() && error_.empty()) one();
    if (error_.empty() && groups_ != 0) error_ = "a `(` is not closed";
    if (!error_.empty()) return failure(Code::kInvalid, error_);
    return std::move(out_);
  }

 private:
  bool next_is(char c) const { return at_ < pattern_.size() && pattern_[at_] == c; }

  void one() {
    const char c = pattern_[at_];
    switch (c) {
      case '^': emit("\\A"); break;
      case '$': emit("\\z"); break;
      case '.': atom("[^\\n\\r\\x{2028}\\x{2029}]"); break;
      case '[': bracket(); return;
      case '\\': escape(false); return;
      case '(': group(); return;
      case ')':
        if (groups_-- == 0) error_ = "a `)` closes nothing";
        atom(")");
        break;
      case '|': emit("|"); break;
      case '*':
      case '+':
      case '?': quantifier(std::string(1, c), 1); return;
      case '{': braces(); return;
      case '}':
      case ']': atom(std::string("\\") + c); break;
      default: atom(std::string(1, c)); break;
    }
    ++at_;
  }

  void emit(std::string_view text) {
    out_ += text;
    repeatable_ = false;
  }
  void atom(std::string_view text) {
    out_ += text;
    repeatable_ = true;
  }

  void quantifier(std::string text, std::size_t size) {
    if (!repeatable_) {
      error_ = "`" + text + "` has nothing to repeat";
      return;
    }
    at_ += size;
    if (next_is('?')) {
      text += '?';
      ++at_;
    }
    // `{n}?` is lazy in ECMA-262 and optional in Oniguruma, which matters to nobody who asks only whether it matches.
    emit(text);
  }

  void braces() {
    const std::size_t end = pattern_.find('}', at_);
    const std::string_view inside =
        end == std::string_view::npos ? std::string_view() : pattern_.substr(at_ + 1, end - at_ - 1);
    const std::size_t comma = std::min(inside.find(','), inside.size());
    const auto digits = [](std::string_view text) {
      return text.find_first_not_of("0123456789") == std::string_view::npos && text.size() <= 6;
    };
    const std::string_view low = inside.substr(0, comma);
    const std::string_view high = comma < inside.size() ? inside.substr(comma + 1) : std::string_view();
    if (low.empty() || !digits(low) || !digits(high)) {
      atom("\\{");
      ++at_;
      return;
    }
    quantifier("{" + std::string(inside) + "}", inside.size() + 2);
  }

  void group() {
    ++at_;
    ++groups_;
    if (!next_is('?')) return emit("(");
    static constexpr std::array<std::string_view, 5> kKinds{"?:", "?=", "?!", "?<=", "?<!"};
    for (const std::string_view kind : kKinds) {
      if (!pattern_.substr(at_).starts_with(kind)) continue;
      at_ += kind.size();
      return emit("(" + std::string(kind));
    }
    const std::size_t end = pattern_.find('>', at_);
    if (!pattern_.substr(at_).starts_with("?<") || end == std::string_view::npos) {
      error_ = "`(?` begins no group of ECMA-262";
      return;
    }
    emit("(" + std::string(pattern_.substr(at_, end - at_ + 1)));
    at_ = end + 1;
  }

  // `\d` and the like: the inside of a class; `upper` for the complement.
  void set(std::string_view inside, bool upper, bool in_class) {
    if (in_class && !upper) {
      out_ += inside;
    } else {
      atom((upper ? "[^" : "[") + std::string(inside) + "]");
    }
    at_ += 1;
  }

  std::optional<std::uint32_t> hex(std::size_t from, std::size_t count) const {
    const std::string_view text = pattern_.substr(std::min(from, pattern_.size()), count);
    std::uint32_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (text.size() != count || failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
  }

  void unicode() {  // at the `u`
    std::optional<std::uint32_t> value;
    if (pattern_.substr(at_).starts_with("u{")) {
      const std::size_t end = pattern_.find('}', at_);
      if (end != std::string_view::npos && end - at_ <= 8) value = hex(at_ + 2, end - at_ - 2);
      if (value) at_ = end + 1;
    } else {
      value = hex(at_ + 1, 4);
      if (value) at_ += 5;
      if (value && *value >= 0xD800 && *value < 0xDC00 && pattern_.substr(at_).starts_with("\\u")) {
        const auto low = hex(at_ + 2, 4);
        if (low && *low >= 0xDC00 && *low < 0xE000) {
          value = 0x10000 + ((*value - 0xD800) << 10) + (*low - 0xDC00);
          at_ += 6;
        }
      }
    }
    if (!value || *value > 0x10FFFF || (*value >= 0xD800 && *value < 0xE000)) {
      error_ = "`\\u` names no character";
      return;
    }
    atom(code_point(*value));
  }

  // `\p{Letter}`, `\p{Script=Greek}`: the engine knows the values by their names alone.
  void property(bool upper) {
    const std::size_t end = pattern_.find('}', at_);
    if (!pattern_.substr(at_ + 1).starts_with("{") || end == std::string_view::npos) {
      error_ = "`\\p` is written \\p{NAME}";
      return;
    }
    std::string_view name = pattern_.substr(at_ + 2, end - at_ - 2);
    if (const std::size_t equals = name.find('='); equals != std::string_view::npos) name.remove_prefix(equals + 1);
    if (name.empty() || name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") !=
                            std::string_view::npos) {
      error_ = "`\\p{" + std::string(name) + "}` is no property";
      return;
    }
    atom((upper ? "\\P{" : "\\p{") + std::string(name) + "}");
    at_ = end + 1;
  }

  void escape(bool in_class) {
    if (++at_ == pattern_.size()) {
      error_ = "a `\\` stands at its end";
      return;
    }
    const char c = pattern_[at_];
    switch (c) {
      case 'd':
      case 'D': return set(kDigits, c == 'D', in_class);
      case 'w':
      case 'W': return set(kWords, c == 'W', in_class);
      case 's':
      case 'S': return set(kSpaces, c == 'S', in_class);
      case 'u': return unicode();
      case 'p':
      case 'P': return property(c == 'P');
      case 'x': {
        const auto value = hex(at_ + 1, 2);
        if (!value) break;
        atom(code_point(*value));
        at_ += 3;
        return;
      }
      case 'c': {
        const char letter = at_ + 1 < pattern_.size() ? pattern_[at_ + 1] : '\0';
        if (std::isalpha(static_cast<unsigned char>(letter)) == 0) break;
        atom(code_point(static_cast<std::uint32_t>(letter) % 32));
        at_ += 2;
        return;
      }
      case '0':
      case 'f':
      case 'v':
      case 't':
      case 'n':
      case 'r': {
        constexpr std::string_view kNames = "0fvtnr";
        constexpr std::array<std::uint32_t, 6> kValues{0, 12, 11, 9, 10, 13};
        atom(code_point(kValues[kNames.find(c)]));
        ++at_;
        return;
      }
      default: break;
    }
    if (in_class && c == 'b') {
      atom(code_point(8));
      ++at_;
      return;
    }
    if (!in_class && simple(c)) return;
    if (std::string_view("^$\\.*+?()[]{}|/-").find(c) == std::string_view::npos) {
      error_ = "`\\" + std::string(1, c) + "` has no meaning in ECMA-262";
      return;
    }
    atom(std::string("\\") + c);
    ++at_;
  }

  // What stands outside of classes only. True when it was one of them.
  bool simple(char c) {
    if (c == 'b' || c == 'B') {
      const std::string word = "[" + std::string(kWords) + "]";
      emit(c == 'b' ? "(?:(?<=" + word + ")(?!" + word + ")|(?<!" + word + ")(?=" + word + "))"
                    : "(?:(?<=" + word + ")(?=" + word + ")|(?<!" + word + ")(?!" + word + "))");
      ++at_;
      return true;
    }
    if (c == 'k') {
      const std::size_t end = pattern_.find('>', at_);
      if (!pattern_.substr(at_).starts_with("k<") || end == std::string_view::npos) return false;
      atom("\\" + std::string(pattern_.substr(at_, end - at_ + 1)));
      at_ = end + 1;
      return true;
    }
    if (c >= '1' && c <= '9') {
      std::string number;
      while (at_ < pattern_.size() && std::isdigit(static_cast<unsigned char>(pattern_[at_])) != 0)
        number += pattern_[at_++];
      atom("(?:\\" + number + ")");
      return true;
    }
    return false;
  }

  void bracket() {
    ++at_;
    const bool negative = next_is('^');
    if (negative) ++at_;
    if (next_is(']')) {  // `[]` is nothing, `[^]` anything
      ++at_;
      return atom(negative ? "[\\x{0}-\\x{10ffff}]" : "(?!)");
    }
    out_ += negative ? "[^" : "[";
    while (at_ < pattern_.size() && pattern_[at_] != ']' && error_.empty()) {
      const char c = pattern_[at_];
      if (c == '\\') {
        escape(true);
        continue;
      }
      if (c == '[' || c == '&') out_ += '\\';
      out_ += c;
      ++at_;
    }
    if (error_.empty() && at_ == pattern_.size()) error_ = "a `[` is not closed";
    ++at_;
    atom("]");
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  std::size_t groups_ = 0;
  bool repeatable_ = false;
  std::string out_, error_;
};

const OnigUChar* bytes(const char* text) { return reinterpret_cast<const OnigUChar*>(text); }

}  // namespace

Result<std::string> translate_pattern(std::string_view pattern) { return Translator(pattern).run(); }

Result<EcmaPattern> EcmaPattern::compile(std::string_view pattern) {
  TRY(const std::string translated, translate_pattern(pattern));
  static const int initialised = [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    return onig_initialize(encodings, 1);
  }();
  OnigErrorInfo info;
  regex_t* code = nullptr;
  const int status = initialised != ONIG_NORMAL
                         ? initialised
                         : onig_new(&code, bytes(translated.data()), bytes(translated.data() + translated.size()),
                                    ONIG_OPTION_CAPTURE_GROUP, ONIG_ENCODING_UTF8, ONIG_SYNTAX_PERL_NG, &info);
  if (status != ONIG_NORMAL) {
    std::array<OnigUChar, ONIG_MAX_ERROR_MESSAGE_LEN> text{};
    const int size = onig_error_code_to_str(text.data(), status, &info);
    return failure(Code::kInvalid, std::string(reinterpret_cast<const char*>(text.data()),
                                               static_cast<std::size_t>(std::max(size, 0))));
  }
  EcmaPattern out;
  out.code_ = std::shared_ptr<const void>(code, [](const void* made) {
    onig_free(static_cast<regex_t*>(const_cast<void*>(made)));  // the library frees what it gave as not const
  });
  return out;
}

std::optional<bool> EcmaPattern::found_in(std::string_view text) const {
  // The matcher writes into its parameters: one for each thread, made once.
  struct Free {
    void operator()(OnigMatchParam* made) const { onig_free_match_param(made); }
  };
  static thread_local const std::unique_ptr<OnigMatchParam, Free> parameters = [] {
    OnigMatchParam* const made = onig_new_match_param();
    onig_initialize_match_param(made);
    onig_set_retry_limit_in_match_of_match_param(made, kRetries);
    onig_set_retry_limit_in_search_of_match_param(made, kRetries);
    return std::unique_ptr<OnigMatchParam, Free>(made);
  }();
  auto* const code = static_cast<regex_t*>(const_cast<void*>(code_.get()));
  const OnigUChar* const begin = bytes(text.empty() ? "" : text.data());
  const OnigUChar* const end = begin + text.size();
  const int at = onig_search_with_param(code, begin, end, begin, end, nullptr, ONIG_OPTION_NONE, parameters.get());
  if (at >= 0) return true;
  if (at == ONIG_MISMATCH) return false;
  return std::nullopt;
}

}  // namespace tieline::json::schema
