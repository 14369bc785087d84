// One libcurl multi handle on an executor, and the pool of easy handles that it runs. It must never leave a finished
// transfer unnoticed: messages are drained after every step, timers included.
#pragma once

#include <cstddef>
#include <memory>

#include "async/async.h"

namespace tieline::http {

using EasyHandle = void;  // libcurl's CURL, whose header stays in the .cc files

// What is told when a transfer ends.
class TransferEnd {
 public:
  virtual void ended(int curl_code) = 0;  // called once, outside of libcurl's callbacks
 protected:
  ~TransferEnd() = default;
};

class CurlMulti {
 public:
  virtual ~CurlMulti() = default;  // CHECK: nothing runs

  // An easy handle without options. Its private pointer is the multi's.
  virtual EasyHandle* take_easy() = 0;
  virtual void give_back(EasyHandle* easy) = 0;
  virtual void start(EasyHandle* easy, TransferEnd* end) = 0;
  // Ends it without a word; does nothing when it has ended.
  virtual void abandon(EasyHandle* easy) = 0;
  virtual std::size_t running() const = 0;

  // For CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION: sockets of our own. adopt() returns its argument.
  virtual int adopt(int descriptor) = 0;
  virtual int close_socket(int descriptor) = 0;
};

// Shared, because what it waits for on the executor looks for it later.
std::shared_ptr<CurlMulti> make_curl_multi(asio::any_io_executor executor, std::size_t kept_connections_max);

}  // namespace tieline::http
