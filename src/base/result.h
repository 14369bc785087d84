// Result<T>: a value or an Error. Failures are returned, never thrown; what third-party code throws becomes a Result
// at its adapter.
#pragma once

#include <tl/expected.hpp>
#include <utility>

#include "base/error.h"

namespace tieline {

template <class T>
using Result = tl::expected<T, Error>;

// A failure, ready to be returned from any function that returns a Result.
inline tl::unexpected<Error> failure(Code code, std::string message, Place place = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(place)});
}
inline tl::unexpected<Error> failure(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace tieline

#define TIELINE_JOIN_(a, b) a##b
#define TIELINE_JOIN(a, b) TIELINE_JOIN_(a, b)
#define TIELINE_TRY_(name, declaration, expression, ret)      \
  auto name = (expression);                                   \
  if (!name) ret ::tieline::failure(std::move(name.error())); \
  declaration = std::move(*name)

// TRY(auto x, f()): declares x with f's value, or returns f's error. CO_TRY is the same inside a coroutine.
#define TRY(declaration, expression) \
  TIELINE_TRY_(TIELINE_JOIN(tieline_try_, __LINE__), declaration, expression, return )
#define CO_TRY(declaration, expression) \
  TIELINE_TRY_(TIELINE_JOIN(tieline_try_, __LINE__), declaration, expression, co_return )

// TRY_VOID(f()): for Result<void>, returns f's error if there is one.
#define TRY_VOID(expression) \
  if (auto tieline_status = (expression); !tieline_status) return ::tieline::failure(std::move(tieline_status.error()))
#define CO_TRY_VOID(expression)                            \
  if (auto tieline_status = (expression); !tieline_status) \
  co_return ::tieline::failure(std::move(tieline_status.error()))
