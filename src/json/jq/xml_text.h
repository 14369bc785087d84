// What XML 1.0 (fifth edition) says of names and characters, and what stands in a text that pugixml would let pass;
// private to src/json. Nothing here may build a tree.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tieline::json::jq {

inline constexpr std::size_t kXmlDepthMax = 256;

bool is_xml_name(std::string_view name);

// The first character that XML cannot hold, such as U+0001; nothing where all can stand.
std::optional<std::size_t> not_in_xml(std::string_view text);

struct XmlFault {
  std::size_t offset = 0;
  std::string what;
};

struct XmlSize {
  std::size_t tags = 0;
  std::size_t attributes = 0;  // at most
};

// Refuses document types, entities other than the five of XML and of characters, text or a second element beside the
// root, malformed comments and instructions, and elements nested deeper than kXmlDepthMax. Tags that are not
// well-formed are left for the parser to refuse.
std::optional<XmlFault> scan_xml(std::string_view text, XmlSize& size);

}  // namespace tieline::json::jq
