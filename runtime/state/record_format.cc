#include "runtime/state/record_format.h"

#include <array>

#include "absl/strings/str_cat.h"

namespace gantry::state {
namespace {

constexpr absl::string_view kMagic = "GREC";
constexpr uint32_t kVersion = 1;
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

}  // namespace

uint32_t Crc32c(absl::string_view data, uint32_t crc) {
  crc = ~crc;
  for (const char c : data) {
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  }
  return ~crc;
}

std::string EncodeRecord(absl::string_view payload) {
  std::string out;
  out.reserve(kRecordHeaderBytes + payload.size());
  out.append(kMagic.data(), kMagic.size());
  Append32(out, kVersion);
  Append32(out, static_cast<uint32_t>(payload.size()));
  const uint32_t header = Crc32c(absl::string_view(out).substr(4, 8));
  Append32(out, Crc32c(payload, header));
  out.append(payload.data(), payload.size());
  return out;
}

absl::StatusOr<std::string> DecodeRecord(absl::string_view file) {
  if (file.size() < kRecordHeaderBytes) {
    return Damaged(absl::StrCat("only ", file.size(), " bytes"));
  }
  if (file.substr(0, 4) != kMagic) return Damaged("not a record");
  const uint32_t version = Read32(file, 4);
  if (version != kVersion) {
    return Damaged(
        absl::StrCat("format version ", version, ", known is ", kVersion));
  }
  const absl::string_view payload = file.substr(kRecordHeaderBytes);
  const uint32_t length = Read32(file, 8);
  if (payload.size() != length) {
    return Damaged(
        absl::StrCat(payload.size(), " bytes of payload instead of ", length));
  }
  if (Crc32c(payload, Crc32c(file.substr(4, 8))) != Read32(file, 12)) {
    return Damaged("the checksum differs");
  }
  return std::string(payload);
}

}  // namespace gantry::state
