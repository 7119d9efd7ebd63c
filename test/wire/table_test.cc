#include "test/wire/table.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::wiretest {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kTable[] =
    "kind\tparent\tname\tnumber\tlabel\ttype\toneof\tnote\n"
    "rpc\tHarbour\tBerth\t\tunary\tShip>Quay\t\t\n"
    "field\tShip\tname\t1\tsingular\tstring\t\t\n"
    "field\tShip\tcargo\t2\trepeated\tmessage:Box\tload\tdeprecated\n"
    "message\tQuay\t\t\t\t\t\t\n"
    "enum\tFlag\tRED\t0\t\t\t\t\n";

std::vector<Row> Table() { return *ParseTable(kTable); }

TEST(ParseTable, ReadsEveryColumn) {
  const std::vector<Row> rows = Table();
  ASSERT_EQ(rows.size(), 5);
  EXPECT_EQ(rows[0],
            (Row{"rpc", "Harbour", "Berth", "", "unary", "Ship>Quay", "", ""}));
  EXPECT_EQ(rows[2], (Row{"field", "Ship", "cargo", "2", "repeated",
                          "message:Box", "load", "deprecated"}));
  EXPECT_EQ(CountKind(rows, "field"), 2);
  EXPECT_EQ(CountKind(rows, "message"), 1);
}

TEST(ParseTable, NamesTheLineThatIsWrong) {
  const std::string header(kTable, std::string(kTable).find('\n') + 1);
  EXPECT_THAT(
      ParseTable("kind\tname\n"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("line 1")));
  EXPECT_THAT(ParseTable(header + "field\tShip\tname\t1\n"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("line 2 has 4 columns")));
  EXPECT_THAT(ParseTable(header + "boat\tShip\t\t\t\t\t\t\n"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("unknown kind \"boat\"")));
  EXPECT_THAT(
      ParseTable(header + "enum\tFlag\tRED\tx\t\t\t\t\n"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("number \"x\"")));
  EXPECT_THAT(ParseTable(std::string(kTable) + "enum\tFlag\tRED\t1\t\t\t\t\n"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("line 7 has enum Flag.RED a second time")));
}

TEST(CompareTables, SameRowsInAnotherOrderAreEqual) {
  std::vector<Row> got = Table();
  std::swap(got[0], got[4]);
  EXPECT_THAT(CompareTables(Table(), got), IsEmpty());
}

TEST(CompareTables, NamesTheRowAndTheColumnThatDiffer) {
  std::vector<Row> got = Table();
  got[1].number = "7";
  got[2].label = "singular";
  got[2].oneof = "";
  EXPECT_THAT(
      CompareTables(Table(), got),
      ElementsAre("field Ship.name: number is \"7\", not \"1\"",
                  "field Ship.cargo: label is \"singular\", not \"repeated\", "
                  "oneof is \"\", not \"load\""));
}

TEST(CompareTables, ReportsAMissingRow) {
  std::vector<Row> got = Table();
  got.erase(got.begin() + 1);
  EXPECT_THAT(CompareTables(Table(), got),
              ElementsAre("missing: field Ship.name (number 1, label singular, "
                          "type string)"));
}

TEST(CompareTables, ReportsARowTooMany) {
  std::vector<Row> got = Table();
  got.push_back({"enum", "Flag", "BLUE", "1", "", "", "", ""});
  EXPECT_THAT(CompareTables(Table(), got),
              ElementsAre("not in the table: enum Flag.BLUE (number 1)"));
}

}  // namespace
}  // namespace gantry::wiretest
