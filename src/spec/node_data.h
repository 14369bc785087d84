// What stands behind a Node; only for node.cc and yaml.cc. A NodeData must never change once a Node holds it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "spec/yaml.h"

namespace tieline::spec {

struct Source {
  std::string file;
  std::string text;
  std::vector<std::size_t> line_starts;

  Source(std::string file_name, std::string content);
  Place place(std::size_t offset) const;
};

struct NodeData {
  NodeKind kind = NodeKind::kNull;
  ScalarStyle style = ScalarStyle::kPlain;
  std::string text;
  std::vector<Node> items;
  std::vector<Entry> entries;
  std::shared_ptr<const Source> source;  // may be null: then `place` is all there is
  std::size_t offset = 0;                // of the first character in source
  Place place;

  // The offset in the source of the byte at `text_offset` of `text`; of the place behind its last character for
  // text.size(). The scalar must have a source.
  std::size_t source_offset(std::size_t text_offset) const;
};

}  // namespace tieline::spec
