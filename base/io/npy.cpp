#include "base/io/npy.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cstring>

#include <fmt/format.h>

#include "base/io/half.hpp"

namespace spikeloom::io {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

Error not_npy(const std::string& name, std::string what, std::string got = {}) {
  return Error{.code = ErrorCode::kFormat,
               .what = std::move(what),
               .where = name,
               .got = std::move(got),
               .next = "write it again with numpy.save"};
}

/// The three entries of a header.
struct Header {
  std::string descr;
  bool fortran_order = false;
  Shape shape;
  bool has_descr = false, has_order = false, has_shape = false;
};

/// Reads the header's Python literal: a dict of a string, a bool and a tuple of integers.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  /// False when the text is not of that form; `problem` then says what was found.
  bool parse(Header& header) {
    if (!take('{')) return fail("no dictionary");
    while (!take('}')) {
      std::string key;
      if (!parse_string(key) || !take(':')) return fail("no key");
      if (key == "descr") {
        header.has_descr = true;
        if (peek() == '[') {
          header.descr = "structured";
          if (!skip_brackets()) return fail("an unclosed list");
        } else if (!parse_string(header.descr)) {
          return fail("no type string");
        }
      } else if (key == "fortran_order") {
        header.has_order = true;
        if (take_word("True")) {
          header.fortran_order = true;
        } else if (!take_word("False")) {
          return fail("fortran_order is neither True nor False");
        }
      } else if (key == "shape") {
        header.has_shape = true;
        if (!parse_shape(header.shape)) return fail("shape is not a tuple of integers");
      } else {
        return fail(fmt::format("unknown key '{}'", key));
      }
      if (!take(',') && peek() != '}') return fail("no comma");
    }
    skip_space();
    if (at_ != text_.size()) return fail("text after the dictionary");
    return (header.has_descr && header.has_order && header.has_shape) ||
           fail("descr, fortran_order or shape is missing");
  }

  std::string problem;

 private:
  bool fail(std::string what) {
    if (problem.empty()) problem = std::move(what);
    return false;
  }
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    skip_space();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  bool parse_string(std::string& out) {
    const char quote = peek();
    if (quote != '\'' && quote != '"') return false;
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) return false;
    out = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return out.find('\\') == std::string::npos;
  }
  bool parse_shape(Shape& shape) {
    if (!take('(')) return false;
    while (!take(')')) {
      if (!std::isdigit(static_cast<unsigned char>(peek()))) return false;
      std::int64_t extent = 0;
      while (at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_]))) {
        if (__builtin_mul_overflow(extent, 10, &extent) ||
            __builtin_add_overflow(extent, text_[at_] - '0', &extent)) {
          return fail("a dimension is larger than can be held");
        }
        ++at_;
      }
      if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2 wrote 3L
      shape.push_back(extent);
      if (shape.size() > 64) return fail("more than 64 dimensions");
      if (!take(',') && peek() != ')') return false;
    }
    return true;
  }
  bool skip_brackets() {
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '[') ++depth;
      if (c == ']' && --depth == 0) return true;
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

/// The stored element and the tensor's.
struct Element {
  DType dtype = DType::kFloat64;
  std::size_t stored = 8;
  bool swapped = false;
  bool is_half = false;
};

Result<Element> parse_descr(std::string descr, const std::string& name) {
  const auto refuse = [&](std::string_view kind) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("{} arrays are not read", kind),
                 .where = name,
                 .expected = "bool, integers or float16/32/64",
                 .got = fmt::format("'{}'", descr),
                 .next = "convert with array.astype and save again"};
  };
  if (descr == "structured") return refuse("structured");
  const bool has_order =
      !descr.empty() && std::string_view("<>|=").find(descr[0]) != std::string_view::npos;
  const char order = has_order ? descr[0] : '=';
  const std::string_view code = std::string_view(descr).substr(has_order ? 1 : 0);
  Element element;
  const bool little = std::endian::native == std::endian::little;
  element.swapped = (order == '<' && !little) || (order == '>' && little);
  static constexpr std::array<std::pair<std::string_view, DType>, 13> kCodes = {
      {{"b1", DType::kBool},
       {"?", DType::kBool},
       {"i1", DType::kInt8},
       {"i2", DType::kInt16},
       {"i4", DType::kInt32},
       {"i8", DType::kInt64},
       {"u1", DType::kUInt8},
       {"u2", DType::kUInt16},
       {"u4", DType::kUInt32},
       {"u8", DType::kUInt64},
       {"f2", DType::kFloat32},
       {"f4", DType::kFloat32},
       {"f8", DType::kFloat64}}};
  for (const auto& [known, dtype] : kCodes) {
    if (code != known) continue;
    element.dtype = dtype;
    element.is_half = code == "f2";
    element.stored = element.is_half ? 2 : size_of(dtype);
    return element;
  }
  switch (code.empty() ? '\0' : code[0]) {
    case 'O':
      return refuse("object");
    case 'c':
      return refuse("complex");
    case 'U':
    case 'S':
    case 'a':
      return refuse("text");
    case 'M':
    case 'm':
      return refuse("date and time");
    case 'V':
      return refuse("structured");
    default:
      return refuse("such");
  }
}

void swap_elements(std::span<std::byte> bytes, std::size_t size) {
  for (std::size_t at = 0; at + size <= bytes.size(); at += size) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                 bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
  }
}

std::vector<std::byte> widen_halves(std::span<const std::byte> bytes) {
  std::vector<std::byte> wide(bytes.size() * 2);
  for (std::size_t i = 0; i < bytes.size() / 2; ++i) {
    std::uint16_t half = 0;
    std::memcpy(&half, bytes.data() + i * 2, 2);
    const float value = float_from_half(half);
    std::memcpy(wide.data() + i * 4, &value, 4);
  }
  return wide;
}

/// Fortran order (first index fastest) to C order.
std::vector<std::byte> to_c_order(const std::vector<std::byte>& bytes, const Shape& shape,
                                  std::size_t size) {
  std::vector<std::byte> ordered(bytes.size());
  std::vector<std::int64_t> index(shape.size(), 0);
  std::vector<std::size_t> stride(shape.size(), size);
  for (std::size_t axis = 1; axis < shape.size(); ++axis) {
    stride[axis] = stride[axis - 1] * static_cast<std::size_t>(shape[axis - 1]);
  }
  std::size_t from = 0;
  for (std::size_t to = 0; to < ordered.size(); to += size) {
    std::memcpy(ordered.data() + to, bytes.data() + from, size);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      from += stride[axis];
      if (++index[axis] < shape[axis]) break;
      from -= stride[axis] * static_cast<std::size_t>(shape[axis]);
      index[axis] = 0;
    }
  }
  return ordered;
}

Result<Tensor> parse(std::span<const std::byte> bytes, const std::string& name) {
  const auto byte = [&](std::size_t at) { return std::to_integer<std::size_t>(bytes[at]); };
  if (bytes.size() < 10 || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    return not_npy(name, "not a .npy file");
  }
  const std::size_t version = byte(6);
  if (version < 1 || version > 3) {
    return not_npy(name, "an unknown .npy version", fmt::format("{}.{}", version, byte(7)));
  }
  const std::size_t start = version == 1 ? 10 : 12;
  if (bytes.size() < start) return not_npy(name, "the header is cut off");
  std::size_t length = byte(8) | byte(9) << 8;
  if (version > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > bytes.size() - start) return not_npy(name, "the header is cut off");

  Header header;
  HeaderParser parser({reinterpret_cast<const char*>(bytes.data()) + start, length});
  if (!parser.parse(header)) return not_npy(name, "the header is damaged", parser.problem);
  SPIKELOOM_TRY(const Element element, parse_descr(header.descr, name));

  auto count = element_count(header.shape);
  if (!count.ok()) return std::move(count).error().in(name);
  const std::span<const std::byte> body = bytes.subspan(start + length);
  const auto wanted = static_cast<std::size_t>(*count) * element.stored;
  if (wanted != body.size()) {
    return Error{.code = ErrorCode::kFormat,
                 .what = wanted > body.size() ? "elements are missing at the end"
                                              : "there are bytes after the last element",
                 .where = name,
                 .expected = fmt::format("{} bytes for {}", wanted, to_string(header.shape)),
                 .got = fmt::format("{}", body.size()),
                 .next = "the file is damaged; get it again"};
  }
  std::vector<std::byte> data(body.begin(), body.end());
  if (element.swapped) swap_elements(data, element.stored);
  if (element.is_half) data = widen_halves(data);
  if (element.dtype == DType::kBool) {
    for (std::byte& value : data) value = std::byte{value != std::byte{0}};
  }
  if (header.fortran_order && header.shape.size() > 1) {
    data = to_c_order(data, header.shape, size_of(element.dtype));
  }
  auto tensor = Tensor::from_bytes(element.dtype, std::move(header.shape), std::move(data));
  if (!tensor.ok()) return std::move(tensor).error().in(name);
  return tensor;
}

std::string descr_of(DType dtype) {
  const char order = size_of(dtype) == 1                          ? '|'
                     : std::endian::native == std::endian::little ? '<'
                                                                  : '>';
  char kind = 'f';
  switch (dtype) {
    case DType::kBool:
      kind = 'b';
      break;
    case DType::kInt8:
    case DType::kInt16:
    case DType::kInt32:
    case DType::kInt64:
      kind = 'i';
      break;
    case DType::kUInt8:
    case DType::kUInt16:
    case DType::kUInt32:
    case DType::kUInt64:
      kind = 'u';
      break;
    case DType::kFloat32:
    case DType::kFloat64:
      break;
  }
  return fmt::format("{}{}{}", order, kind, size_of(dtype));
}

}  // namespace

Result<Tensor> parse_npy(std::span<const std::byte> bytes, const std::string& name) {
  try {
    return parse(bytes, name);
  } catch (const std::bad_alloc&) {
    return Error{
        .code = ErrorCode::kResource, .what = "not enough memory for the array", .where = name};
  }
}

Result<Tensor> read_npy(const std::string& path, std::uint64_t max_bytes) {
  SPIKELOOM_TRY(const auto bytes, read_file(path, max_bytes));
  return parse_npy(bytes, path);
}

std::vector<std::byte> to_npy(const Tensor& tensor) {
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
                                   descr_of(tensor.dtype()), to_string(tensor.shape()));
  // The elements start at a multiple of 64 bytes, and the header ends with a newline.
  const bool wide = header.size() + 10 + 64 > 65535;
  const std::size_t prefix = wide ? 12 : 10;
  header.append(63 - (prefix + header.size()) % 64, ' ');
  header += '\n';
  std::string head(kMagic);
  head += wide ? '\2' : '\1';
  head += '\0';
  for (std::size_t i = 0; i < prefix - 8; ++i) {
    head += static_cast<char>(header.size() >> (8 * i) & 0xff);
  }
  head += header;
  std::vector<std::byte> bytes(head.size() + tensor.bytes().size());
  std::memcpy(bytes.data(), head.data(), head.size());
  std::copy(tensor.bytes().begin(), tensor.bytes().end(),
            bytes.begin() + static_cast<std::ptrdiff_t>(head.size()));
  return bytes;
}

Status write_npy(const std::string& path, const Tensor& tensor) {
  return write_file_atomic(path, to_npy(tensor));
}

}  // namespace spikeloom::io
