/// Events in HDF5, in two layouts:
///
///     columns   datasets x, y, p and t (or polarity; ts, timestamps) of one length, in the group
///               "events" or in the root; integer times are microseconds unless a unit is given.
///               This is what is written, with the attributes width and height of the group.
///     spikes    the Heidelberg datasets SHD and SSC (zenkelab.org): "spikes/times" and
///               "spikes/units", variable-length sequences in seconds, one recording an element;
///               the unit is x, y is 0, the polarity 1
///
/// The file is held in memory as a whole, reading and writing. Metavision's HDF5 packs its events
/// with a filter of its own, which is not read.

#include "base/io/hdf5.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "sensors/detail/codecs.hpp"
#include "sensors/detail/event_numbers.hpp"
#include "sensors/detail/event_rules.hpp"
#include "sensors/detail/event_text.hpp"
#include "sensors/detail/write_rules.hpp"

namespace spikeloom::detail {
namespace {

/// The columns of a recording, of one length; y and p may be missing.
struct Columns {
  Numbers t, x;
  std::optional<Numbers> y, p;
  std::size_t events = 0;
  std::int64_t unit_ns = 1;
  const char* place = "events";
};

class Hdf5Decoder final : public EventDecoder {
 public:
  explicit Hdf5Decoder(const ReadOptions& options) : options_(options), rules_(options) {
    facts_.width = options.width;
    facts_.height = options.height;
  }

  Status feed(std::span<const std::byte> bytes, EventPacket&) override {
    file_.insert(file_.end(), bytes.begin(), bytes.end());
    return {};
  }

  Status finish(EventPacket& out) override {
    SPIKELOOM_TRY(const auto file, io::Hdf5File::open_bytes(file_, "HDF5"));
    SPIKELOOM_TRY(const Columns columns, read(file.root()));
    for (std::size_t i = 0; i < columns.events; ++i) SPIKELOOM_CHECK(event(columns, i, out));
    facts_.valid_bytes = file_.size();
    return {};
  }

 private:
  Result<Columns> read(const io::Hdf5Group& root) {
    if (root.kind("spikes") == io::Hdf5Kind::kGroup) {
      SPIKELOOM_TRY(const auto spikes, root.group("spikes"));
      return read_spikes(spikes);
    }
    if (root.kind("events") == io::Hdf5Kind::kGroup) {
      SPIKELOOM_TRY(const auto events, root.group("events"));
      return read_columns(events);
    }
    if (root.has("CD")) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "Metavision's HDF5 packs events with a filter of its own (ECF, 36559)",
                   .next = "convert it to RAW or CSV with Metavision's tools"};
    }
    return read_columns(root);
  }

  Result<Columns> read_spikes(const io::Hdf5Group& spikes) {
    SPIKELOOM_TRY(const Shape shape, spikes.shape("times"));
    const std::int64_t count = shape.size() == 1 ? shape[0] : -1;
    if (!options_.sample && count != 1) {
      return Error{.code = ErrorCode::kAmbiguous,
                   .what = "the file holds many recordings",
                   .where = spikes.path(),
                   .got = to_string(shape),
                   .next = "say which: --sample-number N, from 0"};
    }
    const std::uint64_t sample = options_.sample.value_or(0);
    Columns columns;
    SPIKELOOM_TRY(const Tensor times, spikes.read_sequence("times", sample));
    SPIKELOOM_TRY(const Tensor units, spikes.read_sequence("units", sample));
    SPIKELOOM_TRY(columns.t, Numbers::of(times));
    SPIKELOOM_TRY(columns.x, Numbers::of(units));
    columns.events = static_cast<std::size_t>(times.size());
    columns.unit_ns = kSecond;
    columns.place = "spike";
    if (times.size() != units.size()) return other_length("units", units.size(), times.size());
    return columns;
  }

  Result<Columns> read_columns(const io::Hdf5Group& group) {
    Columns columns;
    SPIKELOOM_TRY(const auto t, column(group, {"t", "ts", "timestamps", "time"}, -1));
    if (!t) return missing(group, "t");
    columns.events = static_cast<std::size_t>(t->size());
    SPIKELOOM_TRY(const auto x, column(group, {"x"}, t->size()));
    if (!x) return missing(group, "x");
    SPIKELOOM_TRY(columns.t, Numbers::of(*t));
    SPIKELOOM_TRY(columns.x, Numbers::of(*x));
    SPIKELOOM_TRY(const auto y, column(group, {"y"}, t->size()));
    SPIKELOOM_TRY(const auto p, column(group, {"p", "polarity", "polarities"}, t->size()));
    if (y) {
      SPIKELOOM_TRY(columns.y, Numbers::of(*y));
    }
    if (p) {
      SPIKELOOM_TRY(columns.p, Numbers::of(*p));
    }
    if (options_.time_unit == EventTimeUnit::kAuto && columns.t.is_real()) {
      return Error{.code = ErrorCode::kAmbiguous,
                   .what = "real numbers do not say their unit of time",
                   .where = group.path(),
                   .next = "give the unit of time"};
    }
    columns.unit_ns =
        nanoseconds(options_.time_unit == EventTimeUnit::kAuto ? EventTimeUnit::kMicroseconds
                                                               : options_.time_unit);
    SPIKELOOM_CHECK(take_size(group));
    return columns;
  }

  static Error missing(const io::Hdf5Group& group, const char* name) {
    return {.code = ErrorCode::kFormat,
            .what = fmt::format("no dataset {}", name),
            .where = group.path(),
            .expected = "events/x, y, p and t, or spikes/times and units"};
  }
  static Error other_length(const char* name, std::int64_t got, std::int64_t wanted) {
    return {.code = ErrorCode::kFormat,
            .what = fmt::format("the dataset {} is of another length than the times", name),
            .expected = fmt::format("{}", wanted),
            .got = fmt::format("{}", got)};
  }

  /// The dataset of one of these names; of `length` elements if that is not -1.
  static Result<std::optional<Tensor>> column(const io::Hdf5Group& group,
                                              std::initializer_list<const char*> names,
                                              std::int64_t length) {
    for (const char* name : names) {
      if (group.kind(name) != io::Hdf5Kind::kDataset) continue;
      SPIKELOOM_TRY(Tensor tensor, group.read_tensor(name));
      if (tensor.rank() != 1 || (length >= 0 && tensor.size() != length)) {
        return other_length(name, tensor.size(), length);
      }
      return std::optional<Tensor>(std::move(tensor));
    }
    return std::optional<Tensor>();
  }

  Status take_size(const io::Hdf5Group& group) {
    const auto width = group.attribute("width");
    const auto height = group.attribute("height");
    if (!width.ok() || !height.ok()) return {};
    const auto* w = width->as_integer();
    const auto* h = height->as_integer();
    if (w == nullptr || h == nullptr || *w < 1 || *h < 1 || *w > 65536 || *h > 65536) {
      return Error{.code = ErrorCode::kFormat, .what = "not a sensor size", .where = group.path()};
    }
    facts_.width = static_cast<std::uint32_t>(*w);
    facts_.height = static_cast<std::uint32_t>(*h);
    return rules_.declare_size(facts_.width, facts_.height, group.path());
  }

  Status event(const Columns& columns, std::size_t i, EventPacket& out) {
    const std::string row = fmt::format("{} {}", columns.place, i);
    const auto time = columns.t.time(i, columns.unit_ns);
    const auto x = columns.x.integer(i);
    const auto y = columns.y ? columns.y->integer(i) : std::optional<std::int64_t>(0);
    const auto p = columns.p ? columns.p->integer(i) : std::optional<std::int64_t>(1);
    if (!time || !x || !y || !p || *x < 0 || *x > 65535 || *y < 0 || *y > 65535 || *p < -1 ||
        *p > 1) {
      return Error{
          .code = ErrorCode::kFormat,
          .what = "not an event",
          .where = "row of " + row,
          .expected = "a time of 64-bit nanoseconds, x and y from 0 to 65535, p from -1 to 1"};
    }
    const auto px = static_cast<std::uint16_t>(*x);
    const auto py = static_cast<std::uint16_t>(*y);
    if (!rules_.allows(*time, px, py)) return rules_.explain(*time, px, py, "row of " + row);
    rules_.accept(*time);
    out.push_back(*time, px, py, *p > 0 ? 1 : 0);
    return {};
  }

  ReadOptions options_;
  EventRules rules_;
  std::vector<std::byte> file_;
};

class Hdf5Encoder final : public EventEncoder {
 public:
  explicit Hdf5Encoder(const WriteOptions& options)
      : options_(options), rules_(any_time_limits("hdf5"), options) {}

  Status encode(const EventPacket& events, std::vector<std::byte>&) override {
    WriteRules rules = rules_;
    std::vector<std::int64_t> us(events.size());
    for (std::size_t i = 0; i < events.size(); ++i) {
      SPIKELOOM_TRY(us[i], rules.take(events, i));
    }
    rules_ = rules;
    t_.insert(t_.end(), us.begin(), us.end());
    x_.insert(x_.end(), events.x.begin(), events.x.end());
    y_.insert(y_.end(), events.y.begin(), events.y.end());
    p_.insert(p_.end(), events.polarity.begin(), events.polarity.end());
    return {};
  }

  Status finish(std::vector<std::byte>& out) override {
    SPIKELOOM_TRY(auto file, io::Hdf5Writer::create_in_memory());
    SPIKELOOM_TRY(auto group, file.root().create_group("events"));
    const Shape shape = {static_cast<std::int64_t>(t_.size())};
    constexpr auto kDeflate = io::Hdf5Compression::kDeflate;
    SPIKELOOM_CHECK(group.write_tensor("t", Tensor::of<std::int64_t>(shape, t_), kDeflate));
    SPIKELOOM_CHECK(group.write_tensor("x", Tensor::of<std::uint16_t>(shape, x_), kDeflate));
    SPIKELOOM_CHECK(group.write_tensor("y", Tensor::of<std::uint16_t>(shape, y_), kDeflate));
    SPIKELOOM_CHECK(group.write_tensor("p", Tensor::of<std::uint8_t>(shape, p_), kDeflate));
    if (options_.width != 0) {
      SPIKELOOM_CHECK(group.write_attribute("width", Value(std::int64_t{options_.width})));
      SPIKELOOM_CHECK(group.write_attribute("height", Value(std::int64_t{options_.height})));
    }
    SPIKELOOM_TRY(const auto bytes, file.take());
    out.insert(out.end(), bytes.begin(), bytes.end());
    losses_ = rules_.losses(true);
    return {};
  }

 private:
  WriteOptions options_;
  WriteRules rules_;
  std::vector<std::int64_t> t_;
  std::vector<std::uint16_t> x_, y_;
  std::vector<std::uint8_t> p_;
};

}  // namespace

EventCodec hdf5_codec() {
  EventCodec codec;
  codec.name = "hdf5";
  codec.description = "HDF5: columns x, y, p, t, or SHD's spikes";
  codec.extensions = {"h5", "hdf5"};
  codec.match = [](std::span<const std::byte> head) {
    return io::looks_like_hdf5(head) ? Match::kLikely : Match::kNo;
  };
  codec.make_decoder = [](const ReadOptions& options) -> Result<std::unique_ptr<EventDecoder>> {
    return std::unique_ptr<EventDecoder>(std::make_unique<Hdf5Decoder>(options));
  };
  codec.make_encoder = [](const WriteOptions& options) -> Result<std::unique_ptr<EventEncoder>> {
    return std::unique_ptr<EventEncoder>(std::make_unique<Hdf5Encoder>(options));
  };
  return codec;
}

}  // namespace spikeloom::detail
