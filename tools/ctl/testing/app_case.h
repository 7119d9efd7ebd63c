// gantryctl against a fake server over a real socket. Header only.

#ifndef GANTRY_TOOLS_CTL_TESTING_APP_CASE_H_
#define GANTRY_TOOLS_CTL_TESTING_APP_CASE_H_

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"
#include "tools/ctl/app.h"
#include "tools/ctl/testing/fake_cri_server.h"

namespace gantry::ctl {

inline constexpr char kImage[] = "localhost/busybox:latest";
inline constexpr char kImageId[] = "sha256:0123456789abcdef";

class AppTest : public ::testing::Test {
 protected:
  AppTest() { server_->AddImage(kImage, kImageId); }

  int Run(std::vector<std::string> arguments) {
    out_.str("");
    err_.str("");
    arguments.insert(arguments.begin(), {"--endpoint", "unix://" + socket_});
    return RunGantryctl(arguments, out_, err_);
  }
  int RunImage(std::vector<std::string> options,
               std::vector<std::string> command) {
    std::vector<std::string> arguments = {"run", "--log-root", logs_};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.push_back(kImage);
    arguments.insert(arguments.end(), command.begin(), command.end());
    return Run(arguments);
  }
  size_t LogDirectories() {
    const auto entries = sys::ListDirAt(dir_.fd(), "logs");
    return entries.ok() ? entries->size() : 0;
  }

  sys::testing::TempDir dir_;
  std::string logs_ = dir_.path() + "/logs";
  std::unique_ptr<testing::FakeCriServer> server_ =
      std::make_unique<testing::FakeCriServer>();
  std::string socket_ = server_->socket_path();
  std::ostringstream out_;
  std::ostringstream err_;
};

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_TESTING_APP_CASE_H_
