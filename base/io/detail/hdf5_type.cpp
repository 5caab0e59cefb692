#include "base/io/detail/hdf5_type.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "base/io/half.hpp"

namespace spikeloom::io::detail {
namespace {

constexpr unsigned kInteger = 0, kFloat = 1, kText = 3, kCompound = 6, kEnum = 8, kVariable = 9;

struct Header {
  unsigned kind = 0, version = 0;
  std::uint32_t bits = 0;
  std::size_t size = 0;
};

Header parse_header(Cursor& cursor) {
  Header header;
  const unsigned first = cursor.u8();
  header.kind = first & 0xf;
  header.version = first >> 4;
  header.bits = static_cast<std::uint32_t>(cursor.uint(3));
  header.size = cursor.u32();
  return header;
}

void parse_integer(const Header& header, Cursor& cursor, Hdf5Type& type) {
  const bool is_signed = (header.bits & 8) != 0;
  const std::size_t first_bit = cursor.u16();
  const std::size_t precision = cursor.u16();
  type.swapped = (header.bits & 1) != 0 && header.size > 1;
  type.words = fmt::format("{}{}int{}", type.swapped ? "big-endian " : "", is_signed ? "" : "u",
                           header.size * 8);
  if (first_bit != 0 || precision != header.size * 8) {
    type.words += fmt::format(" with {} bits used", precision);
    return;
  }
  type.kind = Hdf5Type::Kind::kNumber;
  switch (header.size) {
    case 1:
      type.dtype = is_signed ? DType::kInt8 : DType::kUInt8;
      return;
    case 2:
      type.dtype = is_signed ? DType::kInt16 : DType::kUInt16;
      return;
    case 4:
      type.dtype = is_signed ? DType::kInt32 : DType::kUInt32;
      return;
    case 8:
      type.dtype = is_signed ? DType::kInt64 : DType::kUInt64;
      return;
    default:
      type.kind = Hdf5Type::Kind::kOther;
  }
}

/// Only IEEE layouts: every bit used, sign on top, the standard exponent and bias.
void parse_float(const Header& header, Cursor& cursor, Hdf5Type& type) {
  type.swapped = (header.bits & 1) != 0;
  type.words = fmt::format("{}float{}", type.swapped ? "big-endian " : "", header.size * 8);
  const unsigned sign_at = header.bits >> 8 & 0xff;
  const unsigned first_bit = cursor.u16(), precision = cursor.u16();
  const unsigned exponent_at = cursor.u8(), exponent_bits = cursor.u8();
  const unsigned fraction_at = cursor.u8(), fraction_bits = cursor.u8();
  const std::uint32_t bias = cursor.u32();
  const auto layout = [&](unsigned size, unsigned exponent, unsigned fraction) {
    return header.size == size && precision == size * 8 && sign_at == size * 8 - 1 &&
           exponent_at == fraction && exponent_bits == exponent && fraction_bits == fraction &&
           bias == (1u << (exponent - 1)) - 1;
  };
  const bool vax = (header.bits & 0x40) != 0;
  const bool implied = (header.bits >> 4 & 3) == 2;
  const bool plain = !vax && implied && first_bit == 0 && fraction_at == 0;
  if (plain && layout(2, 5, 10)) {
    type.kind = Hdf5Type::Kind::kHalf;
    type.dtype = DType::kFloat32;
  } else if (plain && layout(4, 8, 23)) {
    type.kind = Hdf5Type::Kind::kNumber;
    type.dtype = DType::kFloat32;
  } else if (plain && layout(8, 11, 52)) {
    type.kind = Hdf5Type::Kind::kNumber;
    type.dtype = DType::kFloat64;
  } else {
    type.words += " of a layout that is not IEEE's";
  }
}

/// h5py's bool: an int8 enumeration of FALSE = 0 and TRUE = 1.
void parse_enum(const Header& header, Cursor& cursor, Hdf5Type& type) {
  type.words = "enumeration";
  const unsigned members = header.bits & 0xffff;
  const Header base = parse_header(cursor);
  cursor.skip(4);  // the base type's bit offset and precision
  if (members != 2 || header.size != 1 || base.kind != kInteger || base.size != 1) return;
  for (const char* expected : {"FALSE", "TRUE"}) {
    const std::string name = cursor.c_string();
    // Before version 3, names are padded to 8 bytes.
    if (header.version < 3) cursor.skip(7 - name.size() % 8);
    if (name != expected) return;
  }
  if (cursor.u8() != 0 || cursor.u8() != 1) return;
  type.kind = Hdf5Type::Kind::kBool;
  type.dtype = DType::kBool;
  type.words = "bool";
}

void parse_text(unsigned padding, Hdf5Type& type) {
  type.words = "string";
  type.padding = padding == 1   ? Hdf5Type::Padding::kNullPadded
                 : padding == 2 ? Hdf5Type::Padding::kSpacePadded
                                : Hdf5Type::Padding::kNullTerminated;
}

std::string other_words(const Header& header, Cursor& cursor) {
  switch (header.kind) {
    case 2:
      return "time";
    case 4:
      return "bit field";
    case 5:
      return "opaque";
    case kCompound: {
      // h5py writes complex numbers as a compound of r and i.
      const std::string first = cursor.c_string();
      if (first == "r" && (header.bits & 0xffff) == 2) return "complex";
      return fmt::format("compound of '{}', ...", first.substr(0, 40));
    }
    case 7:
      return "reference";
    case kVariable:
      return "variable-length sequence";
    case 10:
      return "array";
    case 11:
      return "complex";
    default:
      return fmt::format("class {}", header.kind);
  }
}

std::string strip(std::span<const std::byte> bytes, Hdf5Type::Padding padding) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  switch (padding) {
    case Hdf5Type::Padding::kNullTerminated:
      text = text.substr(0, text.find('\0'));
      break;
    case Hdf5Type::Padding::kNullPadded:
      while (text.ends_with('\0')) text.remove_suffix(1);
      break;
    case Hdf5Type::Padding::kSpacePadded:
      while (text.ends_with(' ')) text.remove_suffix(1);
      break;
  }
  return std::string(text);
}

/// What a sequence is made of; nothing for a sequence of sequences, which is not read.
Result<std::shared_ptr<const Hdf5Type>> sequence_element(std::span<const std::byte> body) {
  if (body.empty() || (std::to_integer<unsigned>(body[0]) & 0xf) == kVariable) {
    return std::shared_ptr<const Hdf5Type>();
  }
  SPIKELOOM_TRY(auto type, parse_type(body));
  return std::shared_ptr<const Hdf5Type>(std::make_shared<Hdf5Type>(std::move(type)));
}

}  // namespace

Result<Hdf5Type> parse_type(std::span<const std::byte> body) {
  Cursor cursor(body);
  const Header header = parse_header(cursor);
  if (!cursor.ok() || header.size == 0) return hdf5_damaged("a data type is cut off");
  Hdf5Type type;
  type.size = header.size;
  switch (header.kind) {
    case kInteger:
      parse_integer(header, cursor, type);
      break;
    case kFloat:
      parse_float(header, cursor, type);
      break;
    case kText:
      parse_text(header.bits & 0xf, type);
      type.kind = Hdf5Type::Kind::kFixedText;
      return type;
    case kEnum:
      parse_enum(header, cursor, type);
      break;
    case kVariable:
      if ((header.bits & 0xf) == 1) {
        parse_text(0, type);  // what the library's C strings give: up to the first zero
        type.kind = Hdf5Type::Kind::kVariableText;
        return type;
      }
      [[fallthrough]];
    default:
      if (header.kind == kVariable && (header.bits & 0xf) == 0) {
        SPIKELOOM_TRY(type.element, sequence_element(body.subspan(cursor.at())));
      }
      type.words = other_words(header, cursor);
      return type;
  }
  if (!cursor.ok()) return hdf5_damaged("a data type is cut off");
  return type;
}

Error unsupported_type(const Hdf5Type& type) {
  return Error{.code = ErrorCode::kUnsupported,
               .what = fmt::format("the data type '{}' is not read", type.words),
               .expected = "integers, float16/32/64, bool or strings",
               .next = "convert the data before writing the file"};
}

Result<Hdf5Space> parse_dataspace(std::span<const std::byte> body, std::size_t length_size) {
  Cursor cursor(body);
  const unsigned version = cursor.u8();
  const unsigned rank = cursor.u8();
  const bool has_most = (cursor.u8() & 1) != 0;
  const unsigned type = cursor.u8();
  if (version == 1) cursor.skip(4);
  if (!cursor.ok() || version < 1 || version > 2 || rank > 32) {
    return hdf5_damaged("a dataspace is wrong");
  }
  Hdf5Space space;
  if (version == 2 && type == 2) {
    space.shape = {0};
    space.most = {0};
    return space;
  }
  for (unsigned axis = 0; axis < rank; ++axis) {
    const std::uint64_t extent = cursor.uint(length_size);
    if (extent > static_cast<std::uint64_t>(INT64_MAX)) {
      return Error{.code = ErrorCode::kResource,
                   .what = "a dimension is larger than can be held",
                   .got = fmt::format("{}", extent)};
    }
    space.shape.push_back(static_cast<std::int64_t>(extent));
    space.most.push_back(extent);
  }
  for (unsigned axis = 0; has_most && axis < rank; ++axis) {
    space.most[axis] = cursor.address(length_size);
  }
  if (!cursor.ok()) return hdf5_damaged("a dataspace is cut off");
  return space;
}

Result<std::uint64_t> guarded_bytes(const Shape& shape, std::size_t element_size,
                                    std::uint64_t limit) {
  SPIKELOOM_TRY(const std::int64_t count, element_count(shape));
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<std::uint64_t>(count), element_size, &bytes) ||
      bytes > limit) {
    return Error{.code = ErrorCode::kResource,
                 .what = "the data claim more than this file can hold",
                 .expected = fmt::format("at most {} bytes", limit),
                 .got = fmt::format("shape {} of {} bytes each", to_string(shape), element_size),
                 .next = "the file is damaged, or the size limit has to be raised"};
  }
  return bytes;
}

Result<Tensor> to_tensor(const Hdf5Type& type, const Shape& shape, Bytes raw) {
  const bool swap = type.swapped == (std::endian::native == std::endian::little);
  if (swap && type.size > 1) {
    for (auto at = raw.begin(); at != raw.end(); at += static_cast<std::ptrdiff_t>(type.size)) {
      std::reverse(at, at + static_cast<std::ptrdiff_t>(type.size));
    }
  }
  if (type.kind == Hdf5Type::Kind::kBool) {
    for (std::byte& value : raw) value = std::byte{value != std::byte{0}};
  }
  if (type.kind == Hdf5Type::Kind::kHalf) {
    Bytes wide(raw.size() * 2);
    for (std::size_t i = 0; i < raw.size() / 2; ++i) {
      std::uint16_t half = 0;
      std::memcpy(&half, raw.data() + i * 2, 2);
      const float value = float_from_half(half);
      std::memcpy(wide.data() + i * 4, &value, 4);
    }
    raw = std::move(wide);
  }
  return Tensor::from_bytes(type.dtype, shape, std::move(raw));
}

Result<std::vector<std::string>> to_strings(const Source& source, const Hdf5Type& type,
                                            std::span<const std::byte> raw, std::uint64_t limit) {
  const std::size_t count = raw.size() / type.size;
  std::vector<std::string> values(count);
  if (type.kind == Hdf5Type::Kind::kFixedText) {
    for (std::size_t i = 0; i < count; ++i) {
      values[i] = strip(raw.subspan(i * type.size, type.size), type.padding);
    }
    return values;
  }
  if (type.size != 8 + source.offset_size()) {
    return hdf5_damaged("a reference to text has the wrong size");
  }
  GlobalHeap heap(source);
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Cursor cursor(raw.subspan(i * type.size, type.size));
    const std::size_t length = cursor.u32();
    const std::uint64_t collection = cursor.address(source.offset_size());
    const std::uint32_t index = cursor.u32();
    if (length == 0 || collection == 0 || collection == kUndefined) continue;
    SPIKELOOM_TRY(const auto object, heap.object(collection, index));
    total += length;
    if (length > object.size() || total > limit) {
      return hdf5_damaged("a text is longer than where it lies");
    }
    values[i] = strip(object.first(length), type.padding);
  }
  return values;
}

Result<Tensor> to_sequence(const Source& source, const Hdf5Type& type,
                           std::span<const std::byte> reference, std::uint64_t limit) {
  if (type.size != 8 + source.offset_size() || reference.size() != type.size) {
    return hdf5_damaged("a reference to a sequence has the wrong size");
  }
  Cursor cursor(reference);
  const std::uint64_t length = cursor.u32();
  const std::uint64_t collection = cursor.address(source.offset_size());
  const std::uint32_t index = cursor.u32();
  Bytes bytes;
  if (length > 0) {
    if (collection == 0 || collection == kUndefined) {
      return hdf5_damaged("a sequence lies nowhere");
    }
    GlobalHeap heap(source);
    SPIKELOOM_TRY(const auto object, heap.object(collection, index));
    const std::uint64_t size = length * type.element->size;
    if (size > object.size() || size > limit) {
      return hdf5_damaged("a sequence is longer than where it lies");
    }
    bytes.assign(object.begin(), object.begin() + static_cast<std::ptrdiff_t>(size));
  }
  return to_tensor(*type.element, {static_cast<std::int64_t>(length)}, std::move(bytes));
}

}  // namespace spikeloom::io::detail
