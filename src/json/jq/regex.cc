#include "json/jq/regex.h"

#include <oniguruma.h>

#include <array>
#include <memory>
#include <unordered_map>
#include <utility>

#include "json/jq/machine.h"
#include "json/jq/natives.h"
#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

constexpr std::size_t kKept = 64;
constexpr unsigned long kRetries = 5'000'000;

struct FreeRegex {
  void operator()(regex_t* regex) const { onig_free(regex); }
};
struct FreeRegion {
  void operator()(OnigRegion* region) const { onig_region_free(region, 1); }
};

struct Regex {
  std::unique_ptr<regex_t, FreeRegex> code;
  std::vector<std::string> names;  // of the groups, from 1
};

const OnigUChar* bytes(const char* text) { return reinterpret_cast<const OnigUChar*>(text); }

int add_name(const OnigUChar* name, const OnigUChar* end, int count, int* groups, regex_t*, void* to) {
  auto& names = *static_cast<std::vector<std::string>*>(to);
  for (int i = 0; i < count; ++i) {
    names[static_cast<std::size_t>(groups[i])].assign(reinterpret_cast<const char*>(name),
                                                      static_cast<std::size_t>(end - name));
  }
  return 0;
}

std::string compile(std::string_view pattern, OnigOptionType options, Regex& regex) {
  static const int initialised = [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    const int status = onig_initialize(encodings, 1);
    onig_set_retry_limit_in_match(kRetries);
    onig_set_retry_limit_in_search(kRetries);
    return status;
  }();
  OnigErrorInfo info;
  regex_t* code = nullptr;
  const int status = initialised != ONIG_NORMAL
                         ? initialised
                         : onig_new(&code, bytes(pattern.data()), bytes(pattern.data() + pattern.size()), options,
                                    ONIG_ENCODING_UTF8, ONIG_SYNTAX_PERL_NG, &info);
  if (status != ONIG_NORMAL) {
    std::array<OnigUChar, ONIG_MAX_ERROR_MESSAGE_LEN> text{};
    const int size = onig_error_code_to_str(text.data(), status, &info);
    return std::string(pattern) + " (at offset 0) is not a valid regex: " +
           std::string(reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(std::max(size, 0)));
  }
  regex.code.reset(code);
  regex.names.resize(static_cast<std::size_t>(onig_number_of_captures(code)) + 1);
  onig_foreach_name(code, add_name, &regex.names);
  return {};
}

bool options_of(std::string_view flags, OnigOptionType& options, bool& global) {
  for (const char c : flags) {
    switch (c) {
      case 'g': global = true; break;
      case 'i': options |= ONIG_OPTION_IGNORECASE; break;
      case 'x': options |= ONIG_OPTION_EXTEND; break;
      case 's': options |= ONIG_OPTION_SINGLELINE; break;
      case 'p': options |= ONIG_OPTION_MULTILINE | ONIG_OPTION_SINGLELINE; break;
      case 'l': options |= ONIG_OPTION_FIND_LONGEST; break;
      case 'n': options |= ONIG_OPTION_FIND_NOT_EMPTY; break;
      default: return false;
    }
  }
  return true;
}

// Compiled expressions are kept by thread: compiling costs more than most searches.
const Regex* known(std::string_view pattern, OnigOptionType options, std::string& error) {
  static thread_local std::unordered_map<std::string, Regex> kept;
  std::string key(pattern);
  key += '\0';
  key += std::to_string(options);
  if (const auto at = kept.find(key); at != kept.end()) return &at->second;
  Regex regex;
  error = compile(pattern, options, regex);
  if (!error.empty()) return nullptr;
  if (kept.size() >= kKept) kept.clear();
  return &kept.emplace(std::move(key), std::move(regex)).first->second;
}

}  // namespace

std::string find_matches(std::string_view text, std::string_view pattern, std::string_view flags, bool captures,
                         std::vector<Match>& matches) {
  OnigOptionType options = ONIG_OPTION_CAPTURE_GROUP;
  bool global = false;
  if (!options_of(flags, options, global)) return std::string(flags) + " is not a valid modifier string";
  std::string error;
  const Regex* const regex = known(pattern, options, error);
  if (regex == nullptr) return error;
  const std::unique_ptr<OnigRegion, FreeRegion> region(onig_region_new());
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const char* start = begin;
  do {
    const int at = onig_search(regex->code.get(), bytes(begin), bytes(end), bytes(start), bytes(end), region.get(),
                               ONIG_OPTION_NONE);
    if (at == ONIG_MISMATCH) return {};
    if (at < 0) {
      return at == ONIGERR_RETRY_LIMIT_IN_MATCH_OVER || at == ONIGERR_RETRY_LIMIT_IN_SEARCH_OVER
                 ? "the expression " + std::string(pattern) + " takes too long on this text"
                 : std::string(pattern) + " (at offset 0) is not a valid regex";
    }
    Match match{static_cast<std::size_t>(region->beg[0]), static_cast<std::size_t>(region->end[0]), {}};
    for (int i = 1; captures && i < region->num_regs; ++i) {
      Capture capture{.name = regex->names[static_cast<std::size_t>(i)]};
      if (region->beg[i] >= 0) {
        capture.begin = static_cast<std::size_t>(region->beg[i]);
        capture.end = static_cast<std::size_t>(region->end[i]);
        capture.found = true;
      }
      match.captures.push_back(capture);
    }
    start = begin + match.end;
    if (match.begin == match.end) {  // one character on, or it would be found again
      do {
        ++start;
      } while (start < end && (static_cast<unsigned char>(*start) & 0xC0) == 0x80);
    }
    matches.push_back(std::move(match));
    onig_region_clear(region.get());
  } while (global && start <= end);
  return {};
}

namespace {

// Checks the arguments of the regex functions; null flags are none.
bool search(Machine& m, Node in, Node pattern, Node flags, std::string_view more_flags, bool captures,
            std::vector<Match>& matches) {
  if (!is_string(in)) return m.fail_type(in, "cannot be matched, as it is not a string");
  if (!is_string(pattern)) return m.fail_type(pattern, "cannot be matched, as it is not a string");
  if (!is_string(flags) && flags.kind != Kind::kNull) return m.fail_type(flags, "is not a string");
  std::string all(more_flags);
  if (is_string(flags)) all += flags.view();
  const std::string error = find_matches(in.view(), pattern.view(), all, captures, matches);
  if (!error.empty()) return m.fail(error);
  return m.spend(in.length / 8 + matches.size() * 8);
}

// test(x), match(x), capture(x): a pattern, or a list of it and its flags.
bool pattern_and_flags(Machine& m, Node given, Node& pattern, Node& flags) {
  flags = Node{};
  if (is_string(given)) {
    pattern = given;
    return true;
  }
  if (!is_array(given) || given.length == 0) {
    return m.fail(std::string(kind_name(given.kind)) + " not a string or array");
  }
  pattern = given.elements[0];
  if (given.length > 1) flags = given.elements[1];
  return true;
}

// Counts characters up to rising byte offsets.
class Offsets {
 public:
  explicit Offsets(std::string_view text) : text_(text) {}
  std::int64_t of(std::size_t byte) {
    if (byte < byte_) {
      byte_ = 0;
      count_ = 0;
    }
    count_ += static_cast<std::int64_t>(characters(text_.substr(byte_, byte - byte_)));
    byte_ = byte;
    return count_;
  }

 private:
  std::string_view text_;
  std::size_t byte_ = 0;
  std::int64_t count_ = 0;
};

Node part(Machine& m, Node in, std::size_t begin, std::size_t end) {
  Node text = m.text_in_place(in.text + begin, end - begin);
  text.flags = in.flags & Node::kPlain;
  return text;
}

Member member(std::string_view key, Node value) { return {string_node(key, true), value}; }

Node match_object(Machine& m, Node in, const Match& match, Offsets& offsets) {
  Node* const captures = m.nodes(match.captures.size());
  const std::int64_t at = offsets.of(match.begin);
  for (std::size_t i = 0; i < match.captures.size(); ++i) {
    const Capture& c = match.captures[i];
    Member* const members = m.members(4);
    new (members) Member(member("offset", integer(c.found ? offsets.of(c.begin) : -1)));
    new (members + 1) Member(member(
        "length",
        integer(c.found ? static_cast<std::int64_t>(characters(in.view().substr(c.begin, c.end - c.begin))) : 0)));
    new (members + 2) Member(member("string", c.found ? part(m, in, c.begin, c.end) : Node{}));
    new (members + 3) Member(member("name", c.name.empty() ? Node{} : m.text(c.name)));
    new (captures + i) Node(m.object(members, 4));
  }
  Member* const members = m.members(4);
  new (members) Member(member("offset", integer(at)));
  new (members + 1) Member(member("length", integer(static_cast<std::int64_t>(
                                                characters(in.view().substr(match.begin, match.end - match.begin))))));
  new (members + 2) Member(member("string", part(m, in, match.begin, match.end)));
  new (members + 3) Member(member("captures", m.array_in_place(captures, match.captures.size())));
  return m.object(members, 4);
}

bool match_with(Machine& m, Node in, Node pattern, Node flags, Node& out) {
  std::vector<Match> matches;
  if (!search(m, in, pattern, flags, "", true, matches)) return false;
  Node* const objects = m.nodes(matches.size());
  Offsets offsets(in.view());
  for (std::size_t i = 0; i < matches.size(); ++i) new (objects + i) Node(match_object(m, in, matches[i], offsets));
  out = m.array_in_place(objects, matches.size());
  return true;
}

bool test_with(Machine& m, Node in, Node pattern, Node flags, Node& out) {
  std::vector<Match> matches;
  if (!search(m, in, pattern, flags, "", false, matches)) return false;
  out = boolean(!matches.empty());
  return true;
}

}  // namespace

// {name: text} of the captures that have names.
Node Machine::captured(Node in, const Match& match) {
  Member* const named = members(match.captures.size());
  std::size_t count = 0;
  for (const Capture& c : match.captures) {
    if (c.name.empty()) continue;
    new (named + count++) Member{text(c.name), c.found ? part(*this, in, c.begin, c.end) : Node{}};
  }
  return object(named, count);
}

namespace {

bool capture_with(Machine& m, Node in, Node pattern, Node flags, Node& out) {
  std::vector<Match> matches;
  if (!search(m, in, pattern, flags, "", true, matches)) return false;
  Node* const objects = m.nodes(matches.size());
  for (std::size_t i = 0; i < matches.size(); ++i) new (objects + i) Node(m.captured(in, matches[i]));
  out = m.array_in_place(objects, matches.size());
  return true;
}

bool scan_with(Machine& m, Node in, Node pattern, Node flags, Node& out) {
  std::vector<Match> matches;
  if (!search(m, in, pattern, flags, "g", true, matches)) return false;
  Collector found(m.arena());
  for (const Match& match : matches) {
    if (match.captures.empty()) {
      found.push(part(m, in, match.begin, match.end));
      continue;
    }
    Node* const groups = m.nodes(match.captures.size());
    for (std::size_t i = 0; i < match.captures.size(); ++i) {
      const Capture& c = match.captures[i];
      new (groups + i) Node(c.found ? part(m, in, c.begin, c.end) : Node{});
    }
    found.push(m.array_in_place(groups, match.captures.size()));
  }
  out = found.array();
  return true;
}

bool split_with(Machine& m, Node in, Node pattern, Node flags, Node& out) {
  std::vector<Match> matches;
  if (!search(m, in, pattern, flags, "g", false, matches)) return false;
  Collector parts(m.arena());
  std::size_t at = 0;
  for (const Match& match : matches) {
    parts.push(part(m, in, at, std::max(at, match.begin)));
    at = match.end;
  }
  parts.push(part(m, in, at, in.length));
  out = parts.array();
  return true;
}

using With = bool (*)(Machine&, Node, Node, Node, Node&);
template <With F>
bool one(Machine& m, Node in, const Node* a, Node& out) {
  Node pattern, flags;
  return pattern_and_flags(m, a[0], pattern, flags) && F(m, in, pattern, flags, out);
}
template <With F>
bool two(Machine& m, Node in, const Node* a, Node& out) {
  return F(m, in, a[0], a[1], out);
}

constexpr std::array kRegex = {
    Native{"test", 1, one<test_with>},
    Native{"test", 2, two<test_with>},
    Native{"match", 1, one<match_with>, true},
    Native{"match", 2, two<match_with>, true},
    Native{"capture", 1, one<capture_with>, true},
    Native{"capture", 2, two<capture_with>, true},
    Native{"scan", 1, one<scan_with>, true},
    Native{"scan", 2, two<scan_with>, true, true},
    Native{"split", 2, two<split_with>, false, true},
    Native{"splits", 1, one<split_with>, true},
    Native{"splits", 2, two<split_with>, true, true},
};

}  // namespace

std::span<const Native> regex_natives() { return kRegex; }

// sub and gsub: every output of the replacement is a text of its own, as in jq.
bool Machine::each_substitute(const Code* code, Frame* frame, Node in, Sink& out) {
  SinkOf patterns([&](Node pattern) {
    SinkOf all_flags([&](Node flags) {
      std::vector<Match> matches;
      if (!search(*this, in, pattern, flags, code->slot == 1 ? "g" : "", true, matches)) return false;
      std::vector<std::string> texts;
      std::size_t at = 0;
      for (const Match& match : matches) {
        const std::string_view gap = in.view().substr(at, std::max(at, match.begin) - at);
        std::size_t position = 0;
        SinkOf inserts([&](Node insert) {
          if (!is_string(insert)) return fail_types(text(gap), insert, "cannot be added");
          if (position == texts.size()) texts.emplace_back();
          std::string& to = texts[position++];
          to += gap;
          to += insert.view();
          return to.size() < (1u << 20) || room(to.size());
        });
        if (!each(code->b, frame, captured(in, match), inserts)) return false;
        at = match.end;
      }
      if (texts.empty()) return out.emit(in);
      for (const std::string& whole : texts) {
        if (!out.emit(text(whole + std::string(in.view().substr(at))))) return false;
      }
      return true;
    });
    return code->c == nullptr ? all_flags.emit(Node{}) : each(code->c, frame, in, all_flags);
  });
  return each(code->a, frame, in, patterns);
}

}  // namespace tieline::json::jq
