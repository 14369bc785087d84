// The reference documentation of a table: Markdown, written from the descriptors alone.
#pragma once

#include <string>

#include "spec/shape.h"

namespace tieline::spec {

// A section for the table and one for each table or union used inside, in the order of their first mention, each once.
// `level` is the number of # of its headings.
std::string reference_docs(const TableInfo& table, int level = 2);

}  // namespace tieline::spec
