// The port Program on this folder's own compiler and machine.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "json/program.h"

namespace tieline::json::jq {

// As json::compile.
Result<std::unique_ptr<const Program>> compile_native(std::string_view source,
                                                      std::span<const std::string> variable_names, const Place& at,
                                                      const CompileOptions& options = {});

}  // namespace tieline::json::jq
