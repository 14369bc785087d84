#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>

#include "base/text.h"
#include "spec/node_data.h"

namespace tieline::spec {
namespace {

constexpr std::string_view kQuoteIt = R"(a value with one of [ ] { } , or " #" or ": " must stand in single quotes)";

// Ends the parse: what is wrong has been reported.
struct Stop {};

// Whether `text`, read as a program would be, ends inside a string or a bracket.
bool unfinished(std::string_view text) {
  std::string open;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (!open.empty() && open.back() == '"') {
      if (c == '"') open.pop_back();
      if (c == '\\' && ++i < text.size() && text[i] == '(') open += '(';
    } else if (c == '"' || c == '(' || c == '[' || c == '{') {
      open += c;
    } else if ((c == ')' || c == ']' || c == '}') && !open.empty()) {
      open.pop_back();
    }
  }
  return !open.empty();
}

std::size_t skip_blanks(const std::string& text, std::size_t at) {
  while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
  return at;
}

std::string quoted_char(const std::string& text, std::size_t at) {
  return at < text.size() && text[at] != '\n' && text[at] != '\r' ? "\"" + text.substr(at, 1) + "\"" : "the line's end";
}

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::shared_ptr<const Source> source, Problems& problems, const YamlLimits& limits)
      : source_(std::move(source)), problems_(problems), limits_(limits) {}

  std::vector<Node> documents;

  void OnDocumentStart(const YAML::Mark& mark) override {
    document_start_ = offset_of(mark);
    anchors_.clear();
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const std::size_t at = offset_of(mark);
    const bool written = at < text().size() && (text()[at] == '~' || text()[at] == 'n' || text()[at] == 'N');
    auto data = make(NodeKind::kNull, at);
    // For a value that is simply absent yaml-cpp gives the place of whatever comes next.
    if (!written && !frames_.empty())
      data->place = frames_.back().key ? frames_.back().key->place : frames_.back().data->place;
    finish(std::move(data), 1, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) {
      problems_.error(source_->place(offset_of(mark)), "an alias must not stand inside what it names");
      throw Stop{};
    }
    add(known->second.first, known->second.second, offset_of(mark));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const std::size_t at = content_of(mark, tag);
    auto data = make(NodeKind::kScalar, at);
    data->text = value;
    const char first = at < text().size() ? text()[at] : '\0';
    if (tag == "!") {
      data->style = first == '\''  ? ScalarStyle::kSingleQuoted
                    : first == '"' ? ScalarStyle::kDoubleQuoted
                    : first == '|' ? ScalarStyle::kLiteral
                                   : ScalarStyle::kFolded;
    }
    last_scalar_ = data;
    if (data->style == ScalarStyle::kPlain) report_cut(*data);
    if (first == '\'' || first == '"') check_closed(*data, first);
    finish(std::move(data), 1, anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    begin(NodeKind::kList, content_of(mark, tag), anchor, style == YAML::EmitterStyle::Flow);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    begin(NodeKind::kMap, content_of(mark, tag), anchor, style == YAML::EmitterStyle::Flow);
  }
  void OnMapEnd() override {
    resolve_merges(frames_.back());
    end();
  }

  // Where the document that began last starts.
  std::size_t document_start() const { return document_start_; }

  // Says what a person can do about yaml-cpp's complaint.
  void report_syntax(const YAML::Exception& fault) {
    const bool marked = !fault.mark.is_null();
    const std::size_t at = marked ? std::min(offset_of(fault.mark), text().size()) : text().size();
    const Place place = source_->place(at);
    const std::size_t line_start = source_->line_starts[place.line - 1];
    const std::size_t tab = text().find('\t', line_start);
    const auto flow = std::find_if(frames_.rbegin(), frames_.rend(), [](const Frame& frame) { return frame.flow; });
    if (tab != std::string::npos && tab <= at && text().find_first_not_of(' ', line_start) == tab) {
      problems_.error(source_->place(tab), "YAML is indented with spaces, not with tabs");
    } else if (fault.msg == YAML::ErrorMsg::UNKNOWN_ANCHOR) {
      problems_.error(place,
                      "no anchor of this name stands above; a text that begins with * must stand in single quotes");
    } else if (fault.msg == YAML::ErrorMsg::EOF_IN_SCALAR) {
      problems_.error(place, "the file ends inside a quoted text: a closing quote is missing, maybe far above");
    } else if (last_scalar_ && follows_last_scalar(at)) {
      report_broken_value(at, flow == frames_.rend() ? nullptr : &*flow);
    } else if (at < text().size() && std::string_view("@`%").find(text()[at]) != std::string_view::npos) {
      problems_.error(place, "a value must not begin with " + quoted_char(text(), at) + "; put it in single quotes");
    } else if (flow != frames_.rend()) {
      problems_.error(place, "expected \",\" or a closing bracket for the " + quoted_char(text(), flow->data->offset) +
                                 " at " + flow->data->place.text() + "; " + std::string(kQuoteIt));
    } else {
      problems_.error(place, "this is not valid YAML: " + fault.msg);
    }
  }

 private:
  struct Key {
    std::string text;
    Place place;
    bool plain = true;
  };
  struct Frame {
    std::shared_ptr<NodeData> data;
    YAML::anchor_t anchor = 0;
    bool flow = false;
    std::size_t size = 1;
    std::optional<Key> key;  // read, its value not yet
    std::unordered_map<std::string, Place> places;
    std::vector<Node> merges;
  };

  const std::string& text() const { return source_->text; }
  static std::size_t offset_of(const YAML::Mark& mark) { return mark.pos < 0 ? 0 : static_cast<std::size_t>(mark.pos); }

  // Where the value itself begins, behind an anchor. Reports a tag.
  std::size_t content_of(const YAML::Mark& mark, const std::string& tag) {
    std::size_t at = offset_of(mark);
    while (at < text().size() && (text()[at] == '&' || text()[at] == '!')) {
      if (text()[at] == '!')
        problems_.error(source_->place(at),
                        "tags such as " + (tag.size() > 1 ? "!!str" : tag) + " are not used; quote what is text");
      at = text().find_first_of(" \t\r\n", at);
      at = at == std::string::npos ? text().size() : std::min(text().find_first_not_of(" \t\r\n", at), text().size());
    }
    return at;
  }

  std::shared_ptr<NodeData> make(NodeKind kind, std::size_t at) {
    auto data = std::make_shared<NodeData>();
    data->kind = kind;
    data->source = source_;
    data->offset = at;
    data->place = source_->place(at);
    return data;
  }

  void begin(NodeKind kind, std::size_t at, YAML::anchor_t anchor, bool flow) {
    if (frames_.size() >= limits_.depth_max) {
      problems_.error(
          source_->place(at),
          "lists and maps inside each other go deeper than " + std::to_string(limits_.depth_max) + " levels",
          Code::kTooLarge);
      throw Stop{};
    }
    Frame frame;
    frame.data = make(kind, at);
    frame.anchor = anchor;
    frame.flow = flow;
    frames_.push_back(std::move(frame));
  }

  void end() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    finish(std::move(frame.data), frame.size, frame.anchor);
  }

  void finish(std::shared_ptr<NodeData> data, std::size_t size, YAML::anchor_t anchor) {
    const std::size_t at = data->offset;
    Node node(std::move(data));
    if (anchor != 0) anchors_[anchor] = {node, size};
    add(node, size, at);
  }

  // Puts a finished node where it belongs: the document, a list, a key, or a key's value. `at` is where it stands here
  // (an alias stands elsewhere than what it names).
  void add(const Node& node, std::size_t size, std::size_t at) {
    if (frames_.empty()) {
      documents.push_back(node);
      return;
    }
    Frame& frame = frames_.back();
    frame.size += size;
    if (frame.size > limits_.nodes_max) {
      problems_.error(source_->place(at),
                      "more than " + std::to_string(limits_.nodes_max) + " values, with aliases written out",
                      Code::kTooLarge);
      throw Stop{};
    }
    if (frame.data->kind == NodeKind::kList) {
      frame.data->items.push_back(node);
    } else if (!frame.key) {
      if (!node.is_scalar())
        problems_.error(source_->place(at), "a key must be text, found " + std::string(node.kind_name()));
      frame.key = Key{node.text(), source_->place(at), node.plain()};
    } else {
      add_entry(frame, node);
      frame.key.reset();
    }
  }

  void add_entry(Frame& frame, const Node& value) {
    Key& key = *frame.key;
    if (key.text == "<<" && key.plain) {
      frame.merges.push_back(value);
      return;
    }
    const auto [first, is_new] = frame.places.emplace(key.text, key.place);
    if (is_new) {
      frame.data->entries.push_back({std::move(key.text), key.place, value});
    } else {
      problems_.error(key.place, "the key \"" + key.text + "\" stands twice; the first is at " + first->second.text());
    }
  }

  void resolve_merges(Frame& frame) {
    for (const Node& merge : frame.merges) {
      const Node one[] = {merge};
      for (const Node& from : merge.is_list() ? merge.items() : std::span<const Node>(one)) {
        if (!from.is_map()) problems_.error(merge.place(), "<< takes a map or a list of maps");
        for (const Entry& entry : from.entries()) {
          if (frame.places.emplace(entry.key, entry.key_place).second) frame.data->entries.push_back(entry);
        }
      }
    }
  }

  // YAML ends a plain value at " #" anywhere and at "," inside brackets, silently. A program or a text that is open at
  // that point was cut.
  void report_cut(const NodeData& scalar) {
    const std::size_t end = scalar.source_offset(scalar.text.size());
    const std::size_t next = skip_blanks(text(), end);
    if (next >= text().size()) return;
    const bool program = scalar.text.starts_with('=');
    const bool open = unfinished(scalar.text);
    if (text()[next] == '#' && next > end) {
      const char after = next + 1 < text().size() ? text()[next + 1] : '\n';
      if (open) {
        report_cut_at(next, program, "YAML takes what follows \" #\" for a comment and cuts this value; ");
      } else if (std::string_view(" \t\r\n#!").find(after) == std::string_view::npos) {
        report_cut_at(next, false, "YAML takes what follows \" #\" for a comment; if it is not one: ");
      }
    } else if (open && text()[next] == ',' && !frames_.empty() && frames_.back().flow) {
      report_cut_at(next, program, "YAML ends this value at \",\" and cuts it; ");
    }
  }

  // yaml-cpp takes the end of the file for a closing quote where a line break stands before it.
  void check_closed(const NodeData& scalar, char quote) {
    if (text().find(quote, scalar.source_offset(scalar.text.size())) != std::string::npos) return;
    problems_.error(scalar.place, "the quote that opens here is never closed");
    throw Stop{};
  }

  void report_cut_at(std::size_t at, bool is_error, std::string_view what) {
    std::string message = std::string(what) + std::string(kQuoteIt);
    if (is_error) {
      problems_.error(source_->place(at), std::move(message));
    } else {
      problems_.warning(source_->place(at), std::move(message));
    }
  }

  std::size_t end_of_last_scalar() const {
    const std::size_t end = last_scalar_->source_offset(last_scalar_->text.size());
    const bool quote =
        last_scalar_->style == ScalarStyle::kSingleQuoted || last_scalar_->style == ScalarStyle::kDoubleQuoted;
    return quote ? end + 1 : end;
  }

  bool follows_last_scalar(std::size_t at) const {
    const std::size_t end = end_of_last_scalar();
    return at >= end && skip_blanks(text(), end) >= at;
  }

  void report_broken_value(std::size_t at, const Frame* flow) {
    const Place place = source_->place(at);
    const Place begin = source_->place(last_scalar_->offset);
    if (last_scalar_->style == ScalarStyle::kSingleQuoted || last_scalar_->style == ScalarStyle::kDoubleQuoted) {
      problems_.error(place, "nothing may follow the closing quote; put the whole value in single quotes");
    } else if (at >= text().size() || (flow != nullptr && begin.line != source_->place(at == 0 ? 0 : at - 1).line)) {
      problems_.error(place, flow == nullptr ? "the file ends in the middle of a value"
                                             : "the " + quoted_char(text(), flow->data->offset) + " at " +
                                                   flow->data->place.text() + " is not closed");
    } else if (begin.line != place.line) {
      problems_.error(place, "this line continues the value that begins at " + begin.text() +
                                 "; check its indentation, or quote that value");
    } else {
      problems_.error(place, "YAML ends the value here, at " + quoted_char(text(), at) + "; " + std::string(kQuoteIt));
    }
  }

  std::shared_ptr<const Source> source_;
  Problems& problems_;
  const YamlLimits& limits_;
  std::vector<Frame> frames_;
  std::unordered_map<YAML::anchor_t, std::pair<Node, std::size_t>> anchors_;  // with the number of nodes below
  std::shared_ptr<const NodeData> last_scalar_;
  std::size_t document_start_ = 0;
};

// What yaml-cpp would accept and misread: it ends a file at some control characters and replaces bad UTF-8.
bool check_text(const Source& source, Problems& problems, const YamlLimits& limits) {
  if (source.text.size() > limits.bytes_max) {
    problems.error(Place{source.file, 0, 0}, "the file is larger than " + std::to_string(limits.bytes_max) + " bytes",
                   Code::kTooLarge);
    return false;
  }
  const auto control = std::find_if(source.text.begin(), source.text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r';
  });
  if (control != source.text.end()) {
    problems.error(source.place(static_cast<std::size_t>(control - source.text.begin())),
                   "a control character must not stand in YAML; in double quotes write it as an escape");
    return false;
  }
  for (std::size_t i = 0; i < source.line_starts.size(); ++i) {
    const std::size_t begin = source.line_starts[i];
    const std::size_t end = i + 1 < source.line_starts.size() ? source.line_starts[i + 1] : source.text.size();
    if (!valid_utf8(std::string_view(source.text).substr(begin, end - begin))) {
      problems.error(source.place(begin), "this line is not valid UTF-8; save the file as UTF-8");
      return false;
    }
  }
  return true;
}

std::optional<std::vector<Node>> parse_all(const std::shared_ptr<const Source>& source, Problems& problems,
                                           const YamlLimits& limits, bool several) {
  const std::size_t errors_before = problems.error_count();
  if (!check_text(*source, problems, limits)) return std::nullopt;
  TreeBuilder builder(source, problems, limits);
  try {
    std::istringstream in(source->text);
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
      if (builder.documents.size() < 2) continue;
      const std::size_t at = builder.document_start();
      if (!std::string_view(source->text).substr(at).starts_with("---") &&
          !std::string_view(source->text).substr(0, at).ends_with("...\n")) {
        problems.error(source->place(at), "this line does not belong to what stands above it; check its indentation");
        break;
      }
      if (!several) {
        problems.error(source->place(at), "a second document begins here; this file holds exactly one");
        break;
      }
    }
  } catch (const Stop&) {
  } catch (const YAML::Exception& fault) {
    builder.report_syntax(fault);
  }
  if (problems.error_count() != errors_before) return std::nullopt;
  return std::move(builder.documents);
}

std::shared_ptr<const Source> make_source(std::string text, std::string file) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  return std::make_shared<const Source>(std::move(file), std::move(text));
}

}  // namespace

std::optional<Node> parse_yaml(std::string text, std::string file, Problems& problems, const YamlLimits& limits) {
  const auto source = make_source(std::move(text), std::move(file));
  auto documents = parse_all(source, problems, limits, false);
  if (!documents) return std::nullopt;
  if (!documents->empty()) return std::move(documents->front());
  auto nothing = std::make_shared<NodeData>();
  nothing->source = source;
  nothing->place = source->place(0);
  return Node(std::move(nothing));
}

std::optional<std::vector<Node>> parse_yaml_documents(std::string text, std::string file, Problems& problems,
                                                      const YamlLimits& limits) {
  return parse_all(make_source(std::move(text), std::move(file)), problems, limits, true);
}

}  // namespace tieline::spec
