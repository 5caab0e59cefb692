/// `demo vision` and `sensors front-end-robustness`: the shipped networks decide as PyTorch said
/// they do.

#include <algorithm>
#include <cstdlib>

#include "base/io/npy.hpp"
#include "cli/exit_codes.hpp"
#include "cli/shade_picture.hpp"
#include "models/vision/labelled_pictures.hpp"
#include "models/vision/pixel_front_end.hpp"
#include "models/vision/shipped_models.hpp"
#include "tests/cli/cli_process.hpp"
#include "tests/support/made_up_pictures.hpp"
#include "tests/support/shared_data.hpp"

/// Debian's dataset-fashion-mnist, which `./dev setup` installs.
#define REQUIRE_FASHION_MNIST()                                                          \
  do {                                                                                   \
    if (!std::filesystem::exists(kFashionMnistFolder)) {                                 \
      if (running_in_ci()) FAIL() << "no " << kFashionMnistFolder;                       \
      GTEST_SKIP() << "no " << kFashionMnistFolder << ": install dataset-fashion-mnist"; \
    }                                                                                    \
  } while (false)

namespace spikeloom::test {
namespace {

class CliVision : public CliTest {
 protected:
  /// A digit for every picture of the test set: what PyTorch made of the file's numbers.
  static std::string decisions_of(const std::string& model) {
    return read_whole(source_dir() / "models/vision/weights" / model / "decisions.txt");
  }
  static std::string digits(const Value& tally) {
    std::string text;
    for (const Value& decision : *tally.find("decisions")->as_list()) {
      text += std::to_string(*decision.as_integer());
    }
    return text;
  }
};

/// All 10,000 with SPIKELOOM_FULL set.
TEST_F(CliVision, DecidesAsPyTorchDoesAndAccumulatesOnlyBehindThePixels) {
  REQUIRE_FASHION_MNIST();
  const std::string count = std::getenv("SPIKELOOM_FULL") != nullptr ? "10000" : "400";
  const auto shown = run({"demo", "vision", "--json", "--count", count});
  ASSERT_EQ(shown.code, cli::kExitOk) << shown.err;
  const Value report = shown.json();
  for (const std::string side : {"spiking", "dense"}) {
    const std::string made = digits(*report.find(side));
    const std::string expected = decisions_of(side == "dense" ? "fashion-dense" : "fashion");
    ASSERT_EQ(made.size(), std::stoul(count));
    EXPECT_EQ(made, expected.substr(0, made.size())) << side;
  }
  const Value& spiking = *report.find("spiking");
  EXPECT_EQ(*spiking.find("mac")->as_integer(), 0);
  EXPECT_GT(*spiking.find("ac")->as_integer(), 0);
  // 28 x 28 x 6 bytes raw; 14 x 14 x 8 bits as a bitmap: 48 / 8 times 4 less.
  const auto pictures = std::stoll(count);
  EXPECT_EQ(*spiking.find("raw_bytes")->as_integer(), 4704 * pictures);
  EXPECT_EQ(*spiking.find("bitmap_bytes")->as_integer(), 196 * pictures);
  // An index takes 11 bits, and the number of spikes four bytes.
  const auto bits = 11 * *spiking.find("spikes")->as_integer();
  EXPECT_GE(*spiking.find("address_bytes")->as_integer(), 4 * pictures + bits / 8);
  EXPECT_LE(*spiking.find("address_bytes")->as_integer(), 5 * pictures + bits / 8);
}

TEST_F(CliVision, NetworksForCifarDecideAsPyTorchDoesAndAccumulateOnlyBehindThePixels) {
  constexpr std::size_t kCount = 8;
  ASSERT_TRUE(write_made_up_pictures(path("made-up.npz"), kCount).ok());
  const auto weights = source_dir() / "models/vision/weights";
  const auto file = [&](const std::string& name) {
    return (weights / name / (name + ".sloom")).string();
  };
  const auto expected = [&](const std::string& name) {
    return read_whole(weights / name / "made-up.txt").substr(0, kCount);
  };
  for (const std::string name : {"cifar64", "cifar16", "cifar8", "cifar4"}) {
    const auto shown = run({"demo", "vision", "--json", "--all", "--show", "0", "--data",
                            "made-up.npz", "--model", file(name), "--dense", file("cifar-dense")});
    ASSERT_EQ(shown.code, cli::kExitOk) << shown.err;
    const Value report = shown.json();
    EXPECT_EQ(digits(*report.find("spiking")), expected(name)) << name;
    EXPECT_EQ(digits(*report.find("dense")), expected("cifar-dense")) << name;
    EXPECT_EQ(*report.find("spiking")->find("mac")->as_integer(), 0) << name;
    EXPECT_GT(*report.find("spiking")->find("ac")->as_integer(), 0) << name;
    // Raw: four samples of 12 bits a pixel; a bit an output.
    const auto channels = static_cast<std::int64_t>(std::stoi(name.substr(5)));
    const auto pictures = static_cast<std::int64_t>(kCount);
    EXPECT_EQ(*report.find("spiking")->find("raw_bytes")->as_integer(), 6144 * pictures);
    EXPECT_EQ(*report.find("spiking")->find("bitmap_bytes")->as_integer(),
              128 * channels * pictures);
  }
}

TEST_F(CliVision, EveryBackendAndThreadCountDecidesAlike) {
  REQUIRE_FASHION_MNIST();
  const auto decided = [&](std::vector<std::string> more) {
    std::vector<std::string> words = {"demo", "vision", "--json", "--count", "20"};
    words.insert(words.end(), more.begin(), more.end());
    const auto result = run(words);
    EXPECT_EQ(result.code, 0) << result.err;
    return digits(*result.json().find("spiking"));
  };
  const std::string one = decided({});
  EXPECT_EQ(one.size(), 20U);
  EXPECT_EQ(decided({"--backend", "reference"}), one);
  EXPECT_EQ(decided({"--threads", "2"}), one);
}

TEST_F(CliVision, DrawsPicturesSpikesAndVerdicts) {
  REQUIRE_FASHION_MNIST();
  for (const bool ascii : {false, true}) {
    std::vector<std::string> words = {"demo", "vision", "--show", "1", "--count", "10"};
    if (ascii) words.emplace_back("--ascii");
    const auto shown = run(words);
    ASSERT_EQ(shown.code, 0) << shown.err;
    for (const char* part : {"ankle boot", "spiking", "dense", "bitmap", "accumulates", "energy"}) {
      EXPECT_NE(shown.out.find(part), std::string::npos) << part;
    }
    const auto last = std::max_element(shown.out.begin(), shown.out.end(), [](char a, char b) {
      return static_cast<unsigned char>(a) < static_cast<unsigned char>(b);
    });
    EXPECT_EQ(static_cast<unsigned char>(*last) < 128, ascii);
  }
}

TEST_F(CliVision, NamesThePackageWhereThePicturesAreMissingAndRefusesOthers) {
  const auto missing = run({"demo", "vision", "--data", "nowhere"});
  EXPECT_NE(missing.code, 0);
  EXPECT_NE(missing.err.find("nowhere"), std::string::npos) << missing.err;
  if (!std::filesystem::exists(kFashionMnistFolder)) {
    const auto bare = run({"demo", "vision"});
    EXPECT_NE(bare.code, 0);
    EXPECT_NE(bare.err.find("apt-get install dataset-fashion-mnist"), std::string::npos);
  }
  const std::vector<std::uint8_t> bytes(2 * 5 * 4, 7), labels = {0, 9};
  ASSERT_TRUE(io::write_npz(path("small.npz"), {{"images", Tensor::of({2, 5, 4}, bytes)},
                                                {"labels", Tensor::of({2}, labels)}})
                  .ok());
  const auto small = run({"demo", "vision", "--data", "small.npz"});
  EXPECT_NE(small.code, 0);
  EXPECT_NE(small.err.find("28 x 28"), std::string::npos) << small.err;
  ASSERT_TRUE(io::write_npz(path("odd.npz"), {{"images", Tensor::of({2, 5, 4}, bytes)}}).ok());
  EXPECT_NE(run({"demo", "vision", "--data", "odd.npz"}).code, 0);
}

TEST_F(CliVision, ACurveOfRobustnessIsMeasuredAndDrawn) {
  REQUIRE_FASHION_MNIST();
  const auto measured = run({"sensors", "front-end-robustness", "weight-bits", "--count", "100",
                             "-o", "bits.svg", "--json"});
  ASSERT_EQ(measured.code, 0) << measured.err;
  const Value report = measured.json();
  const auto& points = *report.find("points")->as_list();
  ASSERT_EQ(points.size(), 7U);
  // 7 bits are those of the file: as PyTorch decided, against the labels.
  const auto pictures = read_labelled_pictures(kFashionMnistFolder);
  ASSERT_TRUE(pictures.ok());
  const std::string decisions = decisions_of("fashion");
  int right = 0;
  for (std::size_t i = 0; i < 100; ++i) right += decisions[i] - '0' == pictures->labels[i] ? 1 : 0;
  EXPECT_DOUBLE_EQ(points.front().find("accuracy")->number(), right / 100.0);
  EXPECT_LT(points.back().find("accuracy")->number(), right / 100.0) << "a bit and a sign";
  const std::string svg = read_whole(path("bits.svg"));
  EXPECT_TRUE(svg.starts_with("<svg"));
  EXPECT_NE(svg.find("polyline"), std::string::npos);
}

TEST_F(CliVision, TheTaskSuiteCountsItBesideTheSameLayersDense) {
  REQUIRE_FASHION_MNIST();
  const auto bench = run({"bench", "--task", "vision"});
  ASSERT_EQ(bench.code, 0) << bench.err;
  EXPECT_NE(bench.out.find("of 500 pictures"), std::string::npos) << bench.out;
  EXPECT_NE(bench.out.find("LOSES"), std::string::npos) << "by traffic: " << bench.out;
}

TEST(VisionModels, PixelsAreReadAndRefusedWhereTheyDoNotFit) {
  const auto model = fashion_model();
  ASSERT_TRUE(model.ok()) << model.error().message();
  const auto front_end = pixel_front_end(model->network);
  ASSERT_TRUE(front_end.ok()) << front_end.error().message();
  EXPECT_EQ(front_end->width, 28U);
  EXPECT_EQ(front_end->thresholds.size(), 8U);
  EXPECT_EQ(front_end->weights.size(), 8U * 27U);
  const auto dense = fashion_dense_model();
  ASSERT_TRUE(dense.ok());
  EXPECT_FALSE(has_pixel_front_end(dense->network));
  EXPECT_EQ(pixel_front_end(dense->network).error().code, ErrorCode::kNotFound);

  // Each entry taken away, or of a wrong shape.
  const auto& items = std::get<std::vector<MetadataItem>>(
      std::find_if(model->network.metadata().begin(), model->network.metadata().end(),
                   [](const MetadataItem& item) { return item.name == "front_end"; })
          ->value);
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (const bool remove : {true, false}) {
      Metadata changed = items;
      if (remove) {
        changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        changed[i].value = Tensor::of<double>({2}, {3.0, 4.0});
      }
      NetworkBuilder builder;
      builder.add("in", node::Input{shape_tensor({8, 14, 14})});
      builder.set_metadata({{"front_end", changed}});
      const auto network = std::move(builder).build();
      ASSERT_TRUE(network.ok());
      EXPECT_FALSE(pixel_front_end(*network).ok()) << items[i].name << " " << remove;
    }
  }
  NetworkBuilder builder;
  builder.add("in", node::Input{shape_tensor({8, 14, 15})});
  builder.set_metadata({{"front_end", items}});
  EXPECT_EQ(pixel_front_end(*std::move(builder).build()).error().code, ErrorCode::kShape);
}

TEST(ShadePicture, ShadesBitsAndBlocks) {
  const std::vector<float> light = {0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1};
  EXPECT_EQ(cli::draw_shades(light, 2, 2, true), (std::vector<std::string>{" @"}));
  EXPECT_EQ(cli::draw_shades(light, 2, 2, false), (std::vector<std::string>{" █"}));
  const std::vector<std::uint8_t> bits = {1, 0, 1, 0, 1, 1};
  EXPECT_EQ(cli::draw_bits(bits, 3, 2, true), (std::vector<std::string>{"++"}));
  EXPECT_EQ(cli::draw_bits(bits, 3, 2, false), (std::vector<std::string>{"⠑⠃"}));
  EXPECT_EQ(cli::side_by_side({{"a", "bc"}, {"█"}, {"d", "e"}}, 1),
            (std::vector<std::string>{"a  █ d", "bc   e"}));
}

}  // namespace
}  // namespace spikeloom::test
