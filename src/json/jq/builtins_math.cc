// Functions on numbers; all in doubles, except where an integer or a literal is its own result.
#include <array>
#include <cmath>
#include <limits>

#include "json/jq/machine.h"
#include "json/jq/natives.h"
#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

template <double (*F)(double)>
bool unary(Machine& m, Node in, const Node*, Node& out) {
  if (!is_number(in)) return m.fail_type(in, "number required");
  out = real(F(double_of(in)));
  return true;
}
// Of a whole number it is the number itself.
template <double (*F)(double)>
bool rounding(Machine& m, Node in, const Node*, Node& out) {
  if (!is_number(in)) return m.fail_type(in, "number required");
  const Number n = number_of(in);
  out = n.whole ? integer(n.integer) : real(F(n.real));
  return true;
}
template <double (*F)(double, double)>
bool binary(Machine& m, Node, const Node* a, Node& out) {
  if (!is_number(a[0])) return m.fail_type(a[0], "number required");
  if (!is_number(a[1])) return m.fail_type(a[1], "number required");
  out = real(F(double_of(a[0]), double_of(a[1])));
  return true;
}

double pow10_of(double x) { return std::pow(10.0, x); }
double significand_of(double x) {
  if (x == 0 || std::isinf(x) || std::isnan(x)) return x;
  int exponent = 0;
  return std::frexp(x, &exponent) * 2;
}
double gamma_of(double x) { return std::lgamma(x); }
double drem_of(double x, double y) { return std::remainder(x, y); }
double ldexp_of(double x, double y) { return std::ldexp(x, static_cast<int>(std::clamp(y, -10000.0, 10000.0))); }
double scalb_of(double x, double y) { return x * std::exp2(y); }
double nearbyint_of(double x) { return std::nearbyint(x); }
double nexttoward_of(double x, double y) { return std::nextafter(x, y); }

#define TIELINE_UNARY(name)                           \
  double name##_of(double x) { return std::name(x); } \
  static_assert(true)
TIELINE_UNARY(acos);
TIELINE_UNARY(acosh);
TIELINE_UNARY(asin);
TIELINE_UNARY(asinh);
TIELINE_UNARY(atan);
TIELINE_UNARY(atanh);
TIELINE_UNARY(cbrt);
TIELINE_UNARY(cos);
TIELINE_UNARY(cosh);
TIELINE_UNARY(exp);
TIELINE_UNARY(exp2);
TIELINE_UNARY(expm1);
TIELINE_UNARY(log);
TIELINE_UNARY(log10);
TIELINE_UNARY(log1p);
TIELINE_UNARY(log2);
TIELINE_UNARY(logb);
TIELINE_UNARY(sin);
TIELINE_UNARY(sinh);
TIELINE_UNARY(sqrt);
TIELINE_UNARY(tan);
TIELINE_UNARY(tanh);
TIELINE_UNARY(tgamma);
TIELINE_UNARY(lgamma);
TIELINE_UNARY(floor);
TIELINE_UNARY(ceil);
TIELINE_UNARY(round);
TIELINE_UNARY(trunc);
TIELINE_UNARY(rint);
#undef TIELINE_UNARY
double atan2_of(double x, double y) { return std::atan2(x, y); }
double copysign_of(double x, double y) { return std::copysign(x, y); }
double fdim_of(double x, double y) { return std::fdim(x, y); }
double fmax_of(double x, double y) { return std::fmax(x, y); }
double fmin_of(double x, double y) { return std::fmin(x, y); }
double fmod_of(double x, double y) { return std::fmod(x, y); }
double hypot_of(double x, double y) { return std::hypot(x, y); }
double nextafter_of(double x, double y) { return std::nextafter(x, y); }

bool power(Machine& m, Node, const Node* a, Node& out) {
  if (!is_number(a[0])) return m.fail_type(a[0], "number required");
  if (!is_number(a[1])) return m.fail_type(a[1], "number required");
  const Number base = number_of(a[0]), exponent = number_of(a[1]);
  if (base.whole && exponent.whole && exponent.integer >= 0 && exponent.integer <= 63) {
    std::int64_t result = 1;
    bool exact = true;
    for (std::int64_t i = 0; exact && i < exponent.integer; ++i) {
      exact = !__builtin_mul_overflow(result, base.integer, &result);
    }
    if (exact) {
      out = integer(result);
      return true;
    }
  }
  out = real(std::pow(base.real, exponent.real));
  return true;
}

bool fma_of(Machine& m, Node, const Node* a, Node& out) {
  for (int i = 0; i < 3; ++i) {
    if (!is_number(a[i])) return m.fail_type(a[i], "number required");
  }
  out = real(std::fma(double_of(a[0]), double_of(a[1]), double_of(a[2])));
  return true;
}

bool frexp_of(Machine& m, Node in, const Node*, Node& out) {
  if (!is_number(in)) return m.fail_type(in, "number required");
  int exponent = 0;
  const double x = double_of(in);
  const double fraction = std::frexp(x, &exponent);
  const std::array<Node, 2> both = {real(fraction), integer(std::isfinite(x) ? exponent : 0)};
  out = m.array(both);
  return true;
}
bool modf_of(Machine& m, Node in, const Node*, Node& out) {
  if (!is_number(in)) return m.fail_type(in, "number required");
  double whole = 0;
  const double fraction = std::modf(double_of(in), &whole);
  const std::array<Node, 2> both = {real(fraction), real(whole)};
  out = m.array(both);
  return true;
}
bool lgamma_r_of(Machine& m, Node in, const Node*, Node& out) {
  if (!is_number(in)) return m.fail_type(in, "number required");
  const double x = double_of(in);
  const bool negative = x < 0 && std::fmod(std::floor(x), 2.0) != 0;
  const std::array<Node, 2> both = {real(std::lgamma(x)), integer(negative ? -1 : 1)};
  out = m.array(both);
  return true;
}

bool infinite(Machine&, Node, const Node*, Node& out) {
  out = real(std::numeric_limits<double>::infinity());
  return true;
}
bool nan(Machine&, Node, const Node*, Node& out) {
  out = real(std::numeric_limits<double>::quiet_NaN());
  return true;
}
bool isinfinite(Machine& m, Node in, const Node*, Node& out) {
  if (!is_number(in)) return m.fail_type(in, "number required");
  out = boolean(std::isinf(double_of(in)));
  return true;
}
bool isnan_of(Machine& m, Node in, const Node*, Node& out) {
  if (!is_number(in)) return m.fail_type(in, "number required");
  out = boolean(is_nan(in));
  return true;
}
bool isnormal_of(Machine& m, Node in, const Node*, Node& out) {
  if (!is_number(in)) return m.fail_type(in, "number required");
  out = boolean(std::isnormal(double_of(in)));
  return true;
}
bool isfinite_of(Machine&, Node in, const Node*, Node& out) {
  out = boolean(is_number(in) && !std::isinf(double_of(in)));
  return true;
}
bool absolute(Machine& m, Node in, const Node*, Node& out) {
  if (is_number(in)) return m.absolute(in, out);
  if (in.kind == Kind::kNull || in.kind == Kind::kBool) return m.fail_type(in, "has no absolute value");
  out = in;
  return true;
}

constexpr std::array kMath = {
    Native{"floor", 0, rounding<floor_of>},
    Native{"ceil", 0, rounding<ceil_of>},
    Native{"round", 0, rounding<round_of>},
    Native{"trunc", 0, rounding<trunc_of>},
    Native{"rint", 0, rounding<rint_of>},
    Native{"nearbyint", 0, rounding<nearbyint_of>},
    Native{"sqrt", 0, unary<sqrt_of>},
    Native{"pow", 2, power},
    Native{"log", 0, unary<log_of>},
    Native{"log2", 0, unary<log2_of>},
    Native{"log10", 0, unary<log10_of>},
    Native{"log1p", 0, unary<log1p_of>},
    Native{"logb", 0, unary<logb_of>},
    Native{"exp", 0, unary<exp_of>},
    Native{"exp2", 0, unary<exp2_of>},
    Native{"exp10", 0, unary<pow10_of>},
    Native{"pow10", 0, unary<pow10_of>},
    Native{"expm1", 0, unary<expm1_of>},
    Native{"abs", 0, absolute},
    Native{"fabs", 0, absolute},
    Native{"acos", 0, unary<acos_of>},
    Native{"acosh", 0, unary<acosh_of>},
    Native{"asin", 0, unary<asin_of>},
    Native{"asinh", 0, unary<asinh_of>},
    Native{"atan", 0, unary<atan_of>},
    Native{"atanh", 0, unary<atanh_of>},
    Native{"cbrt", 0, unary<cbrt_of>},
    Native{"cos", 0, unary<cos_of>},
    Native{"cosh", 0, unary<cosh_of>},
    Native{"sin", 0, unary<sin_of>},
    Native{"sinh", 0, unary<sinh_of>},
    Native{"tan", 0, unary<tan_of>},
    Native{"tanh", 0, unary<tanh_of>},
    Native{"tgamma", 0, unary<tgamma_of>},
    Native{"lgamma", 0, unary<lgamma_of>},
    Native{"gamma", 0, unary<gamma_of>},
    Native{"lgamma_r", 0, lgamma_r_of},
    Native{"significand", 0, unary<significand_of>},
    Native{"atan2", 2, binary<atan2_of>},
    Native{"copysign", 2, binary<copysign_of>},
    Native{"drem", 2, binary<drem_of>},
    Native{"fdim", 2, binary<fdim_of>},
    Native{"fmax", 2, binary<fmax_of>},
    Native{"fmin", 2, binary<fmin_of>},
    Native{"fmod", 2, binary<fmod_of>},
    Native{"hypot", 2, binary<hypot_of>},
    Native{"ldexp", 2, binary<ldexp_of>},
    Native{"scalb", 2, binary<scalb_of>},
    Native{"scalbln", 2, binary<ldexp_of>},
    Native{"nextafter", 2, binary<nextafter_of>},
    Native{"nexttoward", 2, binary<nexttoward_of>},
    Native{"fma", 3, fma_of},
    Native{"frexp", 0, frexp_of},
    Native{"modf", 0, modf_of},
    Native{"infinite", 0, infinite},
    Native{"nan", 0, nan},
    Native{"isinfinite", 0, isinfinite},
    Native{"isnan", 0, isnan_of},
    Native{"isnormal", 0, isnormal_of},
    Native{"isfinite", 0, isfinite_of},
};

}  // namespace

std::span<const Native> math_natives() { return kMath; }

}  // namespace tieline::json::jq
