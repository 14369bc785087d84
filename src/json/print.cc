// Printing: compact into a buffer that is appended in blocks, and the styles that people read.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "json/jq/values.h"
#include "json/node.h"
#include "json/scan.h"

namespace tieline::json {
namespace {

// Collects small pieces in a block on the stack, since appending each to a string costs more than copying it. What is
// larger or deeper than it may be stops it: nothing more need be put then.
class Writer {
 public:
  explicit Writer(std::string& out, std::size_t bytes_max = std::string::npos)
      : out_(out), start_(out.size()), bytes_max_(bytes_max) {}
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

  // Whether a container may stand at this depth.
  bool enter(std::size_t depth) {
    if (depth >= kDepthCap) [[unlikely]]
      result_ = Printed::kTooDeep;
    return result_ == Printed::kWell;
  }
  bool stopped() const { return result_ != Printed::kWell; }
  Printed finish() {
    flush();
    return result_;
  }

 private:
  void flush() {
    if (at_ == 0) return;
    out_.append(block_, at_);
    at_ = 0;
    if (out_.size() - start_ > bytes_max_) result_ = Printed::kTooLarge;
  }

  std::string& out_;
  std::size_t start_;
  std::size_t bytes_max_;
  Printed result_ = Printed::kWell;
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
    case Kind::kNumber: {
      if ((node.flags & (Node::kInt64 | Node::kReal)) == 0) [[likely]]
        return out.put(node.view());
      jq::NumberText text;
      return out.put(jq::number_text(node, text));
    }
    case Kind::kString: return put_string(out, node);
    default: return out.put(std::string_view("null"));
  }
}

void put_compact(Writer& out, const Node& node, std::size_t depth) {
  if (node.kind == Kind::kArray) {
    if (!out.enter(depth)) return;
    out.put('[');
    for (std::uint32_t i = 0; i < node.length && !out.stopped(); ++i) {
      if (i != 0) out.put(',');
      put_compact(out, node.elements[i], depth + 1);
    }
    out.put(']');
  } else if (node.kind == Kind::kObject) {
    if (!out.enter(depth)) return;
    out.put('{');
    for (std::uint32_t i = 0; i < node.length && !out.stopped(); ++i) {
      if (i != 0) out.put(',');
      put_string(out, node.members[i].key);
      out.put(':');
      put_compact(out, node.members[i].value, depth + 1);
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
    const bool null = node.kind == Kind::kNull || (node.kind == Kind::kNumber && jq::is_nan(node));
    color(null ? "1;30" : node.kind == Kind::kString ? "0;32" : "0;39");
    put_scalar(out_, node);
    end_color();
  }

 private:
  static constexpr std::string_view kContainer = "1;39";

  void put_array(const Node& node, std::size_t depth) {
    if (!out_.enter(depth)) return;
    color(kContainer);
    out_.put('[');
    for (std::uint32_t i = 0; i < node.length && !out_.stopped(); ++i) {
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
    if (!out_.enter(depth)) return;
    color(kContainer);
    out_.put('{');
    std::vector<const Member*> sorted;
    if (style_.sort_keys) sorted = by_key(node);
    for (std::size_t i = 0; i < node.length && !out_.stopped(); ++i) {
      const Member& member = style_.sort_keys ? *sorted[i] : node.members[i];
      if (i != 0) {
        color(kContainer);
        out_.put(',');
      }
      line(depth + 1);
      end_color();
      color("34;1");
      put_string(out_, member.key);
      end_color();
      color(kContainer);
      out_.put(':');
      if (style_.indent != 0) out_.put(' ');
      end_color();
      put(member.value, depth + 1);
    }
    if (node.length != 0) {
      color(kContainer);
      line(depth);
      color(kContainer);
    }
    out_.put('}');
    end_color();
  }

  static std::vector<const Member*> by_key(const Node& node) {
    std::vector<const Member*> members(node.length);
    for (std::uint32_t i = 0; i < node.length; ++i) members[i] = node.members + i;
    std::sort(members.begin(), members.end(),
              [](const Member* a, const Member* b) { return a->key.view() < b->key.view(); });
    return members;
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

// The code point at `at`, which moves behind it. The text is valid UTF-8.
unsigned code_point(const char*& at) {
  const auto byte = [&at] { return static_cast<unsigned char>(*at++); };
  const unsigned lead = byte();
  unsigned code = lead < 0xE0 ? lead & 0x1F : lead < 0xF0 ? lead & 0x0F : lead & 0x07;
  for (int more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3; more != 0; --more) code = code << 6 | (byte() & 0x3Fu);
  return code;
}

// Outside strings everything is ASCII, so what is not stands in one.
void escape_to_ascii(std::string& text, std::size_t from) {
  const auto is_ascii = [](char c) { return static_cast<signed char>(c) >= 0; };
  if (std::all_of(text.begin() + static_cast<std::ptrdiff_t>(from), text.end(), is_ascii)) return;
  const std::string printed = text.substr(from);
  text.resize(from);
  const auto put_unit = [&text](unsigned unit) {
    text += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) text += "0123456789abcdef"[unit >> shift & 15];
  };
  for (const char *at = printed.data(), *const end = at + printed.size(); at != end;) {
    if (is_ascii(*at)) {
      text += *at++;
      continue;
    }
    const unsigned code = code_point(at);
    if (code >= 0x10000) put_unit(0xD800 + ((code - 0x10000) >> 10));
    put_unit(code < 0x10000 ? code : 0xDC00 + ((code - 0x10000) & 0x3FF));
  }
}

}  // namespace

Printed print_bounded(std::string& out, const Node& node, const PrintStyle& style, std::size_t bytes_max) {
  const std::size_t from = out.size();
  Printed printed = Printed::kWell;
  {
    Writer writer(out, bytes_max);
    if (style.indent == 0 && !style.sort_keys && !style.color) {
      put_compact(writer, node, 0);
    } else {
      Styled(writer, style).put(node, 0);
    }
    printed = writer.finish();
  }
  if (style.ascii && printed == Printed::kWell) escape_to_ascii(out, from);
  return printed;
}

std::string print(Value value) {
  std::string out;
  print_to(out, value);
  return out;
}

void print_to(std::string& out, Value value) {
  Writer writer(out);
  put_compact(writer, *value.node(), 0);
}

std::string print(Value value, const PrintStyle& style) {
  std::string out;
  print_bounded(out, *value.node(), style, std::string::npos);
  return out;
}

}  // namespace tieline::json
