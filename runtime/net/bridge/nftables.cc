#include "runtime/net/bridge/nftables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/net/netlink/socket.h"

namespace gantry::net::nft {
namespace {

using netlink::Batch;

// nft's numbers of data types, by which nft(8) shows maps to people
// (libnftables' datatype.h); a compound is six bits of each.
constexpr uint32_t kTypeIp4 = 7;
constexpr uint32_t kTypeIp6 = 8;
constexpr uint32_t kTypeProtocol = 12;
constexpr uint32_t kTypePort = 13;
constexpr uint32_t Compound(uint32_t left, uint32_t right) {
  return left << 6 | right;
}
// Of one message: an attribute has 16 bits for its length.
constexpr size_t kElementsPerMessage = 256;

uint32_t Register(uint32_t word) { return NFT_REG32_00 + word; }

void BeginMessage(Batch& batch, uint16_t message, uint16_t flags,
                  std::string what) {
  batch.Begin(NFNL_SUBSYS_NFTABLES << 8 | message, flags, std::move(what));
  nfgenmsg header{};
  header.nfgen_family = NFPROTO_INET;
  batch.Header(header);
}

// Messages of one transaction, between its begin and its end.
class Transaction {
 public:
  Transaction() { Mark(NFNL_MSG_BATCH_BEGIN, "begin a change of nftables"); }

  Batch& batch() { return batch_; }
  void Begin(uint16_t message, uint16_t flags, std::string what) {
    BeginMessage(batch_, message, flags, std::move(what));
  }
  absl::Status Commit() {
    Mark(NFNL_MSG_BATCH_END, "end a change of nftables");
    ASSIGN_OR_RETURN(netlink::Socket socket,
                     netlink::Socket::Open(NETLINK_NETFILTER));
    return socket.Send(batch_);
  }

 private:
  void Mark(uint16_t type, std::string what) {
    batch_.Begin(type, 0, std::move(what));
    nfgenmsg header{};
    header.nfgen_family = AF_UNSPEC;
    header.res_id = htons(NFNL_SUBSYS_NFTABLES);
    batch_.Header(header);
  }

  Batch batch_;
};

void PutData(Batch& batch, uint16_t attribute, absl::string_view value) {
  Batch::Nest data(batch, attribute);
  batch.Put(NFTA_DATA_VALUE, value);
}

// One expression: its name, and its attributes in the order of the kernel's
// header.
class Encoder {
 public:
  explicit Encoder(Batch& batch) : batch_(batch) {}

  void operator()(const Meta& meta) {
    Named("meta", [&] {
      batch_.PutBe32(NFTA_META_KEY, meta.key);
      batch_.PutBe32(NFTA_META_DREG, Register(meta.to));
    });
  }
  void operator()(const Payload& payload) {
    Named("payload", [&] {
      batch_.PutBe32(NFTA_PAYLOAD_DREG, Register(payload.to));
      batch_.PutBe32(NFTA_PAYLOAD_BASE, payload.base);
      batch_.PutBe32(NFTA_PAYLOAD_OFFSET, payload.offset);
      batch_.PutBe32(NFTA_PAYLOAD_LEN, payload.length);
    });
  }
  void operator()(const Bits& bits) {
    Named("bitwise", [&] {
      batch_.PutBe32(NFTA_BITWISE_SREG, Register(0));
      batch_.PutBe32(NFTA_BITWISE_DREG, Register(0));
      batch_.PutBe32(NFTA_BITWISE_LEN, static_cast<uint32_t>(bits.mask.size()));
      PutData(batch_, NFTA_BITWISE_MASK, bits.mask);
      PutData(batch_, NFTA_BITWISE_XOR, std::string(bits.mask.size(), '\0'));
    });
  }
  void operator()(const Compare& compare) {
    Named("cmp", [&] {
      batch_.PutBe32(NFTA_CMP_SREG, Register(0));
      batch_.PutBe32(NFTA_CMP_OP, compare.equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
      PutData(batch_, NFTA_CMP_DATA, compare.value);
    });
  }
  void operator()(const DestinationType&) {
    Named("fib", [&] {
      batch_.PutBe32(NFTA_FIB_DREG, Register(0));
      batch_.PutBe32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
      batch_.PutBe32(NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
    });
  }
  void operator()(const ConntrackStatus&) {
    Named("ct", [&] {
      batch_.PutBe32(NFTA_CT_DREG, Register(0));
      batch_.PutBe32(NFTA_CT_KEY, NFT_CT_STATUS);
    });
  }
  void operator()(const Lookup& lookup) {
    Named("lookup", [&] {
      batch_.PutText(NFTA_LOOKUP_SET, lookup.map);
      batch_.PutBe32(NFTA_LOOKUP_SREG, Register(0));
      batch_.PutBe32(NFTA_LOOKUP_DREG, Register(0));
    });
  }
  void operator()(const Dnat& dnat) {
    Named("nat", [&] {
      batch_.PutBe32(NFTA_NAT_TYPE, NFT_NAT_DNAT);
      batch_.PutBe32(NFTA_NAT_FAMILY, dnat.v6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
      batch_.PutBe32(NFTA_NAT_REG_ADDR_MIN, Register(0));
      batch_.PutBe32(NFTA_NAT_REG_PROTO_MIN, Register(dnat.v6 ? 4 : 1));
    });
  }
  void operator()(const Masquerade&) {
    Named("masq", [] {});
  }
  void operator()(const Verdict& verdict) {
    Named("immediate", [&] {
      batch_.PutBe32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
      Batch::Nest data(batch_, NFTA_IMMEDIATE_DATA);
      Batch::Nest inner(batch_, NFTA_DATA_VERDICT);
      batch_.PutBe32(NFTA_VERDICT_CODE, CodeOf(verdict.kind));
      if (verdict.kind == Verdict::kJump) {
        batch_.PutText(NFTA_VERDICT_CHAIN, verdict.chain);
      }
    });
  }

 private:
  static uint32_t CodeOf(Verdict::Kind kind) {
    switch (kind) {
      case Verdict::kJump:
        return static_cast<uint32_t>(NFT_JUMP);
      case Verdict::kReturn:
        return static_cast<uint32_t>(NFT_RETURN);
      default:
        return NF_DROP;
    }
  }

  template <typename Body>
  void Named(absl::string_view name, Body body) {
    Batch::Nest element(batch_, NFTA_LIST_ELEM);
    batch_.PutText(NFTA_EXPR_NAME, name);
    Batch::Nest data(batch_, NFTA_EXPR_DATA);
    body();
  }

  Batch& batch_;
};

void PutTable(Transaction& to, uint16_t message, uint16_t flags,
              const std::string& table, absl::string_view verb) {
  to.Begin(message, flags, absl::StrCat(verb, " nftables table ", table));
  to.batch().PutText(NFTA_TABLE_NAME, table);
}

void PutMap(Transaction& to, const std::string& table, const Map& map) {
  to.Begin(NFT_MSG_NEWSET, NLM_F_CREATE, absl::StrCat("make map ", map.name));
  Batch& batch = to.batch();
  const uint32_t address = map.v6 ? kTypeIp6 : kTypeIp4;
  const uint32_t address_length = map.v6 ? 16 : 4;
  const uint32_t key =
      map.with_address ? Compound(Compound(kTypeProtocol, address), kTypePort)
                       : Compound(kTypeProtocol, kTypePort);
  batch.PutText(NFTA_SET_TABLE, table);
  batch.PutText(NFTA_SET_NAME, map.name);
  batch.PutBe32(NFTA_SET_FLAGS, NFT_SET_MAP);
  batch.PutBe32(NFTA_SET_KEY_TYPE, key);
  batch.PutBe32(NFTA_SET_KEY_LEN, 8 + (map.with_address ? address_length : 0));
  batch.PutBe32(NFTA_SET_DATA_TYPE, Compound(address, kTypePort));
  batch.PutBe32(NFTA_SET_DATA_LEN, address_length + 4);
  // Any number: the kernel wants one to know a map of this batch by.
  batch.PutBe32(NFTA_SET_ID, static_cast<uint32_t>(batch.whats().size()));
}

void PutChain(Transaction& to, const std::string& table, const Chain& chain) {
  to.Begin(NFT_MSG_NEWCHAIN, NLM_F_CREATE,
           absl::StrCat("make chain ", chain.name));
  Batch& batch = to.batch();
  batch.PutText(NFTA_CHAIN_TABLE, table);
  batch.PutText(NFTA_CHAIN_NAME, chain.name);
  if (chain.type.empty()) return;
  {
    Batch::Nest hook(batch, NFTA_CHAIN_HOOK);
    batch.PutBe32(NFTA_HOOK_HOOKNUM, chain.hook);
    batch.PutBe32(NFTA_HOOK_PRIORITY, static_cast<uint32_t>(chain.priority));
  }
  batch.PutText(NFTA_CHAIN_TYPE, chain.type);
  batch.PutBe32(NFTA_CHAIN_POLICY, NF_ACCEPT);
}

void PutRule(Transaction& to, const std::string& table, const Rule& rule) {
  to.Begin(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
           absl::StrCat("add a rule to chain ", rule.chain));
  Batch& batch = to.batch();
  batch.PutText(NFTA_RULE_TABLE, table);
  batch.PutText(NFTA_RULE_CHAIN, rule.chain);
  Batch::Nest expressions(batch, NFTA_RULE_EXPRESSIONS);
  Encoder encoder(batch);
  for (const Expression& expression : rule.expressions) {
    std::visit(encoder, expression);
  }
}

// `elements` are all of one map.
void PutElementsOfMap(Transaction& to, uint16_t message, uint16_t flags,
                      const std::string& table, const Element* begin,
                      const Element* end) {
  to.Begin(message, flags,
           absl::StrCat(message == NFT_MSG_NEWSETELEM ? "map" : "unmap",
                        " ports in ", begin->map));
  Batch& batch = to.batch();
  batch.PutText(NFTA_SET_ELEM_LIST_TABLE, table);
  batch.PutText(NFTA_SET_ELEM_LIST_SET, begin->map);
  Batch::Nest list(batch, NFTA_SET_ELEM_LIST_ELEMENTS);
  for (const Element* element = begin; element != end; ++element) {
    Batch::Nest nest(batch, NFTA_LIST_ELEM);
    PutData(batch, NFTA_SET_ELEM_KEY, element->key);
    if (message == NFT_MSG_NEWSETELEM) {
      PutData(batch, NFTA_SET_ELEM_DATA, element->value);
    }
  }
}

void PutElements(Transaction& to, uint16_t message, uint16_t flags,
                 const std::string& table, std::vector<Element> elements) {
  std::stable_sort(
      elements.begin(), elements.end(),
      [](const Element& a, const Element& b) { return a.map < b.map; });
  const Element* const end = elements.data() + elements.size();
  for (const Element* from = elements.data(); from != end;) {
    const Element* until = from;
    while (until != end && until->map == from->map &&
           until - from < static_cast<ptrdiff_t>(kElementsPerMessage)) {
      ++until;
    }
    PutElementsOfMap(to, message, flags, table, from, until);
    from = until;
  }
}

// What a kernel without nf_tables, or without a part of it, answers.
absl::Status Explain(absl::Status status) {
  switch (ErrnoOf(status)) {
    case EPROTONOSUPPORT:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case ENOENT:
    case EINVAL:
      return absl::FailedPreconditionError(
          absl::StrCat("this kernel's nftables cannot all that pods need "
                       "(nf_tables with nat, masq, fib, ct and maps): ",
                       status.message()));
    default:
      return status;
  }
}

}  // namespace

absl::Status ReplaceTable(const Ruleset& ruleset,
                          const std::vector<Element>& elements) {
  Transaction to;
  const std::string& table = ruleset.table;
  // Deleting wants one that is there.
  PutTable(to, NFT_MSG_NEWTABLE, NLM_F_CREATE, table, "make");
  PutTable(to, NFT_MSG_DELTABLE, 0, table, "remove");
  PutTable(to, NFT_MSG_NEWTABLE, NLM_F_CREATE, table, "make");
  for (const Map& map : ruleset.maps) PutMap(to, table, map);
  for (const Chain& chain : ruleset.chains) PutChain(to, table, chain);
  for (const Rule& rule : ruleset.rules) PutRule(to, table, rule);
  PutElements(to, NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, elements);
  return Explain(to.Commit());
}

bool HasTable(const std::string& table) {
  absl::StatusOr<netlink::Socket> socket =
      netlink::Socket::Open(NETLINK_NETFILTER);
  if (!socket.ok()) return false;
  Batch request;
  BeginMessage(request, NFT_MSG_GETTABLE, 0,
               absl::StrCat("look for nftables table ", table));
  request.PutText(NFTA_TABLE_NAME, table);
  return socket->Query(request, [](const netlink::Message&) {}).ok();
}

absl::Status DeleteTable(const std::string& table) {
  Transaction to;
  PutTable(to, NFT_MSG_DELTABLE, 0, table, "remove");
  absl::Status status = to.Commit();
  return ErrnoOf(status) == ENOENT ? absl::OkStatus() : status;
}

absl::Status AddElements(const std::string& table,
                         const std::vector<Element>& elements) {
  if (elements.empty()) return absl::OkStatus();
  Transaction to;
  PutElements(to, NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, elements);
  return to.Commit();
}

absl::Status DeleteElements(const std::string& table,
                            const std::vector<Element>& elements) {
  if (elements.empty()) return absl::OkStatus();
  Transaction all;
  PutElements(all, NFT_MSG_DELSETELEM, 0, table, elements);
  absl::Status status = all.Commit();
  if (ErrnoOf(status) != ENOENT) return status;
  // Some of them are gone, which costs the whole batch: one by one.
  for (const Element& element : elements) {
    Transaction one;
    PutElements(one, NFT_MSG_DELSETELEM, 0, table, {element});
    status = one.Commit();
    if (!status.ok() && ErrnoOf(status) != ENOENT) return status;
  }
  return absl::OkStatus();
}

}  // namespace gantry::net::nft
