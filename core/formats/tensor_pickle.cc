#include "core/formats/tensor_pickle.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/error.h"
#include "core/formats/pickle_machine.h"

namespace lethe {
namespace {

struct Storage {
  const char* name;
  const char* dtype;
  uint64_t bytes;
};
constexpr std::array<Storage, 10> kStorages = {{{"FloatStorage", "F32", 4},
                                                {"HalfStorage", "F16", 2},
                                                {"BFloat16Storage", "BF16", 2},
                                                {"DoubleStorage", "F64", 8},
                                                {"LongStorage", "I64", 8},
                                                {"IntStorage", "I32", 4},
                                                {"ShortStorage", "I16", 2},
                                                {"CharStorage", "I8", 1},
                                                {"ByteStorage", "U8", 1},
                                                {"BoolStorage", "BOOL", 1}}};

class StateDict {
 public:
  explicit StateDict(const ZipArchive& archive) : archive_(archive) {
    for (const auto& [name, content] : archive.members()) {
      if (name == "data.pkl" || name.ends_with("/data.pkl")) {
        folder_ = name.substr(0, name.size() - std::string("data.pkl").size());
        pickle_ = content;
        return;
      }
    }
    fail("{} has no member data.pkl, so it is no file of torch.save", archive.path());
  }

  std::map<std::string, StoredTensor> read() {
    const auto order = archive_.members().find(folder_ + "byteorder");
    if (order != archive_.members().end() && order->second != "little") {
      fail("{} is in byte order '{}', expected little", archive_.path(), order->second);
    }
    PickleMachine machine(archive_.path(), pickle_);
    const PickleNode& root = machine.run();
    if (root.kind != PickleNode::Kind::dict) {
      fail("{} holds no state dict but a value of kind {}; {}", archive_.path(),
           kind_name(root.kind), conversion(archive_.path()));
    }
    std::map<std::string, StoredTensor> tensors;
    for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
      const PickleNode& key = machine.at(root.items[i]);
      if (key.kind != PickleNode::Kind::text) {
        fail("{}: a key of the state dict is of kind {}, expected a text", archive_.path(),
             kind_name(key.kind));
      }
      tensors[key.text] = tensor(machine, key.text, machine.at(root.items[i + 1]));
    }
    return tensors;
  }

 private:
  /// The arguments of _rebuild_tensor_v2: storage, offset, size, stride, ...
  StoredTensor tensor(const PickleMachine& machine, const std::string& name,
                      const PickleNode& node) const {
    if (node.kind != PickleNode::Kind::tensor) {
      fail("{}: '{}' is of kind {}, expected a tensor; {}", archive_.path(), name,
           kind_name(node.kind), conversion(archive_.path()));
    }
    const auto refuse = [&](const std::string& fault) {
      fail("{}: tensor '{}' {}; {}", archive_.path(), name, fault, conversion(archive_.path()));
    };
    const PickleNode& storage = machine.at(node.items[0]);
    if (storage.kind != PickleNode::Kind::storage) refuse("has no storage");
    StoredTensor made;
    const int64_t offset = machine.integer(node.items[1]);
    made.shape = machine.integers(node.items[2]);
    if (machine.integers(node.items[3]) != contiguous(made.shape, refuse)) {
      refuse("does not lie contiguous");
    }
    place(machine, storage, offset, made, refuse);
    return made;
  }

  template <class Refuse>
  static std::vector<int64_t> contiguous(const std::vector<int64_t>& shape, const Refuse& refuse) {
    std::vector<int64_t> strides(shape.size());
    int64_t stride = 1;
    for (size_t i = shape.size(); i-- > 0;) {
      strides[i] = stride;
      if (shape[i] < 0 || __builtin_mul_overflow(stride, std::max<int64_t>(shape[i], 1), &stride)) {
        refuse("has a size that is no size");
      }
    }
    return strides;
  }

  /// storage: ("storage", type, key, device, elements)
  template <class Refuse>
  void place(const PickleMachine& machine, const PickleNode& storage, int64_t offset,
             StoredTensor& made, const Refuse& refuse) const {
    const std::string& type = machine.at(storage.items[1]).text;
    const std::string& key = machine.at(storage.items[2]).text;
    const Storage* known = nullptr;
    for (const Storage& one : kStorages) {
      if (type == std::string("torch.") + one.name) known = &one;
    }
    if (known == nullptr) refuse("has storage '" + type + "', which is not known");
    const auto member = archive_.members().find(folder_ + "data/" + key);
    if (member == archive_.members().end()) refuse("lies in member 'data/" + key + "', not there");
    made.dtype = known->dtype;
    const uint64_t all = member->second.size() / known->bytes;
    const auto count = static_cast<uint64_t>(made.elements());
    if (offset < 0 || static_cast<uint64_t>(offset) > all ||
        count > all - static_cast<uint64_t>(offset)) {
      refuse("reaches outside its storage");
    }
    made.bytes = count * known->bytes;
    made.data = reinterpret_cast<const uint8_t*>(member->second.data()) +
                static_cast<uint64_t>(offset) * known->bytes;
  }

  const ZipArchive& archive_;
  std::string folder_;
  std::string_view pickle_;
};

}  // namespace

std::map<std::string, StoredTensor> read_tensor_pickle(const ZipArchive& archive) {
  return StateDict(archive).read();
}

}  // namespace lethe
