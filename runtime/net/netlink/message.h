// Netlink messages: written into one buffer, read out of another.
//
// Sources: netlink(7), linux/netlink.h. Numbers are in host order but where a
// protocol says otherwise (nfnetlink's are big-endian: the Be methods).
// Thread safety: none; values.

#ifndef GANTRY_RUNTIME_NET_NETLINK_MESSAGE_H_
#define GANTRY_RUNTIME_NET_NETLINK_MESSAGE_H_

#include <linux/netlink.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace gantry::netlink {

// Requests that are sent together, in order.
class Batch {
 public:
  // Begins a message: NLM_F_REQUEST is added to `flags`. `what` names it in an
  // error: verb and object.
  void Begin(uint16_t type, uint16_t flags, std::string what);

  // The fixed part behind the message's header.
  template <typename Struct>
  void Header(const Struct& header) {
    Append({reinterpret_cast<const char*>(&header), sizeof header});
  }

  void Put(uint16_t attribute, absl::string_view value);
  void PutText(uint16_t attribute, absl::string_view text);  // with a zero byte
  void PutU8(uint16_t attribute, uint8_t value);
  void PutU16(uint16_t attribute, uint16_t value);
  void PutU32(uint16_t attribute, uint32_t value);
  void PutBe32(uint16_t attribute, uint32_t value);

  // What is put until the nest is gone lies inside the attribute.
  class Nest {
   public:
    Nest(Batch& batch, uint16_t attribute)
        : batch_(batch), begin_(batch.BeginNest(attribute)) {}
    ~Nest() { batch_.EndNest(begin_); }
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;

   private:
    Batch& batch_;
    const size_t begin_;
  };

  bool empty() const { return whats_.empty(); }
  // The bytes, and for each message its name; message i has sequence number
  // i + 1.
  const std::string& bytes() const { return bytes_; }
  const std::vector<std::string>& whats() const { return whats_; }
  // An attribute was longer than its 16 bits of length can say: not to be
  // sent, for the rest would be read as attributes (CVE-2021-43784).
  bool overflown() const { return overflown_; }

 private:
  void Append(absl::string_view bytes);
  size_t BeginNest(uint16_t attribute);
  void EndNest(size_t begin);
  void EndMessage();

  std::string bytes_;
  size_t message_ = 0;  // where the last message begins
  std::vector<std::string> whats_;
  bool overflown_ = false;
};

// The attributes in a piece of a message; what is cut off is not seen.
class Attributes {
 public:
  explicit Attributes(absl::string_view bytes) : bytes_(bytes) {}

  // The first one of that type.
  std::optional<absl::string_view> Find(uint16_t type) const;
  std::optional<Attributes> FindNest(uint16_t type) const;
  std::optional<uint32_t> FindU32(uint16_t type) const;
  // Without its zero byte; empty if absent.
  std::string FindText(uint16_t type) const;

 private:
  absl::string_view bytes_;
};

// One message that came in.
struct Message {
  uint16_t type = 0;
  uint16_t flags = 0;
  uint32_t sequence = 0;
  absl::string_view payload;

  // The fixed part; nothing if the message is too short for one.
  template <typename Struct>
  std::optional<Struct> Header() const {
    if (payload.size() < sizeof(Struct)) return std::nullopt;
    Struct header;
    memcpy(&header, payload.data(), sizeof header);
    return header;
  }
  // What stands behind a fixed part.
  template <typename Struct>
  Attributes After() const {
    const size_t begin = NLMSG_ALIGN(sizeof(Struct));
    return Attributes(begin > payload.size() ? absl::string_view()
                                             : payload.substr(begin));
  }
};

// All messages in one datagram; the last one is left out if it is cut off.
std::vector<Message> SplitMessages(absl::string_view datagram);

}  // namespace gantry::netlink

#endif  // GANTRY_RUNTIME_NET_NETLINK_MESSAGE_H_
