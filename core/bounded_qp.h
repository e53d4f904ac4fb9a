// A small quadratic program over a box that is open above. Free of libtorch.
#pragma once

#include <vector>

namespace lethe {

/// The v that minimises 1/2 v'Hv + b'v with every v_i >= low. H (n, n) row by row, symmetric and
/// positive semidefinite; b (n). Where no minimum exists (b outside the range of H) the answer
/// means nothing; a Gram matrix H = RR' with b = Rg always has one. An active-set method on the
/// problem scaled to a unit diagonal: Lawson & Hanson 1974, "Solving Least Squares Problems",
/// algorithm NNLS, on the normal equations. Cubic in n a step and about n steps: for tens of
/// variables.
std::vector<double> bounded_qp(const std::vector<double>& h, const std::vector<double>& b,
                               double low);

}  // namespace lethe
