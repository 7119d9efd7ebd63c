#include "runtime/cgroup/v2/device_program.h"

#include <optional>
#include <random>

#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/cgroup/default_devices.h"

namespace gantry::cgroup::v2 {
namespace {

// Runs the few instructions that a device program is made of. Unset if the
// program does what the kernel's verifier wouldn't let through.
std::optional<uint64_t> Run(const std::vector<bpf_insn>& program,
                            const bpf_cgroup_dev_ctx& context) {
  constexpr uint64_t kContextAddress = 0x1000;
  std::optional<uint64_t> reg[11];
  reg[BPF_REG_1] = kContextAddress;
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const bpf_insn& insn = program[pc];
    std::optional<uint64_t>& to = reg[insn.dst_reg];
    const auto operand = [&] {
      return BPF_SRC(insn.code) == BPF_X
                 ? reg[insn.src_reg].value()
                 : static_cast<uint64_t>(static_cast<int64_t>(insn.imm));
    };
    switch (BPF_CLASS(insn.code)) {
      case BPF_LDX: {
        if (reg[insn.src_reg] != kContextAddress || insn.off < 0 ||
            insn.off + 4 > static_cast<int>(sizeof(context))) {
          return std::nullopt;
        }
        to = reinterpret_cast<const uint32_t*>(&context)[insn.off / 4];
        break;
      }
      case BPF_ALU:
        if (BPF_OP(insn.code) == BPF_MOV) {
          to = static_cast<uint32_t>(operand());
        } else if (!to.has_value()) {
          return std::nullopt;
        } else if (BPF_OP(insn.code) == BPF_AND) {
          to = static_cast<uint32_t>(*to & operand());
        } else if (BPF_OP(insn.code) == BPF_RSH) {
          to = static_cast<uint32_t>(*to) >> operand();
        } else {
          return std::nullopt;
        }
        break;
      case BPF_JMP: {
        if (BPF_OP(insn.code) == BPF_EXIT) return reg[BPF_REG_0];
        if (!to.has_value() || insn.off <= 0) return std::nullopt;
        const bool equal = *to == operand();
        const bool jump = BPF_OP(insn.code) == BPF_JEQ   ? equal
                          : BPF_OP(insn.code) == BPF_JNE ? !equal
                                                         : false;
        if (jump) pc += insn.off;
        break;
      }
      default:
        return std::nullopt;
    }
  }
  return std::nullopt;  // ran off the end
}

struct Request {
  char type;
  uint32_t major;
  uint32_t minor;
  uint32_t access;
};

std::optional<uint64_t> Ask(const std::vector<bpf_insn>& program,
                            const Request& request) {
  const uint32_t type =
      request.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
  return Run(program, {.access_type = (request.access << 16) | type,
                       .major = request.major,
                       .minor = request.minor});
}

// What the policy says, straight from its definition.
bool Allowed(const DevicePolicy& policy, const Request& request) {
  for (const DeviceException& e : policy.exceptions) {
    if (e.type != request.type) continue;
    if (e.major.has_value() && *e.major != request.major) continue;
    if (e.minor.has_value() && *e.minor != request.minor) continue;
    const uint32_t common = e.access & request.access;
    if (policy.allow_by_default && common != 0) return false;
    if (!policy.allow_by_default && common == request.access) return true;
  }
  return policy.allow_by_default;
}

DevicePolicy PolicyOf(std::vector<DeviceRule> rules) {
  auto policy = MakeDevicePolicy(rules);
  EXPECT_OK(policy);
  return *policy;
}

TEST(DeviceProgram, EmptyPolicyDeniesEverything) {
  const auto program = DeviceProgram({});
  EXPECT_EQ(Ask(program, {'c', 1, 3, kAccessRead}), 0);
  EXPECT_EQ(Ask(program, {'b', 8, 0, kAccessMknod}), 0);
}

TEST(DeviceProgram, AllowAllAllowsEverything) {
  const auto program = DeviceProgram(PolicyOf(AllDeviceRules()));
  EXPECT_EQ(Ask(program, {'b', 8, 0, kAccessAll}), 1);
}

TEST(DeviceProgram, DefaultDevicesAreUsableAndDisksAreNot) {
  const auto program = DeviceProgram(PolicyOf(DefaultDeviceRules()));
  EXPECT_EQ(Ask(program, {'c', 1, 3, kAccessRead | kAccessWrite}), 1);
  EXPECT_EQ(Ask(program, {'c', 136, 77, kAccessWrite}), 1);
  EXPECT_EQ(Ask(program, {'b', 8, 0, kAccessMknod}), 1);
  EXPECT_EQ(Ask(program, {'b', 8, 0, kAccessRead}), 0);
  EXPECT_EQ(Ask(program, {'b', 8, 0, kAccessRead | kAccessMknod}), 0);
  EXPECT_EQ(Ask(program, {'c', 10, 229, kAccessRead}), 0);  // /dev/fuse
  EXPECT_EQ(Ask(program, {'b', 1, 3, kAccessRead}), 0);  // same numbers, block
}

TEST(DeviceProgram, RandomPoliciesAreAnsweredAsDefined) {
  std::mt19937 random(1);
  const auto small = [&random](int n) {
    return std::uniform_int_distribution<int>(0, n - 1)(random);
  };
  for (int round = 0; round < 500; ++round) {
    DevicePolicy policy;
    policy.allow_by_default = small(2) == 1;
    const int count = small(6);
    for (int i = 0; i < count; ++i) {
      DeviceException e;
      e.type = small(2) ? 'c' : 'b';
      if (small(3)) e.major = small(3);
      if (small(3)) e.minor = small(3);
      e.access = 1 + small(7);
      policy.exceptions.push_back(e);
    }
    const auto program = DeviceProgram(policy);
    for (char type : {'b', 'c'}) {
      for (uint32_t n = 0; n < 9; ++n) {
        for (uint32_t access = 1; access <= kAccessAll; ++access) {
          const Request request{type, n / 3, n % 3, access};
          ASSERT_EQ(Ask(program, request), Allowed(policy, request))
              << "round " << round << " " << type << n / 3 << ":" << n % 3
              << " access " << access;
        }
      }
    }
  }
}

}  // namespace
}  // namespace gantry::cgroup::v2
