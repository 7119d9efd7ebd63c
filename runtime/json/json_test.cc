#include "runtime/json/json.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::json {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Value Parsed(absl::string_view text) {
  absl::StatusOr<Value> value = Value::Parse(text, "doc");
  EXPECT_OK(value);
  return *value;
}

TEST(Json, ReadsFieldsByType) {
  Value doc = Parsed(
      R"({"s":"x","n":7,"b":true,"l":["a","b"],"m":{"k":"v"},"e":{"y":{}},"z":null})");
  EXPECT_THAT(doc.StringField("s"), IsOkAndHolds("x"));
  EXPECT_THAT(doc.IntField("n"), IsOkAndHolds(7));
  EXPECT_THAT(doc.BoolField("b"), IsOkAndHolds(true));
  EXPECT_THAT(doc.StringListField("l"), IsOkAndHolds(ElementsAre("a", "b")));
  EXPECT_THAT(doc.StringMapField("m"),
              IsOkAndHolds(ElementsAre(Pair("k", "v"))));
  EXPECT_THAT(doc.KeysField("e"), IsOkAndHolds(ElementsAre("y")));
  EXPECT_THAT(doc.StringField("z", "default"), IsOkAndHolds("default"));
  EXPECT_THAT(doc.StringField("absent", "default"), IsOkAndHolds("default"));
}

TEST(Json, ErrorNamesTheDocumentAndThePathOfTheField) {
  Value doc = Parsed(R"({"layers":[{"size":1},{"size":"big"}]})");
  ASSERT_OK_AND_ASSIGN(std::vector<Value> layers, doc.ArrayField("layers"));
  EXPECT_THAT(layers[1].IntField("size"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "doc: layers[1]: size: expected an integer, found a "
                       "string"));
}

TEST(Json, RefusesWhatIsNotOneDocument) {
  for (const char* text : {"", "{", "{} {}", "{'a':1}", "// c\n{}", "\x00{}",
                           "{\"a\":01}", "\"\xff\"", "[1,]", "nul"}) {
    EXPECT_THAT(Value::Parse(text, "doc"),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

TEST(Json, TellsTheLineOfTheMistake) {
  EXPECT_THAT(Value::Parse("{\n  \"a\": 1,\n  b\n}\n", "doc"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "doc: not valid JSON (line 3)"));
  EXPECT_THAT(Value::Parse("{\n\"a\":", "doc"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "doc: not valid JSON (line 2)"));
  EXPECT_THAT(Value::Parse("", "doc"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "doc: not valid JSON (line 1)"));
}

TEST(Json, CapsDepthBeforeItBuildsAnything) {
  const std::string deep(1'000'000, '[');
  EXPECT_THAT(Value::Parse(deep, "doc"),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("nested deeper than 64")));
  EXPECT_OK(Value::Parse("\"[[[[[[\\\"[[[[\"", "doc", {.max_depth = 2}));
}

TEST(Json, CapsSize) {
  EXPECT_THAT(Value::Parse("[1,2,3]", "doc", {.max_bytes = 3}),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(Json, IntegersOutOfRangeAndFractionsAreErrors) {
  EXPECT_THAT(Parsed("18446744073709551615").Int(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Parsed("1.5").Int(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Parsed("99999999999999999999999").Int(),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Parsed("-3").Int(), IsOkAndHolds(-3));
}

TEST(Json, ValueOutlivesTheDocumentItCameFrom) {
  std::optional<Value> inner;
  {
    Value doc = Parsed(R"({"a":{"b":"kept"}})");
    inner = doc.Find("a");
  }
  EXPECT_THAT(inner->StringField("b"), IsOkAndHolds("kept"));
  EXPECT_EQ(inner->Dump(), R"({"b":"kept"})");
}

TEST(Json, QuoteEscapes) {
  EXPECT_EQ(Quote("a\"b\n\x01"), R"("a\"b\n\u0001")");
  EXPECT_EQ(Quote("\xff"), "\"\xEF\xBF\xBD\"");
}

}  // namespace
}  // namespace gantry::json
