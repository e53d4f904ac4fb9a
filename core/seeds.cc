#include "core/seeds.h"

#include "core/cuda_device.h"

namespace lethe {

uint64_t seed_for(int64_t seed, std::string_view purpose) {
  uint64_t hash = 0xcbf29ce484222325ULL ^ (static_cast<uint64_t>(seed) * 0x9e3779b97f4a7c15ULL);
  for (const char c : purpose) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9ULL;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebULL;
  return hash ^ (hash >> 31);
}

at::Generator make_generator(uint64_t seed, const at::Device& device) {
  if (device.is_cuda()) return cuda_generator(device.index(), seed);
  return at::detail::createCPUGenerator(seed);
}

}  // namespace lethe
