// Timestamps of CRI log lines: RFC 3339 in UTC, always nine digits of fraction.
//
// Own arithmetic, for the C library's gmtime reads time zone files. Thread
// safety: pure.

#ifndef GANTRY_SHIM_IO_TIMESTAMP_H_
#define GANTRY_SHIM_IO_TIMESTAMP_H_

#include <cstddef>
#include <cstdint>

namespace gantry::shim {

// "2016-10-06T00:17:09.669794202Z"
inline constexpr size_t kTimestampSize = 30;

// Writes kTimestampSize bytes, no terminator. `unix_nanos` is not negative and
// before the year 10000.
void WriteTimestamp(int64_t unix_nanos, char* out);

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_IO_TIMESTAMP_H_
