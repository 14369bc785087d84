// Any text as a program: it compiles, or says what is wrong at a place inside of it.
#include <algorithm>
#include <string>

#include "base/text.h"
#include "json/program.h"
#include "json/program_scan.h"
#include "target.h"

namespace tieline::fuzz {

void run(std::string_view bytes) {
  static const std::string variables[] = {"event", "vars"};
  const Place at{"flow.yaml", 7, 5};
  for (const json::ProgramToken& token : json::scan_program(bytes)) CHECK(token.end <= bytes.size());
  const auto program = json::compile(bytes, variables, at);
  if (program) {
    CHECK((*program)->source() == bytes);
    return;
  }
  const Error& error = program.error();
  CHECK(!error.message.empty() && error.place.file == at.file);
  const auto lines = split(bytes, '\n');
  CHECK(error.place.line >= at.line && error.place.line - at.line < lines.size());
  const std::size_t before = error.place.line == at.line ? at.column - 1 : 0;
  CHECK(error.place.column > before && error.place.column - before <= lines[error.place.line - at.line].size() + 1);
}

}  // namespace tieline::fuzz
