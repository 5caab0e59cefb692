#pragma once
/// Recordings and arrays on their way into a network: files, samples, labels.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/tensor.hpp"
#include "cli/run_flags.hpp"
#include "snn/input_coding.hpp"

namespace spikeloom::cli {

/// One thing to run: a file of events (read when its turn comes), or an array of one sample.
struct SampleRef {
  std::string name;  ///< the file's name; with several samples in a file "name[3]"
  std::string path;
  bool is_events = false;
  std::string event_format;           ///< a codec's name; empty: by content
  std::optional<Tensor> array;        ///< as the file has it, all samples
  std::optional<std::int64_t> index;  ///< which one, where the array has a sample axis
  std::string axes;                   ///< of `array`
  std::optional<std::int64_t> label;
};

/// Lists the samples of all files. Arrays are read here, events later. `elements`: of the network's
/// input; a headerless CSV table with that many columns is an array.
///
/// A file with a tensor (samples, time, features...) and an integer tensor of as many labels
/// (PyTorch, .npz, safetensors) is taken apart; labels from `flags.labels` come on top.
Result<std::vector<SampleRef>> list_samples(const InputFlags& flags, std::int64_t elements);

/// What a step is worth, for code_sample.
struct CodingContext {
  Shape shape;    ///< of the Input node
  Time step = 0;  ///< ns; 0 while dt is unknown
  InputCoding coding;
  std::optional<std::int64_t> steps;  ///< for codings that spread a static array
  std::uint64_t seed = 0;
};

struct CodedSample {
  CodedInput input;
  std::vector<std::string> notes;
};

/// Reads (events) and codes one sample.
Result<CodedSample> code_sample(const SampleRef& sample, const InputFlags& flags,
                                const CodingContext& context);

/// Right answers by name, or in order.
struct Labels {
  std::map<std::string, std::int64_t> by_name;
  std::vector<std::int64_t> in_order;
};

/// Lines "name label" ('#' starts a comment; blanks or a comma between), or one label a line in
/// the order of the inputs; or a one-dimensional integer .npy.
Result<Labels> read_labels(const std::string& path);

/// Gives every sample its label. By name: the file's name, with or without its ending. kShape: as
/// many labels as samples are needed when they come in order. kNotFound: a sample without one.
Status assign_labels(const Labels& labels, const std::string& path,
                     std::vector<SampleRef>& samples);

/// A table of numbers separated by commas, semicolons or blanks; the first line may hold names.
/// `columns`: which to take, by number (from 0) or name, separated by commas; empty: all.
Result<Tensor> read_table(const std::string& path, const std::string& columns);

/// What the beginning of a text table looks like.
struct TableHead {
  std::vector<std::string> names;  ///< of the header; empty without one
  std::size_t columns = 0;
};
TableHead table_head(std::string_view text);

}  // namespace spikeloom::cli
