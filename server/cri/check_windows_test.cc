#include "server/cri/check_windows.h"

#include "gtest/gtest.h"
#include "proto/cri/v1/api.pb.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cri {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(CheckNoWindows, NothingSaidIsNothingRefused) {
  runtime::v1::WindowsContainerConfig windows;
  EXPECT_OK(CheckNoWindows("w", windows));
  windows.mutable_resources();
  windows.mutable_security_context();
  EXPECT_OK(CheckNoWindows("w", windows));
}

TEST(CheckNoWindows, NamesTheFieldAtAnyDepth) {
  runtime::v1::WindowsContainerConfig windows;
  windows.mutable_resources()->set_cpu_count(1);
  EXPECT_THAT(CheckNoWindows("w", windows),
              StatusIs(kInvalid, HasSubstr("w.resources.cpu_count: ")));
  windows.mutable_resources()->clear_cpu_count();
  windows.mutable_resources()->add_affinity_cpus();
  EXPECT_THAT(CheckNoWindows("w", windows),
              StatusIs(kInvalid, HasSubstr("w.resources.affinity_cpus: ")));

  runtime::v1::WindowsPodSandboxConfig pod;
  pod.mutable_security_context()->mutable_namespace_options()->set_network(
      runtime::v1::NODE);
  EXPECT_THAT(CheckNoWindows("w", pod),
              StatusIs(kInvalid,
                       HasSubstr("w.security_context.namespace_options.network:"
                                 " is of Windows")));
}

}  // namespace
}  // namespace gantry::cri
