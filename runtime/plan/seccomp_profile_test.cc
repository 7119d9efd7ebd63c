#include "runtime/plan/seccomp_profile.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/testing/fake_tree.h"

namespace gantry::plan {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kSysAdmin = uint64_t{1} << 21;

SeccompConditions Here(uint64_t capabilities = 0) {
  return {capabilities, KernelVersion{5, 10}};
}

absl::StatusOr<SeccompProfile> Parse(const std::string& text,
                                     uint64_t capabilities = 0) {
  return ParseSeccompProfile(text, "p", Here(capabilities));
}

// A profile of one rule with these further fields.
absl::StatusOr<SeccompProfile> WithRule(const std::string& fields,
                                        uint64_t capabilities = 0) {
  return Parse(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{)"
               R"("names": ["mkdir"], "action": "SCMP_ACT_ERRNO", )" +
                   fields + "}]}",
               capabilities);
}

TEST(ParseSeccompProfile, TheWholeOfTheRuntimeSpec) {
  ASSERT_OK_AND_ASSIGN(SeccompProfile profile, Parse(R"({
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"],
    "flags": ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
              "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
    "syscalls": [
      {"names": ["read", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
      {"names": ["clone"], "action": "SCMP_ACT_TRACE", "errnoRet": 7,
       "args": [{"index": 5, "value": 18446744073709551615, "valueTwo": 2,
                 "op": "SCMP_CMP_MASKED_EQ"}]}]})"));
  EXPECT_EQ(profile.default_action, SCMP_ACT_ERRNO(38));
  EXPECT_THAT(profile.architectures,
              ElementsAre(SCMP_ARCH_X86_64, SCMP_ARCH_X32));
  EXPECT_EQ(profile.flags,
            static_cast<uint32_t>(SECCOMP_FILTER_FLAG_LOG |
                                  SECCOMP_FILTER_FLAG_SPEC_ALLOW));
  ASSERT_THAT(profile.rules, SizeIs(2));
  EXPECT_THAT(profile.rules[0].names, ElementsAre("read", "no_such_call"));
  EXPECT_EQ(profile.rules[0].action, SCMP_ACT_ALLOW);
  EXPECT_EQ(profile.rules[1].action, SCMP_ACT_TRACE(7));
  ASSERT_THAT(profile.rules[1].args, SizeIs(1));
  const SeccompArg& arg = profile.rules[1].args[0];
  EXPECT_EQ(arg.index, 5u);
  EXPECT_EQ(arg.compare, SeccompArg::Compare::kMaskedEq);
  EXPECT_EQ(arg.value, UINT64_MAX);
  EXPECT_EQ(arg.expected, 2u);
  EXPECT_OK(CompileSeccomp(profile));
}

TEST(ParseSeccompProfile, AnErrnoIsEpermUnlessSaid) {
  ASSERT_OK_AND_ASSIGN(SeccompProfile profile,
                       Parse(R"({"defaultAction": "SCMP_ACT_ERRNO"})"));
  EXPECT_EQ(profile.default_action, SCMP_ACT_ERRNO(EPERM));
  EXPECT_THAT(profile.architectures, IsEmpty());
  ASSERT_OK_AND_ASSIGN(profile, WithRule(R"("errnoRet": 0)"));
  EXPECT_EQ(profile.rules[0].action, SCMP_ACT_ERRNO(0));
}

TEST(ParseSeccompProfile, EveryActionThatNeedsNoAgent) {
  const std::pair<const char*, uint32_t> kActions[] = {
      {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
      {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
      {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
      {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
      {"SCMP_ACT_LOG", SCMP_ACT_LOG},
      {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW}};
  for (const auto& [name, action] : kActions) {
    ASSERT_OK_AND_ASSIGN(
        SeccompProfile profile,
        Parse(std::string(R"({"defaultAction": ")") + name + "\"}"));
    EXPECT_EQ(profile.default_action, action) << name;
  }
}

TEST(ParseSeccompProfile, ConditionsOnOneArgumentAreAlternatives) {
  ASSERT_OK_AND_ASSIGN(SeccompProfile profile, WithRule(R"("args": [
      {"index": 0, "value": 1, "op": "SCMP_CMP_LT"},
      {"index": 0, "value": 9, "op": "SCMP_CMP_GT"}])"));
  ASSERT_THAT(profile.rules, SizeIs(2));
  EXPECT_THAT(profile.rules[0].args, SizeIs(1));
  EXPECT_EQ(profile.rules[1].args[0].value, 9u);
  EXPECT_OK(CompileSeccomp(profile));
  ASSERT_OK_AND_ASSIGN(profile, WithRule(R"("args": [
      {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"},
      {"index": 1, "value": 9, "op": "SCMP_CMP_NE"}])"));
  ASSERT_THAT(profile.rules, SizeIs(1));
  EXPECT_THAT(profile.rules[0].args, SizeIs(2));
}

TEST(ParseSeccompProfile, IncludesAndExcludesDecideByCapability) {
  const char* includes = R"("includes": {"caps": ["CAP_SYS_ADMIN"]})";
  EXPECT_THAT(WithRule(includes)->rules, IsEmpty());
  EXPECT_THAT(WithRule(includes, kSysAdmin)->rules, SizeIs(1));
  const char* both = R"("includes": {"caps": ["CAP_SYS_ADMIN", "CAP_BPF"]})";
  EXPECT_THAT(WithRule(both, kSysAdmin)->rules, IsEmpty());
  const char* excludes =
      R"("excludes": {"caps": ["CAP_SYS_ADMIN", "CAP_BPF"]})";
  EXPECT_THAT(WithRule(excludes)->rules, SizeIs(1));
  EXPECT_THAT(WithRule(excludes, kSysAdmin)->rules, IsEmpty());
}

#if defined(__x86_64__)
TEST(ParseSeccompProfile, IncludesAndExcludesDecideByMachineAndKernel) {
  EXPECT_THAT(WithRule(R"("includes": {"arches": ["amd64", "x32"]})")->rules,
              SizeIs(1));
  EXPECT_THAT(WithRule(R"("includes": {"arches": ["s390x"]})")->rules,
              IsEmpty());
  EXPECT_THAT(WithRule(R"("excludes": {"arches": ["amd64"]})")->rules,
              IsEmpty());
  EXPECT_THAT(WithRule(R"("excludes": {"arches": ["s390x"]})")->rules,
              SizeIs(1));
  EXPECT_THAT(WithRule(R"("includes": {"minKernel": "5.10"})")->rules,
              SizeIs(1));
  EXPECT_THAT(WithRule(R"("includes": {"minKernel": "5.11"})")->rules,
              IsEmpty());
  EXPECT_THAT(WithRule(R"("excludes": {"minKernel": "4.8"})")->rules,
              IsEmpty());
  EXPECT_THAT(WithRule(R"("includes": {}, "excludes": {})")->rules, SizeIs(1));
}

TEST(ParseSeccompProfile, DockersArchMapIsReducedToThisMachine) {
  ASSERT_OK_AND_ASSIGN(SeccompProfile profile, Parse(R"({
    "defaultAction": "SCMP_ACT_ERRNO", "architectures": [],
    "archMap": [
      {"architecture": "SCMP_ARCH_X86_64",
       "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
      {"architecture": "SCMP_ARCH_S390X",
       "subArchitectures": ["SCMP_ARCH_S390"]}],
    "syscalls": [{"name": "read", "action": "SCMP_ACT_ALLOW", "args": null,
                  "comment": "", "includes": {}, "excludes": {}}]})"));
  EXPECT_THAT(profile.architectures,
              ElementsAre(SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_X32));
  EXPECT_THAT(profile.rules[0].names, ElementsAre("read"));
  EXPECT_OK(CompileSeccomp(profile));
}
#endif

TEST(ParseSeccompProfile, WhatIsNotUnderstoodIsNamedByItsPlace) {
  const std::pair<const char*, const char*> kBad[] = {
      {"", "p: not valid JSON"},
      {"[]", "p: expected an object"},
      {"{}", "p: has no defaultAction"},
      {R"({"defaultAction": "ALLOW"})", "p: defaultAction: unknown action"},
      {R"({"defaultAction": "SCMP_ACT_NOTIFY"})", "agent"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1})",
       "carries no errno"},
      {R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096})",
       "p: defaultErrnoRet: 4096 is more than 4095"},
      {R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": -1})",
       "expected an unsigned"},
      {R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENOSYS"})",
       "p: defaultErrno: needs defaultErrnoRet"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["amd64"]})",
       "p: architectures[0]: unknown architecture"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]})",
       "p: flags[0]: unknown flag"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"})",
       "p: listenerPath"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW",
           "architectures": ["SCMP_ARCH_X86"],
           "archMap": [{"architecture": "SCMP_ARCH_X86_64"}]})",
       "p: architectures: stands beside archMap"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": []}]})",
       "p: syscalls[0]: names no system call"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": "x"}]})",
       "p: syscalls[0]: names: "}};
  for (const auto& [text, error] : kBad) {
    EXPECT_THAT(Parse(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(error)))
        << text;
  }
  const std::pair<const char*, const char*> kBadRules[] = {
      {R"("args": [{"index": 6, "op": "SCMP_CMP_EQ"}])",
       "p: syscalls[0]: args[0]: index: 6 is more than 5"},
      {R"("args": [{"index": 0, "op": "=="}])", "unknown op"},
      {R"("args": [{"index": 0, "value": 1.5, "op": "SCMP_CMP_EQ"}])",
       "expected an unsigned"},
      {R"("name": "rmdir")", "both name and names"},
      {R"("includes": {"caps": ["CAP_X"]})", "unknown capability"},
      {R"("includes": {"minKernel": "new"})", "no kernel version"}};
  for (const auto& [fields, error] : kBadRules) {
    EXPECT_THAT(WithRule(fields),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(error)))
        << fields;
  }
}

TEST(ReadSeccompProfile, OnlyARegularFileOfBoundedSize) {
  sys::testing::FakeTree tree({sys::testing::Dir("directory")});
  tree.Write("good", R"({"defaultAction": "SCMP_ACT_ALLOW"})");
  tree.Write("large", std::string(kMaxSeccompFile + 1, ' '));
  ASSERT_EQ(mkfifo((tree.path() + "/fifo").c_str(), 0600), 0);
  auto read = [&tree](const char* name) {
    return ReadSeccompProfile(tree.path() + "/" + name, Here()).status();
  };
  EXPECT_OK(read("good"));
  EXPECT_THAT(read("missing"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("missing: there is no such file")));
  EXPECT_THAT(read("large"), StatusIs(absl::StatusCode::kResourceExhausted));
  // Neither waits for a writer.
  EXPECT_THAT(read("fifo"), StatusIs(absl::StatusCode::kFailedPrecondition,
                                     HasSubstr("not a regular file")));
  EXPECT_THAT(read("directory"),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(ParseKernelVersion, ReadsReleasesAndVersions) {
  EXPECT_EQ(ParseKernelVersion("6.1.0-18-amd64"), (KernelVersion{6, 1}));
  EXPECT_EQ(ParseKernelVersion("4.8"), (KernelVersion{4, 8}));
  for (const char* bad : {"", "6", "x.1", "6.", "-1.2"}) {
    EXPECT_EQ(ParseKernelVersion(bad), std::nullopt) << bad;
  }
  EXPECT_LT((KernelVersion{4, 20}), (KernelVersion{5, 1}));
}

}  // namespace
}  // namespace gantry::plan
