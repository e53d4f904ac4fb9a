// The instruction-set versions of the tile products, and their tile sizes. Only core/kernels and
// its tests use it.
#pragma once

#include "core/kernels/counts.h"
#include "core/kernels/tile_product.h"

namespace lethe::kernels {

constexpr int64_t kDepth = 256;      ///< of the sum, handled while a tile is cached
constexpr int64_t kPitch = 280;      ///< from row to row of a tile; 256 would hit one cache bank
constexpr int64_t kStrip = 96;       ///< outputs of one pass: a tile takes 105 KiB
constexpr int64_t kBackStrip = 192;  ///< of the gradient: wider, as it reads rows piece by piece
constexpr int64_t kPanel = 16;       ///< neighbours that the inner loop holds in registers
constexpr int64_t kGroupRows = 12;   ///< a multiple of every version's rows in registers
constexpr int64_t kTokens = 240;  ///< most tokens of one pass, a multiple of kPanel and kGroupRows

/// The AVX-512 versions need what has_avx512() asks for. At most kTokens tokens.
void multiply_avx2(const float* x, int64_t tokens, const TiledWeight& w, const float* bias,
                   float* scratch, float* y);
void multiply_avx512(const float* x, int64_t tokens, const TiledWeight& w, const float* bias,
                     float* scratch, float* y);
void multiply_back_avx2(const float* gy, int64_t tokens, const TiledWeight& w, float* scratch,
                        float* gx);
void multiply_back_avx512(const float* gy, int64_t tokens, const TiledWeight& w, float* scratch,
                          float* gx);

}  // namespace lethe::kernels
