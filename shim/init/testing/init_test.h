// What the root tests of init have in common. Each test checks that the host's
// mount table and name are as before.

#ifndef GANTRY_SHIM_INIT_TESTING_INIT_TEST_H_
#define GANTRY_SHIM_INIT_TESTING_INIT_TEST_H_

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace gantry::init::testing {

inline std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::string Hostname() {
  char name[256] = {};
  gethostname(name, sizeof(name) - 1);
  return name;
}

class InitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    mounts_ = ReadAll("/proc/self/mountinfo");
    hostname_ = Hostname();
  }
  void TearDown() override {
    EXPECT_EQ(ReadAll("/proc/self/mountinfo"), mounts_);
    EXPECT_EQ(Hostname(), hostname_);
  }

 private:
  std::string mounts_;
  std::string hostname_;
};

}  // namespace gantry::init::testing

#endif  // GANTRY_SHIM_INIT_TESTING_INIT_TEST_H_
