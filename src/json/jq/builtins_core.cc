// Functions on structure: keys, entries, searching, conversion.
#include <algorithm>
#include <array>
#include <cmath>

#include "json/jq/machine.h"
#include "json/jq/natives.h"
#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

bool length(Machine& m, Node in, const Node*, Node& out) {
  switch (in.kind) {
    case Kind::kNull: out = integer(0); return true;
    case Kind::kBool: return m.fail_type(in, "has no length");
    case Kind::kNumber: return m.absolute(in, out);
    case Kind::kString: out = integer(static_cast<std::int64_t>(characters(in.view()))); return true;
    default: out = integer(in.length); return true;
  }
}

bool utf8bytelength(Machine& m, Node in, const Node*, Node& out) {
  if (!is_string(in)) return m.fail_type(in, "only strings have UTF-8 byte length");
  out = integer(in.length);
  return true;
}

bool logical_not(Machine&, Node in, const Node*, Node& out) {
  out = boolean(!truthy(in));
  return true;
}

bool keys_of(Machine& m, Node in, Node& out, bool sorted) {
  if (is_array(in)) {
    Node* const positions = m.nodes(in.length);
    for (std::size_t i = 0; i < in.length; ++i) new (positions + i) Node(integer(static_cast<std::int64_t>(i)));
    out = m.array_in_place(positions, in.length);
    return true;
  }
  if (!is_object(in)) return m.fail_type(in, "has no keys");
  if (sorted) {
    out = m.sorted_keys(in);
    return true;
  }
  Node* const keys = m.nodes(in.length);
  for (std::size_t i = 0; i < in.length; ++i) new (keys + i) Node(in.members[i].key);
  out = m.array_in_place(keys, in.length);
  return true;
}
bool keys(Machine& m, Node in, const Node*, Node& out) { return keys_of(m, in, out, true); }
bool keys_unsorted(Machine& m, Node in, const Node*, Node& out) { return keys_of(m, in, out, false); }

bool has(Machine& m, Node in, const Node* arguments, Node& out) {
  const Node key = arguments[0];
  if (is_object(in) && is_string(key)) {
    out = boolean(find_member(in, key.view()) != nullptr);
    return true;
  }
  if (is_array(in) && is_number(key)) {
    const double at = std::trunc(double_of(key));
    out = boolean(at >= 0 && at < static_cast<double>(in.length));
    return true;
  }
  if (in.kind == Kind::kNull && (is_string(key) || is_number(key))) {
    out = boolean(false);
    return true;
  }
  return m.fail("Cannot check whether " + std::string(kind_name(in.kind)) + " has a " +
                (is_string(key) ? "string" : std::string(kind_name(key.kind))) + " key");
}

bool contains(Machine& m, Node in, const Node* arguments, Node& out) {
  bool result = false;
  if (!m.contains(in, arguments[0], 0, result)) return false;
  out = boolean(result);
  return true;
}

bool setpath(Machine& m, Node in, const Node* arguments, Node& out) {
  if (!is_array(arguments[0])) return m.fail("Path must be specified as an array");
  return m.set_path(in, elements_of(arguments[0]), arguments[1], out);
}

bool delpaths(Machine& m, Node in, const Node* arguments, Node& out) { return m.delete_paths(in, arguments[0], out); }

bool to_entries(Machine& m, Node in, const Node*, Node& out) {
  if (!is_object(in) && !is_array(in)) return m.fail_type(in, "has no keys");
  Node* const entries = m.nodes(in.length);
  for (std::size_t i = 0; i < in.length; ++i) {
    const Node key = is_object(in) ? in.members[i].key : integer(static_cast<std::int64_t>(i));
    Member* const members = m.members(2);
    new (members) Member{string_node("key", true), key};
    new (members + 1) Member{string_node("value", true), is_object(in) ? in.members[i].value : in.elements[i]};
    Node entry{.kind = Kind::kObject, .flags = Node::kRun, .length = 2};
    entry.members = members;
    new (entries + i) Node(entry);
  }
  out = m.array_in_place(entries, in.length);
  return m.spend(in.length);
}

bool from_entries(Machine& m, Node in, const Node*, Node& out) {
  Member* const members = m.members(in.length);
  std::size_t count = 0;
  const bool well = m.iterate(in, [&](Node entry) {
    Node key, value;
    if (!is_object(entry)) return m.index(entry, constant_text("key"), key) && m.fail_key(key);
    for (const std::string_view name : {"key", "k", "name", "Name", "K", "Key"}) {
      const Member* const found = find_member(entry, name);
      if (found == nullptr || found->value.kind == Kind::kNull) continue;
      key = found->value;
      if (name == "key" || truthy(key)) break;
    }
    for (const std::string_view name : {"value", "v", "Value"}) {
      const Member* const found = find_member(entry, name);
      if (found == nullptr) continue;
      value = found->value;
      break;
    }
    if (!is_string(key)) return m.fail_key(key);
    new (members + count++) Member{key, value};
    return true;
  });
  if (!well) return false;
  out = m.object(members, count);
  return m.spend(in.length);
}

bool reverse(Machine& m, Node in, const Node*, Node& out) {
  if (is_string(in)) {
    std::string reversed;
    for (std::size_t end = in.length; end != 0;) {
      std::size_t begin = end - 1;
      while (begin != 0 && (static_cast<unsigned char>(in.text[begin]) & 0xC0) == 0x80) --begin;
      reversed.append(in.text + begin, end - begin);
      end = begin;
    }
    out = m.text(reversed);
    return true;
  }
  // As jq has it: what has no length to speak of has nothing to reverse.
  if (in.kind == Kind::kNull || (is_object(in) && in.length == 0) || (is_number(in) && double_of(in) == 0)) {
    out = m.array_in_place(nullptr, 0);
    return true;
  }
  if (!is_array(in)) return m.fail_type(in, "cannot be reversed, as it is not an array");
  Node* const elements = m.nodes(in.length);
  for (std::size_t i = 0; i < in.length; ++i) new (elements + i) Node(in.elements[in.length - 1 - i]);
  out = m.array_in_place(elements, in.length);
  return m.spend(in.length / 8);
}

bool flatten_into(Machine& m, Node from, double depth, Collector& items) {
  if (m.deep()) return false;
  return m.iterate(from, [&](Node element) {
    if (!m.spend(1)) return false;
    if (is_array(element) && depth != 0) return flatten_into(m, element, depth - 1, items);
    items.push(element);
    return true;
  });
}
bool flatten_to(Machine& m, Node in, double depth, Node& out) {
  if (depth < 0) return m.fail("flatten depth must not be negative");
  Collector items(m.arena());
  if (!flatten_into(m, in, depth, items)) return false;
  out = items.array();
  return true;
}
bool flatten(Machine& m, Node in, const Node*, Node& out) { return flatten_to(m, in, HUGE_VAL, out); }
bool flatten_by(Machine& m, Node in, const Node* arguments, Node& out) {
  if (!is_number(arguments[0])) return m.fail_type(arguments[0], "cannot be a depth, as it is not a number");
  return flatten_to(m, in, double_of(arguments[0]), out);
}

bool transpose(Machine& m, Node in, const Node*, Node& out) {
  double longest = 0;
  std::size_t height = 0;
  const bool measured = m.iterate(in, [&](Node row) {
    Node size;
    if (!length(m, row, nullptr, size)) return false;
    longest = std::max(longest, double_of(size));
    ++height;
    return true;
  });
  if (!measured) return false;
  const double cells = std::ceil(longest) * static_cast<double>(height);
  if (!(cells < 1e9)) return m.fail("a matrix too large to be transposed");
  const auto width = static_cast<std::size_t>(std::ceil(longest));
  if (!m.spend(width * height) || !m.room(width * height * sizeof(Node))) return false;
  Node* const columns = m.nodes(width);
  for (std::size_t x = 0; x < width; ++x) {
    Node* const column = m.nodes(height);
    std::size_t y = 0;
    const bool well = m.iterate(in, [&](Node row) {
      Node cell;
      if (!m.index(row, integer(static_cast<std::int64_t>(x)), cell)) return false;
      new (column + y++) Node(cell);
      return true;
    });
    if (!well) return false;
    new (columns + x) Node(m.array_in_place(column, height));
  }
  out = m.array_in_place(columns, width);
  return true;
}

bool bsearch(Machine& m, Node in, const Node* arguments, Node& out) {
  if (!is_array(in)) return m.fail_type(in, "cannot be searched from");
  std::int64_t low = 0, high = static_cast<std::int64_t>(in.length) - 1;
  while (low <= high) {
    const std::int64_t middle = low + (high - low) / 2;
    int order = 0;
    if (!m.compare(in.elements[middle], arguments[0], order)) return false;
    if (order == 0) {
      out = integer(middle);
      return true;
    }
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle - 1;
    }
  }
  out = integer(-1 - low);
  return true;
}

bool type(Machine&, Node in, const Node*, Node& out) {
  out = string_node(kind_name(in.kind), true);
  return true;
}

bool tostring(Machine& m, Node in, const Node*, Node& out) { return m.tostring(in, out); }

bool tojson(Machine& m, Node in, const Node*, Node& out) {
  std::string json;
  if (!m.tojson(in, json)) return false;
  out = m.text(json);
  return true;
}

bool fromjson(Machine& m, Node in, const Node*, Node& out) {
  if (!is_string(in)) return m.fail_type(in, "only strings can be parsed");
  const std::string_view text = in.view();
  if (text == "nan" || text == "NaN" || text == "-NaN" || text == "-nan") {
    out = real(std::nan(""));
    return true;
  }
  return m.parse_json(text, out);
}

bool tonumber(Machine& m, Node in, const Node*, Node& out) {
  if (is_number(in)) {
    out = in;
    return true;
  }
  if (!is_string(in)) return m.fail_type(in, "cannot be parsed as a number");
  std::string text(in.view());
  if (text.starts_with('+')) text.erase(0, 1);
  std::size_t at = text.starts_with('-') ? 1 : 0;
  while (at + 1 < text.size() && text[at] == '0' && text[at + 1] >= '0' && text[at + 1] <= '9') text.erase(at, 1);
  if (at < text.size() && text[at] == '.') text.insert(at, "0");
  const std::size_t point = text.find('.');
  if (point != std::string::npos && (point + 1 == text.size() || text[point + 1] == 'e' || text[point + 1] == 'E')) {
    text.erase(point, 1);
  }
  if (!is_json_number(text)) return m.fail_type(in, "cannot be parsed as a number");
  out = m.text(text);
  out.kind = Kind::kNumber;
  out.flags = 0;
  if (text.find_first_of(".eE") == std::string::npos) out.flags |= Node::kInteger;
  if (is_inexact(text)) out.flags |= Node::kInexact;
  return true;
}

bool toboolean(Machine& m, Node in, const Node*, Node& out) {
  if (in.kind == Kind::kBool) {
    out = in;
    return true;
  }
  if (!is_string(in) || (in.view() != "true" && in.view() != "false")) {
    return m.fail_type(in, "cannot be parsed as a boolean");
  }
  out = boolean(in.view() == "true");
  return true;
}

// Where `what` stands in `in`; only the first or the last one for index and rindex.
enum class Which : std::uint8_t { kAll, kFirst, kLast };

bool string_indices(Machine& m, std::string_view text, std::string_view what, Which which, Node& out) {
  Collector found(m.arena());
  std::size_t at = 0, counted = 0;
  std::int64_t position = 0, last = -1;
  while (!what.empty() && (at = text.find(what, at)) != std::string_view::npos) {
    position += static_cast<std::int64_t>(characters(text.substr(counted, at - counted)));
    counted = at;
    last = position;
    if (which == Which::kFirst) break;
    if (which == Which::kAll) found.push(integer(position));
    ++at;
    if (!m.spend(1)) return false;
  }
  out = which == Which::kAll ? found.array() : last < 0 ? Node{} : integer(last);
  return true;
}

bool indices_of(Machine& m, Node in, Node what, Which which, Node& out) {
  if (is_string(in) && is_string(what)) return string_indices(m, in.view(), what.view(), which, out);
  if (is_array(in) && !is_array(what)) {
    what = m.array({&what, 1});
  }
  if (!m.index(in, what, out)) return false;
  if (which == Which::kAll || out.kind == Kind::kNull) return true;
  if (!is_array(out)) return m.fail_type(out, "cannot be searched");
  if (out.length == 0) {
    out = Node{};
  } else {
    out = out.elements[which == Which::kFirst ? 0 : out.length - 1];
  }
  return true;
}
bool indices(Machine& m, Node in, const Node* a, Node& out) { return indices_of(m, in, a[0], Which::kAll, out); }
bool index_first(Machine& m, Node in, const Node* a, Node& out) { return indices_of(m, in, a[0], Which::kFirst, out); }
bool index_last(Machine& m, Node in, const Node* a, Node& out) { return indices_of(m, in, a[0], Which::kLast, out); }
bool strindices(Machine& m, Node in, const Node* a, Node& out) {
  if (!is_string(in)) return m.fail_type(in, "cannot be searched, as it is not a string");
  if (!is_string(a[0])) return m.fail_type(a[0], "is not a string");
  return indices_of(m, in, a[0], Which::kAll, out);
}

bool builtins(Machine& m, Node, const Node*, Node& out) {
  Collector names(m.arena());
  const auto add = [&](std::string_view name, std::size_t arity) {
    if (!name.starts_with('_')) names.push(m.text(std::string(name) + '/' + std::to_string(arity)));
  };
  for (const std::span<const Native> natives : all_natives()) {
    for (const Native& native : natives) add(native.name, native.arity);
  }
  for (const SpecialForm& form : special_forms()) add(form.name, form.arity);
  for (const PreludeFunction& f : prelude()) add(f.name, f.arity);
  out = names.array();
  return true;
}

constexpr std::array kCore = {
    Native{"length", 0, length},
    Native{"utf8bytelength", 0, utf8bytelength},
    Native{"not", 0, logical_not},
    Native{"keys", 0, keys},
    Native{"keys_unsorted", 0, keys_unsorted},
    Native{"has", 1, has},
    Native{"contains", 1, contains},
    Native{"setpath", 2, setpath},
    Native{"delpaths", 1, delpaths},
    Native{"to_entries", 0, to_entries},
    Native{"from_entries", 0, from_entries},
    Native{"reverse", 0, reverse},
    Native{"flatten", 0, flatten},
    Native{"flatten", 1, flatten_by},
    Native{"transpose", 0, transpose},
    Native{"bsearch", 1, bsearch},
    Native{"type", 0, type},
    Native{"tostring", 0, tostring},
    Native{"tojson", 0, tojson},
    Native{"fromjson", 0, fromjson},
    Native{"tonumber", 0, tonumber},
    Native{"toboolean", 0, toboolean},
    Native{"indices", 1, indices},
    Native{"_indices", 1, indices},
    Native{"index", 1, index_first},
    Native{"rindex", 1, index_last},
    Native{"_strindices", 1, strindices},
    Native{"builtins", 0, builtins},
};

}  // namespace

std::span<const Native> core_natives() { return kCore; }

}  // namespace tieline::json::jq
