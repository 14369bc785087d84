// The durable table behind `once:`: which effect was made, by which run, with which result. It must never let two runs
// claim one key.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/connector.h"
#include "engine/shard.h"

namespace tieline::engine {

inline constexpr std::string_view kOnceBucket = "once";

struct OnceEntry {
  enum class State : std::uint8_t {
    kFree,     // claimed once, and known not to have happened
    kClaimed,  // an intent of `run` stands, its outcome is not known here
    kDone,
  } state = State::kFree;
  RunId run;
  std::string call;  // which one of the run, where several may be under way at once; else empty
  json::Document result;
};

// Scope: connection, action and key.
std::string once_key(const Action& action, const std::string& key);
KeyPut once_put(std::string key, const OnceEntry& entry, Time until);
// kFree where there is none. kCorrupt.
Async<OnceEntry> once_look(StateStore& state, std::string key);

// Held while one run of this shard decides on and works with a key; the others wait for it.
class OnceGuard {
 public:
  OnceGuard() = default;
  OnceGuard(const OnceGuard&) = delete;
  OnceGuard& operator=(const OnceGuard&) = delete;
  ~OnceGuard();
  asio::awaitable<void> enter(Shard& shard, std::string key);
  const std::string& key() const { return turn_->first; }  // once entered
  bool entered() const { return entered_; }

 private:
  Shard* shard_ = nullptr;
  std::map<std::string, Shard::OnceTurn>::iterator turn_;
  bool entered_ = false;
};

}  // namespace tieline::engine
