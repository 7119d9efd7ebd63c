#include "runtime/net/netlink/message.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstddef>

namespace gantry::netlink {
namespace {

constexpr size_t kMaxAttribute = UINT16_MAX;

template <typename Number>
absl::string_view BytesOf(const Number& number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

}  // namespace

void Batch::Append(absl::string_view bytes) {
  bytes_.append(bytes.data(), bytes.size());
  bytes_.resize(NLMSG_ALIGN(bytes_.size()));
  EndMessage();
}

// The length of the last message, as far as it is written.
void Batch::EndMessage() {
  const uint32_t length = static_cast<uint32_t>(bytes_.size() - message_);
  memcpy(bytes_.data() + message_ + offsetof(nlmsghdr, nlmsg_len), &length,
         sizeof length);
}

void Batch::Begin(uint16_t type, uint16_t flags, std::string what) {
  message_ = bytes_.size();
  whats_.push_back(std::move(what));
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = NLM_F_REQUEST | flags;
  header.nlmsg_seq = static_cast<uint32_t>(whats_.size());
  Header(header);
}

void Batch::Put(uint16_t attribute, absl::string_view value) {
  if (value.size() > kMaxAttribute - NLA_HDRLEN) {
    overflown_ = true;
    return;
  }
  nlattr header{};
  header.nla_len = static_cast<uint16_t>(NLA_HDRLEN + value.size());
  header.nla_type = attribute;
  Append(BytesOf(header));
  Append(value);
}

void Batch::PutText(uint16_t attribute, absl::string_view text) {
  std::string with_zero(text);
  with_zero.push_back('\0');
  Put(attribute, with_zero);
}

void Batch::PutU8(uint16_t attribute, uint8_t value) {
  Put(attribute, BytesOf(value));
}

void Batch::PutU16(uint16_t attribute, uint16_t value) {
  Put(attribute, BytesOf(value));
}

void Batch::PutU32(uint16_t attribute, uint32_t value) {
  Put(attribute, BytesOf(value));
}

void Batch::PutBe32(uint16_t attribute, uint32_t value) {
  PutU32(attribute, htonl(value));
}

size_t Batch::BeginNest(uint16_t attribute) {
  const size_t begin = bytes_.size();
  nlattr header{};
  header.nla_type = attribute | NLA_F_NESTED;
  Append(BytesOf(header));
  return begin;
}

void Batch::EndNest(size_t begin) {
  const size_t length = bytes_.size() - begin;
  if (length > kMaxAttribute) {
    overflown_ = true;
    return;
  }
  const uint16_t short_length = static_cast<uint16_t>(length);
  memcpy(bytes_.data() + begin + offsetof(nlattr, nla_len), &short_length,
         sizeof short_length);
}

std::optional<absl::string_view> Attributes::Find(uint16_t type) const {
  absl::string_view rest = bytes_;
  while (rest.size() >= NLA_HDRLEN) {
    nlattr header;
    memcpy(&header, rest.data(), sizeof header);
    if (header.nla_len < NLA_HDRLEN || header.nla_len > rest.size()) break;
    if ((header.nla_type & NLA_TYPE_MASK) == type) {
      return rest.substr(NLA_HDRLEN, header.nla_len - NLA_HDRLEN);
    }
    rest.remove_prefix(
        std::min<size_t>(NLA_ALIGN(header.nla_len), rest.size()));
  }
  return std::nullopt;
}

std::optional<Attributes> Attributes::FindNest(uint16_t type) const {
  std::optional<absl::string_view> value = Find(type);
  if (!value.has_value()) return std::nullopt;
  return Attributes(*value);
}

std::optional<uint32_t> Attributes::FindU32(uint16_t type) const {
  std::optional<absl::string_view> value = Find(type);
  if (!value.has_value() || value->size() < sizeof(uint32_t)) {
    return std::nullopt;
  }
  uint32_t number;
  memcpy(&number, value->data(), sizeof number);
  return number;
}

std::string Attributes::FindText(uint16_t type) const {
  const absl::string_view value = Find(type).value_or("");
  return std::string(value.substr(0, value.find('\0')));
}

std::vector<Message> SplitMessages(absl::string_view datagram) {
  std::vector<Message> messages;
  while (datagram.size() >= NLMSG_HDRLEN) {
    nlmsghdr header;
    memcpy(&header, datagram.data(), sizeof header);
    if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > datagram.size()) {
      break;
    }
    messages.push_back(
        {header.nlmsg_type, header.nlmsg_flags, header.nlmsg_seq,
         datagram.substr(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN)});
    datagram.remove_prefix(
        std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), datagram.size()));
  }
  return messages;
}

}  // namespace gantry::netlink
