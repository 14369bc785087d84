#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "spec/table.h"

namespace tieline::spec {
namespace {

// RFC 8259 §6.
bool is_json_number(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t begin = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - begin;
  };
  if (at < text.size() && text[at] == '-') ++at;
  const std::size_t whole_begin = at;
  const std::size_t whole = digits();
  if (whole == 0 || (whole > 1 && text[whole_begin] == '0')) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

// The field's own bounds, in the units of the type.
bool within(Context& context, const Node& node, double value) {
  if (context.rules == nullptr) return true;
  const std::string tail = context.secret ? "" : ", found " + node.text();
  if (context.rules->min && value < *context.rules->min) {
    context.problems.error(node.place(), "must be at least " + context.rules->min_text + tail);
    return false;
  }
  if (context.rules->max && value > *context.rules->max) {
    context.problems.error(node.place(), "must be at most " + context.rules->max_text + tail);
    return false;
  }
  return true;
}

template <class X, class Count>
bool read_parsed(Context& context, const Node& node, std::string_view what, Result<X> (*parse)(std::string_view),
                 Count count, X& out) {
  if (!node.is_scalar()) return report_mismatch(context, node, what);
  auto value = parse(node.text());
  if (!value) return report_mismatch(context, node, what);
  if (!within(context, node, static_cast<double>(count(*value)))) return false;
  out = std::move(*value);
  return true;
}

// A leaf that is text, but looks like a program whose `=` was forgotten.
bool looks_like_program(const Node& node) {
  const std::string& text = node.text();
  if (!node.plain() || text.size() < 2 || (text[0] != '.' && text[0] != '$')) return false;
  return text[1] == '_' || (text[1] >= 'a' && text[1] <= 'z') || (text[1] >= 'A' && text[1] <= 'Z');
}

void read_leaf(Context& context, const Node& node, Data& out) {
  const bool whole = context.rules != nullptr && context.rules->text_is_program;
  const std::string& text = node.text();
  out.text = text;
  if (node.block() || whole || text.starts_with('=')) {
    out.kind = Data::Kind::kProgram;
    out.text.clear();
    read_program(context, node, out.program);
  } else if (node.plain() && (text == "true" || text == "false")) {
    out.kind = Data::Kind::kBool;
  } else if (node.plain() && is_json_number(text)) {
    out.kind = Data::Kind::kNumber;
  } else {
    out.kind = Data::Kind::kText;
    if (looks_like_program(node) && !context.secret)
      context.problems.warning(node.place(), "this is the text \"" + text + "\"; a program begins with =, as in =" +
                                                 text + "; if the text is meant, quote it");
  }
}

}  // namespace

bool read_bool(Context& context, const Node& node, bool& out) {
  if (node.plain() && (node.text() == "true" || node.text() == "false")) {
    out = node.text() == "true";
    return true;
  }
  return report_mismatch(context, node, "true or false");
}

bool read_integer(Context& context, const Node& node, std::int64_t lowest, std::int64_t highest, std::int64_t& out) {
  const std::string& text = node.text();
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!node.plain() || end != text.data() + text.size() || error == std::errc::invalid_argument)
    return report_mismatch(context, node, "a whole number");
  if (error == std::errc::result_out_of_range || value < lowest || value > highest) {
    if (within(context, node, std::strtod(text.c_str(), nullptr)))
      context.problems.error(node.place(),
                             "must be between " + std::to_string(lowest) + " and " + std::to_string(highest));
    return false;
  }
  if (!within(context, node, static_cast<double>(value))) return false;
  out = value;
  return true;
}

bool read_number(Context& context, const Node& node, double& out) {
  double value = 0;
  if (!node.plain() || !is_json_number(node.text())) return report_mismatch(context, node, "a number");
  std::from_chars(node.text().data(), node.text().data() + node.text().size(), value);
  if (!within(context, node, value)) return false;
  out = value;
  return true;
}

bool read_choice(Context& context, const Node& node, const std::vector<Choice>& choices, std::size_t& out) {
  if (!node.is_scalar()) return report_mismatch(context, node, one_of(choices));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    names.push_back(choices[i].name);
    if (choices[i].name != node.text()) continue;
    if (choices[i].reserved) {
      context.problems.error(node.place(), "`" + node.text() + "` is not available in this version",
                             Code::kUnsupported);
      return false;
    }
    out = i;
    return true;
  }
  context.problems.error(node.place(), "expected " + one_of(choices) + ", found " + found(context, node) +
                                           (context.secret ? "" : did_you_mean(node.text(), names)));
  return false;
}

bool read_text(Context& context, const Node& node, std::string& out) {
  if (!node.is_scalar()) return report_mismatch(context, node, "text");
  if (context.rules != nullptr && !context.rules->choices.empty()) {
    std::size_t index = 0;
    if (!read_choice(context, node, context.rules->choices, index)) return false;
  }
  if (context.rules != nullptr && context.rules->pattern && !context.rules->pattern->matches(node.text())) {
    context.problems.error(node.place(), "must match " + context.rules->pattern->text() +
                                             (context.secret ? "" : ", found " + found(context, node)));
    return false;
  }
  out = node.text();
  return true;
}

bool read_duration(Context& context, const Node& node, Duration& out) {
  return read_parsed<Duration>(
      context, node, "a duration like 5s", &parse_duration, [](Duration d) { return d.count(); }, out);
}

bool read_size(Context& context, const Node& node, Size& out) {
  return read_parsed<Size>(
      context, node, "a size like 20GB or 4MiB", &parse_size, [](Size s) { return s.bytes; }, out);
}

bool read_rate(Context& context, const Node& node, Rate& out) {
  return read_parsed<Rate>(
      context, node, "a rate like 90/10s", &parse_rate, [](Rate r) { return r.count; }, out);
}

bool read_program(Context& context, const Node& node, ProgramText& out) {
  if (node.is_list() || node.is_map())
    return report_mismatch(context, node,
                           node.is_list() ? "a program (one that begins with [ must stand in single quotes)"
                                          : "a program (one that begins with { must stand in single quotes)");
  const std::size_t skip = node.text().starts_with('=') ? 1 : 0;
  if (!node.is_scalar() || trim(std::string_view(node.text()).substr(skip)).empty())
    return report_mismatch(context, node, "a program");
  out = ProgramText{node.text().substr(skip), node, skip};
  return true;
}

bool read_data(Context& context, const Node& node, Data& out) {
  out = Data{};
  out.node = node;
  const std::size_t before = context.problems.error_count();
  switch (node.kind()) {
    case NodeKind::kNull: break;
    case NodeKind::kScalar: read_leaf(context, node, out); break;
    case NodeKind::kList:
    case NodeKind::kMap: {
      Context inner{context.problems, nullptr, context.secret};
      out.kind = node.is_list() ? Data::Kind::kList : Data::Kind::kMap;
      for (const Node& item : node.items()) read_data(inner, item, out.items.emplace_back());
      for (const Entry& entry : node.entries())
        read_data(inner, entry.value, out.entries.emplace_back(Data::Entry{entry.key, {}}).value);
      break;
    }
  }
  return context.problems.error_count() == before;
}

bool read_secret(Context& context, const Node& node, SecretRef& out) {
  Context silent{context.problems, nullptr, true};
  if (!node.is_scalar())
    return report_mismatch(silent, node, "a reference to a secret: secret:NAME, env:NAME or file:PATH");
  auto reference = parse_secret_ref(node.text());
  if (!reference) {
    context.problems.error(std::move(reference.error()).at(node.place()));
    return false;
  }
  out = std::move(*reference);
  out.place = node.place();
  return true;
}

std::string Type<double>::print(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return std::string(text, end);
}

}  // namespace tieline::spec
