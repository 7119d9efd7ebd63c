#include "runtime/conf/size.h"

#include <string>

#include "gtest/gtest.h"

namespace gantry::conf {
namespace {

TEST(Size, ReadsWholeNumbersAndBinaryUnits) {
  EXPECT_EQ(ParseSize("0"), 0u);
  EXPECT_EQ(ParseSize("4097"), 4097u);
  EXPECT_EQ(ParseSize("3Ki"), 3072u);
  EXPECT_EQ(ParseSize("512Mi"), 512u << 20);
  EXPECT_EQ(ParseSize("10Gi"), uint64_t{10} << 30);
  EXPECT_EQ(ParseSize("4194304Ti"), uint64_t{1} << 62);
}

TEST(Size, TakesNothingElse) {
  for (const char* text :
       {"", "Gi", "-1", "+1", " 1", "1 ", "1.5Gi", "10G", "10g", "10GB", "1KiB",
        "0x10", "1e3", "4194305Ti", "18446744073709551616", "1Gi1"}) {
    EXPECT_EQ(ParseSize(text), std::nullopt) << text;
  }
}

TEST(Size, WritesWhatItReads) {
  for (const char* text : {"0", "4097", "3Ki", "512Mi", "10Gi", "2Ti"}) {
    EXPECT_EQ(FormatSize(*ParseSize(text)), text);
  }
}

}  // namespace
}  // namespace gantry::conf
