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
      : begin_(text.data()), end_(text.data() + text.size()), at_(begin_), limits_(limits), sink_(sink) {}

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
    if (document()) return static_cast<std::size_t>(at_ - begin_);
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

  bool document() {
    Want want = Want::kValue;
    for (;;) {
      if constexpr (kPrefix) {
        if (want == Want::kAfter && depth_ == 0) return separated();
      }
      skip_space();
      bool well = false;
      switch (want) {
        case Want::kFirstKey:
          if (at_ != end_ && *at_ == '}') {
            close();
            want = Want::kAfter;
            continue;
          }
          [[fallthrough]];
        case Want::kKey:
          if (!key(want == Want::kFirstKey)) return false;
          skip_space();
          want = Want::kValue;
          well = value(want);
          break;
        case Want::kFirstElement:
          if (at_ != end_ && *at_ == ']') {
            close();
            want = Want::kAfter;
            continue;
          }
          [[fallthrough]];
        case Want::kValue: well = value(want); break;
        case Want::kAfter:
          if (depth_ == 0) return at_ == end_ || expected("the end of the text");
          well = after(want);
          break;
      }
      if (!well) return false;
    }
  }

  // Behind a number or a word there must be something that cannot belong to it.
  bool separated() {
    const char last = at_[-1];
    if (last == '}' || last == ']' || last == '"') return true;
    if (at_ == end_) {
      cut_ = true;
      return true;
    }
    if (std::string_view(" \n\r\t[]{},:\"").find(*at_) != std::string_view::npos) return true;
    return expected("white space behind a value");
  }

  void skip_space() {
    while (at_ != end_ && static_cast<unsigned char>(*at_) <= ' ') {
      if (*at_ != ' ' && *at_ != '\n' && *at_ != '\r' && *at_ != '\t') return;
      ++at_;
    }
  }

  // A key and its colon.
  bool key(bool first) {
    if (at_ == end_ || *at_ != '"') return expected(first ? "a key in quotes or \"}\"" : "a key in quotes after \",\"");
    if (!string()) return false;
    skip_space();
    if (at_ == end_ || *at_ != ':') return expected("\":\" after a key");
    ++at_;
    return true;
  }

  bool after(Want& want) {
    const bool object = top().object;
    const char c = at_ == end_ ? '\0' : *at_;
    if (c == ',') {
      ++at_;
      want = object ? Want::kKey : Want::kValue;
      return true;
    }
    if (c == (object ? '}' : ']')) {
      close();
      return true;
    }
    return expected(object ? "\",\" or \"}\" after a member" : "\",\" or \"]\" after an element");
  }

  bool value(Want& want) {
    if (at_ == end_) return no_value(want);
    const Want asked = std::exchange(want, Want::kAfter);
    switch (*at_) {
      case '"': return string();
      case '{': want = Want::kFirstKey; return open(true);
      case '[': want = Want::kFirstElement; return open(false);
      case 't': return literal("true", Kind::kBool, true);
      case 'f': return literal("false", Kind::kBool, false);
      case 'n': return literal("null", Kind::kNull, false);
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
      case '9': return number();
      default: return no_value(asked);
    }
  }

  bool no_value(Want asked) {
    if (asked == Want::kFirstElement) return expected("a value or \"]\"");
    if (depth_ == 0) return expected("a value");
    return expected(top().object ? "a value after a key" : "a value after \",\"");
  }

  bool string() {
    const char* const from = ++at_;
    bool escaped = false;
    const char* to = skip_clean(from, end_);  // here, since nearly all strings are clean to their end
    if (to == end_ || *to != '"') [[unlikely]] {
      to = scan_string(from, end_, escaped, fault_);
      if (to == nullptr) {
        cut_ = fault_.cut;
        return false;
      }
    }
    sink_.string(from, to, escaped);
    at_ = to + 1;
    return true;
  }

  bool number() {
    const char* const from = at_;
    bool integer = false;
    const char* wanted = nullptr;
    const char* const to = scan_number(from, end_, integer, wanted);
    if (to == nullptr) {
      const std::string_view rest(from, static_cast<std::size_t>(end_ - from));
      cut_ = rest.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
      fault_ = {from, std::string("invalid number: expected ") + wanted};
      return false;
    }
    sink_.number(from, to, integer);
    at_ = to;
    return true;
  }

  bool literal(std::string_view word, Kind kind, bool is_true) {
    const std::string_view rest(at_, static_cast<std::size_t>(end_ - at_));
    if (!rest.starts_with(word)) {
      cut_ = word.starts_with(rest);
      fault_ = {at_, "expected a value: null, true, false, a number, or a string in quotes"};
      return false;
    }
    sink_.literal(kind, is_true);
    at_ += word.size();
    return true;
  }

  bool open(bool object) {
    const std::size_t depth_max = std::min(limits_.depth_max, kDepthCap);
    if (depth_ >= depth_max) {
      code_ = Code::kTooLarge;
      fault_ = {at_, "nested deeper than " + std::to_string(depth_max) + " levels"};
      return false;
    }
    frames_[depth_++] = {static_cast<std::uint32_t>(sink_.open()), object};
    ++at_;
    return true;
  }

  void close() {
    const Frame frame = frames_[--depth_];
    sink_.close(frame.object, frame.start);
    ++at_;
  }

  const Frame& top() const { return frames_[depth_ - 1]; }

  bool expected(const char* what) {
    cut_ = cut_at(at_, end_);
    fault_ = {at_, std::string("expected ") + what + ", " + found(at_, end_)};
    return false;
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
  const char* at_;
  const ParseLimits& limits_;
  Sink& sink_;
  Frame frames_[kDepthCap];  // not cleared: only what depth_ covers is read
  std::size_t depth_ = 0;
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
