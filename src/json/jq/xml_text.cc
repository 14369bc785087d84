#include "json/jq/xml_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "base/text.h"

namespace tieline::json::jq {
namespace {

// Of valid UTF-8.
std::uint32_t character_at(std::string_view text, std::size_t at, std::size_t& size) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i])); };
  const std::uint32_t first = byte(0);
  size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  size = std::min(size, text.size() - at);
  std::uint32_t code = size == 1 ? first : first & (0x7Fu >> size);
  for (std::size_t i = 1; i < size; ++i) code = code << 6 | (byte(i) & 0x3F);
  return code;
}

struct Range {
  std::uint32_t from, to;
};
bool is_in(std::uint32_t c, const auto& ranges) {
  return std::any_of(ranges.begin(), ranges.end(), [&](Range r) { return c >= r.from && c <= r.to; });
}

constexpr std::array kNameStart = {
    Range{'a', 'z'},       Range{'A', 'Z'},       Range{'_', '_'},       Range{':', ':'},
    Range{0xC0, 0xD6},     Range{0xD8, 0xF6},     Range{0xF8, 0x2FF},    Range{0x370, 0x37D},
    Range{0x37F, 0x1FFF},  Range{0x200C, 0x200D}, Range{0x2070, 0x218F}, Range{0x2C00, 0x2FEF},
    Range{0x3001, 0xD7FF}, Range{0xF900, 0xFDCF}, Range{0xFDF0, 0xFFFD}, Range{0x10000, 0xEFFFF},
};
constexpr std::array kNameMore = {
    Range{'0', '9'}, Range{'-', '.'}, Range{0xB7, 0xB7}, Range{0x300, 0x36F}, Range{0x203F, 0x2040},
};

bool is_xml_character(std::uint32_t c) {
  return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0xD7FF) || (c >= 0xE000 && c <= 0xFFFD) ||
         (c >= 0x10000 && c <= 0x10FFFF);
}

class Scan {
 public:
  Scan(std::string_view text, XmlSize& size) : text_(text), size_(size) {}

  std::optional<XmlFault> run() {
    if (const auto at = not_in_xml(text_)) fault(*at, "a control character cannot stand in XML");
    while (!fault_ && at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '<') {
        markup();
      } else if (depth_ == 0 && c != ' ' && c != '\t' && c != '\n' && c != '\r') {
        fault(at_, "text stands outside of the root element");
      } else if (c == '&') {
        reference();
      } else if (c == ']' && starts_with("]]>")) {
        fault(at_, "]]> stands in a text; write ]]&gt;");
      } else {
        ++at_;
      }
    }
    return fault_;
  }

 private:
  void fault(std::size_t offset, std::string what) {
    if (!fault_) fault_ = XmlFault{offset, std::move(what)};
    at_ = text_.size();
  }
  bool starts_with(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  // Behind the next `end`; without one the parser says what is wrong.
  void skip_past(std::string_view end) {
    const std::size_t found = text_.find(end, at_);
    at_ = found == std::string_view::npos ? text_.size() : found + end.size();
  }

  void markup() {
    ++size_.tags;
    if (starts_with("<!--")) {
      at_ += 4;
      skip_past("--");
      if (at_ < text_.size() && text_[at_++] != '>') fault(at_ - 3, "-- stands in a comment");
    } else if (starts_with("<![CDATA[")) {
      if (depth_ == 0) return fault(at_, "text stands outside of the root element");
      skip_past("]]>");
    } else if (starts_with("<!")) {
      fault(at_, "a document type (<!DOCTYPE) is not accepted");
    } else if (starts_with("<?")) {
      instruction();
    } else if (starts_with("</")) {
      if (depth_ != 0) --depth_;
      skip_past(">");
    } else {
      start_tag();
    }
  }

  void instruction() {
    const std::string_view target = text_.substr(at_ + 2, text_.find_first_of(" \t\r\n?", at_ + 2) - at_ - 2);
    const bool declaration = equals_ignore_case(target, "xml");
    if (declaration && at_ != 0) return fault(at_, "an XML declaration stands behind the beginning");
    if (!is_xml_name(target)) return fault(at_, "a processing instruction (<?) is malformed");
    skip_past("?>");
  }

  void start_tag() {
    if (depth_ == 0 && roots_++ != 0) return fault(at_, "there is a second element beside the root");
    if (depth_ == kXmlDepthMax) {
      return fault(at_, "elements are nested deeper than " + std::to_string(kXmlDepthMax) + " levels");
    }
    char quote = 0;
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '&') {
        reference();
        --at_;
      } else if (quote != 0) {
        if (c == '<') return fault(at_, "a < stands in the value of an attribute; write &lt;");
        if (c == quote) quote = 0;
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (c == '=') {
        ++size_.attributes;
      } else if (c == '<') {
        return fault(at_, "a tag has no end");
      } else if (c == '>') {
        if (text_[at_ - 1] != '/') ++depth_;
        ++at_;
        return;
      }
    }
  }

  void reference() {
    const std::size_t begin = at_ + 1, end = text_.find(';', begin);
    const std::string_view name =
        end == std::string_view::npos || end - begin > 32 ? std::string_view() : text_.substr(begin, end - begin);
    constexpr std::array<std::string_view, 5> kEntities = {"amp", "lt", "gt", "quot", "apos"};
    const bool known = std::find(kEntities.begin(), kEntities.end(), name) != kEntities.end();
    if (!known && !is_character_reference(name)) {
      const bool named = is_xml_name(name);
      return fault(at_, named ? "the entity &" + std::string(name) + "; is not one of XML's five"
                              : std::string("an & begins no entity; write &amp;"));
    }
    at_ = end + 1;
  }

  static bool is_character_reference(std::string_view name) {
    if (!name.starts_with('#')) return false;
    name.remove_prefix(1);
    const bool hex = name.starts_with('x');
    if (hex) name.remove_prefix(1);
    std::uint32_t code = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), code, hex ? 16 : 10);
    return error == std::errc() && end == name.data() + name.size() && is_xml_character(code);
  }

  const std::string_view text_;
  XmlSize& size_;
  std::optional<XmlFault> fault_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::size_t roots_ = 0;
};

}  // namespace

bool is_xml_name(std::string_view name) {
  for (std::size_t at = 0, size = 0; at < name.size(); at += size) {
    const std::uint32_t c = character_at(name, at, size);
    if (!is_in(c, kNameStart) && (at == 0 || !is_in(c, kNameMore))) return false;
  }
  return !name.empty();
}

std::optional<std::size_t> not_in_xml(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') return at;
    // U+FFFE and U+FFFF.
    if (byte == 0xEF && (text.substr(at).starts_with("\xEF\xBF\xBE") || text.substr(at).starts_with("\xEF\xBF\xBF"))) {
      return at;
    }
  }
  return std::nullopt;
}

std::optional<XmlFault> scan_xml(std::string_view text, XmlSize& size) { return Scan(text, size).run(); }

}  // namespace tieline::json::jq
