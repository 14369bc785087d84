// A program, and on the last line a document: under little fuel it ends with outputs that are JSON or with an error,
// and the two ways to evaluate, one output and each output, agree.
#include <string>
#include <vector>

#include "json/program.h"
#include "target.h"

namespace tieline::fuzz {
namespace {

constexpr json::RunLimits kFuel{
    .outputs_max = 200, .output_bytes_max = 64u << 10, .steps_max = 10'000, .memory_bytes_max = 4u << 20};

using Outputs = Result<std::vector<json::Document>>;

bool out_of_fuel(const Outputs& outputs) {
  if (outputs) return false;
  const Error& error = outputs.error();
  return error.code == Code::kTooLarge || error.message.find(" steps") != std::string::npos ||
         error.message.find("deep") != std::string::npos;
}

std::string printed(const std::vector<json::Document>& outputs) {
  std::string text;
  for (const json::Document& output : outputs) {
    const std::string one = json::print(output.root());
    const auto again = json::parse(one, {.depth_max = 4096});
    CHECK(again.has_value() && json::equal(again->root(), output.root()));
    text += (text.empty() ? "" : ",") + one;
  }
  return text;
}

}  // namespace

void run(std::string_view bytes) {
  const std::size_t line = bytes.rfind('\n');
  const std::string source(bytes.substr(0, line));
  const auto program = json::compile(source, {});
  if (!program) return;
  json::Document input;
  if (line != std::string_view::npos) {
    if (auto document = json::parse(std::string(bytes.substr(line + 1)))) input = std::move(*document);
  }
  const Outputs outputs = (*program)->run(input, {}, kFuel);
  const std::string text = outputs ? printed(*outputs) : "";
  for (const char* around : {"[", "def f: ("}) {
    const bool list = *around == '[';
    const std::string wrapped = around + source + (list ? "\n]" : "\n); f");
    const auto inner = json::compile(wrapped, {});
    if (!inner) continue;  // definitions without a body are a program, and cannot stand inside of one
    const Outputs again = (*inner)->run(input, {}, kFuel);
    if (out_of_fuel(outputs) || out_of_fuel(again)) continue;
    CHECK(outputs.has_value() == again.has_value());
    if (outputs) CHECK(printed(*again) == (list ? '[' + text + ']' : text));
  }
}

}  // namespace tieline::fuzz
