// Runs the stages of each case of the mapping language so that callgrind can count them: bench/instructions reads it.
// What is counted happens inside measured(); nothing there may depend on the clock, on chance or on addresses.
#include <gnu/libc-version.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "json/program.h"
#include "json/value.h"
#include "map_cases.h"

// The name that callgrind looks for.
extern "C" [[gnu::noinline]] void tieline_measured(void (*once)(void*), void* with, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) once(with);
  asm volatile("" ::: "memory");
}

namespace tieline::bench {
namespace {

template <class F>
void measured(F& once, std::size_t count) {
  tieline_measured([](void* with) { (*static_cast<F*>(with))(); }, &once, count);
}

// A line for each dump that callgrind makes: the case, the stage, and how often it ran.
template <class F>
void stage(const MapCase& c, std::string_view name, std::size_t count, F once) {
  once();  // what is made once, by thread or by size of memory, is there from here on
  for (const std::size_t times : {count, 2 * count}) {
    measured(once, times);
    std::printf("%s\t%s\t%zu\n", std::string(c.name).c_str(), std::string(name).c_str(), times);
  }
}

void run(const MapCase& c, std::string_view only, std::size_t count) {
  const auto wanted = [&](std::string_view name) { return only.empty() || only == name; };
  const auto text = std::make_shared<const std::string>(*c.input);
  const std::string source(c.source);
  const auto program = json::compile(source, {}, {});
  const auto document = json::parse(text);
  if (!program || !document) std::exit(1);
  const auto outputs = (*program)->run(*document, {}, {});
  if (!outputs) std::exit(1);
  if (wanted("compile")) stage(c, "compile", count, [&] { (void)json::compile(source, {}, {}); });
  if (wanted("parse")) stage(c, "parse", count, [&] { (void)json::parse(text); });
  if (wanted("run")) stage(c, "run", count, [&] { (void)(*program)->run(*document, {}, {}); });
  std::string printed;
  const auto print = [&] {
    printed.clear();
    for (const json::Document& output : *outputs) json::print_to(printed, output.root());
  };
  if (wanted("print")) stage(c, "print", count, print);
}

}  // namespace
}  // namespace tieline::bench

int main(int argc, char** argv) {
  using namespace tieline::bench;
  std::setvbuf(stdout, nullptr, _IOFBF, 1 << 16);
#ifdef __OPTIMIZE__
  const char* const build = "";
#else
  const char* const build = " without optimisation";
#endif
  std::printf("g++ %d.%d.%d, glibc %s%s\n", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__, gnu_get_libc_version(),
              build);
  if (argc > 1 && std::string_view(argv[1]) == "--made-with") return 0;
  std::string_view only, stage;
  std::size_t count = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--once") {
      only = argv[i + 1];
    } else if (option == "--stage") {
      stage = argv[i + 1];
    } else if (option == "--count") {
      count = std::strtoul(argv[i + 1], nullptr, 10);
    } else {
      std::fprintf(stderr,
                   "usage: map_once [--made-with] [--once CASE] [--stage compile|parse|run|print] [--count N]\n");
      return 2;
    }
  }
  for (const MapCase& c : map_cases()) {
    if (!only.empty() && only != c.name) continue;
    run(c, stage, count != 0 ? count : c.input->size() < 10'000 ? 20 : 1);
  }
  return 0;
}
