// Printing: compact into a buffer that is appended in blocks, and the styles that people read.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "json/node.h"
#include "json/scan.h"

namespace tieline::json {
namespace {

// Collects small pieces in a block on the stack, since appending each to a string costs more than copying it.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  ~Writer() { flush(); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void put(char c) {
    if (at_ == sizeof block_) flush();
    block_[at_++] = c;
  }
  void put(std::string_view text) {
    if (text.size() > sizeof block_ - at_) [[unlikely]] {
      flush();
      if (text.size() > sizeof block_) {
        out_.append(text);
        return;
      }
    }
    std::memcpy(block_ + at_, text.data(), text.size());
    at_ += text.size();
  }
  void put_quoted(std::string_view text) {
    if (text.size() + 2 > sizeof block_ - at_) [[unlikely]] {
      put('"');
      put(text);
      put('"');
      return;
    }
    char* const to = block_ + at_;
    *to = '"';
    std::memcpy(to + 1, text.data(), text.size());
    to[text.size() + 1] = '"';
    at_ += text.size() + 2;
  }
  void put(std::size_t count, char c) {
    for (; count != 0; --count) put(c);
  }

 private:
  void flush() {
    out_.append(block_, at_);
    at_ = 0;
  }

  std::string& out_;
  std::size_t at_ = 0;
  char block_[4096];
};

// The letter behind the backslash; 'u' for \u00XX; 0 for characters that stand as they are.
constexpr auto kEscapes = [] {
  std::array<char, 256> table{};
  for (std::size_t c = 0; c < 0x20; ++c) table[c] = 'u';
  table['\b'] = 'b';
  table['\f'] = 'f';
  table['\n'] = 'n';
  table['\r'] = 'r';
  table['\t'] = 't';
  table['"'] = '"';
  table['\\'] = '\\';
  return table;
}();

void put_escaped(Writer& out, std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    const char* const stop = skip_unescaped(at, end);
    out.put(std::string_view(at, static_cast<std::size_t>(stop - at)));
    at = stop;
    if (at == end) return;
    const auto byte = static_cast<unsigned char>(*at++);
    const char letter = kEscapes[byte];
    out.put('\\');
    out.put(letter);
    if (letter == 'u') {
      out.put("00");
      out.put("0123456789abcdef"[byte >> 4]);
      out.put("0123456789abcdef"[byte & 15]);
    }
  }
}

void put_string(Writer& out, const Node& node) {
  if ((node.flags & Node::kPlain) != 0) [[likely]] {
    out.put_quoted(node.view());
    return;
  }
  out.put('"');
  put_escaped(out, node.view());
  out.put('"');
}

void put_scalar(Writer& out, const Node& node) {
  switch (node.kind) {
    case Kind::kBool: return out.put((node.flags & Node::kTrue) != 0 ? std::string_view("true") : "false");
    case Kind::kNumber: return out.put(node.view());
    case Kind::kString: return put_string(out, node);
    default: return out.put(std::string_view("null"));
  }
}

void put_compact(Writer& out, const Node& node) {
  if (node.kind == Kind::kArray) {
    out.put('[');
    for (std::uint32_t i = 0; i < node.length; ++i) {
      if (i != 0) out.put(',');
      put_compact(out, node.elements[i]);
    }
    out.put(']');
  } else if (node.kind == Kind::kObject) {
    out.put('{');
    for (std::uint32_t i = 0; i < node.length; ++i) {
      if (i != 0) out.put(',');
      put_string(out, node.members[i].key);
      out.put(':');
      put_compact(out, node.members[i].value);
    }
    out.put('}');
  } else {
    put_scalar(out, node);
  }
}

// The layout and the colours of jq 1.6.
class Styled {
 public:
  Styled(Writer& out, const PrintStyle& style) : out_(out), style_(style) {}

  void put(const Node& node, std::size_t depth) {
    if (node.kind == Kind::kArray) return put_array(node, depth);
    if (node.kind == Kind::kObject) return put_object(node, depth);
    color(node.kind == Kind::kNull ? "1;30" : node.kind == Kind::kString ? "0;32" : "0;39");
    put_scalar(out_, node);
    end_color();
  }

 private:
  static constexpr std::string_view kContainer = "1;39";

  void put_array(const Node& node, std::size_t depth) {
    color(kContainer);
    out_.put('[');
    for (std::uint32_t i = 0; i < node.length; ++i) {
      if (i != 0) {
        color(kContainer);
        out_.put(',');
      }
      line(depth + 1);
      put(node.elements[i], depth + 1);
    }
    if (node.length != 0) {
      color(kContainer);
      line(depth);
      color(kContainer);
    }
    out_.put(']');
    end_color();
  }

  void put_object(const Node& node, std::size_t depth) {
    color(kContainer);
    out_.put('{');
    std::vector<const Member*> members(node.length);
    for (std::uint32_t i = 0; i < node.length; ++i) members[i] = node.members + i;
    if (style_.sort_keys) {
      std::sort(members.begin(), members.end(),
                [](const Member* a, const Member* b) { return a->key.view() < b->key.view(); });
    }
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i != 0) {
        color(kContainer);
        out_.put(',');
      }
      line(depth + 1);
      end_color();
      color("34;1");
      put_string(out_, members[i]->key);
      end_color();
      color(kContainer);
      out_.put(':');
      if (style_.indent != 0) out_.put(' ');
      end_color();
      put(members[i]->value, depth + 1);
    }
    if (node.length != 0) {
      color(kContainer);
      line(depth);
      color(kContainer);
    }
    out_.put('}');
    end_color();
  }

  void line(std::size_t depth) {
    if (style_.indent == 0) return;
    out_.put('\n');
    if (style_.indent < 0) {
      out_.put(depth, '\t');
    } else {
      out_.put(depth * static_cast<std::size_t>(style_.indent), ' ');
    }
  }

  void color(std::string_view code) {
    if (!style_.color) return;
    out_.put("\x1b[");
    out_.put(code);
    out_.put('m');
  }
  void end_color() {
    if (style_.color) out_.put("\x1b[0m");
  }

  Writer& out_;
  const PrintStyle& style_;
};

}  // namespace

std::string print(Value value) {
  std::string out;
  print_to(out, value);
  return out;
}

void print_to(std::string& out, Value value) {
  Writer writer(out);
  put_compact(writer, *value.node());
}

std::string print(Value value, const PrintStyle& style) {
  std::string out;
  {
    Writer writer(out);  // what it holds back is in `out` when it is gone
    Styled(writer, style).put(*value.node(), 0);
  }
  return out;
}

}  // namespace tieline::json
