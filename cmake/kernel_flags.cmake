# Kernels: every path must round products and sums separately, so that AVX2, AVX-512 and the plain loop
# give equal bits; the wide ones are compiled for their instruction set and chosen at run time.
set(_exact -ffp-contract=off)
set(_fast -O3 -fno-math-errno ${_exact})
set_source_files_properties(kernels/dot.cc kernels/pixels.cc kernels/sparse_product.cc PROPERTIES COMPILE_OPTIONS "${_fast}")
set_source_files_properties(
  kernels/biased_attention.cc kernels/gated.cc kernels/gelu.cc kernels/rms_norm.cc kernels/rotate.cc kernels/softmax_loss.cc PROPERTIES
  COMPILE_OPTIONS "${_fast};-fno-trapping-math")
set_source_files_properties(kernels/adam8.cc kernels/int8_rows.cc PROPERTIES COMPILE_OPTIONS "${_fast}")
set_source_files_properties(
  kernels/attention_avx2.cc kernels/fourbit_avx2.cc kernels/tile_avx2.cc kernels/update_avx2.cc PROPERTIES
  COMPILE_OPTIONS "${_fast};-march=x86-64-v3")
# GCC 12 takes the undefined registers inside its own AVX-512 intrinsics for a fault.
set_source_files_properties(
  kernels/attention_avx512.cc kernels/fourbit_avx512.cc kernels/tile_avx512.cc kernels/update_avx512.cc PROPERTIES
  COMPILE_OPTIONS "${_fast};-march=x86-64-v4;-Wno-maybe-uninitialized")
set_source_files_properties(
  kernels/blockwise8.cc kernels/byte_map.cc kernels/fourbit.cc kernels/matrix_product.cc
  kernels/tile_product.cc PROPERTIES
  COMPILE_OPTIONS "${_exact}")
set_source_files_properties(kernels/update_reference.cc PROPERTIES
  COMPILE_OPTIONS "-O1;-fno-tree-vectorize;${_exact}")
