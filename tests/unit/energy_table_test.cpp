#include <algorithm>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "energy/cost_table.hpp"

namespace spikeloom {
namespace {

/// Nine lines; every wrong table below changes one of them.
std::string table_text(const std::string& entry =
                           "value = 4.6\nunit = \"pJ\"\n"
                           "status = \"published\"\nsource = \"a paper\"\n",
                       const std::string& prices = "[]") {
  return "name = \"t\"\ntitle = \"T\"\nprices = " + prices + "\n[mac.fp32]\n" + entry;
}

TEST(CostTable, EveryBuiltInTableReads) {
  const auto names = cost_table_names();
  for (const std::string wanted :
       {"45nm", "22fdx", "spinnaker1", "spinnaker2", "loihi", "cpu", "gpu"}) {
    EXPECT_NE(std::find(names.begin(), names.end(), wanted), names.end()) << wanted;
  }
  for (const std::string& name : names) {
    const auto table = load_cost_table(name);
    ASSERT_TRUE(table.ok()) << table.error().message();
    EXPECT_EQ(table->name, name);
    EXPECT_FALSE(table->entries.empty());
    for (const CostEntry& entry : table->entries) {
      EXPECT_GE(entry.value, 0.0);
      EXPECT_GE(entry.source.size(), 10U) << entry.name;
      if (entry.source.find("from memory") != std::string::npos && !entry.lowest) {
        EXPECT_EQ(entry.status, CostStatus::kUnverified) << name << " " << entry.name;
      }
    }
  }
}

TEST(CostTable, UnitsBecomeSi) {
  const auto table = load_cost_table("45nm");
  ASSERT_TRUE(table.ok()) << table.error().message();
  EXPECT_DOUBLE_EQ(table->find("mac.fp32")->value, 4.6e-12);
  // Horowitz: 10 pJ for 64 bits from 8 KB, so 1.25 pJ a byte.
  EXPECT_DOUBLE_EQ(table->find("sram.8KiB")->value, 1.25e-12);
  EXPECT_DOUBLE_EQ(table->find("lemaire.per_bit")->value, 1.09e-17);
  EXPECT_DOUBLE_EQ(load_cost_table("spinnaker1")->find("idle")->value, 0.35);
}

TEST(CostTable, TheSmallestMemoryThatHoldsAnArray) {
  const auto table = load_cost_table("45nm");
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->memory_for(1.0)->name, "sram.8KiB");
  EXPECT_EQ(table->memory_for(8192.0)->name, "sram.8KiB");
  EXPECT_EQ(table->memory_for(8193.0)->name, "sram.32KiB");
  EXPECT_EQ(table->memory_for(1e9)->name, "dram");
  EXPECT_EQ(load_cost_table("loihi")->memory_for(1.0), nullptr);
}

struct Refusal {
  std::string entry, prices, place, message;
};
void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.message; }

class CostTableRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(CostTableRefuses, WithFileLineAndColumn) {
  const auto table = parse_cost_table(table_text(GetParam().entry, GetParam().prices), "my.toml");
  ASSERT_FALSE(table.ok());
  EXPECT_EQ(table.error().code, ErrorCode::kFormat);
  EXPECT_EQ(table.error().where, "my.toml: " + GetParam().place);
  EXPECT_NE(table.error().message().find(GetParam().message), std::string::npos)
      << table.error().message();
}

const std::string kRest = "status = \"published\"\nsource = \"a paper\"\n";
INSTANTIATE_TEST_SUITE_P(
    Tables, CostTableRefuses,
    testing::Values(
        Refusal{"unit = \"pJ\"\n" + kRest, "[]", "line 4, column 6", "'mac.fp32.value' is missing"},
        Refusal{"value = -1\nunit = \"pJ\"\n" + kRest, "[]", "line 5, column 1", "is negative"},
        Refusal{"value = \"x\"\nunit = \"pJ\"\n" + kRest, "[]", "line 5, column 1", "is no number"},
        Refusal{"value = nan\nunit = \"pJ\"\n" + kRest, "[]", "line 5, column 1", "is no number"},
        Refusal{"value = 1\nunit = \"pW\"\n" + kRest, "[]", "line 6, column 1", "not a unit"},
        Refusal{"value = 1\nunit = \"pJ/bit\"\n" + kRest, "[]", "line 6, column 1", "not a unit"},
        Refusal{"value = 1\n" + kRest, "[]", "line 4, column 6", "'mac.fp32.unit' is missing"},
        Refusal{"value = 1\nunit = \"pJ\"\nstatus = \"published\"\n", "[]", "line 4, column 6",
                "'mac.fp32.source' is missing"},
        Refusal{"value = 1\nunit = \"pJ\"\nstatus = \"published\"\nsource = \" \"\n", "[]",
                "line 8, column 1", "says nothing"},
        Refusal{"value = 1\nunit = \"pJ\"\nstatus = \"sure\"\nsource = \"a\"\n", "[]",
                "line 7, column 1", "not a status"},
        Refusal{"value = 1\nunit = \"pJ\"\n" + kRest + "colour = 1\n", "[]", "line 9, column 1",
                "has no 'colour'"},
        Refusal{"value = 1\nunit = \"pJ\"\nlowest = 2\nhighest = 3\n" + kRest, "[]",
                "line 7, column 1", "range does not hold"},
        Refusal{"value = 1\nunit = \"pJ\"\n" + kRest + "[mac.fp33]\n", "[]", "line 9, column 6",
                "no cost entry 'mac.fp33'"},
        Refusal{"value = 1\nunit = \"pJ\"\n" + kRest + "[sram.x]\nvalue = 1\nunit = \"pJ/byte\"\n" +
                    kRest,
                "[]", "line 9, column 7", "'sram.x.bytes' is missing"},
        Refusal{"value = 1\nunit = \"pJ\"\n" + kRest, "[\"compute\"]", "line 3, column 1", "ac.*"},
        Refusal{"value = 1\nunit = \"pJ\"\n" + kRest, "[\"guess\"]", "line 3, column 1",
                "not an accounting"},
        Refusal{"value = 1\nvalue = 2\n", "[]", "line 6, column 9", "not valid TOML"}));

TEST(CostTable, TheTableOfTheRefusalsReadsWithoutTheirFault) {
  EXPECT_TRUE(parse_cost_table(table_text(), "my.toml").ok());
  EXPECT_FALSE(parse_cost_table("name = \"t\"\ntitle = \"T\"\n", "t").ok()) << "no prices";
  const auto unknown = load_cost_table("3nm");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, ErrorCode::kNotFound);
  EXPECT_NE(unknown.error().message().find("45nm"), std::string::npos);
}

}  // namespace
}  // namespace spikeloom
