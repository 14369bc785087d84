// parse_csv and to_csv, by RFC 4180. A field is a text and stays as it is written: nothing becomes a number here, and
// no row may be longer or shorter than the others.
#include <algorithm>
#include <array>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/text.h"
#include "json/jq/machine.h"
#include "json/jq/natives.h"
#include "json/jq/options.h"
#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kUnchecked = 4096;  // fields between two looks at the memory
constexpr std::size_t kFieldBytes = 64;   // what one takes, at most, until its row is made
constexpr std::size_t kTextUnchecked = 1u << 20;

struct Dialect {
  std::string_view separator = ",";
  std::string_view quote = "\"";  // empty: nothing is quoted
  bool header = true;
  Node columns;  // null, or an array of texts
  std::string_view newline = "\r\n";
};

bool character_option(Machine& m, Node options, std::string_view function, std::string_view name, bool may_be_empty,
                      std::string_view& value) {
  const Node given = option(options, name);
  if (given.kind == Kind::kNull) return true;
  const std::string_view text = is_string(given) ? given.view() : "\n";
  if (text.empty() ? !may_be_empty : characters(text) != 1 || text == "\n" || text == "\r") {
    return wrong_option(m, function, name,
                        may_be_empty ? "one character, or \"\" where nothing is quoted" : "one character");
  }
  value = text;
  return true;
}

bool read_dialect(Machine& m, Node options, std::string_view function, Dialect& out) {
  if (!character_option(m, options, function, "separator", false, out.separator) ||
      !character_option(m, options, function, "quote", true, out.quote)) {
    return false;
  }
  return out.separator != out.quote || wrong_option(m, function, "quote", "also the separator");
}

class CsvReader {
 public:
  CsvReader(Machine& m, Node text, const Dialect& dialect)
      : m_(m), text_(text.view()), dialect_(dialect), quoted_(!dialect.quote.empty()) {}

  bool read(Node& out) {
    if (!m_.spend(text_.size() / 8)) return false;
    if (text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
    std::vector<Node> header, fields;
    if (is_array(dialect_.columns)) {
      header.assign(dialect_.columns.elements, dialect_.columns.elements + dialect_.columns.length);
    } else if (dialect_.header) {
      skip_empty();
      if (at_ < text_.size() && !row(header)) return false;
    }
    if (!distinct(header)) return false;
    const bool objects = dialect_.header || is_array(dialect_.columns);
    std::size_t width = header.size();
    Collector rows(m_.arena());
    for (skip_empty(); at_ < text_.size(); skip_empty()) {
      const std::size_t line = line_;
      if (!row(fields)) return false;
      if (!objects && rows.size() == 0) width = fields.size();
      if (fields.size() != width) return ragged(line, fields.size(), width, objects);
      if (!m_.spend(width) || !m_.room(width * sizeof(Member))) return false;
      rows.push(objects ? object_of(header, fields) : m_.array(fields));
    }
    out = rows.array();
    return true;
  }

 private:
  bool wrong(std::size_t line, const std::string& what) {
    return m_.fail("parse_csv: line " + std::to_string(line) + ": " + what);
  }

  bool ragged(std::size_t line, std::size_t count, std::size_t width, bool objects) {
    const std::string_view of = objects ? " where the header has " : " where the first row has ";
    const std::string found = count == 1 ? "there is 1 field" : "there are " + std::to_string(count) + " fields";
    return wrong(line, found + std::string(of) + std::to_string(width) +
                           (count == 1 ? "; is the separator " + std::string(dialect_.separator) + '?' : ""));
  }

  // What gives no row: a blank line.
  void skip_empty() {
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\n') {
        ++line_;
      } else if (text_[at_] != '\r' || (at_ + 1 < text_.size() && text_[at_ + 1] != '\n')) {
        return;
      }
    }
  }

  bool distinct(const std::vector<Node>& header) {
    std::unordered_set<std::string_view> names;
    for (const Node& name : header) {
      if (!names.insert(name.view()).second) {
        return m_.fail("parse_csv: the header has the column \"" + truncated(name.view(), 100) + "\" twice");
      }
    }
    return true;
  }

  Node object_of(const std::vector<Node>& header, const std::vector<Node>& fields) {
    Member* const members = m_.members(fields.size());
    for (std::size_t i = 0; i < fields.size(); ++i) members[i] = {header[i], fields[i]};
    return m_.object(members, fields.size());
  }

  Node part(std::size_t from, std::size_t to) const { return m_.text_in_place(text_.data() + from, to - from); }

  // Up to the end of the line, which is eaten.
  bool row(std::vector<Node>& fields) {
    fields.clear();
    for (bool last = false; !last;) {
      if (fields.size() % kUnchecked == kUnchecked - 1 && !m_.room(fields.size() * kFieldBytes)) return false;
      Node field;
      const bool in_quotes = quoted_ && text_.substr(at_).starts_with(dialect_.quote);
      if (in_quotes ? !quoted_field(field) : !plain_field(field)) return false;
      fields.push_back(field);
      last = !text_.substr(at_).starts_with(dialect_.separator);
      if (!last) at_ += dialect_.separator.size();
    }
    if (at_ < text_.size() && text_[at_] == '\r') ++at_;
    if (at_ < text_.size()) ++at_;
    ++line_;
    return true;
  }

  // A line ends with LF, CR LF, or the text.
  bool at_line_end() const {
    if (at_ == text_.size() || text_[at_] == '\n') return true;
    return text_[at_] == '\r' && (at_ + 1 == text_.size() || text_[at_ + 1] == '\n');
  }

  bool plain_field(Node& out) {
    const std::size_t from = at_;
    const char separator = dialect_.separator.front();
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == separator && text_.substr(at_).starts_with(dialect_.separator)) break;
      if ((c == '\n' || c == '\r') && at_line_end()) break;
      if (quoted_ && c == dialect_.quote.front() && text_.substr(at_).starts_with(dialect_.quote)) {
        return wrong(line_,
                     "a quote stands inside a field that does not begin with one; where quotes mean nothing, "
                     "say {quote: \"\"}");
      }
    }
    out = part(from, at_);
    return true;
  }

  bool quoted_field(Node& out) {
    const std::size_t began = line_, size = dialect_.quote.size();
    std::string pieces;
    at_ += size;
    for (std::size_t from = at_;;) {
      const std::size_t quote = text_.find(dialect_.quote, at_);
      if (quote == std::string_view::npos) return wrong(began, "a field in quotes does not end");
      line_ += static_cast<std::size_t>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                                   text_.begin() + static_cast<std::ptrdiff_t>(quote), '\n'));
      at_ = quote + size;
      if (text_.substr(at_).starts_with(dialect_.quote)) {
        pieces.append(text_, from, at_ - from);
        at_ += size;
        from = at_;
        continue;
      }
      if (pieces.empty()) {
        out = part(from, quote);
      } else {
        pieces.append(text_, from, quote - from);
        out = m_.text(pieces);
      }
      if (at_line_end() || text_.substr(at_).starts_with(dialect_.separator)) return true;
      return wrong(line_, "text stands behind a field in quotes");
    }
  }

  Machine& m_;
  const std::string_view text_;
  const Dialect& dialect_;
  const bool quoted_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
};

bool parse_csv_with(Machine& m, Node in, Node options, Node& out) {
  constexpr std::array<std::string_view, 3> kOptions = {"separator", "quote", "header"};
  if (!is_string(in)) return m.fail_type(in, "is not a text, which parse_csv wants");
  Dialect dialect;
  if (!check_options(m, options, "parse_csv", kOptions) || !read_dialect(m, options, "parse_csv", dialect)) {
    return false;
  }
  const Node header = option(options, "header");
  if (header.kind == Kind::kBool) {
    dialect.header = truthy(header);
  } else if (header.kind != Kind::kNull) {
    const bool texts = is_array(header) && std::all_of(header.elements, header.elements + header.length, is_string);
    if (!texts) return wrong_option(m, "parse_csv", "header", "true, false or the names of the columns");
    dialect.columns = header;
  }
  return CsvReader(m, in, dialect).read(out);
}
bool parse_csv(Machine& m, Node in, const Node*, Node& out) { return parse_csv_with(m, in, m.object(nullptr, 0), out); }
bool parse_csv_by(Machine& m, Node in, const Node* a, Node& out) { return parse_csv_with(m, in, a[0], out); }

class CsvWriter {
 public:
  CsvWriter(Machine& m, const Dialect& dialect) : m_(m), dialect_(dialect), quoted_(!dialect.quote.empty()) {}

  bool write(Node rows, Node& out) {
    if (!is_array(rows)) return m_.fail_type(rows, "is not an array of rows, which to_csv wants");
    const bool objects = rows.length != 0 && is_object(rows.elements[0]);
    if (!alike(rows, objects ? Kind::kObject : Kind::kArray)) return false;
    std::vector<std::string_view> columns;
    if (is_array(dialect_.columns)) {
      for (const Node& name : elements_of(dialect_.columns)) columns.push_back(name.view());
    } else if (objects) {
      if (!collect(rows, columns)) return false;
    }
    if (objects && columns.empty()) return m_.fail("to_csv: the rows have no columns");
    if (dialect_.header && !columns.empty() && !write_header(columns)) return false;
    std::size_t width = columns.size();
    for (std::size_t i = 0; i < rows.length; ++i) {
      const Node row = rows.elements[i];
      if (!objects && i == 0 && columns.empty()) width = row.length;
      if (!objects && row.length != width) {
        return m_.fail("to_csv: row " + std::to_string(i + 1) + " has " + std::to_string(row.length) +
                       (row.length == 1 ? " field where " : " fields where ") +
                       (columns.empty() ? "the first has " : "there are columns for ") + std::to_string(width));
      }
      if (!m_.spend(width + 1) || !write_row(row, i + 1, columns)) return false;
    }
    out = m_.text(text_);
    return m_.spend(text_.size() / 8);
  }

 private:
  bool alike(Node rows, Kind kind) {
    for (std::size_t i = 0; i < rows.length; ++i) {
      const Kind is = rows.elements[i].kind;
      if (is == kind) continue;
      return m_.fail(
          "to_csv: row " + std::to_string(i + 1) + " is of the kind " + std::string(kind_name(is)) +
          (i == 0 ? "; a row is an object or an array" : ", the first is an " + std::string(kind_name(kind))));
    }
    return m_.spend(rows.length);
  }

  // The keys of all rows, in the order in which they are first met.
  bool collect(Node rows, std::vector<std::string_view>& columns) {
    std::unordered_set<std::string_view> met;
    for (const Node& row : elements_of(rows)) {
      if (!m_.spend(row.length)) return false;
      for (const Member& member : members_of(row)) {
        if (met.insert(member.key.view()).second) columns.push_back(member.key.view());
      }
    }
    return true;
  }

  bool write_header(const std::vector<std::string_view>& columns) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (!put(columns[i], i, columns.size() == 1, [] { return std::string("in the header"); })) return false;
    }
    text_ += dialect_.newline;
    return true;
  }

  bool write_row(Node row, std::size_t number, const std::vector<std::string_view>& columns) {
    const bool object = is_object(row);
    const std::size_t width = object ? columns.size() : row.length;
    for (std::size_t i = 0; i < width; ++i) {
      Node value;
      if (!object) value = row.elements[i];
      if (const Member* const found = object ? find_member(row, columns[i]) : nullptr) value = found->value;
      NumberText buffer;
      std::string_view shown;
      if (is_string(value)) shown = value.view();
      if (is_number(value)) shown = number_text(value, buffer);
      if (value.kind == Kind::kBool) shown = truthy(value) ? "true" : "false";
      const auto where = [&] {
        const std::string column = i < columns.size() ? '"' + truncated(columns[i], 100) + '"' : std::to_string(i + 1);
        return "in row " + std::to_string(number) + ", column " + column;
      };
      if (is_array(value) || is_object(value)) {
        return m_.fail_type(value, "cannot stand in a field of to_csv, " + where());
      }
      if (!put(shown, i, width == 1, where)) return false;
    }
    text_ += dialect_.newline;
    return text_.size() < kTextUnchecked || m_.room(text_.size());
  }

  bool needs_quotes(std::string_view field, bool alone) const {
    // A row of one empty field would be a blank line.
    if (field.empty()) return alone;
    return field.find_first_of("\r\n") != std::string_view::npos ||
           field.find(dialect_.separator) != std::string_view::npos ||
           (quoted_ && field.find(dialect_.quote) != std::string_view::npos) ||
           (text_.empty() && field.starts_with(kByteOrderMark));
  }

  template <class Where>
  bool put(std::string_view field, std::size_t at, bool alone, const Where& where) {
    if (at != 0) text_ += dialect_.separator;
    if (!needs_quotes(field, alone)) {
      text_ += field;
      return true;
    }
    if (!quoted_) {
      return m_.fail("to_csv: \"" + truncated(field, 100) + "\" needs quotes, which {quote: \"\"} forbids, " + where());
    }
    const std::string_view quote = dialect_.quote;
    text_ += quote;
    for (std::size_t from = 0; from <= field.size();) {
      const std::size_t end = std::min(field.find(quote, from), field.size());
      text_.append(field, from, end - from);
      if (end < field.size()) text_.append(quote).append(quote);
      from = end + (end < field.size() ? quote.size() : 1);
    }
    text_ += quote;
    return true;
  }

  Machine& m_;
  const Dialect& dialect_;
  const bool quoted_;
  std::string text_;
};

bool to_csv_with(Machine& m, Node in, Node options, Node& out) {
  constexpr std::array<std::string_view, 5> kOptions = {"separator", "quote", "header", "columns", "newline"};
  Dialect dialect;
  if (!check_options(m, options, "to_csv", kOptions) || !read_dialect(m, options, "to_csv", dialect) ||
      !flag_option(m, options, "to_csv", "header", dialect.header) ||
      !texts_option(m, options, "to_csv", "columns", dialect.columns)) {
    return false;
  }
  const Node newline = option(options, "newline");
  if (newline.kind != Kind::kNull) {
    if (!is_string(newline) || (newline.view() != "\n" && newline.view() != "\r\n")) {
      return wrong_option(m, "to_csv", "newline", R"("\n" or "\r\n")");
    }
    dialect.newline = newline.view();
  }
  return CsvWriter(m, dialect).write(in, out);
}
bool to_csv(Machine& m, Node in, const Node*, Node& out) { return to_csv_with(m, in, m.object(nullptr, 0), out); }
bool to_csv_by(Machine& m, Node in, const Node* a, Node& out) { return to_csv_with(m, in, a[0], out); }

constexpr std::array kCsv = {
    Native{"parse_csv", 0, parse_csv},
    Native{"parse_csv", 1, parse_csv_by},
    Native{"to_csv", 0, to_csv},
    Native{"to_csv", 1, to_csv_by},
};

}  // namespace

std::span<const Native> csv_natives() { return kCsv; }

}  // namespace tieline::json::jq
