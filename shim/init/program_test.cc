#include "shim/init/program.h"

#include <errno.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/base/status.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::init {
namespace {

using Strings = std::vector<std::string>;

TEST(CandidatesFor, WithASlashPathDoesNotCount) {
  EXPECT_EQ(CandidatesFor("/bin/sh", "/a:/b"), Strings({"/bin/sh"}));
  EXPECT_EQ(CandidatesFor("./x", "/a"), Strings({"./x"}));
}

TEST(CandidatesFor, EveryElementInOrderAndEmptyIsTheWorkingDirectory) {
  EXPECT_EQ(CandidatesFor("x", "/a::/b:"),
            Strings({"/a/x", "./x", "/b/x", "./x"}));
  EXPECT_EQ(CandidatesFor("x", ""), Strings({"./x"}));
}

TEST(CandidatesFor, NothingForNoProgram) {
  EXPECT_TRUE(CandidatesFor("", "/a").empty());
}

TEST(FindVariable, LastOneWinsAndNamesAreWhole) {
  Strings env = {"PATH=/a", "PATHS=/x", "XPATH=/y", "PATH=/b"};
  EXPECT_STREQ(FindVariable(env, "PATH"), "/b");
  EXPECT_EQ(FindVariable(env, "HOME"), nullptr);
  EXPECT_STREQ(FindVariable({"HOME="}, "HOME"), "");
}

TEST(Program, MissingIsNotFoundWithTheNameInTheMessage) {
  absl::Status status =
      Program({"no-such-program"}, {"PATH=/nowhere:/usr/bin/env"}).Execute();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(),
            "exec \"no-such-program\": ENOENT: No such file or directory");
}

TEST(Program, NotExecutableIsRemembered) {
  absl::Status status =
      Program({"passwd"}, {"PATH=/nowhere:/etc:/nowhere2"}).Execute();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ErrnoOf(status), EACCES);
  // A directory can't be executed either.
  EXPECT_EQ(ErrnoOf(Program({"/etc"}, {}).Execute()), EACCES);
}

TEST(Program, NoProgramAtAllIsNotFound) {
  EXPECT_EQ(Program({}, {}).Execute().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Program({""}, {}).Execute().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace gantry::init
