#include "runtime/state/record_format.h"

#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::state {
namespace {

constexpr absl::string_view kMagic = "GREC";
constexpr uint32_t kVersion = 1;
constexpr uint32_t kUpdateVersion = 2;
constexpr size_t kUpdateHeaderBytes = 20;
constexpr uint32_t kPolynomial = 0x82f63b78;  // Castagnoli, reflected

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table = {};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    }
    table[byte] = crc;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = MakeTable();

void Append32(std::string& out, uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
}

// Magic, version and length.
std::string Begin(uint32_t version, size_t header, size_t payload) {
  std::string out;
  out.reserve(header + payload);
  out.append(kMagic.data(), kMagic.size());
  Append32(out, version);
  Append32(out, static_cast<uint32_t>(payload));
  return out;
}

uint32_t Read32(absl::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) {
    value = (value << 8) | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

absl::Status Damaged(absl::string_view how) {
  return absl::DataLossError(absl::StrCat("damaged record: ", how));
}

// What follows takes from the beginning of `file`.

absl::StatusOr<absl::string_view> TakePayload(absl::string_view& file,
                                              size_t header, uint32_t length) {
  file.remove_prefix(header);
  if (file.size() < length) {
    return Damaged(
        absl::StrCat(file.size(), " bytes of payload instead of ", length));
  }
  const absl::string_view payload = file.substr(0, length);
  file.remove_prefix(length);
  return payload;
}

// `file` has a header of version 1 at least.
absl::Status CheckVersion(absl::string_view file, uint32_t wanted) {
  if (file.substr(0, 4) != kMagic) return Damaged("not a record");
  const uint32_t version = Read32(file, 4);
  if (version == wanted) return absl::OkStatus();
  if (version > kUpdateVersion &&
      Crc32c(file.substr(4, 8)) == Read32(file, 12)) {
    return absl::FailedPreconditionError(
        absl::StrCat("a newer program wrote it: format version ", version,
                     ", known are 1 to ", kUpdateVersion));
  }
  return Damaged(
      absl::StrCat("format version ", version, ", known is ", wanted));
}

absl::StatusOr<absl::string_view> TakeRecord(absl::string_view& file) {
  if (file.size() < kRecordHeaderBytes) {
    return Damaged(absl::StrCat("only ", file.size(), " bytes"));
  }
  RETURN_IF_ERROR(CheckVersion(file, kVersion));
  const uint32_t header_crc = Crc32c(file.substr(4, 8));
  const uint32_t crc = Read32(file, 12);
  ASSIGN_OR_RETURN(absl::string_view payload,
                   TakePayload(file, kRecordHeaderBytes, Read32(file, 8)));
  if (Crc32c(payload, header_crc) != crc) {
    return Damaged("the checksum differs");
  }
  return payload;
}

absl::StatusOr<absl::string_view> TakeUpdate(absl::string_view& file) {
  if (file.size() < kUpdateHeaderBytes) return Damaged("an update is cut off");
  RETURN_IF_ERROR(CheckVersion(file, kUpdateVersion)) << "update";
  if (Crc32c(file.substr(4, 8)) != Read32(file, 12)) {
    return Damaged("the checksum of an update's length differs");
  }
  const uint32_t crc = Read32(file, 16);
  ASSIGN_OR_RETURN(absl::string_view payload,
                   TakePayload(file, kUpdateHeaderBytes, Read32(file, 8)));
  if (Crc32c(payload) != crc) {
    return Damaged("the checksum of an update differs");
  }
  return payload;
}

// What was not written to its end.
bool IsLeftOver(absl::string_view rest) {
  if (rest.find_first_not_of('\0') == absl::string_view::npos) return true;
  if (rest.size() < kUpdateHeaderBytes) {
    const absl::string_view begin = rest.substr(0, 8);
    return absl::StartsWith(EncodeUpdate(""), begin);
  }
  return CheckVersion(rest, kUpdateVersion).ok() &&
         Crc32c(rest.substr(4, 8)) == Read32(rest, 12) &&
         Read32(rest, 8) > rest.size() - kUpdateHeaderBytes;
}

}  // namespace

uint32_t Crc32c(absl::string_view data, uint32_t crc) {
  crc = ~crc;
  for (const char c : data) {
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  }
  return ~crc;
}

std::string EncodeRecord(absl::string_view payload) {
  std::string out = Begin(kVersion, kRecordHeaderBytes, payload.size());
  const uint32_t header = Crc32c(absl::string_view(out).substr(4, 8));
  Append32(out, Crc32c(payload, header));
  out.append(payload.data(), payload.size());
  return out;
}

std::string EncodeUpdate(absl::string_view payload) {
  std::string out = Begin(kUpdateVersion, kUpdateHeaderBytes, payload.size());
  Append32(out, Crc32c(absl::string_view(out).substr(4, 8)));
  Append32(out, Crc32c(payload));
  out.append(payload.data(), payload.size());
  return out;
}

absl::StatusOr<std::string> DecodeRecord(absl::string_view file) {
  ASSIGN_OR_RETURN(absl::string_view payload, TakeRecord(file));
  while (!file.empty() && !IsLeftOver(file)) {
    ASSIGN_OR_RETURN(payload, TakeUpdate(file));
  }
  return std::string(payload);
}

}  // namespace gantry::state
