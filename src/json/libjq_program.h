// The port Program on libjq 1.6: the oracle of tests and benchmarks. Production must not link it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "json/program.h"

namespace tieline::json {

// As compile. Numbers that a double cannot hold are refused, in programs and in inputs.
Result<std::unique_ptr<const Program>> compile_libjq(std::string_view source,
                                                     std::span<const std::string> variable_names, const Place& at = {});

}  // namespace tieline::json
