#include <algorithm>

#include "base/check.h"
#include "spec/node_data.h"

namespace tieline::spec {
namespace {

bool blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::size_t run_end(const std::string& text, std::size_t at) {
  while (at < text.size() && blank(text[at])) ++at;
  return at;
}

bool has_newline(const std::string& text, std::size_t from, std::size_t to) {
  return text.substr(from, to - from).find('\n') != std::string::npos;
}

std::size_t utf8_size(unsigned long code) { return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4; }

struct Escape {
  std::size_t written;  // bytes in the source, with the backslash
  std::size_t decoded;  // bytes in the text
};

// YAML 1.2 §5.7, without the line continuation.
Escape escape_at(const std::string& source, std::size_t at) {
  const char kind = at + 1 < source.size() ? source[at + 1] : '\0';
  const std::size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
  if (digits != 0) return {2 + digits, utf8_size(std::strtoul(source.substr(at + 2, digits).c_str(), nullptr, 16))};
  if (kind == 'N' || kind == '_') return {2, 2};
  if (kind == 'L' || kind == 'P') return {2, 3};
  return {2, 1};
}

// Plain, single-quoted and block scalars: all but white space stands in the source as it is (a quote twice), and runs
// of white space are matched as wholes, since folding and indentation change only them.
std::size_t align(const NodeData& node, std::size_t at, std::size_t target) {
  const std::string& source = node.source->text;
  const std::string& text = node.text;
  const bool block = node.style == ScalarStyle::kLiteral || node.style == ScalarStyle::kFolded;
  std::size_t done = 0;
  while (at < source.size()) {
    const std::size_t text_end = run_end(text, done);
    const std::size_t source_end = (text_end > done || (block && done == 0)) ? run_end(source, at) : at;
    if (target < text_end) {
      const bool same_line = done > 0 && !has_newline(text, done, target);
      return same_line ? at + (target - done) : source_end - std::min(source_end - at, text_end - target);
    }
    if (block && target == text_end && target == text.size() && target > done)
      return at;  // the line break behind a block
    at = source_end;
    done = text_end;
    if (done >= target) return at;
    at += node.style == ScalarStyle::kSingleQuoted && source[at] == '\'' ? 2 : 1;
    ++done;
  }
  return at;
}

std::size_t align_double_quoted(const NodeData& node, std::size_t at, std::size_t target) {
  const std::string& source = node.source->text;
  std::size_t done = 0;
  while (at < source.size() && (done < target || source[at] == '\\')) {
    if (source[at] == '\\' && at + 1 < source.size() && (source[at + 1] == '\n' || source[at + 1] == '\r')) {
      at = run_end(source, at + 1);
    } else if (source[at] == '\\') {
      const Escape escape = escape_at(source, at);
      if (target < done + escape.decoded) return at;
      at += escape.written;
      done += escape.decoded;
    } else if (blank(source[at])) {
      const std::size_t end = run_end(source, at);
      const auto breaks = static_cast<std::size_t>(std::count(source.begin() + static_cast<std::ptrdiff_t>(at),
                                                              source.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
      const std::size_t decoded = breaks == 0 ? end - at : std::max<std::size_t>(1, breaks - 1);
      if (target < done + decoded) return breaks == 0 ? at + (target - done) : at;
      at = end;
      done += decoded;
    } else {
      ++at;
      ++done;
    }
  }
  return at;
}

const NodeData& nothing() {
  static const NodeData node;
  return node;
}

}  // namespace

Source::Source(std::string file_name, std::string content) : file(std::move(file_name)), text(std::move(content)) {
  line_starts.push_back(0);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') line_starts.push_back(i + 1);
  }
}

Place Source::place(std::size_t offset) const {
  const auto after = std::upper_bound(line_starts.begin(), line_starts.end(), offset);
  const auto line = static_cast<std::size_t>(after - line_starts.begin());
  return Place{file, static_cast<std::uint32_t>(line), static_cast<std::uint32_t>(offset - line_starts[line - 1] + 1)};
}

std::size_t NodeData::source_offset(std::size_t text_offset) const {
  CHECK(source != nullptr);
  text_offset = std::min(text_offset, text.size());
  switch (style) {
    case ScalarStyle::kPlain: return align(*this, offset, text_offset);
    case ScalarStyle::kSingleQuoted: return align(*this, offset + 1, text_offset);
    case ScalarStyle::kDoubleQuoted: return align_double_quoted(*this, offset + 1, text_offset);
    case ScalarStyle::kLiteral:
    case ScalarStyle::kFolded: {
      const std::size_t header_end = source->text.find('\n', offset);
      return align(*this, header_end == std::string::npos ? source->text.size() : header_end + 1, text_offset);
    }
  }
  return offset;
}

Node::Node() = default;

Node Node::make_scalar(std::string text, ScalarStyle style, Place place) {
  auto data = std::make_shared<NodeData>();
  data->kind = NodeKind::kScalar;
  data->style = style;
  data->text = std::move(text);
  data->place = std::move(place);
  return Node(std::move(data));
}

Node Node::make_list(std::vector<Node> items, Place place) {
  auto data = std::make_shared<NodeData>();
  data->kind = NodeKind::kList;
  data->items = std::move(items);
  data->place = std::move(place);
  return Node(std::move(data));
}

Node Node::make_map(std::vector<Entry> entries, Place place) {
  auto data = std::make_shared<NodeData>();
  data->kind = NodeKind::kMap;
  data->entries = std::move(entries);
  data->place = std::move(place);
  return Node(std::move(data));
}

NodeKind Node::kind() const { return data_ ? data_->kind : NodeKind::kNull; }
const std::string& Node::text() const { return data_ ? data_->text : nothing().text; }
ScalarStyle Node::style() const { return data_ ? data_->style : ScalarStyle::kPlain; }
std::span<const Node> Node::items() const { return data_ ? data_->items : nothing().items; }
std::span<const Entry> Node::entries() const { return data_ ? data_->entries : nothing().entries; }

const Node* Node::find(std::string_view key) const {
  for (const Entry& entry : entries()) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

Place Node::place() const { return data_ ? data_->place : Place{}; }

Place Node::content_place() const {
  if (!is_scalar() || data_->source == nullptr) return place();
  return data_->source->place(data_->source_offset(0));
}

Place Node::place_in(std::uint32_t line, std::uint32_t column) const {
  if (!is_scalar() || data_->source == nullptr) return place();
  const std::string& text = data_->text;
  std::size_t start = 0;
  for (std::uint32_t i = 1; i < line; ++i) {
    const std::size_t end = text.find('\n', start);
    if (end == std::string::npos) break;
    start = end + 1;
  }
  const std::size_t end = std::min(text.find('\n', start), text.size());
  return data_->source->place(data_->source_offset(std::min(end, start + (column == 0 ? 0 : column - 1))));
}

std::string_view Node::kind_name() const {
  switch (kind()) {
    case NodeKind::kNull: return "nothing";
    case NodeKind::kScalar: return "text";
    case NodeKind::kList: return "a list";
    case NodeKind::kMap: return "a map";
  }
  return "nothing";
}

}  // namespace tieline::spec
