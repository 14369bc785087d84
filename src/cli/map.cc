// `tieline map`: the mapping language for people, a jq. It must print exactly what a flow would see.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "cli/command.h"
#include "cli/map_input.h"
#include "cli/map_output.h"
#include "cli/map_timing.h"
#include "json/program.h"

namespace tieline::cli {
namespace {

// jq's exit codes. A program that does not compile is kConfig, as in a workspace.
enum MapExitCode : int { kLastWasFalse = 1, kUnreadable = 2, kNoOutput = 4, kProgramFailed = 5 };

// People wait for as long as they like; flows do not.
constexpr json::RunLimits kPersonLimits{.outputs_max = std::numeric_limits<std::size_t>::max(),
                                        .output_bytes_max = std::size_t{1} << 30,
                                        .steps_max = 1'000'000'000'000,
                                        .memory_bytes_max = std::size_t{4} << 30};
constexpr int kIndentMax = 7;  // as jq

struct Variables {
  std::vector<std::string> names;
  std::vector<json::Document> values;

  // Of equal names the first one stays, as in jq.
  void add(const std::string& name, json::Document value) {
    if (std::find(names.begin(), names.end(), name) != names.end()) return;
    names.push_back(name);
    values.push_back(std::move(value));
  }
};

Result<json::Document> json_argument(const std::string& option, const std::string& text) {
  auto value = json::parse(text, kInputLimits);
  if (!value) return failure(std::move(value.error()).in(option));
  return value;
}

// $ARGS, as jq has it.
Result<json::Document> all_arguments(const Variables& named, const std::vector<std::string>& texts,
                                     const std::vector<std::string>& documents) {
  json::Builder all;
  all.begin_object().key("positional").begin_array();
  for (const std::string& text : texts) all.string(text);
  for (const std::string& text : documents) {
    TRY(const json::Document document, json_argument("--jsonargs", text));
    all.copy(document.root());
  }
  all.end_array().key("named").begin_object();
  for (std::size_t i = 0; i < named.names.size(); ++i) all.key(named.names[i]).copy(named.values[i].root());
  return all.end_object().end_object().finish();
}

Result<Variables> read_variables(const Arguments& arguments) {
  Variables out;
  const auto each = [&](std::string_view option, auto&& read) -> Result<void> {
    const std::vector<std::string> given = arguments.all(option);
    for (std::size_t i = 0; i + 1 < given.size(); i += 2) {
      TRY(json::Document value, read(given[i], given[i + 1]));
      out.add(given[i], std::move(value));
    }
    return {};
  };
  TRY_VOID(each("arg", [](const std::string&, const std::string& text) -> Result<json::Document> {
    return json::make_string(text);
  }));
  TRY_VOID(each("argjson", [](const std::string& name, const std::string& text) {
    return json_argument("--argjson " + name, text);
  }));
  TRY_VOID(each("slurpfile", [](const std::string&, const std::string& file) { return read_documents(file); }));
  TRY_VOID(each("rawfile", [](const std::string&, const std::string& file) -> Result<json::Document> {
    TRY(const std::string text, read_file(file));
    return json::make_string(text);
  }));
  return out;
}

struct Source {
  std::string text;
  std::string name;  // what its errors call it
  std::vector<std::string> files;
  std::vector<std::string> positional;  // --args
};

// Which word is the program: the first one, unless a file holds it; the first one even behind --args.
Result<Source> read_source(const Arguments& arguments) {
  Source source{.name = "PROGRAM", .files = arguments.all("FILE..."), .positional = arguments.all("args")};
  const std::vector<std::string> first = arguments.all("PROGRAM");
  if (const std::string file = arguments.text("from-file"); !file.empty()) {
    source.files.insert(source.files.begin(), first.begin(), first.end());
    source.name = file;
    TRY(source.text, read_file(file));
  } else if (!first.empty()) {
    source.text = first.front();
  } else if (!source.positional.empty()) {
    source.text = source.positional.front();
    source.positional.erase(source.positional.begin());
  } else {
    return failure(Code::kInvalid, "there is no program; write '.' to print the input as it is");
  }
  return source;
}

Result<OutputStyle> output_style(const Arguments& arguments) {
  OutputStyle style;
  style.json.indent = 2;
  if (const std::string text = arguments.text("indent"); !text.empty()) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), style.json.indent);
    if (error != std::errc() || end != text.data() + text.size() || style.json.indent < 0 ||
        style.json.indent > kIndentMax) {
      return failure(Code::kInvalid, "--indent takes a number from 0 to " + std::to_string(kIndentMax));
    }
  }
  if (arguments.flag("tab")) style.json.indent = -1;
  if (arguments.flag("compact-output")) style.json.indent = 0;
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const kind = std::getenv("TERM");
  style.json.color =
      terminal && (no_color == nullptr || *no_color == '\0') && (kind == nullptr || std::string_view(kind) != "dumb");
  if (arguments.flag("color-output")) style.json.color = true;
  if (arguments.flag("monochrome-output")) style.json.color = false;
  style.json.sort_keys = arguments.flag("sort-keys");
  style.json.ascii = arguments.flag("ascii-output");
  style.sequence = arguments.flag("seq");
  style.unbuffered = terminal || arguments.flag("unbuffered");
  style.raw = arguments.flag("raw-output") || arguments.flag("join-output") || arguments.flag("raw-output0");
  if (arguments.flag("join-output")) style.end = {};
  if (arguments.flag("raw-output0")) style.end = std::string_view("\0", 1);
  return style;
}

// Runs the program on each input; what fails is reported and the next one goes on, as jq does.
class Mapping {
 public:
  Mapping(const json::Program& program, const Variables& variables, OutputStyle style)
      : program_(program), variables_(variables), printer_(style) {}

  void run_on(const json::Document& input, const Inputs* inputs) {
    const auto done = program_.each(input, variables_.values, kPersonLimits, take_);
    if (!stopped_ && !done) stopped_ = done.error();
    if (!stopped_) return;
    if (stopped_->code == Code::kInternal) return fail(*stopped_, kUnreadable);
    if (inputs != nullptr) stopped_->place = inputs->place();
    fail(*stopped_, kProgramFailed);
    stopped_.reset();
  }

  void run_on_all(Inputs& inputs) {
    while (!stopped_) {
      const auto input = inputs.next();
      if (!input) {
        fail(input.error(), kUnreadable);
        if (input.error().code != Code::kNotFound) return;
      } else if (!*input) {
        return;
      } else {
        run_on(**input, &inputs);
      }
    }
  }

  void flush() {
    if (auto flushed = printer_.flush(); !flushed && !stopped_) fail(flushed.error(), kUnreadable);
  }

  // `judged`: the last output decides (-e).
  int exit_code(bool judged) const {
    if (exit_code_ != kOk || !judged) return exit_code_;
    return !any_ ? static_cast<int>(kNoOutput) : last_truthy_ ? static_cast<int>(kOk) : kLastWasFalse;
  }

 private:
  void fail(const Error& error, int exit_code) {
    (void)printer_.flush();  // what came before stands before
    report(error);
    exit_code_ = exit_code;
  }

  const json::Program& program_;
  const Variables& variables_;
  Printer printer_;
  std::optional<Error> stopped_;
  int exit_code_ = kOk;
  bool any_ = false;
  bool last_truthy_ = false;
  const json::Program::Take take_ = [this](const json::Output& output) {
    any_ = true;
    last_truthy_ = output.truthy();
    auto put = printer_.put(output);
    if (!put) stopped_ = std::move(put.error());
    return put.has_value();
  };
};

int map_inputs(const Arguments& arguments, const Source& source, const json::Program& program,
               const Variables& variables) {
  const auto style = output_style(arguments);
  if (!style) return report(style.error(), kUsage);
  const InputStyle read{.raw = arguments.flag("raw-input"), .slurp = arguments.flag("slurp")};
  if (arguments.flag("bench")) {
    const auto printed = bench_map({program, variables.values, kPersonLimits, style->json}, source.files);
    return printed ? kOk
                   : report(printed.error(), printed.error().code == Code::kNotFound ? kUnreadable : kProgramFailed);
  }
  Mapping mapping(program, variables, *style);
  if (arguments.flag("null-input")) {
    mapping.run_on(json::Document(), nullptr);
  } else {
    Inputs inputs(source.files, read, [&mapping] { mapping.flush(); });
    mapping.run_on_all(inputs);
  }
  mapping.flush();
  return mapping.exit_code(arguments.flag("exit-status"));
}

int run_map(const Arguments& arguments) {
  std::signal(SIGPIPE, SIG_DFL);  // `| head` ends it, without a word
  auto source = read_source(arguments);
  if (!source) return report(source.error(), kUsage);
  auto variables = read_variables(arguments);
  if (!variables) return report(variables.error(), kUsage);
  if (source->text.find("$ARGS") != std::string::npos) {
    auto all = all_arguments(*variables, source->positional, arguments.all("jsonargs"));
    if (!all) return report(all.error(), kUsage);
    variables->add("ARGS", std::move(*all));
  }
  const auto program = json::compile(source->text, variables->names, Place{source->name, 1, 1});
  if (!program) return report(program.error(), kConfig, source->text);
  if (arguments.flag("explain")) {
    std::fputs((*program)->explain().c_str(), stdout);
    return kOk;
  }
  return map_inputs(arguments, *source, **program, *variables);
}

}  // namespace

Command map_command() {
  return {
      .name = "map",
      .summary = "runs a mapping program on JSON: a jq",
      .description =
          "Runs a program of the mapping language, jq 1.8's, on each JSON document of the files or of standard input, "
          "exactly as a flow would, and prints its results. Documents stand one after the other, separated by white "
          "space or by nothing (NDJSON is that), and are worked on one by one: files may be larger than memory.\n\n"
          "Who knows jq knows the options. Numbers keep every digit. An error names its place in the program, or the "
          "line of the input on which the document began; the next document goes on. Programs are pure: there is no "
          "input, inputs, env or debug; --slurp gives all documents as one array.",
      .positionals = {{"PROGRAM", "the program, such as '.email'; with --from-file there is none here", false},
                      {"FILE...", "the inputs; standard input without one, or where it is -", false}},
      .options = {{"-n,--null-input", "", "run once on null, read nothing"},
                  {"-s,--slurp", "", "read all documents into one array, and run once on it"},
                  {"-R,--raw-input", "", "each line is a string; with -s the whole text is one"},
                  {"-c,--compact-output", "", "one line a result"},
                  {"-r,--raw-output", "", "print strings without quotes"},
                  {"-j,--join-output", "", "as -r, and no newline behind a result"},
                  {"--raw-output0", "", "as -r, and NUL behind a result instead of a newline"},
                  {"-a,--ascii-output", "", "print \\uXXXX for what is not ASCII"},
                  {"-S,--sort-keys", "", "print objects with their keys sorted"},
                  {"-C,--color-output", "", "colours, even where standard output is no terminal"},
                  {"-M,--monochrome-output", "", "no colours; so does NO_COLOR"},
                  {"--tab", "", "indent by one tab"},
                  {"--indent", "N", "indent by N spaces, at most 7; 0 is -c"},
                  {"--seq", "", "print a record separator (RFC 7464) before each result"},
                  {"--unbuffered", "", "print each result at once"},
                  {"-e,--exit-status", "", "end with 1 when the last result is false or null, with 4 without any"},
                  {"-f,--from-file", "FILE", "read the program from a file; all other words are inputs"},
                  {"--arg", "NAME TEXT", "bind $NAME to a string", "", 2},
                  {"--argjson", "NAME JSON", "bind $NAME to a JSON value", "", 2},
                  {"--slurpfile", "NAME FILE", "bind $NAME to the array of a file's documents", "", 2},
                  {"--rawfile", "NAME FILE", "bind $NAME to a file's text", "", 2},
                  {"--args", "TEXT...", "what stands behind it goes into $ARGS.positional, as strings", "", 1, true},
                  {"--jsonargs", "JSON...", "what stands behind it goes into $ARGS.positional, as JSON", "", 1, true},
                  {"--explain", "", "print what the program is compiled to, run nothing"},
                  {"--bench", "", "print how long parsing, running and printing take, not the results"}},
      .examples = {"tieline map .customer.email order.json",
                   "tieline map -r '.line_items[] | [.sku, .quantity] | @csv' order.json",
                   "tieline map -c 'select(.total_price | decimal > 100) | {id, email}' orders.ndjson",
                   "tieline map -s 'group_by(.currency) | map({(.[0].currency): length}) | add' orders.ndjson",
                   "tieline map -n -c '{total: ($a + $b)}' --argjson a 1 --argjson b 2",
                   "tieline map -n '[$ARGS.positional[] | ascii_upcase]' --args one two",
                   "curl -s https://api.example.com/orders | tieline map '.orders | length'",
                   "tieline map --explain '{id, name: \"\\(.first) \\(.last)\"}'"},
      .run = run_map,
      .exit_status =
          "0 ok, 1 with -e when the last result is false or null, 2 wrong usage or unreadable input, 3 a "
          "program that does not compile, 4 with -e without any result, 5 a program that failed",
  };
}

}  // namespace tieline::cli
