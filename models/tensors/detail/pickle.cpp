#include "models/tensors/detail/pickle.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

namespace spikeloom::detail {
namespace {

constexpr std::string_view kOrderedDict = "collections.OrderedDict";
constexpr std::string_view kDataset = "torch.utils.data.dataset.TensorDataset";

/// A real description takes a few dozen objects a tensor; this many would be a gigabyte of nothing.
constexpr std::size_t kMaxNodes = 2'000'000;

bool is_known_global(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kNames = {kOrderedDict,
                                                             kDataset,
                                                             "torch._utils._rebuild_tensor",
                                                             "torch._utils._rebuild_tensor_v2",
                                                             "torch._utils._rebuild_parameter",
                                                             "torch.Size",
                                                             "torch.bool",
                                                             "torch.half",
                                                             "torch.bfloat16"};
  if (std::find(kNames.begin(), kNames.end(), name) != kNames.end()) return true;
  constexpr std::string_view kTorch = "torch.";
  if (!name.starts_with(kTorch)) return false;
  const std::string_view rest = name.substr(kTorch.size());
  static constexpr std::array<std::string_view, 19> kTypes = {
      "FloatStorage", "DoubleStorage", "HalfStorage",  "BFloat16Storage",
      "LongStorage",  "IntStorage",    "ShortStorage", "CharStorage",
      "ByteStorage",  "BoolStorage",   "float16",      "float32",
      "float64",      "int8",          "int16",        "int32",
      "int64",        "uint8",         "float"};
  return std::find(kTypes.begin(), kTypes.end(), rest) != kTypes.end();
}

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  Result<Pickle> run() {
    while (!done_) {
      start_ = at_;
      std::uint64_t opcode = 0;
      if (!read(opcode, 1)) return bad("the pickle is cut off");
      if (!step(static_cast<unsigned char>(opcode))) return bad(problem_);
    }
    if (stack_.empty()) return bad("the pickle is empty");
    pickle_.root = stack_.back();
    return std::move(pickle_);
  }

 private:
  Error bad(std::string what) const {
    return Error{
        .code = unsupported_ ? ErrorCode::kUnsupported : ErrorCode::kFormat,
        .what = what.empty() ? "the pickle is damaged" : std::move(what),
        .where = fmt::format("{}: byte {}", name_, start_),
        .next = unsupported_ ? "save a state_dict, or plain tensors, with torch.save" : ""};
  }
  bool fail(std::string what) {
    if (problem_.empty()) problem_ = std::move(what);
    return false;
  }
  bool refuse(std::string what) {
    unsupported_ = true;
    return fail(std::move(what));
  }

  bool read(std::uint64_t& value, std::size_t size) {
    if (bytes_.size() - at_ < size) return fail("the pickle is cut off");
    value = 0;
    for (std::size_t i = size; i-- > 0;) {
      value = value << 8 | std::to_integer<std::uint64_t>(bytes_[at_ + i]);
    }
    at_ += size;
    return true;
  }
  bool read_text(std::string& text, std::uint64_t size) {
    if (bytes_.size() - at_ < size) return fail("a text is cut off");
    text.assign(reinterpret_cast<const char*>(bytes_.data()) + at_, static_cast<std::size_t>(size));
    at_ += static_cast<std::size_t>(size);
    return true;
  }
  bool read_line(std::string& line) {
    const auto rest = bytes_.subspan(at_);
    const auto end = std::find(rest.begin(), rest.end(), std::byte{'\n'});
    if (end == rest.end()) return fail("a name is cut off");
    const auto size = static_cast<std::size_t>(end - rest.begin());
    if (!read_text(line, size)) return false;
    ++at_;
    return true;
  }

  bool push(PickleNode node) {
    if (pickle_.nodes.size() >= kMaxNodes) return refuse("the pickle holds too many objects");
    pickle_.nodes.push_back(std::move(node));
    stack_.push_back(static_cast<PickleIndex>(pickle_.nodes.size() - 1));
    return true;
  }
  bool push_integer(std::int64_t value) {
    return push({.kind = PickleKind::kInteger, .integer = value});
  }
  bool push_sized_text(PickleKind kind, std::size_t length_size) {
    std::uint64_t size = 0;
    PickleNode node{.kind = kind};
    return read(size, length_size) && read_text(node.text, size) && push(std::move(node));
  }
  /// How many values lie above the last mark (all of them when there is none).
  std::size_t above_mark() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  bool pop(PickleIndex& index) {
    if (above_mark() == 0) return fail("the stack is empty");
    index = stack_.back();
    stack_.pop_back();
    return true;
  }
  bool pop_to_mark(std::vector<PickleIndex>& items) {
    if (marks_.empty()) return fail("a mark is missing");
    items.assign(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return true;
  }
  bool push_items(PickleKind kind, std::vector<PickleIndex> items) {
    return push({.kind = kind, .items = std::move(items)});
  }
  bool push_tuple(std::size_t size) {
    std::vector<PickleIndex> items(size);
    for (std::size_t i = size; i-- > 0;) {
      if (!pop(items[i])) return false;
    }
    return push_items(PickleKind::kTuple, std::move(items));
  }
  /// Appends to the container on top of the stack.
  bool extend(PickleKind kind, const std::vector<PickleIndex>& items) {
    if (above_mark() == 0) return fail("the stack is empty");
    PickleNode& container = pickle_.nodes[stack_.back()];
    if (container.kind != kind) return fail("not the container the opcode needs");
    if (kind == PickleKind::kDict && items.size() % 2 != 0) return fail("a key has no value");
    container.items.insert(container.items.end(), items.begin(), items.end());
    return true;
  }

  bool memoize(std::uint64_t key) {
    if (stack_.empty()) return fail("the stack is empty");
    memo_[key] = stack_.back();
    return true;
  }
  bool recall(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) return fail("an unknown memo is used");
    stack_.push_back(found->second);
    return true;
  }

  bool push_global(const std::string& module, const std::string& member) {
    std::string full = module + "." + member;
    if (!is_known_global(full)) {
      return refuse(
          fmt::format("the file wants Python's '{}', which is not data", full.substr(0, 200)));
    }
    return push({.kind = PickleKind::kGlobal, .text = std::move(full)});
  }
  const PickleNode& node(PickleIndex index) const { return pickle_.nodes[index]; }

  /// Calls copy lists that the memo can bring back any number of times, so copies are counted.
  bool spend(std::size_t items) {
    copied_ += items;
    return copied_ <= 16 * kMaxNodes || refuse("the pickle copies its lists too often");
  }

  /// callable(*arguments) for the few callables that make data.
  bool reduce() {
    PickleIndex argument_index = 0, callable_index = 0;
    if (!pop(argument_index) || !pop(callable_index)) return false;
    if (node(callable_index).kind != PickleKind::kGlobal ||
        node(argument_index).kind != PickleKind::kTuple) {
      return fail("a call of something that is not a known name");
    }
    if (!spend(node(argument_index).items.size())) return false;
    const std::string callable = node(callable_index).text;
    const std::vector<PickleIndex> arguments = node(argument_index).items;
    if (callable == kOrderedDict) return make_dict(arguments);
    if (callable == "torch.Size" && arguments.size() == 1) {
      const PickleKind kind = node(arguments[0]).kind;
      if (kind != PickleKind::kTuple && kind != PickleKind::kList) return fail("bad Size");
      if (!spend(node(arguments[0]).items.size())) return false;
      return push_items(PickleKind::kTuple, node(arguments[0]).items);
    }
    if (callable == "torch._utils._rebuild_parameter" && !arguments.empty()) {
      if (node(arguments[0]).kind != PickleKind::kTensor) return fail("bad parameter");
      stack_.push_back(arguments[0]);
      return true;
    }
    if (callable.starts_with("torch._utils._rebuild_tensor") && arguments.size() >= 4) {
      return make_tensor(arguments);
    }
    return fail(fmt::format("'{}' is called with the wrong arguments", callable));
  }
  bool make_dict(const std::vector<PickleIndex>& arguments) {
    std::vector<PickleIndex> items;
    if (!arguments.empty()) {
      const PickleNode& pairs = node(arguments[0]);
      if (arguments.size() != 1 || pairs.kind != PickleKind::kList) return fail("bad dict");
      if (!spend(2 * pairs.items.size())) return false;
      for (const PickleIndex pair : pairs.items) {
        const PickleKind kind = node(pair).kind;
        if ((kind != PickleKind::kTuple && kind != PickleKind::kList) ||
            node(pair).items.size() != 2) {
          return fail("bad dict");
        }
        items.insert(items.end(), node(pair).items.begin(), node(pair).items.end());
      }
    }
    return push_items(PickleKind::kDict, std::move(items));
  }
  bool make_tensor(const std::vector<PickleIndex>& arguments) {
    const auto is_sizes = [&](PickleIndex index) {
      const PickleNode& sizes = node(index);
      return sizes.kind == PickleKind::kTuple &&
             std::all_of(sizes.items.begin(), sizes.items.end(),
                         [&](PickleIndex item) { return node(item).kind == PickleKind::kInteger; });
    };
    if (node(arguments[0]).kind != PickleKind::kStorage ||
        node(arguments[1]).kind != PickleKind::kInteger || !is_sizes(arguments[2]) ||
        !is_sizes(arguments[3])) {
      return fail("a tensor's description is damaged");
    }
    return push_items(PickleKind::kTensor, {arguments.begin(), arguments.begin() + 4});
  }
  /// ('storage', type, key, location, element count)
  bool make_storage() {
    PickleIndex index = 0;
    if (!pop(index)) return false;
    const PickleNode& id = node(index);
    if (id.kind != PickleKind::kTuple || id.items.size() != 5 ||
        node(id.items[0]).text != "storage" || node(id.items[1]).kind != PickleKind::kGlobal ||
        node(id.items[2]).kind != PickleKind::kText ||
        node(id.items[4]).kind != PickleKind::kInteger) {
      return fail("a storage's description is damaged");
    }
    return push_items(PickleKind::kStorage, {id.items[1], id.items[2], id.items[4]});
  }
  bool new_object() {
    PickleIndex arguments = 0, type = 0;
    if (!pop(arguments) || !pop(type)) return false;
    if (node(type).kind != PickleKind::kGlobal) return fail("an object of an unknown type");
    if (node(type).text == kOrderedDict) return push_items(PickleKind::kDict, {});
    if (node(type).text == kDataset) return push_items(PickleKind::kDataset, {});
    return fail(fmt::format("'{}' is used as a type", node(type).text));
  }
  /// Attributes: a TensorDataset's content; on anything else they are not data.
  bool build() {
    PickleIndex state = 0;
    if (!pop(state)) return false;
    if (above_mark() == 0) return fail("the stack is empty");
    PickleNode& object = pickle_.nodes[stack_.back()];
    if (object.kind == PickleKind::kDataset) object.items = {state};
    return true;
  }

  bool read_long(std::size_t length_size) {
    std::uint64_t size = 0, value = 0;
    if (!read(size, length_size)) return false;
    if (size > 8) return refuse("an integer has more than 64 bits");
    if (!read(value, static_cast<std::size_t>(size))) return false;
    const int unused = static_cast<int>(64 - size * 8);
    if (size == 0) return push_integer(0);
    return push_integer(static_cast<std::int64_t>(value << unused) >> unused);
  }
  bool stack_global() {
    PickleIndex member = 0, module = 0;
    if (!pop(member) || !pop(module)) return false;
    if (node(member).kind != PickleKind::kText || node(module).kind != PickleKind::kText) {
      return fail("a name is not text");
    }
    return push_global(node(module).text, node(member).text);
  }

  bool step(unsigned char opcode);
  bool step_container(unsigned char opcode);

  std::span<const std::byte> bytes_;
  const std::string& name_;
  std::size_t at_ = 0;
  std::size_t start_ = 0;
  std::size_t copied_ = 0;
  bool done_ = false;
  bool unsupported_ = false;
  std::string problem_;
  Pickle pickle_;
  std::vector<PickleIndex> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, PickleIndex> memo_;
};

bool Machine::step(unsigned char opcode) {
  std::uint64_t value = 0;
  switch (opcode) {
    case 0x80:  // PROTO
      if (!read(value, 1)) return false;
      return value <= 5 || refuse(fmt::format("pickle protocol {} is not read", value));
    case 0x95:  // FRAME
      return read(value, 8);
    case '.':
      done_ = true;
      return true;
    case 'N':
      return push({});
    case 0x88:
    case 0x89:
      return push({.kind = PickleKind::kBool, .integer = opcode == 0x88});
    case 'J':
      return read(value, 4) &&
             push_integer(static_cast<std::int32_t>(static_cast<std::uint32_t>(value)));
    case 'K':
      return read(value, 1) && push_integer(static_cast<std::int64_t>(value));
    case 'M':
      return read(value, 2) && push_integer(static_cast<std::int64_t>(value));
    case 0x8a:
      return read_long(1);
    case 0x8b:
      return read_long(4);
    case 'G': {  // big-endian double
      if (!read(value, 8)) return false;
      const double real = std::bit_cast<double>(__builtin_bswap64(value));
      return push({.kind = PickleKind::kReal, .real = real});
    }
    case 'X':
      return push_sized_text(PickleKind::kText, 4);
    case 0x8c:
      return push_sized_text(PickleKind::kText, 1);
    case 0x8d:
      return push_sized_text(PickleKind::kText, 8);
    case 'T':
      return push_sized_text(PickleKind::kText, 4);
    case 'U':
      return push_sized_text(PickleKind::kText, 1);
    case 'B':
      return push_sized_text(PickleKind::kBytes, 4);
    case 'C':
      return push_sized_text(PickleKind::kBytes, 1);
    case 0x8e:
      return push_sized_text(PickleKind::kBytes, 8);
    case 'c': {
      std::string module, member;
      return read_line(module) && read_line(member) && push_global(module, member);
    }
    case 0x93:
      return stack_global();
    case 'q':
      return read(value, 1) && memoize(value);
    case 'r':
      return read(value, 4) && memoize(value);
    case 0x94:
      return memoize(memo_.size());
    case 'h':
      return read(value, 1) && recall(value);
    case 'j':
      return read(value, 4) && recall(value);
    case 'R':
      return reduce();
    case 0x81:
      return new_object();
    case 'b':
      return build();
    case 'Q':
      return make_storage();
    default:
      return step_container(opcode);
  }
}

bool Machine::step_container(unsigned char opcode) {
  PickleIndex first = 0, second = 0;
  std::vector<PickleIndex> items;
  switch (opcode) {
    case '(':
      marks_.push_back(stack_.size());
      return true;
    case '0':
      return pop(first);
    case '1':
      return pop_to_mark(items);
    case '2':
      if (above_mark() == 0) return fail("the stack is empty");
      stack_.push_back(stack_.back());
      return true;
    case ')':
      return push_items(PickleKind::kTuple, {});
    case 't':
      return pop_to_mark(items) && push_items(PickleKind::kTuple, std::move(items));
    case 0x85:
      return push_tuple(1);
    case 0x86:
      return push_tuple(2);
    case 0x87:
      return push_tuple(3);
    case ']':
      return push_items(PickleKind::kList, {});
    case 'l':
      return pop_to_mark(items) && push_items(PickleKind::kList, std::move(items));
    case 'a':
      return pop(first) && extend(PickleKind::kList, {first});
    case 'e':
      return pop_to_mark(items) && extend(PickleKind::kList, items);
    case '}':
      return push_items(PickleKind::kDict, {});
    case 'd':
      if (!pop_to_mark(items)) return false;
      if (items.size() % 2 != 0) return fail("a key has no value");
      return push_items(PickleKind::kDict, std::move(items));
    case 's':
      return pop(second) && pop(first) && extend(PickleKind::kDict, {first, second});
    case 'u':
      return pop_to_mark(items) && extend(PickleKind::kDict, items);
    default:
      return refuse(fmt::format("pickle opcode 0x{:02x} is not read", opcode));
  }
}

}  // namespace

Result<Pickle> parse_pickle(std::span<const std::byte> bytes, const std::string& name) {
  return Machine(bytes, name).run();
}

}  // namespace spikeloom::detail
