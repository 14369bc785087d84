#include "spec/literal.h"

#include "spec/table.h"

namespace tieline::spec {

void write_literal(json::Builder& out, const Data& data) {
  switch (data.kind) {
    case Data::Kind::kNull: out.null(); return;
    case Data::Kind::kBool: out.boolean(data.text == "true"); return;
    case Data::Kind::kNumber: out.number(data.text); return;
    case Data::Kind::kText:
    case Data::Kind::kProgram: out.string(data.node.text()); return;
    case Data::Kind::kList:
      out.begin_array();
      for (const Data& item : data.items) write_literal(out, item);
      out.end_array();
      return;
    case Data::Kind::kMap:
      out.begin_object();
      for (const auto& [key, value] : data.entries) {
        out.key(key);
        write_literal(out, value);
      }
      out.end_object();
      return;
  }
}

json::Document literal_document(const Data& data) {
  json::Builder out;
  write_literal(out, data);
  return out.finish();
}

json::Document literal_document(const Node& node) {
  Problems ignored;  // of texts that are programs elsewhere
  Context context{ignored};
  Data data;
  read_data(context, node, data);
  return literal_document(data);
}

}  // namespace tieline::spec
