// The part of Python's pickle machine that builds a state dict. Free of libtorch.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lethe {

struct PickleNode {
  enum class Kind { none, boolean, integer, text, tuple, dict, global, storage, tensor };
  Kind kind = Kind::none;
  int64_t integer = 0;             ///< of integer and boolean
  std::string text = {};           ///< of text; of a global "module.name"
  std::vector<size_t> items = {};  ///< members; of a dict key, value, key, value, ...
};
const char* kind_name(PickleNode::Kind kind);  ///< "tuple", "integer", ...

/// "convert it where you trust it: python -c ..."
std::string conversion(const std::string& path);

/// Runs the opcodes of a pickle. Nodes refer to one another by number, so that a damaged file makes
/// neither cycles of ownership nor deep recursion.
class PickleMachine {
 public:
  /// `path` is for messages; `pickle` outlives this.
  PickleMachine(std::string path, std::string_view pickle)
      : path_(std::move(path)), pickle_(pickle) {}

  /// The built value. Throws Error for an opcode or a global that is not known, naming it, and for
  /// a pickle that ends early or takes what is not there.
  const PickleNode& run();

  const PickleNode& at(size_t node) const { return nodes_[node]; }
  int64_t integer(size_t node) const;                ///< throws where it is no integer
  std::vector<int64_t> integers(size_t node) const;  ///< of a tuple

 private:
  bool step();  // false at the end
  bool push_literal(uint8_t opcode);
  bool push_tuple(uint8_t opcode);
  bool keep_or_recall(uint8_t opcode);
  void push_global(const std::string& module, const std::string& name);
  void reduce();
  void build();
  void tuple(size_t count);
  void set_items(size_t first);
  size_t top();
  size_t pop();
  size_t marked();  // takes the last mark off
  void push(PickleNode node);
  std::string_view take(uint64_t count);
  uint64_t number(int bytes);
  std::string line();
  [[noreturn]] void damaged(const std::string& what) const;

  std::string path_;
  std::string_view pickle_;
  size_t next_ = 0;
  std::deque<PickleNode> nodes_;
  std::vector<size_t> stack_, marks_;
  std::unordered_map<uint64_t, size_t> memo_;
};

}  // namespace lethe
