// Products with a weight that is never held dense: a tile of it at a time is made float32 and used
// while it lies in the second-level cache. Raw pointers, free of libtorch.
#pragma once

#include <cstdint>

#include "core/kernels/byte_map.h"
#include "core/kernels/fourbit.h"
#include "core/kernels/int8_rows.h"

namespace lethe::kernels {

/// A frozen weight W (rows = out, columns = in) in any format.
class TiledWeight {
 public:
  TiledWeight(int64_t rows, int64_t columns) : rows_(rows), columns_(columns) {}
  virtual ~TiledWeight();
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  /// out[i] = W[row][column + i] for i < n, float32.
  virtual void read(int64_t row, int64_t column, int64_t n, float* out) const = 0;
  /// Asks the memory for what read() would look at.
  virtual void fetch(int64_t /*row*/, int64_t /*column*/, int64_t /*n*/) const {}

 private:
  int64_t rows_, columns_;
};

/// A dense float32 weight.
class DenseTiles : public TiledWeight {
 public:
  DenseTiles(const float* values, int64_t rows, int64_t columns)
      : TiledWeight(rows, columns), values_(values) {}
  void read(int64_t row, int64_t column, int64_t n, float* out) const override;
  void fetch(int64_t row, int64_t column, int64_t n) const override;

 private:
  const float* values_;
};

/// A dense weight in bfloat16, as its bits.
class Bf16Tiles : public TiledWeight {
 public:
  Bf16Tiles(const uint16_t* values, int64_t rows, int64_t columns)
      : TiledWeight(rows, columns), values_(values) {}
  void read(int64_t row, int64_t column, int64_t n, float* out) const override;
  void fetch(int64_t row, int64_t column, int64_t n) const override;

 private:
  const uint16_t* values_;
};

/// Scales of a 4-bit weight quantised once more (core/kernels/blockwise8.h).
struct NestedScales {
  const ByteMap* map = nullptr;
  const uint8_t* codes = nullptr;
  const float* absmax = nullptr;
  float offset = 0;
  int64_t block = 256;
};

/// A 4-bit weight, row-major in blocks as bitsandbytes packs it.
class FourBitTiles : public TiledWeight {
 public:
  FourBitTiles(FourBit format, const uint8_t* packed, const float* absmax, int64_t rows,
               int64_t columns, int64_t block)
      : TiledWeight(rows, columns),
        format_(format),
        packed_(packed),
        absmax_(absmax),
        block_(block) {}
  FourBitTiles(FourBit format, const uint8_t* packed, const NestedScales& nested, int64_t rows,
               int64_t columns, int64_t block)
      : TiledWeight(rows, columns),
        format_(format),
        packed_(packed),
        nested_(nested),
        block_(block) {}
  void read(int64_t row, int64_t column, int64_t n, float* out) const override;
  void fetch(int64_t row, int64_t column, int64_t n) const override;

 private:
  FourBit format_;
  const uint8_t* packed_;
  const float* absmax_ = nullptr;
  NestedScales nested_;
  int64_t block_;
};

/// An LLM.int8() weight.
class Int8Tiles : public TiledWeight {
 public:
  explicit Int8Tiles(const Int8Matrix& w) : TiledWeight(w.rows, w.columns), w_(w) {}
  void read(int64_t row, int64_t column, int64_t n, float* out) const override;
  void fetch(int64_t row, int64_t column, int64_t n) const override;

 private:
  Int8Matrix w_;
};

/// Floats of scratch that the products need for x (tokens, columns), or gy (tokens, rows): a copy
/// of at most 240 tokens, and less than 100,000 more.
int64_t tile_scratch(int64_t tokens, const TiledWeight& w);

/// y (tokens, rows) = x (tokens, columns) W^T + bias (rows, may be null). Each output is one chain
/// of fused multiply-adds over the columns in order, from 0, then the bias: equal bits on every
/// instruction set and for every number of tokens. `scratch`: tile_scratch() floats.
void multiply(const float* x, int64_t tokens, const TiledWeight& w, const float* bias,
              float* scratch, float* y);

/// gx (tokens, columns) = gy (tokens, rows) W, the gradient for x: a chain over the rows, as above.
void multiply_back(const float* gy, int64_t tokens, const TiledWeight& w, float* scratch,
                   float* gx);

/// The same by the plain loops, W read row by row.
void multiply_reference(const float* x, int64_t tokens, const TiledWeight& w, const float* bias,
                        float* y);
void multiply_back_reference(const float* gy, int64_t tokens, const TiledWeight& w, float* gx);

}  // namespace lethe::kernels
