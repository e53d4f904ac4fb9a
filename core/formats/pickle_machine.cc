#include "core/formats/pickle_machine.h"

#include <array>

#include "core/error.h"

namespace lethe {
namespace {

using Kind = PickleNode::Kind;

constexpr const char* kRebuild = "torch._utils._rebuild_tensor_v2";
constexpr const char* kOrderedDict = "collections.OrderedDict";
constexpr std::array<const char*, 10> kStorageTypes = {
    "FloatStorage", "HalfStorage",  "BFloat16Storage", "DoubleStorage", "LongStorage",
    "IntStorage",   "ShortStorage", "CharStorage",     "ByteStorage",   "BoolStorage"};

bool known_global(const std::string& name) {
  if (name == kRebuild || name == kOrderedDict) return true;
  for (const char* type : kStorageTypes) {
    if (name == std::string("torch.") + type) return true;
  }
  return false;
}

}  // namespace

const char* kind_name(Kind kind) {
  static constexpr const char* names[] = {"None", "boolean", "integer", "text",  "tuple",
                                          "dict", "global",  "storage", "tensor"};
  return names[static_cast<size_t>(kind)];
}

std::string conversion(const std::string& path) {
  return fmt::format(
      "convert it where you trust it: python -c \"import torch; from safetensors.torch import "
      "save_file; save_file({{k: v.clone().contiguous() for k, v in torch.load('{}', "
      "map_location='cpu').items()}}, 'model.safetensors', {{'format': 'pt'}})\"",
      path);
}

void PickleMachine::damaged(const std::string& what) const {
  fail("{} is damaged: its pickle {} at byte {}; fetch it again", path_, what, next_);
}

std::string_view PickleMachine::take(uint64_t count) {
  if (count > pickle_.size() - next_) damaged("ends early");
  const std::string_view bytes = pickle_.substr(next_, count);
  next_ += count;
  return bytes;
}

uint64_t PickleMachine::number(int bytes) {
  uint64_t value = 0;
  const std::string_view raw = take(static_cast<uint64_t>(bytes));
  for (int i = bytes - 1; i >= 0; --i) {
    value = value << 8 | static_cast<uint8_t>(raw[static_cast<size_t>(i)]);
  }
  return value;
}

std::string PickleMachine::line() {
  const size_t end = pickle_.find('\n', next_);
  if (end == std::string_view::npos) damaged("ends early");
  std::string text(take(end - next_));
  take(1);
  return text;
}

void PickleMachine::push(PickleNode node) {
  nodes_.push_back(std::move(node));
  stack_.push_back(nodes_.size() - 1);
}

size_t PickleMachine::top() {
  const size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor) damaged("takes a value that is not there");
  return stack_.back();
}

size_t PickleMachine::pop() {
  const size_t node = top();
  stack_.pop_back();
  return node;
}

size_t PickleMachine::marked() {
  if (marks_.empty()) damaged("takes a mark that is not there");
  const size_t mark = marks_.back();
  marks_.pop_back();
  return mark;
}

void PickleMachine::tuple(size_t count) {
  PickleNode node{Kind::tuple};
  node.items.resize(count);
  for (size_t i = count; i-- > 0;) node.items[i] = pop();
  push(std::move(node));
}

void PickleMachine::set_items(size_t first) {
  if ((stack_.size() - first) % 2 != 0) damaged("sets a key without a value");
  const std::vector<size_t> items(stack_.begin() + static_cast<int64_t>(first), stack_.end());
  stack_.resize(first);
  PickleNode& dict = nodes_[top()];
  if (dict.kind != Kind::dict) damaged("sets members of what is no dict");
  dict.items.insert(dict.items.end(), items.begin(), items.end());
}

void PickleMachine::push_global(const std::string& module, const std::string& name) {
  const std::string full = module + "." + name;
  if (!known_global(full)) {
    fail("{} asks for {}, and only tensors are read; {}", path_, full, conversion(path_));
  }
  PickleNode node{Kind::global};
  node.text = full;
  push(std::move(node));
}

void PickleMachine::reduce() {
  const size_t arguments = pop(), callee = pop();
  if (nodes_[arguments].kind != Kind::tuple || nodes_[callee].kind != Kind::global) {
    damaged("calls what is no function");
  }
  const std::string& name = nodes_[callee].text;
  if (name == kOrderedDict && nodes_[arguments].items.empty()) {
    push({Kind::dict});
  } else if (name == kRebuild && nodes_[arguments].items.size() >= 4 &&
             nodes_[arguments].items.size() <= 7) {
    PickleNode tensor{Kind::tensor};
    tensor.items = nodes_[arguments].items;
    push(std::move(tensor));
  } else {
    damaged("calls " + name + " with arguments that it does not take");
  }
}

/// The attributes of a state dict, versions of its modules, decide nothing.
void PickleMachine::build() {
  pop();
  if (nodes_[top()].kind != Kind::dict) damaged("sets attributes of what is no dict");
}

bool PickleMachine::push_literal(uint8_t opcode) {
  PickleNode node{Kind::integer};
  switch (opcode) {
    case 'N':
      node.kind = Kind::none;
      break;
    case 0x88:  // NEWTRUE
    case 0x89:  // NEWFALSE
      node.kind = Kind::boolean;
      node.integer = opcode == 0x88 ? 1 : 0;
      break;
    case 'K':
      node.integer = static_cast<int64_t>(number(1));
      break;
    case 'M':
      node.integer = static_cast<int64_t>(number(2));
      break;
    case 'J':
      node.integer = static_cast<int32_t>(number(4));
      break;
    case 0x8a: {  // LONG1: two's complement of the length given
      const uint64_t length = number(1);
      if (length > 8) damaged("has an integer of more than 64 bits");
      const uint64_t raw = number(static_cast<int>(length));
      const bool negative = length > 0 && length < 8 && (raw >> (8 * length - 1)) != 0;
      node.integer = static_cast<int64_t>(negative ? raw | ~uint64_t{0} << (8 * length) : raw);
      break;
    }
    case 'X':
      node.kind = Kind::text;
      node.text = std::string(take(number(4)));
      break;
    case '}':
      node.kind = Kind::dict;
      break;
    case ')':
      node.kind = Kind::tuple;
      break;
    default:
      return false;
  }
  push(std::move(node));
  return true;
}

bool PickleMachine::push_tuple(uint8_t opcode) {
  if (opcode == 't') {
    const size_t first = marked();
    tuple(stack_.size() - first);
    return true;
  }
  if (opcode < 0x85 || opcode > 0x87) return false;  // TUPLE1 to TUPLE3
  tuple(static_cast<size_t>(opcode) - 0x84);
  return true;
}

bool PickleMachine::keep_or_recall(uint8_t opcode) {
  switch (opcode) {
    case 'q':
      memo_[number(1)] = top();
      return true;
    case 'r':
      memo_[number(4)] = top();
      return true;
    case 'h':
    case 'j': {
      const auto kept = memo_.find(number(opcode == 'h' ? 1 : 4));
      if (kept == memo_.end()) damaged("recalls what it did not keep");
      stack_.push_back(kept->second);
      return true;
    }
    default:
      return false;
  }
}

bool PickleMachine::step() {
  const auto opcode = static_cast<uint8_t>(number(1));
  if (push_literal(opcode) || push_tuple(opcode) || keep_or_recall(opcode)) return true;
  switch (opcode) {
    case 0x80:  // PROTO
      number(1);
      return true;
    case '(':
      marks_.push_back(stack_.size());
      return true;
    case 's': {
      const size_t floor = marks_.empty() ? 0 : marks_.back();
      if (stack_.size() < floor + 2) damaged("takes a value that is not there");
      set_items(stack_.size() - 2);
      return true;
    }
    case 'u':
      set_items(marked());
      return true;
    case 'c': {
      const std::string module = line();
      push_global(module, line());
      return true;
    }
    case 'Q': {
      const PickleNode& id = nodes_[pop()];
      if (id.kind != Kind::tuple || id.items.size() != 5) {
        damaged("names a storage by what is no tuple of five");
      }
      push({Kind::storage, 0, {}, id.items});
      return true;
    }
    case 'R':
      reduce();
      return true;
    case 'b':
      build();
      return true;
    case '.':
      return false;
    default:
      fail("{} has the pickle opcode {:#04x} at byte {}, and only tensors are read; {}", path_,
           opcode, next_ - 1, conversion(path_));
  }
}

const PickleNode& PickleMachine::run() {
  while (step()) {
  }
  return nodes_[top()];
}

int64_t PickleMachine::integer(size_t node) const {
  if (nodes_[node].kind != Kind::integer) damaged("has no integer where a tensor needs one");
  return nodes_[node].integer;
}

std::vector<int64_t> PickleMachine::integers(size_t node) const {
  if (nodes_[node].kind != Kind::tuple) damaged("has no tuple where a tensor needs one");
  if (nodes_[node].items.size() > 16) damaged("has a tensor of more than 16 dimensions");
  std::vector<int64_t> values;
  for (const size_t item : nodes_[node].items) values.push_back(integer(item));
  return values;
}

}  // namespace lethe
