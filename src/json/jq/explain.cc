#include "json/jq/explain.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <vector>

#include "base/text.h"
#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

constexpr std::size_t kConstantShown = 60;
constexpr int kDepthShown = 200;

std::string_view binary_name(BinaryOp op) {
  constexpr std::array<std::string_view, 11> names = {"+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">="};
  return names[static_cast<std::size_t>(op)];
}

std::string_view order_name(std::uint32_t slot, bool by) {
  constexpr std::array<std::string_view, 5> plain = {"sort", "group", "unique", "min", "max"};
  constexpr std::array<std::string_view, 5> with = {"sort_by", "group_by", "unique_by", "min_by", "max_by"};
  return by ? with[slot] : plain[slot];
}

std::string_view format_name(std::uint32_t slot) {
  constexpr std::array<std::string_view, 12> names = {"@text", "@json", "@html",   "@uri",     "@urid",   "@csv",
                                                      "@tsv",  "@sh",   "@base64", "@base64d", "@base32", "@base32d"};
  return names[slot];
}

std::string shown(const Node& constant) {
  std::string text;
  if (print_bounded(text, constant, {.indent = 0}, 1u << 20) != Printed::kWell) return "a large value";
  return truncated(text, kConstantShown);
}

bool is_name(std::string_view key) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !key.empty() && letter(key.front()) &&
         std::all_of(key.begin(), key.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::string numbered(std::size_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

struct Part {
  std::string_view label;
  const Code* code;
};

class Explainer {
 public:
  std::string run(const Code& code, std::uint32_t slots) {
    out_ = "1: at most one result, *: any number of them\n\nprogram, " + numbered(slots, "slot") + "\n";
    put("", &code, 1);
    for (std::size_t i = 0; i < functions_.size(); ++i) function(*functions_[i].function, i);
    return std::move(out_);
  }

 private:
  struct Named {
    const Function* function;
    std::string_view name;
  };

  void function(const Function& f, std::size_t number) {
    out_ += "\nfunction " + called(functions_[number].name, number) + ", ";
    out_ += f.frame ? "a frame of " + numbered(f.slots, "slot") : "no frame of its own";
    out_ += "\n";
    put("", f.body, 1);
  }
  static std::string called(std::string_view name, std::size_t number) {
    return (name.empty() ? "" : std::string(name) + " ") + "#" + std::to_string(number + 1);
  }
  std::size_t number_of_function(const Code& call) {
    const auto at = std::find_if(functions_.begin(), functions_.end(),
                                 [&](const Named& known) { return known.function == call.function; });
    if (at == functions_.end()) {
      functions_.push_back({call.function, call.name});
      return functions_.size() - 1;
    }
    return static_cast<std::size_t>(at - functions_.begin());
  }

  void line(const Code* code, int depth, const std::string& text) {
    out_ += code == nullptr || code->single ? "1 " : "* ";
    out_.append(static_cast<std::size_t>(depth) * 2, ' ');
    out_ += text;
    out_ += '\n';
  }

  // One line, then what stands below it. A null stands for `.`.
  void put(std::string label, const Code* code, int depth) {
    if (code == nullptr) return line(code, depth, label + ".");
    if (depth > kDepthShown) return line(code, depth, label + "…");
    line(code, depth, label + head(*code));
    below(*code, depth + 1);
  }
  void put_all(std::initializer_list<Part> parts, int depth) {
    for (const Part& part : parts) {
      if (part.code != nullptr) put(std::string(part.label), part.code, depth);
    }
  }

  std::string members(const Code& code) const {
    std::string path;
    for (const Node& key : code.keys)
      path += is_name(key.view()) ? "." + std::string(key.view()) : ".[" + shown(key) + "]";
    return path + (code.optional ? "?" : "");
  }
  static std::string place(const Code& code) {
    std::string text = "slot " + std::to_string(code.slot);
    if (code.up != 0 && code.up != kNoFrame) text += ", " + numbered(code.up, "frame") + " up";
    return "  (" + text + ")";
  }
  static std::string slots_of(const Code& code) {
    std::string text;
    for (const PatternCode& pattern : code.patterns) {
      text += (text.empty() ? " as slot " : " ?// slot ") + std::to_string(pattern.root);
    }
    return text;
  }

  // What the line says.
  std::string head(const Code& code) {
    switch (code.op) {
      case Op::kConstant: return "constant " + shown(code.value);
      case Op::kIdentity: return ".";
      case Op::kMembers: return code.a == nullptr ? members(code) : "members " + members(code) + " of";
      case Op::kIndex: return std::string("index") + (code.optional ? "?" : "") + (code.simple_path ? ", direct" : "");
      case Op::kSlice: return std::string("slice") + (code.optional ? "?" : "");
      case Op::kIterate: return std::string(".[]") + (code.optional ? "?" : "") + (code.a == nullptr ? "" : " of");
      case Op::kRecurse: return "..";
      case Op::kPipe: return "pipe";
      case Op::kComma: return "comma";
      case Op::kNegate: return "negate";
      case Op::kBinary: return std::string(binary_name(code.binary));
      case Op::kAlternative: return "//";
      case Op::kAnd: return "and";
      case Op::kOr: return "or";
      case Op::kIf: return "if";
      case Op::kTry: return "try";
      case Op::kReduce: return "reduce" + slots_of(code) + (code.accumulating ? ", its state changed in place" : "");
      case Op::kForeach: return "foreach" + slots_of(code);
      case Op::kBind: return "bind" + slots_of(code);
      case Op::kLabel: return "label" + place(code);
      case Op::kBreak: return "break" + place(code);
      case Op::kArray: return code.a == nullptr ? "[]" : "array of";
      case Op::kObject: return code.distinct ? "object, its shape known" : "object";
      case Op::kText: return "text";
      case Op::kFormat: return std::string(format_name(code.slot)) + (code.a == nullptr ? "" : " of");
      case Op::kVariable: return "$" + std::string(code.name) + place(code);
      case Op::kParameter: return "argument " + std::string(code.name) + place(code);
      case Op::kCall: return "call " + called(code.name, number_of_function(code));
      case Op::kFrame: return "in a frame of " + numbered(code.slot, "slot");
      case Op::kNative: return std::string(code.native->name) + "/" + std::to_string(code.native->arity) + ", native";
      case Op::kAssign: return "=";
      case Op::kUpdate: return "|=";
      case Op::kArithUpdate: return std::string(binary_name(code.binary)) + "=";
      case Op::kDefaultUpdate: return "//=";
      default: return std::string(form_name(code));
    }
  }

  static std::string_view form_name(const Code& code) {
    switch (code.op) {
      case Op::kEmpty: return "empty";
      case Op::kError: return "error";
      case Op::kMap: return "map";
      case Op::kSelect: return "select";
      case Op::kFirst: return "first";
      case Op::kLast: return "last";
      case Op::kLimit: return "limit";
      case Op::kSkip: return "skip";
      case Op::kAny: return "any";
      case Op::kAll: return "all";
      case Op::kIsEmpty: return "isempty";
      case Op::kRange: return "range";
      case Op::kPath: return "path";
      case Op::kGetPath: return "getpath";
      case Op::kDelete: return "del";
      case Op::kAdd: return "add";
      case Op::kSortBy: return order_name(code.slot, code.a != nullptr);
      case Op::kSubstitute: return code.slot == 1 ? "gsub" : "sub";
      default: return "?";
    }
  }

  void below(const Code& code, int depth) {
    switch (code.op) {
      case Op::kPipe: return pipe(code, depth);
      case Op::kIndex: return put("of ", code.a, depth), put("at ", code.b, depth);
      case Op::kSlice: return put("of ", code.a, depth), put_all({{"from ", code.b}, {"to ", code.c}}, depth);
      case Op::kIf: return put_all({{"when ", code.a}, {"then ", code.b}, {"else ", code.c}}, depth);
      case Op::kTry: return put_all({{"", code.a}, {"catch ", code.b}}, depth);
      case Op::kReduce:
      case Op::kForeach:
        put("over ", code.a, depth);
        takings(code, depth);
        return put_all({{"from ", code.b}, {"update ", code.c}, {"give ", code.d}}, depth);
      case Op::kBind:
        put("", code.a, depth);
        takings(code, depth);
        return put("in ", code.b, depth);
      case Op::kObject:
        for (std::size_t i = 0; i < code.parts.size(); i += 2) member(code.parts[i], code.parts[i + 1], depth);
        return;
      default:
        put_all({{"", code.a}, {"", code.b}, {"", code.c}, {"", code.d}}, depth);
        for (const Code* const part : code.parts) put("", part, depth);
    }
  }

  void pipe(const Code& code, int depth) {
    const Code* at = &code;
    for (; at->op == Op::kPipe; at = at->b) put("", at->a, depth);
    put("", at, depth);
  }

  void member(const Code* key, const Code* value, int depth) {
    if (key->op == Op::kConstant) return put(shown(key->value) + ": ", value, depth);
    put("key ", key, depth);
    put("value ", value, depth + 1);
  }

  // How a pattern takes a value apart.
  void takings(const Code& code, int depth) {
    for (const PatternCode& pattern : code.patterns) {
      for (const Taking& taking : pattern.steps) {
        put("slot " + std::to_string(taking.to) + " is slot " + std::to_string(taking.from) + " at ", taking.key,
            depth);
      }
    }
  }

  std::string out_;
  std::vector<Named> functions_;
};

}  // namespace

std::string explain(const Code& code, std::uint32_t slots) { return Explainer().run(code, slots); }

}  // namespace tieline::json::jq
