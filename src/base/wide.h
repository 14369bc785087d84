// A 128-bit product, which ISO C++ lacks and every compiler here has.
#pragma once

namespace tieline {
__extension__ using Wide = unsigned __int128;
}  // namespace tieline
