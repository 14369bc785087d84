// Calls of several runs that leave in one request (a flow's `batch`): who takes part, how far it is, what came of it.
// It must never send for a run that has not said it is ready, nor wait for one that went away.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "async/sync.h"
#include "core/connector.h"

namespace tieline::engine {

// One request that many runs share. The run that opened it, in place 0, leads: it closes it, gets the permit, sends.
// All others wait on `changed` for the next stage. One thread only.
struct Gathering {
  enum class Stage : std::uint8_t {
    kOpen,      // others may join
    kClosed,    // waits for its budget
    kReadying,  // has its permit: each journals its intent, or goes away
    kAnswered,  // `exchange` and `whole` are there, and of a delivered one each part's `verdicts`
    kUnsent,    // nothing left, and nothing will: each begins its attempt again
    kAbandoned  // the engine stops
  };
  struct Part {
    json::Document args;  // of the call, with its items
    std::size_t items = 0, bytes = 0;
    bool stays = true;
    std::vector<Verdict> verdicts;  // of its items
  };

  // The part in `place` is ready, or goes away.
  void ready(std::size_t place, bool stays);
  void to(Stage next);
  // The request's arguments: the leader's, with the items of all that stay.
  json::Document merged(const std::string& items_arg) const;
  // One verdict for each item of merged(); to their parts.
  void hand_out(std::vector<Verdict> verdicts);

  Stage stage = Stage::kOpen;
  std::vector<Part> parts;
  std::size_t items = 0;  // of all parts; from kReadying on of those that stay
  std::size_t bytes = 0;  // of all parts
  std::size_t unready = 0;
  Signal changed;
  Exchange exchange;
  Verdict whole;
  Duration shut{0}, took{0};
  bool outage = false;  // it failed in an outage of the system
};

// Those that are open, by what their calls have in common, which begins with their flow's name and a line's end.
class Gatherings {
 public:
  struct Seat {
    std::shared_ptr<Gathering> gathering;
    std::size_t place = 0;
  };
  struct Bounds {
    std::size_t items = 1, bytes = 1;
  };
  // Takes part in the open one of `key`; in a new one where there is none, or where it has no room. Closes the one that
  // is full by it.
  Seat join(const std::string& key, Gathering::Part part, Bounds bounds);
  void close(const std::string& key, Gathering& gathering);
  // How many calls of the flow wait for others to leave with.
  std::size_t waiting(const std::string& flow) const;
  // The engine stops: none goes on that has not closed.
  void end();

 private:
  std::map<std::string, std::shared_ptr<Gathering>> open_;
};

}  // namespace tieline::engine
