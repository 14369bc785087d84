// parse_xml and to_xml. {"order": {"@id": "7", "#text": "…", "line": [{…}, {…}]}} is the one mapping between the two:
// an element with neither attributes nor elements is a text. Nothing outside the text may ever be asked for.
#include <algorithm>
#include <array>
#include <pugixml.hpp>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/text.h"
#include "json/jq/machine.h"
#include "json/jq/natives.h"
#include "json/jq/options.h"
#include "json/jq/values.h"
#include "json/jq/xml_text.h"
#include "json/program_scan.h"

namespace tieline::json::jq {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kTextKey = "#text";
constexpr std::size_t kTextUnchecked = 1u << 20;
// What the tree and the way to the result take, at most, for a tag with the text before it, and for an attribute.
constexpr std::size_t kTagBytes = 256, kAttributeBytes = 64;

std::string_view problem_of(pugi::xml_parse_status status) {
  switch (status) {
    case pugi::status_bad_pi: return "a processing instruction (<?) is malformed or does not end";
    case pugi::status_bad_comment: return "a comment does not end";
    case pugi::status_bad_cdata: return "a CDATA section does not end";
    case pugi::status_bad_pcdata: return "a text is malformed";
    case pugi::status_bad_start_element: return "a start tag is malformed or does not end";
    case pugi::status_bad_attribute: return "an attribute is malformed; it is written name=\"value\"";
    case pugi::status_bad_end_element: return "an end tag is malformed";
    case pugi::status_end_element_mismatch: return "an end tag is missing, or names another element";
    case pugi::status_no_document_element: return "there is no element";
    default: return "this is no tag";
  }
}

class XmlReader {
 public:
  XmlReader(Machine& m, std::string_view text) : m_(m), text_(text) {
    if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  }

  void always_array(std::string_view name) { arrays_.insert(name); }

  bool read(Node& out) {
    if (!m_.spend(text_.size() / 4)) return false;
    XmlSize size;
    if (const auto fault = scan_xml(text_, size)) return wrong(fault->offset, fault->what);
    if (!m_.room(text_.size() + size.tags * kTagBytes + size.attributes * kAttributeBytes)) return false;
    pugi::xml_document document;
    const auto parsed = document.load_buffer(text_.data(), text_.size(), pugi::parse_default | pugi::parse_ws_pcdata,
                                             pugi::encoding_utf8);
    if (parsed.status == pugi::status_out_of_memory) {
      return m_.fatal(tieline::Code::kTooLarge, "parse_xml needs more memory than there is");
    }
    if (!parsed) return wrong(static_cast<std::size_t>(parsed.offset), std::string(problem_of(parsed.status)));
    const pugi::xml_node root = document.document_element();
    Member* const member = m_.members(1);
    member->key = m_.text(root.name());
    if (!element(root, 1, member->value)) return false;
    out = m_.object(member, 1);
    return true;
  }

 private:
  struct Child {
    std::size_t group;
    Node value;
  };
  struct Group {
    std::string_view name;
    std::size_t count = 0;
  };

  bool wrong(std::size_t offset, const std::string& what) {
    const Place place = place_in(text_, std::min(offset, text_.size()));
    return m_.fail("parse_xml: line " + std::to_string(place.line) + ", column " + std::to_string(place.column) + ": " +
                   what);
  }
  static std::size_t offset_of(pugi::xml_node node) { return static_cast<std::size_t>(node.offset_debug()); }

  bool element(pugi::xml_node node, std::size_t depth, Node& out) {
    if (m_.deep() || !m_.spend(1) || !m_.room(0)) return false;
    if (depth > kXmlDepthMax) return wrong(offset_of(node), "elements are nested too deeply");
    if (!is_xml_name(node.name())) {
      return wrong(offset_of(node), '"' + truncated(node.name(), 100) + "\" is not the name of an element");
    }
    std::vector<Member> members;
    if (!attributes(node, members)) return false;
    std::string text;
    std::vector<Child> children;
    std::vector<Group> groups;
    std::unordered_map<std::string_view, std::size_t> places;
    for (const pugi::xml_node child : node.children()) {
      if (child.type() != pugi::node_element) {
        text += child.value();
        continue;
      }
      const std::string_view name = child.name();
      const auto [place, first] = places.try_emplace(name, groups.size());
      if (first) groups.push_back({name, 0});
      ++groups[place->second].count;
      children.push_back({place->second, {}});
      if (!element(child, depth + 1, children.back().value)) return false;
    }
    if (members.empty() && groups.empty()) {
      out = m_.text(text);
      return m_.spend(text.size() / 8);
    }
    gather(children, groups, members);
    const bool blank = text.find_first_not_of(" \t\r\n") == std::string::npos;
    if (!text.empty() && (groups.empty() || !blank)) members.push_back({constant_text(kTextKey), m_.text(text)});
    out = m_.object_copy(members);
    // The names of elements differ from each other and from those of attributes.
    return out.length == members.size() || wrong(offset_of(node), "an attribute stands twice in one tag");
  }

  bool attributes(pugi::xml_node node, std::vector<Member>& members) {
    for (const pugi::xml_attribute attribute : node.attributes()) {
      if (!m_.spend(1)) return false;
      if (!is_xml_name(attribute.name())) {
        return wrong(offset_of(node), '"' + truncated(attribute.name(), 100) + "\" is not the name of an attribute");
      }
      members.push_back({m_.text('@' + std::string(attribute.name())), m_.text(attribute.value())});
    }
    return true;
  }

  // Elements of one name become one member, at the place of the first.
  void gather(const std::vector<Child>& children, const std::vector<Group>& groups, std::vector<Member>& members) {
    std::vector<Node*> next;
    for (const Group& group : groups) {
      members.push_back({m_.text(group.name), {}});
      const bool array = group.count > 1 || arrays_.contains(group.name);
      Node* const values = array ? m_.nodes(group.count) : nullptr;
      if (array) members.back().value = m_.array_in_place(values, group.count);
      next.push_back(values);
    }
    const std::size_t first = members.size() - groups.size();
    for (const Child& child : children) {
      if (next[child.group] != nullptr) {
        *next[child.group]++ = child.value;
      } else {
        members[first + child.group].value = child.value;
      }
    }
  }

  Machine& m_;
  std::string_view text_;
  std::unordered_set<std::string_view> arrays_;
};

bool parse_xml_with(Machine& m, Node in, Node options, Node& out) {
  constexpr std::array<std::string_view, 1> kOptions = {"arrays"};
  if (!is_string(in)) return m.fail_type(in, "is not a text, which parse_xml wants");
  Node arrays = m.array({});
  if (!check_options(m, options, "parse_xml", kOptions) || !texts_option(m, options, "parse_xml", "arrays", arrays)) {
    return false;
  }
  XmlReader reader(m, in.view());
  for (const Node& name : elements_of(arrays)) reader.always_array(name.view());
  return reader.read(out);
}
bool parse_xml(Machine& m, Node in, const Node*, Node& out) { return parse_xml_with(m, in, m.object(nullptr, 0), out); }
bool parse_xml_by(Machine& m, Node in, const Node* a, Node& out) { return parse_xml_with(m, in, a[0], out); }

// What would end the text or the attribute, and what a parser would change: it makes a carriage return a line feed, and
// in attributes all white space a space.
std::string_view escape_of(char c, bool attribute) {
  switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '\r': return "&#13;";
    case '"': return attribute ? "&quot;" : "";
    case '\n': return attribute ? "&#10;" : "";
    case '\t': return attribute ? "&#9;" : "";
    default: return "";
  }
}

class XmlWriter {
 public:
  explicit XmlWriter(Machine& m) : m_(m) {}

  bool write(Node in, bool declaration, Node& out) {
    if (!is_object(in) || in.length != 1) {
      return m_.fail_type(in, "cannot be XML: to_xml wants an object with one key, the name of the root element");
    }
    if (declaration) text_ = R"(<?xml version="1.0" encoding="UTF-8"?>)";
    const Member& root = in.members[0];
    if (is_array(root.value)) return m_.fail_type(root.value, "cannot be the root of to_xml, which is one element");
    if (!element(root.key.view(), root.value, 1)) return false;
    out = m_.text(text_);
    return m_.spend(text_.size() / 8);
  }

 private:
  static std::string quoted(std::string_view name) { return '"' + truncated(name, 100) + '"'; }

  bool check_name(std::string_view key, std::string_view name, std::string_view what) {
    return is_xml_name(name) || m_.fail("to_xml: " + quoted(key) + " is not the name of an " + std::string(what));
  }

  bool element(std::string_view name, Node value, std::size_t depth) {
    if (m_.deep() || !m_.spend(1) || !check_name(name, name, "element")) return false;
    if (text_.size() > kTextUnchecked && !m_.room(text_.size())) return false;
    if (depth > kXmlDepthMax) {
      return m_.fail("to_xml: elements are nested deeper than " + std::to_string(kXmlDepthMax) + " levels");
    }
    text_.append("<").append(name);
    if (is_object(value)) {
      for (const Member& member : members_of(value)) {
        if (!attribute(name, member)) return false;
      }
    }
    const std::size_t inside = text_.size();
    text_ += '>';
    if (is_object(value)) {
      for (const Member& member : members_of(value)) {
        if (!content(name, member, depth)) return false;
      }
    } else if (!put(value, false, name)) {
      return false;
    }
    if (text_.size() == inside + 1) {  // nothing in it
      text_.insert(inside, 1, '/');
    } else {
      text_.append("</").append(name).append(">");
    }
    return true;
  }

  bool attribute(std::string_view of, const Member& member) {
    std::string_view name = member.key.view();
    if (!name.starts_with('@')) return true;
    name.remove_prefix(1);
    if (!m_.spend(1) || !check_name(member.key.view(), name, "attribute")) return false;
    if (member.value.kind == Kind::kNull) return true;
    if (is_array(member.value) || is_object(member.value)) {
      return m_.fail_type(member.value,
                          "cannot be the attribute " + quoted(member.key.view()) + " of <" + std::string(of) + '>');
    }
    text_.append(" ").append(name).append("=\"");
    if (!put(member.value, true, of)) return false;
    text_ += '"';
    return true;
  }

  bool content(std::string_view of, const Member& member, std::size_t depth) {
    const std::string_view key = member.key.view();
    if (key.starts_with('@')) return true;
    const Node value = member.value;
    if (key == kTextKey) {
      if (is_array(value) || is_object(value)) {
        return m_.fail_type(value, "cannot be the text of <" + std::string(of) + '>');
      }
      return put(value, false, of);
    }
    if (!is_array(value)) return element(key, value, depth + 1);
    for (const Node& one : elements_of(value)) {
      if (is_array(one)) return m_.fail_type(one, "cannot be one of the elements <" + truncated(key, 100) + '>');
      if (!element(key, one, depth + 1)) return false;
    }
    return check_name(key, key, "element");
  }

  // A text, a number as it is written, true or false; nothing for null.
  bool put(Node value, bool attribute, std::string_view of) {
    NumberText buffer;
    std::string_view shown;
    if (is_string(value)) shown = value.view();
    if (is_number(value)) shown = number_text(value, buffer);
    if (value.kind == Kind::kBool) shown = truthy(value) ? "true" : "false";
    if (not_in_xml(shown)) {
      return m_.fail_type(value, "has a control character that XML cannot hold, in <" + truncated(of, 100) + '>');
    }
    for (const char c : shown) {
      const std::string_view escape = escape_of(c, attribute);
      if (escape.empty()) {
        text_ += c;
      } else {
        text_ += escape;
      }
    }
    return true;
  }

  Machine& m_;
  std::string text_;
};

bool to_xml_with(Machine& m, Node in, Node options, Node& out) {
  constexpr std::array<std::string_view, 1> kOptions = {"declaration"};
  bool declaration = false;
  if (!check_options(m, options, "to_xml", kOptions) ||
      !flag_option(m, options, "to_xml", "declaration", declaration)) {
    return false;
  }
  return XmlWriter(m).write(in, declaration, out);
}
bool to_xml(Machine& m, Node in, const Node*, Node& out) { return to_xml_with(m, in, m.object(nullptr, 0), out); }
bool to_xml_by(Machine& m, Node in, const Node* a, Node& out) { return to_xml_with(m, in, a[0], out); }

constexpr std::array kXml = {
    Native{"parse_xml", 0, parse_xml},
    Native{"parse_xml", 1, parse_xml_by},
    Native{"to_xml", 0, to_xml},
    Native{"to_xml", 1, to_xml_by},
};

}  // namespace

std::span<const Native> xml_natives() { return kXml; }

}  // namespace tieline::json::jq
