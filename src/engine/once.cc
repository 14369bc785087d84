#include "engine/once.h"

namespace tieline::engine {

std::string once_key(const Action& action, const std::string& key) {
  return action.connection() + '\n' + action.name() + '\n' + key;
}

KeyPut once_put(std::string key, const OnceEntry& entry, Time until) {
  json::Builder out;
  out.begin_object();
  out.key("flow").integer(entry.run.flow.value);
  out.key("event").integer(static_cast<std::int64_t>(entry.run.event.value));
  out.key("state").string(entry.state == OnceEntry::State::kDone
                              ? "done"
                              : (entry.state == OnceEntry::State::kClaimed ? "claimed" : "free"));
  if (!entry.call.empty()) out.key("call").string(entry.call);
  if (entry.state == OnceEntry::State::kDone) out.key("result").copy(entry.result.root());
  out.end_object();
  KeyPut put;
  put.bucket = std::string(kOnceBucket);
  put.key = std::move(key);
  put.value = json::print(out.finish().root());
  put.until = until;
  return put;
}

Async<OnceEntry> once_look(StateStore& state, std::string key) {
  std::string bucket(kOnceBucket);
  CO_TRY(auto found, co_await state.get(std::move(bucket), std::move(key)));
  OnceEntry entry;
  if (!found) co_return entry;
  auto document = json::parse(std::move(found->value));
  const json::Value root = document ? document->root() : json::Value();
  const auto flow = root["flow"].as_int64(), event = root["event"].as_int64();
  if (!flow || !event) co_return failure(Code::kCorrupt, "an entry of the once table does not decode");
  entry.run = RunId{FlowId(static_cast<std::uint32_t>(*flow)), Position(static_cast<std::uint64_t>(*event))};
  entry.call = std::string(root["call"].as_string());
  const std::string_view name = root["state"].as_string();
  if (name == "done") {
    entry.state = OnceEntry::State::kDone;
    entry.result = document->part(root["result"]);
  } else if (name == "claimed") {
    entry.state = OnceEntry::State::kClaimed;
  }
  co_return entry;
}

OnceGuard::~OnceGuard() {
  if (shard_ == nullptr) return;
  if (entered_) turn_->second.gate.leave();
  if (--turn_->second.users == 0) shard_->once_turns.erase(turn_);
}

asio::awaitable<void> OnceGuard::enter(Shard& shard, std::string key) {
  turn_ = shard.once_turns.try_emplace(std::move(key)).first;
  ++turn_->second.users;
  shard_ = &shard;
  co_await turn_->second.gate.enter();
  entered_ = true;
}

}  // namespace tieline::engine
