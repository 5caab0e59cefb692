/// Recordings on the command line: info, convert, plot events, and a network fed over UDP.

#include <csignal>
#include <thread>

#include "tests/cli/cli_models.hpp"
#include "tests/cli/cli_process.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

class CliSensors : public CliTest {};

TEST_F(CliSensors, InfoCountsWords) {
  REQUIRE_SHARED("acceptance/events/prophesee/evt3_sample.raw");
  const std::string file = shared_path("acceptance/events/prophesee/evt3_sample.raw").string();
  const ProcessResult result = run({"info", file, "--words", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value info = result.json();
  EXPECT_EQ(*info.find("events")->as_integer(), 219596);
  EXPECT_EQ(*info.find("first_us")->as_integer(), 11718656);
  EXPECT_EQ(*info.find("last_us")->as_integer(), 11727457);
  EXPECT_EQ(*info.find("width")->as_integer(), 1280);
  EXPECT_EQ(*info.find("counts")->find("x")->as_integer(), 197550);
  EXPECT_EQ(*info.find("counts")->find("time_low")->as_integer(), 8812);
  const ProcessResult text = run({"info", file});
  EXPECT_NE(text.out.find("polarity  52.61 % ON"), std::string::npos) << text.out;
}

TEST_F(CliSensors, ConvertSaysWhatIsNotKept) {
  write_whole(path("a.csv"), "t_us,x,y,p\n10.5,1,2,1\n20,3,4,0\n");
  const ProcessResult ambiguous = run({"convert", "a.csv", "a.raw"});
  EXPECT_EQ(ambiguous.code, 6) << ambiguous.err;
  EXPECT_NE(ambiguous.err.find("--to"), std::string::npos);
  const ProcessResult result = run({"convert", "a.csv", "a.raw", "--to", "evt3", "--size", "8x6"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("1 times cut to whole microseconds"), std::string::npos) << result.err;
  const Value info = run({"info", "a.raw", "--json"}).json();
  EXPECT_EQ(*info.find("events")->as_integer(), 2);
  EXPECT_EQ(*info.find("width")->as_integer(), 8);
  for (const char* name : {"a.npy", "a.h5", "a.aedat4", "a.es", "a.dat"}) {
    ASSERT_EQ(run({"convert", "a.raw", name}).code, 0) << name;
    const ProcessResult again = run({"info", name, "--as", "recording", "--json"});
    ASSERT_EQ(again.code, 0) << name << again.err;
    EXPECT_EQ(*again.json().find("digest")->as_string(), *info.find("digest")->as_string()) << name;
  }
}

TEST_F(CliSensors, ConvertSorts) {
  write_whole(path("a.csv"), "t_us,x,y,p\n20,1,2,1\n10,3,4,0\n");
  EXPECT_EQ(run({"convert", "a.csv", "b.csv"}).code, 4);
  const ProcessResult result = run({"convert", "a.csv", "b.csv", "--sort"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(read_whole(path("b.csv")), "t_us,x,y,p\n10,3,4,0\n20,1,2,1\n");
}

TEST_F(CliSensors, PlotsAFrame) {
  write_whole(path("a.csv"), "t_us,x,y,p\n0,0,0,1\n10,3,1,0\n");
  const ProcessResult text = run({"plot", "events", "a.csv", "--size", "4x2", "--ascii"});
  ASSERT_EQ(text.code, 0) << text.err;
  // Characters are twice as high as wide: two rows of pixels on one line.
  EXPECT_EQ(text.out.substr(0, 5), "+  -\n") << text.out;
  ASSERT_EQ(run({"plot", "events", "a.csv", "--size", "4x2", "-o", "a.png"}).code, 0);
  EXPECT_EQ(read_whole(path("a.png")).substr(1, 3), "PNG");
}

TEST_F(CliSensors, FormatsAreListed) {
  const ProcessResult result = run({"sensors", "formats"});
  EXPECT_EQ(result.code, 0);
  EXPECT_NE(result.out.find("aedat4"), std::string::npos);
}

TEST_F(CliSensors, SentEventsDecideAsAFileDoes) {
  save(polarity_network(), path("polarity.nir"));
  std::string text = "t_us,x,y,p\n";
  for (int i = 0; i < 2000; ++i)
    text += std::to_string(10 * i) + ",0,0," + (i % 3 == 0 ? "0" : "1") + "\n";
  write_whole(path("a.csv"), text);
  const std::vector<std::string> common = {"run", "polarity.nir", "--dt", "1e-3", "--json"};
  std::vector<std::string> from_file = common;
  from_file.insert(from_file.end(), {"--input", "a.csv"});
  const ProcessResult expected = run(from_file);
  ASSERT_EQ(expected.code, 0) << expected.err;
  // A port of our own process number, so that tests beside this one have others.
  const std::string port = std::to_string(20000 + getpid() % 20000);
  std::vector<std::string> live = common;
  live.insert(live.end(), {"--live", "--udp", port});
  const pid_t child = start(live);
  for (int i = 0; i < 100 && read_whole(path(".stderr")).find("listening") == std::string::npos;
       ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  // The listener has the files .stdout and .stderr: the sender works elsewhere.
  const std::string sender = std::string(spikeloom_binary()) + " sensors send '" + path("a.csv") +
                             "' --udp " + port + " --rate 1e6 >/dev/null 2>&1";
  EXPECT_EQ(std::system(sender.c_str()), 0);
  const ProcessResult heard = finish(child);
  ASSERT_EQ(heard.code, 0) << heard.err;
  const Value value = heard.json();
  EXPECT_EQ(*value.find("udp")->find("events")->as_integer(), 2000);
  EXPECT_EQ(*value.find("udp")->find("lost")->as_integer(), 0);
  EXPECT_EQ(io::to_json(*value.find("output_counts")),
            io::to_json(*expected.json().find("output_counts")));
}

}  // namespace
}  // namespace spikeloom::test
