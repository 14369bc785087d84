// Files that the program carries inside itself: connectors, the demo's workspace. Made by cmake/embed.cmake; they live
// as long as the program.
#pragma once

#include <span>
#include <string_view>

namespace tieline {

struct EmbeddedFile {
  std::string_view path;  // relative, with '/'
  std::string_view text;
};

}  // namespace tieline
