#include "cli/picture_network.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace spikeloom::cli {
namespace {

Error not_a_picture_network(const LoadedModel& model, std::string expected, std::string got) {
  return Error{.code = ErrorCode::kShape,
               .what = "this network does not look at pictures",
               .where = model.report.file,
               .expected = std::move(expected),
               .got = std::move(got)};
}

/// The non-zero values as events of one step.
struct Events {
  std::vector<std::uint32_t> index;
  std::vector<double> value;
};

template <typename Values>
Events events_of(const Values& values) {
  Events events;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] == 0) continue;
    events.index.push_back(static_cast<std::uint32_t>(i));
    events.value.push_back(static_cast<double>(values[i]));
  }
  return events;
}

}  // namespace

Result<PictureNetwork> PictureNetwork::open(const LoadedModel& model,
                                            const PictureRequest& request) {
  PictureNetwork made;
  PipelineRequest pipeline;
  pipeline.flags = request.run;
  pipeline.threads = request.threads;
  pipeline.record_outputs = false;
  SPIKELOOM_TRY(made.pipeline_, make_pipeline(model, pipeline));
  const Program& program = made.pipeline_.program();
  const Shape shape = made.pipeline_.input_shape();
  const bool fits = shape.size() == 3 && program.outputs.size() == 1 &&
                    program.nodes[program.outputs.front()].inputs.size() == 1;
  if (!fits) {
    return not_a_picture_network(
        model, "one input (channels, rows, columns) and one output behind one node",
        to_string(shape));
  }
  made.scores_ = program.nodes[program.outputs.front()].inputs.front().source;
  if (has_pixel_front_end(model.network)) {
    SPIKELOOM_TRY(made.front_end_, pixel_front_end(model.network));
    PixelConvolutionOptions options = made.front_end_->options;
    options.weight_bits = request.flaws.weight_bits;
    options.mismatch = request.flaws.mismatch;
    options.read_noise = request.flaws.read_noise * request.sum_deviation;
    options.seed = request.flaws.seed;
    SPIKELOOM_TRY(made.pixels_, make_pixels(*made.front_end_, options));
    made.width_ = made.front_end_->width;
    made.height_ = made.front_end_->height;
  } else if (shape[0] == 1 || shape[0] == 3) {
    made.colours_ = static_cast<std::uint32_t>(shape[0]);
    made.height_ = static_cast<std::uint32_t>(shape[1]);
    made.width_ = static_cast<std::uint32_t>(shape[2]);
  } else {
    return not_a_picture_network(model, "pixels in its file, or 1 or 3 colours", to_string(shape));
  }
  SPIKELOOM_TRY(made.session_, made.pipeline_.executable->open());
  return made;
}

Result<PictureDecision> PictureNetwork::decide(const LabelledPictures& pictures,
                                               std::size_t picture) {
  const bool fits = pictures.width == width_ && pictures.height == height_ &&
                    (has_pixels() || pictures.colours == colours_) && picture < pictures.size();
  if (!fits) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the network looks at other pictures",
                 .where = pictures.name,
                 .expected = fmt::format("{} x {}", width_, height_),
                 .got = fmt::format("{} x {}, {} colours, picture {} of {}", pictures.width,
                                    pictures.height, pictures.colours, picture, pictures.size())};
  }
  PictureDecision decision;
  Events events;
  if (has_pixels()) {
    SPIKELOOM_TRY(const auto sums, pixels_->sums(pictures.light(picture), picture));
    SPIKELOOM_TRY(decision.spikes, pixels_->spikes(sums, front_end_->thresholds));
    events = events_of(decision.spikes->spikes);
  } else {
    events = events_of(pictures.planes(picture));
  }
  const Time now = session_->steps_done() * session_->step_time();
  const std::vector<Time> time(events.index.size(), now);
  SPIKELOOM_CHECK(session_->push(0, *pipeline_.port, {time, events.index, events.value}));
  SPIKELOOM_CHECK(session_->advance(now + session_->step_time()));
  const ProgramNode& node = pipeline_.program().nodes[scores_];
  decision.scores.resize(static_cast<std::size_t>(node.out_size));
  SPIKELOOM_CHECK(session_->latest(0, scores_, decision.scores));
  decision.best = static_cast<std::size_t>(
      std::max_element(decision.scores.begin(), decision.scores.end()) - decision.scores.begin());
  return decision;
}

Result<double> sum_deviation(const PixelFrontEnd& front_end, const LabelledPictures& pictures,
                             std::size_t count) {
  SPIKELOOM_TRY(const auto pixels, make_pixels(front_end, front_end.options));
  std::vector<double> sum(pixels.channels()), squares(pixels.channels());
  std::size_t plane = 0;
  const std::size_t looked = std::min(count, pictures.size());
  for (std::size_t picture = 0; picture < looked; ++picture) {
    SPIKELOOM_TRY(const auto sums, pixels.sums(pictures.light(picture)));
    plane = sums.size() / pixels.channels();
    for (std::size_t i = 0; i < sums.size(); ++i) {
      sum[i / plane] += sums[i];
      squares[i / plane] += static_cast<double>(sums[i]) * sums[i];
    }
  }
  const auto n = static_cast<double>(std::max<std::size_t>(looked * plane, 1));
  double variance = 0.0;
  for (std::size_t c = 0; c < sum.size(); ++c) {
    variance += squares[c] / n - sum[c] / n * (sum[c] / n);
  }
  return std::sqrt(variance / static_cast<double>(sum.size()));
}

}  // namespace spikeloom::cli
