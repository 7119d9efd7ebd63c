#include "tools/bench/svg_plot.h"

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry::bench {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

size_t Count(const std::string& text, const std::string& part) {
  return std::vector<std::string>(absl::StrSplit(text, part)).size() - 1;
}

TEST(SvgPlot, EachRowIsACurveWithALegend) {
  const std::string svg =
      SvgPlot("latency", {{"floor", {2'000'000, 3'000'000}},
                          {"StartContainer", {5'000'000, 40'000'000}}});
  EXPECT_THAT(svg, StartsWith("<?xml version=\"1.0\""));
  EXPECT_THAT(svg, EndsWith("</svg>\n"));
  EXPECT_EQ(Count(svg, "<path "), 2);
  EXPECT_THAT(svg, HasSubstr(">floor (2 ms)</text>"));
  EXPECT_THAT(svg, HasSubstr(">StartContainer (5 ms)</text>"));
  // From the decade of the least to that of the most.
  for (const char* label : {">1 ms<", ">10 ms<", ">100 ms<"}) {
    EXPECT_THAT(svg, HasSubstr(label));
  }
  EXPECT_THAT(svg, Not(HasSubstr(">1 s<")));
}

TEST(SvgPlot, ACurveRisesFromNothingToAllAtItsSamples) {
  // One decade, 640 wide from 60 on; 400 high from 40 on.
  const std::string svg = SvgPlot("x", {{"a", {1000, 10'000}}});
  EXPECT_THAT(svg, HasSubstr("d=\"M60.0 440.0H60.0V240.0H700.0V40.0\""));
}

TEST(SvgPlot, ManySamplesAreThinnedOutToTheLast) {
  Curve curve = {"many", {}};
  for (int i = 1; i <= 10'000; ++i) curve.nanos.push_back(i * 1000);
  const std::string svg = SvgPlot("x", {curve});
  EXPECT_LE(Count(svg, "V"), 402);
  EXPECT_THAT(svg, HasSubstr("H700.0V40.0\""));
}

TEST(SvgPlot, NamesAreTextAndNotMarkup) {
  const std::string svg = SvgPlot("<t>", {{"a<b>&\"\x01", {1}}});
  EXPECT_THAT(svg, HasSubstr("&lt;t&gt;"));
  EXPECT_THAT(svg, HasSubstr("a&lt;b&gt;&amp;&quot;?"));
  EXPECT_THAT(svg, Not(HasSubstr("<t>")));
}

TEST(SvgPlot, WithoutSamplesItSaysSo) {
  const std::string svg = SvgPlot("x", {{"empty", {}}});
  EXPECT_THAT(svg, HasSubstr("no durations were measured"));
  EXPECT_THAT(svg, Not(HasSubstr("<path ")));
}

TEST(SvgPlot, MoreRowsThanColoursAreToldApartByDashes) {
  std::vector<Curve> curves(9, Curve{"row", {1000}});
  EXPECT_EQ(Count(SvgPlot("x", curves), "stroke-dasharray"), 2);
}

}  // namespace
}  // namespace gantry::bench
