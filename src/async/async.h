// The coroutine vocabulary: what an asynchronous port returns. It must never pull in more of Asio than awaitable.hpp.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/result.h"

namespace tieline {

namespace asio = boost::asio;

// A coroutine that ends with a value or an Error. It starts when awaited or spawned, and stays on its shard's thread.
template <class T>
using Async = asio::awaitable<Result<T>>;

}  // namespace tieline
