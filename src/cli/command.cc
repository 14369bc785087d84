#include "cli/command.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>

#include "base/text.h"

namespace tieline::cli {
namespace {

constexpr std::size_t kHelpWidth = 78;
// What is shown of a long line before and behind the caret.
constexpr std::uint32_t kSourceBefore = 70;
constexpr std::uint32_t kSourceAfter = 50;

// Breaks text into lines of at most kHelpWidth columns behind `indent` spaces.
std::string wrapped(std::string_view text, std::size_t indent) {
  std::string out, line(indent, ' ');
  for (const std::string_view word : split(text, ' ')) {
    if (line.size() > indent && line.size() + 1 + word.size() > kHelpWidth) {
      out += line + "\n";
      line.assign(indent, ' ');
    }
    if (line.size() > indent) line += ' ';
    line += word;
  }
  return out + line + "\n";
}

std::string paragraphs(std::string_view text, std::size_t indent) {
  std::string out;
  for (const std::string_view paragraph : split(text, '\n'))
    out += paragraph.empty() ? "\n" : wrapped(paragraph, indent);
  return out;
}

std::string spelled(const Option& option) {
  std::string out(option.name);
  for (std::size_t at = out.find(','); at != std::string::npos; at = out.find(',', at + 2)) out.insert(at + 1, " ");
  return option.value.empty() ? out : out + " " + std::string(option.value);
}

}  // namespace

std::string Arguments::text(std::string_view name) const {
  if (const auto found = values_.find(name); found != values_.end()) return found->second.back();
  if (const auto found = fallbacks_.find(name); found != fallbacks_.end()) return found->second;
  return {};
}

std::vector<std::string> Arguments::all(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>{} : found->second;
}

std::string help_page(const Command& command) {
  std::string synopsis = "tieline " + std::string(command.name);
  if (!command.options.empty()) synopsis += " [OPTIONS]";
  for (const Positional& positional : command.positionals) {
    const std::string name(positional.name);
    synopsis += positional.required ? " " + name : " [" + name + "]";
  }
  std::string out =
      "NAME\n" + wrapped("tieline " + std::string(command.name) + " - " + std::string(command.summary), 4);
  out += "\nSYNOPSIS\n    " + synopsis + "\n\nDESCRIPTION\n" + paragraphs(command.description, 4);
  if (!command.positionals.empty()) {
    out += "\nARGUMENTS\n";
    for (const Positional& positional : command.positionals) {
      std::string doc(positional.doc);
      if (!positional.fallback.empty()) doc += " (default: " + std::string(positional.fallback) + ")";
      out += "    " + std::string(positional.name) + "\n" + wrapped(doc, 8);
    }
  }
  if (!command.options.empty()) {
    out += "\nOPTIONS\n";
    for (const Option& option : command.options) {
      std::string doc(option.doc);
      if (!option.fallback.empty()) doc += " (default: " + std::string(option.fallback) + ")";
      out += "    " + spelled(option) + "\n" + wrapped(doc, 8);
    }
  }
  if (!command.examples.empty()) {
    out += "\nEXAMPLES\n";
    for (const std::string_view example : command.examples) out += "    " + std::string(example) + "\n";
  }
  return out + "\nEXIT STATUS\n" + wrapped(command.exit_status, 4);
}

std::string overview(std::span<const Command> commands) {
  std::string out =
      "tieline - joins a business's systems: webhooks in, mapped, delivered, nothing lost\n\n"
      "SYNOPSIS\n    tieline COMMAND [ARGUMENTS]\n\nCOMMANDS\n";
  std::size_t width = 0;
  for (const Command& command : commands) width = std::max(width, command.name.size());
  for (const Command& command : commands) {
    if (command.hidden) continue;
    out += "    " + std::string(command.name) + std::string(width + 2 - command.name.size(), ' ') +
           std::string(command.summary) + "\n";
  }
  return out + "\nStart with:  tieline demo\nOne command: tieline help COMMAND\n";
}

std::string source_line(const Place& place, std::string_view text) {
  if (text.empty() || place.line == 0 || place.column == 0) return {};
  const std::vector<std::string_view> lines = split(text, '\n');
  if (place.line > lines.size()) return {};
  std::string_view line = lines[place.line - 1];
  if (line.ends_with('\r')) line.remove_suffix(1);
  // Columns count characters. A tab stands under a tab, so that both are as wide.
  std::string pad;
  std::uint32_t column = 1;
  std::size_t first = 0, last = line.size();
  for (std::size_t i = 0; i < line.size(); ++i) {
    if ((static_cast<unsigned char>(line[i]) & 0xC0) == 0x80) continue;
    if (column + kSourceBefore <= place.column) first = i, pad.clear();
    if (column == place.column + kSourceAfter) last = i;
    if (column < place.column) pad += line[i] == '\t' ? '\t' : ' ';
    ++column;
  }
  if (column < place.column) return {};
  return "  " + std::string(line.substr(first, last - first)) + "\n  " + pad + "^\n";
}

std::string decided_by(const std::string& named) {
  if (!named.empty()) return named;
  const char* user = std::getenv("USER");
  return user == nullptr || *user == '\0' ? "the command line" : std::string(user) + " at the command line";
}

Result<std::string> read_text(const std::string& file) {
  if (file == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  std::ifstream in(file, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (!in) return failure(Code::kNotFound, "cannot read \"" + file + "\"");
  return text;
}

Result<json::Document> parse_file(const std::string& file, std::string text) {
  auto parsed = json::parse(std::move(text));
  if (!parsed) parsed.error().place.file = file;
  return parsed;
}

Result<void> write_announcement(const std::string& file, const std::string& text) {
  const std::string aside = file + ".new";
  bool written = false;
  {
    std::ofstream out(aside);
    written = static_cast<bool>(out << text << std::flush);
  }
  if (written && std::rename(aside.c_str(), file.c_str()) == 0) return {};
  return failure(Code::kUnavailable, "--announce: cannot write \"" + file + "\": " + std::strerror(errno));
}

int report(const Error& error, int exit_code, std::string_view text) {
  std::fputs((error.text() + "\n" + source_line(error.place, text)).c_str(), stderr);
  return exit_code;
}

}  // namespace tieline::cli
