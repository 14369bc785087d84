// The tree of a YAML text as a person wrote it: kinds, texts and the place of everything. It must never lose a place,
// guess a type, or let yaml-cpp be seen outside yaml.cc.
//
//   spec::Problems problems;
//   const std::optional<spec::Node> flow = spec::parse_yaml(text, "flows/orders.yaml", problems);
//   if (!flow) { std::cerr << problems.text(); … }
//   if (const spec::Node* steps = flow->find("steps")) for (const spec::Node& step : steps->items()) …
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "spec/problems.h"

namespace tieline::spec {

enum class NodeKind : std::uint8_t { kNull, kScalar, kList, kMap };
enum class ScalarStyle : std::uint8_t { kPlain, kSingleQuoted, kDoubleQuoted, kLiteral, kFolded };  // x 'x' "x" | >

struct Entry;
struct NodeData;
struct Source;

// Immutable; copying shares. Keeps the text it came from alive. May be read from any thread.
class Node {
 public:
  Node();  // null, without a place
  explicit Node(std::shared_ptr<const NodeData> data) : data_(std::move(data)) {}
  // For tests and for values that were never written: at `place`, not backed by a source text.
  static Node make_scalar(std::string text, ScalarStyle style = ScalarStyle::kPlain, Place place = {});
  static Node make_list(std::vector<Node> items, Place place = {});
  static Node make_map(std::vector<Entry> entries, Place place = {});

  NodeKind kind() const;
  bool is_null() const { return kind() == NodeKind::kNull; }  // nothing, `null` or `~`, unquoted
  bool is_scalar() const { return kind() == NodeKind::kScalar; }
  bool is_list() const { return kind() == NodeKind::kList; }
  bool is_map() const { return kind() == NodeKind::kMap; }

  // Of a scalar, decoded (quotes and indentation removed, lines folded as YAML says); empty otherwise.
  const std::string& text() const;
  ScalarStyle style() const;
  bool plain() const { return is_scalar() && style() == ScalarStyle::kPlain; }
  bool quoted() const { return style() == ScalarStyle::kSingleQuoted || style() == ScalarStyle::kDoubleQuoted; }
  bool block() const { return style() == ScalarStyle::kLiteral || style() == ScalarStyle::kFolded; }

  std::span<const Node> items() const;           // of a list; empty otherwise
  std::span<const Entry> entries() const;        // of a map, as written, each key once; empty otherwise
  const Node* find(std::string_view key) const;  // null when absent; lives as long as this node

  // The first character: the quote, the `|`, the `{`, or a block map's first key. Columns count bytes from 1.
  Place place() const;
  // The first character of a scalar's content: behind the quote, below the `|`. place() for all else.
  Place content_place() const;
  // Where the byte at `line`:`column` of text() (both from 1) stands in the file: through quotes, escapes, block
  // indentation and folding. A position outside of text() gives the nearest inside. place() when no source text is
  // behind the node.
  Place place_in(std::uint32_t line, std::uint32_t column) const;

  // "nothing", "text", "a list", "a map": for messages.
  std::string_view kind_name() const;

 private:
  std::shared_ptr<const NodeData> data_;
};

struct Entry {
  std::string key;
  Place key_place;
  Node value;
};

struct YamlLimits {
  std::size_t bytes_max = 4u << 20;
  std::size_t nodes_max = 100'000;  // aliases count as much as what they stand for: no billion laughs
  std::size_t depth_max = 100;
};

// Exactly one document; an empty text is a null node. Reports every fault found (syntax stops at the first) and gives
// nothing if there was an error: bad UTF-8 and control characters, syntax with advice what to quote, equal keys with
// both places, keys that are not text, tags, aliases without end, limits (kTooLarge), a second document, a value that
// YAML would silently cut. Merge keys (`<<: *x`) are resolved: what stands in the map itself wins.
std::optional<Node> parse_yaml(std::string text, std::string file, Problems& problems, const YamlLimits& limits = {});
// The same for any number of documents, separated by `---`.
std::optional<std::vector<Node>> parse_yaml_documents(std::string text, std::string file, Problems& problems,
                                                      const YamlLimits& limits = {});

}  // namespace tieline::spec
