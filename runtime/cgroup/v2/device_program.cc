#include "runtime/cgroup/v2/device_program.h"

#include <cstddef>

namespace gantry::cgroup::v2 {

namespace {

// Registers by what they hold after the prologue.
constexpr uint8_t kAnswer = BPF_REG_0;
constexpr uint8_t kContext = BPF_REG_1;
constexpr uint8_t kScratch = BPF_REG_1;  // the context is read only once
constexpr uint8_t kType = BPF_REG_2;
constexpr uint8_t kAccess = BPF_REG_3;
constexpr uint8_t kMajor = BPF_REG_4;
constexpr uint8_t kMinor = BPF_REG_5;

bpf_insn Load(uint8_t to, size_t offset) {
  return {.code = BPF_LDX | BPF_W | BPF_MEM,
          .dst_reg = to,
          .src_reg = kContext,
          .off = static_cast<__s16>(offset)};
}

bpf_insn WithNumber(uint8_t operation, uint8_t to, uint32_t number) {
  return {.code = static_cast<__u8>(BPF_ALU | operation | BPF_K),
          .dst_reg = to,
          .imm = static_cast<__s32>(number)};
}

bpf_insn Move(uint8_t to, uint8_t from) {
  return {.code = BPF_ALU | BPF_MOV | BPF_X, .dst_reg = to, .src_reg = from};
}

// Jumps to the end of its exception's block; the distance is filled in when the
// block is complete. 64-bit compares are sound: all values have 32 bits, and
// device numbers are far below the sign bit that an immediate would extend.
bpf_insn JumpIfNot(uint8_t reg, uint32_t number) {
  return {.code = BPF_JMP | BPF_JNE | BPF_K,
          .dst_reg = reg,
          .imm = static_cast<__s32>(number)};
}

bpf_insn JumpIf(uint8_t reg, uint32_t number) {
  return {.code = BPF_JMP | BPF_JEQ | BPF_K,
          .dst_reg = reg,
          .imm = static_cast<__s32>(number)};
}

bool IsJump(const bpf_insn& insn) {
  return BPF_CLASS(insn.code) == BPF_JMP && BPF_OP(insn.code) != BPF_EXIT;
}

void AppendAnswer(bool allow, std::vector<bpf_insn>& program) {
  program.push_back(WithNumber(BPF_MOV, kAnswer, allow ? 1 : 0));
  program.push_back({.code = BPF_JMP | BPF_EXIT});
}

// "If the request is one of `exception`, the answer is the opposite of the
// default; else go on behind."
void AppendBlock(const DeviceException& exception, bool allow_by_default,
                 std::vector<bpf_insn>& program) {
  std::vector<bpf_insn> block;
  block.push_back(JumpIfNot(
      kType, exception.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR));
  if (exception.access != kAccessAll) {
    if (allow_by_default) {
      // Denied if any bit asked for is one of the exception's.
      block.push_back(Move(kScratch, kAccess));
      block.push_back(WithNumber(BPF_AND, kScratch, exception.access));
      block.push_back(JumpIf(kScratch, 0));
    } else {
      // Allowed if no bit asked for is outside of the exception's.
      block.push_back(Move(kScratch, kAccess));
      block.push_back(
          WithNumber(BPF_AND, kScratch, kAccessAll & ~exception.access));
      block.push_back(JumpIfNot(kScratch, 0));
    }
  }
  if (exception.major) block.push_back(JumpIfNot(kMajor, *exception.major));
  if (exception.minor) block.push_back(JumpIfNot(kMinor, *exception.minor));
  AppendAnswer(!allow_by_default, block);
  for (size_t i = 0; i < block.size(); ++i) {
    // A distance counts from the instruction after the jump.
    if (IsJump(block[i]))
      block[i].off = static_cast<__s16>(block.size() - i - 1);
  }
  program.insert(program.end(), block.begin(), block.end());
}

}  // namespace

std::vector<bpf_insn> DeviceProgram(const DevicePolicy& policy) {
  std::vector<bpf_insn> program;
  // access_type is (access << 16) | type.
  program.push_back(Load(kType, offsetof(bpf_cgroup_dev_ctx, access_type)));
  program.push_back(Move(kAccess, kType));
  program.push_back(Load(kMajor, offsetof(bpf_cgroup_dev_ctx, major)));
  program.push_back(Load(kMinor, offsetof(bpf_cgroup_dev_ctx, minor)));
  program.push_back(WithNumber(BPF_AND, kType, 0xffff));
  program.push_back(WithNumber(BPF_RSH, kAccess, 16));
  for (const DeviceException& exception : policy.exceptions) {
    AppendBlock(exception, policy.allow_by_default, program);
  }
  AppendAnswer(policy.allow_by_default, program);
  return program;
}

}  // namespace gantry::cgroup::v2
