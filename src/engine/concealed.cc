#include "engine/concealed.h"

#include <algorithm>

#include "base/text.h"
#include "engine/redact.h"

namespace tieline::engine {
namespace {

class Revealer {
 public:
  explicit Revealer(std::span<const Concealed> concealed) : concealed_(concealed) {}

  bool copy(json::Value value, const std::string& path) {
    switch (value.kind()) {
      case json::Kind::kObject:
        out_.begin_object();
        for (const json::KeyValue member : value.members()) {
          const std::string below = path + "." + std::string(member.key);
          if (part_of(member.key) != nullptr) return refuse(*part_of(member.key), path);
          out_.key(member.key);
          if (!copy(member.value, below)) return false;
        }
        out_.end_object();
        return true;
      case json::Kind::kArray: {
        out_.begin_array();
        std::size_t index = 0;
        for (const json::Value item : value.elements()) {
          if (!copy(item, path + "[" + std::to_string(index++) + "]")) return false;
        }
        out_.end_array();
        return true;
      }
      case json::Kind::kString: {
        const std::string_view text = value.as_string();
        const Concealed* const secret = part_of(text);
        if (secret == nullptr) {
          out_.copy(value);
        } else if (secret->handle == text) {
          out_.string(secret->secret);
        } else {
          return refuse(*secret, path);
        }
        return true;
      }
      default: out_.copy(value); return true;
    }
  }
  json::Document finish() { return out_.finish(); }
  const std::string& refusal() const { return refusal_; }

 private:
  const Concealed* part_of(std::string_view text) const {
    const auto found = std::ranges::find_if(
        concealed_, [&](const Concealed& one) { return text.find(one.handle) != std::string_view::npos; });
    return found == concealed_.end() ? nullptr : &*found;
  }
  bool refuse(const Concealed& secret, const std::string& path) {
    refusal_ = path + ": `$" + secret.name + "` is a secret, and can be passed only as a whole value";
    return false;
  }

  std::span<const Concealed> concealed_;
  json::Builder out_;
  std::string refusal_;
};

}  // namespace

Result<json::Document> reveal(const json::Document& args, std::span<const Concealed> concealed) {
  Revealer revealer(concealed);
  if (!revealer.copy(args.root(), "with")) return failure(Code::kInvalid, revealer.refusal());
  return revealer.finish();
}

Result<Request> render_revealed(const CallRequest& call, const CallIdentity& identity, bool find) {
  const Action& action = *call.action;
  const auto render = [&](const json::Document& args) {
    return find ? action.render_find(args, identity) : action.render(args, identity);
  };
  if (call.concealed == nullptr || call.concealed->empty()) return render(call.args);
  TRY(const json::Document args, reveal(call.args, *call.concealed));
  std::vector<std::string> secrets;
  for (const Concealed& one : *call.concealed) secrets.push_back(one.secret);
  auto request = render(args);
  if (!request) {
    request.error().message = Redactor(secrets).text(std::move(request.error().message));
    return request;
  }
  request->secrets.insert(request->secrets.end(), secrets.begin(), secrets.end());
  return request;
}

}  // namespace tieline::engine
