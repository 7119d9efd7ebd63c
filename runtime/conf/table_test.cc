#include "runtime/conf/table.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/status.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::conf {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;

TEST(Parse, NamesFileAndLineOfAMistake) {
  EXPECT_THAT(Parse("a = 1\nb = ", "f"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::StartsWith("f:2: ")));
}

TEST(Table, KeysComeInTheOrderOfTheFile) {
  ASSERT_OK_AND_ASSIGN(toml::table parsed,
                       Parse("[z]\n[a.b]\nx = 1\n[m]\n", "f"));
  const Table table(parsed, "f", "");
  EXPECT_THAT(table.Keys(), ElementsAre("a", "m", "z"));
  EXPECT_THAT(table.KeysInOrder(), ElementsAre("z", "a", "m"));
}

absl::StatusOr<std::vector<std::string>> OneOrMore(absl::string_view text) {
  ASSIGN_OR_RETURN(toml::table parsed, Parse(text, "f"));
  std::vector<std::string> values;
  RETURN_IF_ERROR(Table(parsed, "f", "").TakeOneOrMore("k", values));
  return values;
}

TEST(Table, OneStringIsAListOfOne) {
  EXPECT_THAT(OneOrMore("k = 'a'"), IsOkAndHolds(ElementsAre("a")));
  EXPECT_THAT(OneOrMore("k = ['a', 'b']"), IsOkAndHolds(ElementsAre("a", "b")));
  EXPECT_THAT(OneOrMore(""), IsOkAndHolds(ElementsAre()));
  for (const char* text : {"k = 1", "k = ['a', 1]", "k = [['a']]"}) {
    EXPECT_THAT(OneOrMore(text), StatusIs(absl::StatusCode::kInvalidArgument,
                                          ::testing::StartsWith("f:1: k: ")));
  }
}

TEST(Table, BooleansAreNoNumbers) {
  ASSERT_OK_AND_ASSIGN(toml::table parsed, Parse("a = true\nb = 1", "f"));
  Table table(parsed, "f", "t.");
  bool value = false;
  EXPECT_OK(table.Take("a", value));
  EXPECT_TRUE(value);
  EXPECT_THAT(table.Take("b", value),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       ::testing::HasSubstr(
                           "f:2: t.b: expected true or false, found an int")));
}

}  // namespace
}  // namespace gantry::conf
