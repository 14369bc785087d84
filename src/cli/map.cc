// `tieline map`: runs a mapping program on JSON, as flows do. It must print exactly what a flow would see.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>

#include "cli/command.h"
#include "json/program.h"
#include "json/value.h"

namespace tieline::cli {
namespace {

Result<std::string> read_input(const std::string& file) {
  if (file.empty() || file == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  std::ifstream in(file, std::ios::binary);
  if (!in) return failure(Code::kNotFound, "cannot read \"" + file + "\": " + std::strerror(errno));
  return std::string(std::istreambuf_iterator<char>(in), {});
}

struct Variables {
  std::vector<std::string> names;
  std::vector<json::Document> values;
};

Result<Variables> read_variables(const Arguments& arguments) {
  Variables out;
  const std::vector<std::string> texts = arguments.all("arg"), documents = arguments.all("argjson");
  for (std::size_t i = 0; i + 1 < texts.size(); i += 2) {
    out.names.push_back(texts[i]);
    out.values.push_back(json::make_string(texts[i + 1]));
  }
  for (std::size_t i = 0; i + 1 < documents.size(); i += 2) {
    auto value = json::parse(documents[i + 1]);
    if (!value) return failure(std::move(value.error()).in("--argjson " + documents[i]));
    out.names.push_back(documents[i]);
    out.values.push_back(*value);
  }
  return out;
}

int run_map(const Arguments& arguments) {
  auto variables = read_variables(arguments);
  if (!variables) return report(variables.error(), kUsage);
  auto program = json::compile(arguments.text("PROGRAM"), variables->names, Place{"PROGRAM", 1, 1});
  if (!program) return report(program.error(), kConfig);
  json::Document input;
  if (!arguments.flag("null-input")) {
    const std::string file = arguments.text("FILE");
    auto text = read_input(file);
    if (!text) return report(text.error());
    auto document = json::parse(std::move(*text));
    if (!document) {
      document.error().place.file = file.empty() || file == "-" ? "stdin" : file;
      return report(document.error());
    }
    input = std::move(*document);
  }
  auto outputs = (*program)->run(input, variables->values);
  if (!outputs) return report(outputs.error());
  for (const json::Document& output : *outputs) {
    const bool raw = arguments.flag("raw-output") && output.root().is_string();
    const json::PrintStyle style{.indent = arguments.flag("compact-output") ? 0 : 2};
    std::cout << (raw ? std::string(output.root().as_string()) : json::print(output.root(), style)) << '\n';
  }
  return std::cout.flush() ? kOk : kFailed;
}

}  // namespace

Command map_command() {
  return {
      .name = "map",
      .summary = "runs a mapping program on JSON",
      .description =
          "Runs a program of the mapping language (jq) on one JSON document, exactly as a flow would, and "
          "prints its results. An error points into the program.",
      .positionals = {{"PROGRAM", "the program, such as '.email'"},
                      {"FILE", "the input; standard input without it", false}},
      .options = {{"-n,--null-input", "", "run on null, read nothing"},
                  {"-c,--compact-output", "", "one line a result"},
                  {"-r,--raw-output", "", "print strings without quotes"},
                  {"--arg", "NAME VALUE", "bind $NAME to a string", "", 2},
                  {"--argjson", "NAME JSON", "bind $NAME to a JSON value", "", 2}},
      .examples = {"tieline map .customer.email order.json",
                   "tieline map -n -c '{total: ($a + $b)}' --argjson a 1 --argjson b 2"},
      .run = run_map,
  };
}

}  // namespace tieline::cli
