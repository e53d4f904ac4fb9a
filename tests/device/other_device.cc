#include "tests/device/other_device.h"

#include <ATen/EmptyTensor.h>
#include <ATen/detail/HPUHooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <cstdlib>
#include <new>

#include "core/memory_ledger.h"

namespace lethe {

struct Hooks : at::HPUHooksInterface {
  explicit Hooks(at::HPUHooksArgs) {}
  void init() const override {}
  bool hasHPU() const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  at::DeviceIndex deviceCount() const override { return 1; }
  bool hasPrimaryContext(at::DeviceIndex) const override { return true; }
};

namespace {

constexpr c10::DeviceType kType = c10::DeviceType::HPU;
const c10::Device kDevice(kType, 0);

/// Books in the ledger of device memory, as the CUDA allocator's reports do.
class Allocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &release, kDevice};
    void* memory = std::aligned_alloc(64, (bytes + 127) / 64 * 64);
    auto* block = new (memory) Block{static_cast<int64_t>(bytes), device_tag()};
    device_ledger().add(block->category, block->bytes);
    device_ledger().reserve(block->bytes);
    void* data = static_cast<char*>(memory) + 64;
    return {data, data, &release, kDevice};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

 private:
  struct Block {
    int64_t bytes;
    Category category;
  };
  static void release(void* data) {
    if (data == nullptr) return;
    auto* block = reinterpret_cast<Block*>(static_cast<char*>(data) - 64);
    device_ledger().add(block->category, -block->bytes);
    device_ledger().reserve(-block->bytes);
    std::free(block);
  }
};

Allocator allocator;

/// Without a stream's order to keep: all is done when an operation returns.
struct Guard : c10::impl::NoOpDeviceGuardImpl<kType> {
  c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
  c10::Device getDevice() const override { return kDevice; }
  c10::Stream getStream(c10::Device) const noexcept override { return only(); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return only(); }
  void record(void**, const c10::Stream&, const c10::DeviceIndex,
              const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  static c10::Stream only() { return c10::Stream(c10::Stream::DEFAULT, kDevice); }
};
C10_REGISTER_GUARD_IMPL(HPU, Guard)

/// The CPU's view of a tensor's memory.
Tensor seen(const Tensor& t) {
  if (!t.device().is_cpu()) {
    return at::from_blob(
        const_cast<void*>(t.storage().data()), t.sizes(), t.strides(), t.storage_offset(),
        [](void*) {}, at::TensorOptions(t.scalar_type()));
  }
  return t;
}

Tensor copy_from(const Tensor& from, const Tensor& to, bool) {
  if (to.numel() > 0) seen(to).copy_(seen(from));
  return to;
}

/// A result of an operation into its place, which may be too small.
Tensor copy_from_and_resize(const Tensor& from, const Tensor& to) {
  auto* storage = to.storage().unsafeGetStorageImpl();
  const size_t bytes = to.itemsize() * static_cast<size_t>(to.storage_offset() + from.numel());
  if (storage->nbytes() < bytes) {
    storage->set_data_ptr_noswap(allocator.allocate(bytes));
    storage->set_nbytes(bytes);
  }
  if (to.sizes() != from.sizes()) to.unsafeGetTensorImpl()->set_sizes_contiguous(from.sizes());
  return copy_from(from, to, false);
}

Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>,
             std::optional<at::Device>, std::optional<bool>,
             std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &allocator, c10::DispatchKeySet(c10::DispatchKey::HPU),
                                   c10::dtype_or_default(type), format);
}

Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride,
                     std::optional<at::ScalarType> type, std::optional<at::Layout>,
                     std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &allocator,
                                           c10::DispatchKeySet(c10::DispatchKey::HPU),
                                           c10::dtype_or_default(type));
}

Tensor view(const Tensor& t, at::IntArrayRef size) { return at::native::view(t, size); }

/// Refuses tensors of both devices in one operation, as a GPU does. Scalars may come from the CPU.
void refuse_mixed(const c10::OperatorHandle& operation, const torch::jit::Stack& stack) {
  bool here = false, cpu = false;
  const auto look = [&](const Tensor& t) {
    if (!t.defined()) return;
    here = here || t.device().type() == kType;
    cpu = cpu || (t.device().is_cpu() && t.dim() > 0);
  };
  for (size_t i = stack.size() - operation.schema().arguments().size(); i < stack.size(); ++i) {
    if (stack[i].isTensor()) look(stack[i].toTensor());
    if (!stack[i].isTensorList()) continue;
    for (const Tensor& t : stack[i].toTensorVector()) look(t);
  }
  TORCH_CHECK(!(here && cpu), "tensors of two devices in ", operation.operator_name());
}

void on_cpu(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  refuse_mixed(operation, *stack);
  at::native::cpu_fallback(operation, stack);
}

TORCH_LIBRARY_IMPL(_, HPU, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&on_cpu>());
}

TORCH_LIBRARY_IMPL(aten, HPU, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("_copy_from", copy_from);
  library.impl("_copy_from_and_resize", copy_from_and_resize);
  library.impl("as_strided", at::native::as_strided_tensorimpl);
  library.impl("view", view);
  library.impl("_reshape_alias", at::native::_reshape_alias);
}

}  // namespace

const at::Device& other_device() { return kDevice; }

}  // namespace lethe

namespace at {
C10_REGISTER_CLASS(HPUHooksRegistry, HPUHooks, lethe::Hooks)
}  // namespace at
