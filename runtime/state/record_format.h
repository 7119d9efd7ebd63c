// The bytes of a record file: a header that tells damage, then the payload.
//
//   0  4  magic "GREC"
//   4  4  format version, 1          (all integers little-endian)
//   8  4  length of the payload
//  12  4  CRC-32C of bytes 4 to 11 and the payload (RFC 3720, appendix B.4)
//  16     payload
//
// Behind it may stand updates, whole payloads again, of which the last counts:
//
//   0  4  magic "GREC"
//   4  4  format version, 2
//   8  4  length of the payload
//  12  4  CRC-32C of bytes 4 to 11
//  16  4  CRC-32C of the payload
//  20     payload
//
// What a writer that was killed, or a power cut, left of the last one is passed
// over: a beginning of it, or zeros. Its length has a checksum of its own, so
// that a changed one is not taken for that.
//
// A version that is to come keeps bytes 0 to 15 as version 2 has them: so a
// record of a newer program is told from a damaged one.
//
// Pure functions.

#ifndef GANTRY_RUNTIME_STATE_RECORD_FORMAT_H_
#define GANTRY_RUNTIME_STATE_RECORD_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::state {

inline constexpr size_t kRecordHeaderBytes = 16;

std::string EncodeRecord(absl::string_view payload);
// To be appended to a record.
std::string EncodeUpdate(absl::string_view payload);

// The newest payload. DATA_LOSS with what is wrong: too short, no record,
// unknown version, cut off or longer than it says, checksum.
// FAILED_PRECONDITION: sound, but of a version that is to come.
absl::StatusOr<std::string> DecodeRecord(absl::string_view file);

// CRC-32C (Castagnoli) of `data`, continued from `crc` (0 to begin).
uint32_t Crc32c(absl::string_view data, uint32_t crc = 0);

}  // namespace gantry::state

#endif  // GANTRY_RUNTIME_STATE_RECORD_FORMAT_H_
