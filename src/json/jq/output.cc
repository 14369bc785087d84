// Values as text: tojson, tostring and the @formats. Invalid UTF-8 must never come out of a decoding format.
#include <array>

#include "base/text.h"
#include "json/jq/machine.h"
#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

// `bits` a letter, in groups of whole bytes padded with `=`.
void encode_bits(std::string_view bytes, std::string_view alphabet, unsigned bits, std::size_t group,
                 std::string& out) {
  const std::size_t before = out.size();
  std::uint64_t held = 0;
  unsigned count = 0;
  for (const char c : bytes) {
    held = held << 8 | static_cast<unsigned char>(c);
    count += 8;
    while (count >= bits) {
      count -= bits;
      out += alphabet[held >> count & ((1u << bits) - 1)];
    }
  }
  if (count != 0) out += alphabet[held << (bits - count) & ((1u << bits) - 1)];
  while ((out.size() - before) % group != 0) out += '=';
}

bool decode_bits(std::string_view text, std::string_view alphabet, unsigned bits, std::string& out) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::uint64_t held = 0;
  unsigned count = 0;
  for (const char c : text) {
    const std::size_t letter = alphabet.find(c);
    if (letter == std::string_view::npos) return false;
    held = held << bits | letter;
    count += bits;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(held >> count & 0xFF);
    }
  }
  return count < bits;  // a whole letter too many holds no byte
}

// U+FFFD for what is no character.
std::string repaired(std::string_view text) {
  if (valid_utf8(text)) return std::string(text);
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t size = 1;
    while (at + size < text.size() && size < 4 && (static_cast<unsigned char>(text[at + size]) & 0xC0) == 0x80) ++size;
    const unsigned char lead = static_cast<unsigned char>(text[at]);
    const std::size_t wanted = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
    if (wanted != 0 && wanted <= size && valid_utf8(text.substr(at, wanted))) {
      out += text.substr(at, wanted);
      at += wanted;
    } else {
      out += "\xEF\xBF\xBD";
      at += 1;
      while (at < text.size() && wanted > 1 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    }
  }
  return out;
}

void append_html(std::string_view text, std::string& out) {
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '\'': out += "&apos;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
}

void append_shell(std::string_view text, std::string& out) {
  out += '\'';
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  out += '\'';
}

void append_tsv(std::string_view text, std::string& out) {
  for (const char c : text) {
    switch (c) {
      case '\t': out += "\\t"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\\': out += "\\\\"; break;
      default: out += c;
    }
  }
}

bool decode_uri(std::string_view text, std::string& out) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) return false;
    out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
  return true;
}

}  // namespace

bool Machine::write_json(Node value, std::size_t depth, std::string& out) {
  if (depth > kValueDepthMax) {
    out += "<skipped: too deep>";
    return true;
  }
  switch (value.kind) {
    case Kind::kNull: out += "null"; return true;
    case Kind::kBool: out += truthy(value) ? "true" : "false"; return true;
    case Kind::kNumber: append_number(value, out); return true;
    case Kind::kString: append_quoted(out, value); return true;
    case Kind::kArray:
      if (deep() || !spend(value.length) || (out.size() > (1u << 20) && !room(out.size()))) return false;
      out += '[';
      for (std::size_t i = 0; i < value.length; ++i) {
        if (i != 0) out += ',';
        if (!write_json(value.elements[i], depth + 1, out)) return false;
      }
      out += ']';
      return true;
    case Kind::kObject:
      if (deep() || !spend(value.length) || (out.size() > (1u << 20) && !room(out.size()))) return false;
      out += '{';
      for (std::size_t i = 0; i < value.length; ++i) {
        if (i != 0) out += ',';
        append_quoted(out, value.members[i].key);
        out += ':';
        if (!write_json(value.members[i].value, depth + 1, out)) return false;
      }
      out += '}';
      return true;
  }
  return true;
}

bool Machine::tojson(Node value, std::string& out) { return write_json(value, 0, out); }

bool Machine::to_text(Node value, std::string& out) {
  if (is_string(value)) {
    out += value.view();
    return true;
  }
  return tojson(value, out);
}

bool Machine::tostring(Node value, Node& out) {
  if (is_string(value)) {
    out = value;
    return true;
  }
  if ((value.flags & Node::kInteger) != 0 && is_number(value)) {
    out = text_in_place(value.text, value.length);
    out.flags = Node::kPlain;
    return true;
  }
  std::string written;
  if (!tojson(value, written)) return false;
  out = text(written);
  return true;
}

bool Machine::format(Format how, Node value, std::string& out) {
  if (how == Format::kText) return to_text(value, out);
  if (how == Format::kJson) return tojson(value, out);
  if (how == Format::kCsv || how == Format::kTsv) {
    const bool csv = how == Format::kCsv;
    if (!is_array(value)) {
      return fail_type(value, csv ? "cannot be csv-formatted, only an array can be"
                                  : "cannot be tsv-formatted, only an array can be");
    }
    bool first = true;
    for (const Node& cell : elements_of(value)) {
      if (!std::exchange(first, false)) out += csv ? ',' : '\t';
      if (is_string(cell) && csv) {
        out += '"';
        for (const char c : cell.view()) {
          if (c == '"') out += '"';
          out += c;
        }
        out += '"';
      } else if (is_string(cell)) {
        append_tsv(cell.view(), out);
      } else if (is_array(cell) || is_object(cell)) {
        return fail_type(cell, csv ? "is not valid in a csv row" : "is not valid in a tsv row");
      } else if (cell.kind != Kind::kNull && !tojson(cell, out)) {
        return false;
      }
    }
    return true;
  }
  if (how == Format::kSh) {
    const std::span<const Node> words = is_array(value) ? elements_of(value) : std::span<const Node>(&value, 1);
    bool first = true;
    for (const Node& word : words) {
      if (!std::exchange(first, false)) out += ' ';
      if (is_array(word) || is_object(word)) return fail_type(word, "can not be escaped for shell");
      if (is_string(word)) {
        append_shell(word.view(), out);
      } else if (!tojson(word, out)) {
        return false;
      }
    }
    return true;
  }
  Node whole;
  if (!tostring(value, whole)) return false;
  const std::string_view text = whole.view();
  std::string decoded;
  switch (how) {
    case Format::kHtml: append_html(text, out); return true;
    case Format::kUri: out += percent_encode(text); return true;
    case Format::kBase64: encode_bits(text, kBase64, 6, 4, out); return true;
    case Format::kBase32: encode_bits(text, kBase32, 5, 8, out); return true;
    case Format::kUrid:
      if (!decode_uri(text, decoded)) return fail_type(whole, "is not a valid uri encoding");
      break;
    case Format::kBase64d:
      if (!decode_bits(text, kBase64, 6, decoded)) return fail_type(whole, "is not valid base64 data");
      break;
    default:
      if (!decode_bits(text, kBase32, 5, decoded)) return fail_type(whole, "is not valid base32 data");
  }
  out += repaired(decoded);
  return true;
}

bool Machine::parse_json(std::string_view text, Node& out) {
  auto parsed = parse(std::string(text), {.depth_max = kDepthCap, .bytes_max = limits_.memory_bytes_max});
  if (!parsed) {
    std::string message = parsed.error().message;
    if (parsed.error().place.known()) {
      message += " at line " + std::to_string(parsed.error().place.line) + ", column " +
                 std::to_string(parsed.error().place.column);
    }
    return fail(message + " (while parsing '" + truncated(text, 100) + "')");
  }
  documents_.push_back(std::move(*parsed));
  out = *documents_.back().root().node();
  return spend(text.size() / 16);
}

}  // namespace tieline::json::jq
