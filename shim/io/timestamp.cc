#include "shim/io/timestamp.h"

namespace gantry::shim {
namespace {

char* Digits(uint64_t value, int count, char* out) {
  for (int i = count - 1; i >= 0; --i) {
    out[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  return out + count;
}

}  // namespace

void WriteTimestamp(int64_t unix_nanos, char* out) {
  const uint64_t seconds = static_cast<uint64_t>(unix_nanos) / 1000000000;
  const uint64_t nanos = static_cast<uint64_t>(unix_nanos) % 1000000000;
  // Days to date in years that begin in March, so that the leap day is the
  // last one; eras of 400 years have 146097 days; day 0 of the count is
  // 0000-03-01, 719468 days before the epoch.
  const uint64_t days = seconds / 86400 + 719468;
  const uint64_t era = days / 146097;
  const uint64_t day_of_era = days % 146097;
  const uint64_t year_of_era = (day_of_era - day_of_era / 1460 +
                                day_of_era / 36524 - day_of_era / 146096) /
                               365;
  const uint64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const uint64_t march_month = (5 * day_of_year + 2) / 153;
  const uint64_t day = day_of_year - (153 * march_month + 2) / 5 + 1;
  const uint64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  const uint64_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);
  const uint64_t second_of_day = seconds % 86400;

  out = Digits(year, 4, out);
  *out++ = '-';
  out = Digits(month, 2, out);
  *out++ = '-';
  out = Digits(day, 2, out);
  *out++ = 'T';
  out = Digits(second_of_day / 3600, 2, out);
  *out++ = ':';
  out = Digits(second_of_day / 60 % 60, 2, out);
  *out++ = ':';
  out = Digits(second_of_day % 60, 2, out);
  *out++ = '.';
  out = Digits(nanos, 9, out);
  *out = 'Z';
}

}  // namespace gantry::shim
