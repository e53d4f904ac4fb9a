# Benchmarks, and one test that runs each of them once.
find_package(benchmark QUIET)
if(NOT benchmark_FOUND)
  message(STATUS "Google Benchmark is not installed: no benchmarks")
  return()
endif()
add_executable(lethe_bench bench/nf4_bench.cc bench/update_bench.cc)
target_link_libraries(lethe_bench PRIVATE lethe_core benchmark::benchmark benchmark::benchmark_main)
add_test(NAME bench_test COMMAND lethe_bench --benchmark_min_time=0)
