#include "cli/sample.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cli/event_flags.hpp"
#include "models/detail/file_kind.hpp"
#include "models/tensors/tensor_file.hpp"
#include "sensors/recording_io.hpp"
#include "sensors/spike_tensor.hpp"

namespace spikeloom::cli {
namespace {

using detail::FileKind;

/// Codings that take one array without a time axis and spread it over the steps.
bool spreads_static_arrays(Coding coding) {
  return coding == Coding::kRate || coding == Coding::kLatency;
}

std::string file_name(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

bool is_event_columns(const std::string& columns) {
  return !columns.empty() && columns.find_first_not_of("txyp-") == std::string::npos &&
         columns.find('t') != std::string::npos;
}

bool is_event_header(const std::vector<std::string>& names) {
  const auto starts = [&](std::string_view start) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return name == start || (start == "t" && name.starts_with("t"));
    });
  };
  return starts("t") && starts("x");
}

/// Whether a text file is a table of values over time rather than a list of events.
bool is_text_table(const InputFlags& flags, std::string_view head, std::int64_t elements) {
  if (!flags.columns.empty()) return !is_event_columns(flags.columns);
  const TableHead table = table_head(head);
  if (!table.names.empty()) return !is_event_header(table.names);
  return static_cast<std::int64_t>(table.columns) == elements;
}

bool is_array_kind(FileKind kind) {
  return kind == FileKind::kNpy || kind == FileKind::kIdx || kind == FileKind::kNpz ||
         kind == FileKind::kTorchZip || kind == FileKind::kTorchPickle ||
         kind == FileKind::kSafetensors;
}

/// What no event format begins with, unless the file's name says that it is one.
bool is_no_recording(FileKind kind) {
  return kind == FileKind::kEmpty || kind == FileKind::kZip || kind == FileKind::kPickle;
}

/// Data and, if there are any, labels of a file of tensors.
struct LabelledArray {
  Tensor data;
  std::optional<std::vector<std::int64_t>> labels;
};

std::string tensor_list(const TensorFile& file) {
  std::string list;
  for (const NamedTensor& tensor : file.tensors) {
    list += fmt::format("{}'{}' {}", list.empty() ? "" : ", ", tensor.name,
                        to_string(tensor.tensor.shape()));
  }
  return list.empty() ? "no tensors" : list;
}

/// True for (N) and (N, 1) of whole numbers.
bool may_be_labels(const Tensor& tensor, std::int64_t samples) {
  const bool shape = (tensor.rank() == 1 || (tensor.rank() == 2 && tensor.dim(1) == 1)) &&
                     tensor.dim(0) == samples;
  return shape && tensor.to_integers().ok();
}

Result<LabelledArray> take_apart(const TensorFile& file, const std::string& path) {
  if (file.tensors.size() == 1) return LabelledArray{file.tensors[0].tensor, std::nullopt};
  if (file.tensors.size() == 2) {
    for (const std::size_t data : {std::size_t{0}, std::size_t{1}}) {
      const Tensor& array = file.tensors[data].tensor;
      const Tensor& other = file.tensors[1 - data].tensor;
      if (array.rank() < 2 || !may_be_labels(other, array.dim(0)) ||
          (may_be_labels(array, array.dim(0)) && data == 1)) {
        continue;
      }
      SPIKELOOM_TRY(auto labels, other.to_integers());
      return LabelledArray{array, std::move(labels)};
    }
  }
  return Error{.code = ErrorCode::kAmbiguous,
               .what = "this file does not say which of its tensors is the input",
               .where = path,
               .expected = "one tensor, or two: (samples, time, features...) and labels (samples)",
               .got = tensor_list(file),
               .next = "save the input alone, e.g. as .npy"};
}

Status add_array(const std::string& path, const InputFlags& flags, LabelledArray array,
                 std::vector<SampleRef>& samples) {
  const std::size_t sample_axis = flags.axes.find_first_of("nb");
  const bool has_samples =
      flags.samples || array.labels.has_value() || sample_axis != std::string::npos;
  SampleRef sample;
  sample.name = file_name(path);
  sample.path = path;
  sample.array = array.data;
  sample.axes = flags.axes;
  if (!has_samples) {
    samples.push_back(std::move(sample));
    return {};
  }
  const std::size_t axis = sample_axis == std::string::npos ? 0 : sample_axis;
  if (array.data.rank() <= axis) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the array has no axis of samples",
                 .where = path,
                 .got = to_string(array.data.shape())};
  }
  if (array.data.dim(axis) == 0) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "the array holds no samples",
                 .where = path,
                 .got = to_string(array.data.shape())};
  }
  if (sample_axis == std::string::npos && !flags.axes.empty()) sample.axes = "n" + flags.axes;
  for (std::int64_t i = 0; i < array.data.dim(axis); ++i) {
    SampleRef one = sample;
    one.name = fmt::format("{}[{}]", sample.name, i);
    one.index = i;
    if (array.labels) one.label = (*array.labels)[static_cast<std::size_t>(i)];
    samples.push_back(std::move(one));
  }
  return {};
}

/// A file that is whole but has nothing to run; with a number of steps it is followed by silence.
Error holds_nothing(const char* what) {
  return Error{.code = ErrorCode::kFormat,
               .what = what,
               .expected = "at least one step of input",
               .next = "record it again, or give --steps N to run in silence"};
}

/// The slice `index` of the first axis.
Result<Tensor> slice(const Tensor& array, std::int64_t index) {
  const Shape shape(array.shape().begin() + 1, array.shape().end());
  SPIKELOOM_TRY(const std::int64_t count, element_count(shape));
  const std::size_t bytes = static_cast<std::size_t>(count) * size_of(array.dtype());
  const auto part = array.bytes().subspan(static_cast<std::size_t>(index) * bytes, bytes);
  return Tensor::from_bytes(array.dtype(), shape, {part.begin(), part.end()});
}

/// One sample's array, time first.
Result<Tensor> sample_array(const SampleRef& sample) {
  if (!sample.axes.empty()) {
    return arrange_spike_tensor(*sample.array, {.axes = sample.axes, .sample = sample.index});
  }
  if (sample.index) return slice(*sample.array, *sample.index);
  return *sample.array;
}

/// Pixels of 8 bits as values from 0 to 1.
Tensor as_fractions(const Tensor& array) {
  std::vector<double> values = array.to_doubles();
  for (double& value : values) value /= 255.0;
  return Tensor::of<double>(array.shape(), values);
}

Result<CodedSample> code_array(const SampleRef& sample, const CodingContext& context) {
  CodedSample coded;
  SPIKELOOM_TRY(const std::int64_t elements, element_count(context.shape));
  const bool is_static = spreads_static_arrays(context.coding.coding);
  if (is_static) {
    SampleRef plain = sample;
    plain.axes.clear();
    SPIKELOOM_TRY(Tensor array, sample_array(plain));
    if (array.dtype() == DType::kUInt8) {
      coded.notes.emplace_back("8-bit values are taken as fractions of 255");
      array = as_fractions(array);
    }
    if (!context.steps) {
      return Error{.code = ErrorCode::kAmbiguous,
                   .what = fmt::format("the coding '{}' needs a number of steps",
                                       to_string(context.coding.coding)),
                   .next = "give --steps N or --duration T"};
    }
    SPIKELOOM_TRY(coded.input,
                  code_static(array, context.shape, *context.steps, context.coding, context.seed));
    return coded;
  }
  SPIKELOOM_TRY(const Tensor array, sample_array(sample));
  if (array.size() == 0 && !context.steps) {
    return holds_nothing("the array holds no values");
  }
  const bool has_time = array.rank() > 0 && array.size() == array.dim(0) * elements;
  if (!has_time && array.size() == elements && context.steps && sample.axes.empty()) {
    coded.notes.push_back("an array without a time axis: repeated at every step");
    SPIKELOOM_TRY(coded.input,
                  code_static(array, context.shape, *context.steps, context.coding, context.seed));
    return coded;
  }
  SPIKELOOM_TRY(coded.input, code_sequence(array, context.shape, context.coding));
  return coded;
}

Status check_size(const Recording& recording, const Shape& shape) {
  if (recording.width == 0 || shape.size() < 2) return {};
  const auto rows = shape[shape.size() - 2];
  const auto columns = shape[shape.size() - 1];
  if (rows == recording.height && columns == recording.width) return {};
  return Error{.code = ErrorCode::kShape,
               .what = "the recording is of another sensor size than the network's input",
               .expected = fmt::format("{} x {} pixels, as the input {} has", columns, rows,
                                       to_string(shape)),
               .got = fmt::format("{} x {}", recording.width, recording.height),
               .next = "give a recording of the size the network was trained with"};
}

/// Where the file does not say it and no filter changes it, the sensor's size is the input's.
Status filter(const FilterFlags& filters, const Shape& shape, Recording& recording) {
  const bool keeps_size = filters.region.empty() && filters.downsample <= 1;
  if (filters.any() && recording.width == 0 && keeps_size && shape.size() >= 2) {
    recording.height = static_cast<std::uint32_t>(shape[shape.size() - 2]);
    recording.width = static_cast<std::uint32_t>(shape[shape.size() - 1]);
  }
  return filter_recording(filters, recording);
}

Result<CodedSample> code_events(const SampleRef& sample, const InputFlags& flags,
                                const CodingContext& context) {
  ReadOptions options;
  options.format = sample.event_format;
  options.lenient = flags.lenient;
  options.unsorted = flags.unsorted;
  options.columns = flags.columns;
  SPIKELOOM_TRY(options.time_unit, parse_event_time_unit(flags.event_time_unit));
  SPIKELOOM_TRY(ReadRecording read, read_recording(sample.path, options));
  CodedSample coded;
  coded.notes = read.report.warnings();
  SPIKELOOM_CHECK(filter(flags.filters, context.shape, read.recording));
  SPIKELOOM_CHECK(check_size(read.recording, context.shape));
  const EventPacket& events = read.recording.events;
  if (events.size() == 0 && !context.steps) return holds_nothing("the recording holds no events");
  SPIKELOOM_TRY(coded.input, code_recording({events.time, events.x, events.y, events.polarity},
                                            context.shape, context.step, context.coding));
  return coded;
}

}  // namespace

Result<std::vector<SampleRef>> list_samples(const InputFlags& flags, std::int64_t elements) {
  std::vector<SampleRef> samples;
  for (const std::string& path : flags.files) {
    SPIKELOOM_TRY(const auto start, detail::read_start(path));
    const FileKind kind = detail::identify(start);
    const std::string_view head(reinterpret_cast<const char*>(start.data()), start.size());
    const bool automatic = flags.format == "auto";
    const bool table =
        kind == FileKind::kText &&
        (flags.format == "array" || (automatic && is_text_table(flags, head, elements)));
    const bool event_array = kind == FileKind::kNpy && automatic &&
                             (is_event_columns(flags.columns) || npy_holds_fields(start));
    if (table) {
      SPIKELOOM_TRY(Tensor values, read_table(path, flags.columns));
      SPIKELOOM_CHECK(add_array(path, flags, {std::move(values), std::nullopt}, samples));
    } else if (is_array_kind(kind) && !event_array && (automatic || flags.format == "array")) {
      SPIKELOOM_TRY(const TensorFile file, read_tensor_file(path));
      SPIKELOOM_TRY(auto array, take_apart(file, path));
      InputFlags taken = flags;
      // IDX files hold images, one after the other.
      if (kind == FileKind::kIdx && flags.axes.empty()) taken.samples = true;
      SPIKELOOM_CHECK(add_array(path, taken, std::move(array), samples));
    } else if (kind == FileKind::kHdf5) {
      SPIKELOOM_TRY(const bool events, hdf5_holds_events(path));
      if (events) {
        SampleRef sample;
        sample.name = file_name(path);
        sample.path = path;
        sample.is_events = true;
        samples.push_back(std::move(sample));
        continue;
      }
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "this is an HDF5 file, which is no input that is read yet",
                   .where = path,
                   .next = "give event files, .npy, .npz, .csv or .pt"};
    } else if (flags.format == "array") {
      return Error{.code = ErrorCode::kFormat,
                   .what = fmt::format("this is {}, not an array", detail::describe(kind)),
                   .where = path};
    } else if (automatic && is_no_recording(kind) && !detect_event_codec(start, path).ok()) {
      return Error{.code = ErrorCode::kFormat,
                   .what = fmt::format("this is {}, not an input", detail::describe(kind)),
                   .where = path,
                   .expected = "events, or an array (.npy, .npz, .csv, .pt, .safetensors)",
                   .next = "get the file again, or export what is in it"};
    } else {
      SampleRef sample;
      sample.name = file_name(path);
      sample.path = path;
      sample.is_events = true;
      if (!automatic && flags.format != "events") sample.event_format = flags.format;
      samples.push_back(std::move(sample));
    }
  }
  if (!flags.labels.empty()) {
    SPIKELOOM_TRY(const Labels labels, read_labels(flags.labels));
    SPIKELOOM_CHECK(assign_labels(labels, flags.labels, samples));
  }
  return samples;
}

Result<CodedSample> code_sample(const SampleRef& sample, const InputFlags& flags,
                                const CodingContext& context) {
  auto coded = sample.is_events ? code_events(sample, flags, context) : code_array(sample, context);
  if (coded.ok() || coded.error().where.find(sample.path) != std::string::npos) return coded;
  return std::move(coded).error().in(sample.path);
}

}  // namespace spikeloom::cli
