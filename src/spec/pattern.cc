#include "spec/pattern.h"

#include <regex.h>

#include <array>
#include <cctype>

namespace tieline::spec {

struct Pattern::Compiled {
  regex_t regex{};
  bool valid = false;
  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    if (valid) regfree(&regex);
  }
};

Result<Pattern> Pattern::compile(std::string_view text) {
  const auto broken = [&](std::string_view why) {
    return failure(Code::kInvalid, "the pattern " + std::string(text) + " is not valid: " + std::string(why));
  };
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    const char next = text[i + 1];
    if (text[i] == '\\') {
      if (std::isalnum(static_cast<unsigned char>(next)) != 0)
        return broken("write a set such as [0-9] instead of \\" + std::string(1, next));
      ++i;
    } else if (text[i] == '(' && next == '?') {
      return broken("(? has no meaning here");
    } else if ((text[i] == '*' || text[i] == '+' || text[i] == '?' || text[i] == '}') && next == '?') {
      return broken("a lazy quantifier has no meaning here");
    }
  }
  auto compiled = std::make_shared<Compiled>();
  std::string copy(text);
  if (const int code = regcomp(&compiled->regex, copy.c_str(), REG_EXTENDED | REG_NOSUB); code != 0) {
    std::array<char, 128> why;
    regerror(code, &compiled->regex, why.data(), why.size());
    return broken(why.data());
  }
  compiled->valid = true;
  return Pattern(std::move(copy), std::move(compiled));
}

bool Pattern::matches(std::string_view text) const {
  // With the length given, a NUL inside does not end the text.
  regmatch_t whole{};
  whole.rm_so = 0;
  whole.rm_eo = static_cast<regoff_t>(text.size());
  return regexec(&compiled_->regex, text.data() == nullptr ? "" : text.data(), 1, &whole, REG_STARTEND) == 0;
}

}  // namespace tieline::spec
