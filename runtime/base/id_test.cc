#include "runtime/base/id.h"

#include <string>

#include "gtest/gtest.h"

namespace gantry {
namespace {

TEST(Id, NewIdsAreWellFormedAndDiffer) {
  std::string a = NewId(), b = NewId();
  EXPECT_TRUE(IsId(a));
  EXPECT_NE(a, b);
}

TEST(Id, OnlySixtyFourLowerCaseHexDigitsAreAnId) {
  EXPECT_FALSE(IsId(""));
  EXPECT_FALSE(IsId(std::string(63, 'a')));
  EXPECT_FALSE(IsId(std::string(64, 'A')));
  EXPECT_FALSE(IsId("../" + std::string(61, 'a')));
}

}  // namespace
}  // namespace gantry
