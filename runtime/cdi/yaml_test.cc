#include "runtime/cdi/yaml.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::cdi {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

TEST(YamlToJson, KeepsStructureAndTakesScalarsAsText) {
  EXPECT_THAT(YamlToJson("# vendor's\na: 1\nb:\n  - x\n  - 'null'\n  - null\n"
                         "c: {d: true, e: []}\nf:\n- g: h\n  i: \"j\\nk\"\n",
                         "x.yaml"),
              IsOkAndHolds(std::string(R"({"a":"1","b":["x","null",null],)"
                                       R"("c":{"d":"true","e":[]},)"
                                       R"("f":[{"g":"h","i":"j\nk"}]})")));
  EXPECT_THAT(YamlToJson("", "x"), IsOkAndHolds(std::string("null")));
  EXPECT_THAT(YamlToJson("---\nnull: ~\n", "x"),
              IsOkAndHolds(std::string(R"({"null":null})")));
}

TEST(YamlToJson, NamesTheLineOfWhatItDoesNotTake) {
  const struct {
    const char* text;
    const char* error;
  } kCases[] = {
      {"a: &x 1\nb: *x\n", "f:2: not taken as YAML: an alias"},
      {"a: !!int 1\n", "f:1: not taken as YAML: a tag"},
      {"a: !x {}\n", "a tag"},
      {"? {a: b}\n: c\n", "a key that is no scalar"},
      {"a: 1\n---\nb: 2\n", "a second document"},
      {"a: [1\n", "f:"},
      {"a: 1\n b: 2\n", "f:2: "},
      {"\ta: 1\n", "f:1: "},
      {"a: \"\xff\"\n", "f:"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(
        YamlToJson(test.text, "f"),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(test.error)))
        << test.text;
  }
  EXPECT_THAT(YamlToJson(std::string(1000, '['), "f"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("too deep a nesting")));
}

}  // namespace
}  // namespace gantry::cdi
