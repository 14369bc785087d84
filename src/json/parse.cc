// Parsing and validating: one pass over the bytes, with a stack of its own instead of recursion.
#include <algorithm>
#include <string>
#include <utility>

#include "json/node.h"
#include "json/number.h"
#include "json/prefix.h"
#include "json/scan.h"

namespace tieline::json {
namespace {

// What a parsed document keeps: the body, and the nodes that point into it.
struct Storage {
  Storage(std::shared_ptr<const std::string> shared, std::string owned)
      : body(std::move(shared)), own(std::move(owned)), arena((body ? body->size() : own.size()) * 3 / 2 + 128) {}
  std::string_view text() const { return body ? std::string_view(*body) : std::string_view(own); }

  std::shared_ptr<const std::string> body;
  std::string own;
  Arena arena;
};

// What parsing does with what it reads: builds nodes.
class Building {
 public:
  explicit Building(Arena& arena) : arena_(arena) {}

  void literal(Kind kind, bool is_true) {
    scratch_.push() = Node{.kind = kind, .flags = static_cast<std::uint8_t>(is_true ? Node::kTrue : 0)};
  }
  void number(const char* from, const char* to, bool integer) {
    Node node{.kind = Kind::kNumber,
              .flags = static_cast<std::uint8_t>(integer ? Node::kInteger : 0),
              .length = static_cast<std::uint32_t>(to - from)};
    node.text = from;
    if (!integer || to - from > 15) {
      if (is_inexact(node.view())) {
        node.flags |= Node::kInexact;
        inexact_ = true;
      }
    }
    scratch_.push() = node;
  }
  void string(const char* from, const char* to, bool escaped) {
    if (!escaped) [[likely]] {
      scratch_.push() = string_node({from, static_cast<std::size_t>(to - from)}, true);
      return;
    }
    const auto written = static_cast<std::size_t>(to - from);
    char* const text = arena_.bytes(written);
    const auto size = static_cast<std::size_t>(decode_string(from, to, text) - text);
    arena_.give_back(written - size);
    scratch_.push() = string_node({text, size}, is_plain({text, size}));
  }
  std::size_t open() const { return scratch_.size(); }
  void close(bool object, std::size_t start) {
    const Node node = object ? close_object(scratch_, start, arena_) : close_array(scratch_, start, arena_);
    scratch_.push() = node;
  }

  const Node* root() {
    auto* const node = static_cast<Node*>(arena_.nodes(sizeof(Node)));
    *node = *scratch_.from(0);
    return node;
  }
  bool inexact() const { return inexact_; }

 private:
  Arena& arena_;
  Scratch scratch_;
  bool inexact_ = false;
};

// What validating does: nothing.
struct Checking {
  void literal(Kind, bool) {}
  void number(const char*, const char*, bool) {}
  void string(const char*, const char*, bool) {}
  std::size_t open() const { return 0; }
  void close(bool, std::size_t) {}
};

// Of a whole text, or (kPrefix) of the value that a text begins with.
template <class Sink, bool kPrefix = false>
class Parser {
 public:
  Parser(std::string_view text, const ParseLimits& limits, Sink& sink)
      : begin_(text.data()), end_(text.data() + text.size()), limits_(limits), sink_(sink) {}

  Result<void> run() {
    const std::size_t bytes_max = std::min<std::size_t>(limits_.bytes_max, 0xFFFF'FFFFu);
    const auto bytes = static_cast<std::size_t>(end_ - begin_);
    if (bytes > bytes_max) {
      return failure(Code::kTooLarge,
                     "the text has " + std::to_string(bytes) + " bytes, the limit is " + std::to_string(bytes_max));
    }
    if (bytes >= 3 && std::string_view(begin_, 3) == "\xEF\xBB\xBF") {
      return refuse(begin_, "a byte order mark is not allowed before JSON");
    }
    if (document()) return {};
    return failed();
  }

  // The bytes that the value at the beginning takes, white space before it included.
  Result<std::size_t> run_prefix() {
    if (document()) return static_cast<std::size_t>(stopped_ - begin_);
    return failed();
  }
  // What failed, or the value that was found, ends where the text ends: more of it may change that.
  bool cut() const { return cut_; }

 private:
  enum class Want { kValue, kFirstElement, kFirstKey, kKey, kAfter };

  struct Frame {
    std::uint32_t start;
    bool object;
  };

  // The functions below take where they stand and give where they stopped, null where they failed: a position in memory
  // would cost each string more than looking for its end.
  bool document() {
    Want want = Want::kValue;
    const char* at = begin_;
    for (;;) {
      if constexpr (kPrefix) {
        if (want == Want::kAfter && depth_ == 0) return separated(at);
      }
      at = skip_space(at);
      switch (want) {
        case Want::kFirstKey:
          if (at != end_ && *at == '}') {
            at = close(at, want);
            continue;
          }
          [[fallthrough]];
        case Want::kKey:
          at = key(at, want == Want::kFirstKey);
          if (at == nullptr) return false;
          at = skip_space(at);
          want = Want::kValue;
          break;
        case Want::kFirstElement:
          if (at != end_ && *at == ']') {
            at = close(at, want);
            continue;
          }
          break;
        case Want::kValue: break;
        case Want::kAfter:
          if (depth_ == 0) {
            if (at != end_) expected(at, "the end of the text");
            return at == end_;
          }
          at = after(at, want);
          if (at == nullptr) return false;
          continue;
      }
      at = value(at, want);
      if (at == nullptr) return false;
    }
  }

  // Behind a number or a word there must be something that cannot belong to it.
  bool separated(const char* at) {
    stopped_ = at;
    const char last = at[-1];
    if (last == '}' || last == ']' || last == '"') return true;
    if (at == end_) {
      cut_ = true;
      return true;
    }
    if (std::string_view(" \n\r\t[]{},:\"").find(*at) != std::string_view::npos) return true;
    expected(at, "white space behind a value");
    return false;
  }

  const char* skip_space(const char* at) const {
    while (at != end_ && static_cast<unsigned char>(*at) <= ' ') {
      if (*at != ' ' && *at != '\n' && *at != '\r' && *at != '\t') return at;
      ++at;
    }
    return at;
  }

  // A key and its colon.
  [[gnu::always_inline]] const char* key(const char* at, bool first) {
    if (at == end_ || *at != '"')
      return expected(at, first ? "a key in quotes or \"}\"" : "a key in quotes after \",\"");
    at = string(at);
    if (at == nullptr) return nullptr;
    at = skip_space(at);
    return at != end_ && *at == ':' ? at + 1 : expected(at, "\":\" after a key");
  }

  [[gnu::always_inline]] const char* after(const char* at, Want& want) {
    const bool object = top().object;
    const char c = at == end_ ? '\0' : *at;
    if (c == ',') {
      want = object ? Want::kKey : Want::kValue;
      return at + 1;
    }
    if (c == (object ? '}' : ']')) return close(at, want);
    return expected(at, object ? "\",\" or \"}\" after a member" : "\",\" or \"]\" after an element");
  }

  [[gnu::always_inline]] const char* value(const char* at, Want& want) {
    if (at == end_) return no_value(at, want);
    const Want asked = std::exchange(want, Want::kAfter);
    switch (*at) {
      case '"': return string(at);
      case '{': want = Want::kFirstKey; return open(at, true);
      case '[': want = Want::kFirstElement; return open(at, false);
      case 't': return literal(at, "true", Kind::kBool, true);
      case 'f': return literal(at, "false", Kind::kBool, false);
      case 'n': return literal(at, "null", Kind::kNull, false);
      case '-':
      case '0':
      case '1':
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
      case '7':
      case '8':
      case '9': return number(at);
      default: return no_value(at, asked);
    }
  }

  const char* no_value(const char* at, Want asked) {
    if (asked == Want::kFirstElement) return expected(at, "a value or \"]\"");
    if (depth_ == 0) return expected(at, "a value");
    return expected(at, top().object ? "a value after a key" : "a value after \",\"");
  }

  [[gnu::always_inline]] const char* string(const char* at) {
    const char* const from = at + 1;
    bool escaped = false;
    const char* to = skip_clean(from, end_);  // here, since nearly all strings are clean to their end
    if (to == end_ || *to != '"') [[unlikely]] {
      to = scan_string(from, end_, escaped, fault_);
      if (to == nullptr) {
        cut_ = fault_.cut;
        return nullptr;
      }
    }
    sink_.string(from, to, escaped);
    return to + 1;
  }

  const char* number(const char* from) {
    bool integer = false;
    const char* wanted = nullptr;
    const char* const to = scan_number(from, end_, integer, wanted);
    if (to == nullptr) {
      const std::string_view rest(from, static_cast<std::size_t>(end_ - from));
      cut_ = rest.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
      fault_ = {from, std::string("invalid number: expected ") + wanted};
      return nullptr;
    }
    sink_.number(from, to, integer);
    return to;
  }

  [[gnu::always_inline]] const char* literal(const char* at, std::string_view word, Kind kind, bool is_true) {
    if (!std::string_view(at, static_cast<std::size_t>(end_ - at)).starts_with(word)) [[unlikely]] {
      return no_literal(at, word);
    }
    sink_.literal(kind, is_true);
    return at + word.size();
  }
  const char* no_literal(const char* at, std::string_view word) {
    cut_ = word.starts_with(std::string_view(at, static_cast<std::size_t>(end_ - at)));
    fault_ = {at, "expected a value: null, true, false, a number, or a string in quotes"};
    return nullptr;
  }

  const char* open(const char* at, bool object) {
    const std::size_t depth_max = std::min(limits_.depth_max, kDepthCap);
    if (depth_ >= depth_max) {
      code_ = Code::kTooLarge;
      fault_ = {at, "nested deeper than " + std::to_string(depth_max) + " levels"};
      return nullptr;
    }
    frames_[depth_++] = {static_cast<std::uint32_t>(sink_.open()), object};
    return at + 1;
  }

  const char* close(const char* at, Want& want) {
    const Frame frame = frames_[--depth_];
    sink_.close(frame.object, frame.start);
    want = Want::kAfter;
    return at + 1;
  }

  const Frame& top() const { return frames_[depth_ - 1]; }

  std::nullptr_t expected(const char* at, const char* what) {
    cut_ = cut_at(at, end_);
    fault_ = {at, std::string("expected ") + what + ", " + found(at, end_)};
    return nullptr;
  }

  tl::unexpected<Error> failed() { return failure(code_, std::move(fault_.message), place(fault_.at)); }
  tl::unexpected<Error> refuse(const char* at, std::string message) {
    return failure(Code::kInvalid, std::move(message), place(at));
  }

  // Columns count characters, as editors do.
  Place place(const char* at) const {
    Place p{.line = 1, .column = 1};
    for (const char* c = begin_; c != at; ++c) {
      if (*c == '\n') {
        ++p.line;
        p.column = 1;
      } else if ((static_cast<unsigned char>(*c) & 0xC0) != 0x80) {
        ++p.column;
      }
    }
    return p;
  }

  const char* begin_;
  const char* end_;
  const ParseLimits& limits_;
  Sink& sink_;
  Frame frames_[kDepthCap];  // not cleared: only what depth_ covers is read
  std::size_t depth_ = 0;
  const char* stopped_ = nullptr;  // of a prefix: behind its value
  bool cut_ = false;
  Code code_ = Code::kInvalid;
  Fault fault_;
};

Result<Document> parse_storage(std::shared_ptr<Storage> storage, const ParseLimits& limits) {
  Building building(storage->arena);
  TRY_VOID(Parser<Building>(storage->text(), limits, building).run());
  const Value root(building.root());
  return Document(std::move(storage), root, building.inexact());
}

}  // namespace

Result<Prefix> parse_prefix(std::string_view text, Arena& arena, const ParseLimits& limits, bool& cut) {
  Building building(arena);
  Parser<Building, true> parser(text, limits, building);
  auto bytes = parser.run_prefix();
  cut = parser.cut();
  if (!bytes) return failure(std::move(bytes.error()));
  return Prefix{*bytes, building.root(), building.inexact()};
}

Result<Document> parse(std::string text, const ParseLimits& limits) {
  return parse_storage(std::make_shared<Storage>(nullptr, std::move(text)), limits);
}

Result<Document> parse(std::shared_ptr<const std::string> text, const ParseLimits& limits) {
  CHECK(text != nullptr);
  return parse_storage(std::make_shared<Storage>(std::move(text), std::string()), limits);
}

Result<void> validate(std::string_view text, const ParseLimits& limits) {
  Checking checking;
  return Parser<Checking>(text, limits, checking).run();
}

}  // namespace tieline::json
