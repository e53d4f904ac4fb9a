// docs/metrics.md has a section for every metric, in order, with its words and right golden values.
#include <catch2/catch.hpp>
#include <map>

#include "analysis/comparison.h"
#include "analysis/metric_table.h"
#include "tests/files.h"
#include "tests/r_matrices.h"

namespace lethe {
namespace {

struct Section {
  std::string key, text;
};

// The "## KEY" sections of the page, each up to the next heading.
std::vector<Section> sections() {
  const std::string page = file_bytes(LETHE_SOURCE_DIR "/docs/metrics.md");
  std::vector<Section> found;
  for (size_t at = 0; (at = page.find("\n## ", at)) != std::string::npos; ++at) {
    const size_t end_of_line = page.find('\n', at + 1);
    const size_t end = std::min(page.find("\n# ", end_of_line), page.find("\n## ", end_of_line));
    found.push_back({page.substr(at + 4, end_of_line - at - 4),
                     page.substr(end_of_line, end == std::string::npos ? end : end - end_of_line)});
  }
  return found;
}

}  // namespace

TEST_CASE("docs/metrics.md has every metric in the order of `lethe list metrics`", "[metrics]") {
  const auto found = sections();
  const auto& docs = metric_docs();
  REQUIRE(found.size() == docs.size());
  for (size_t i = 0; i < docs.size(); ++i) {
    INFO(docs[i].key);
    CHECK(found[i].key == docs[i].key);
    const std::string source = docs[i].source.empty() ? "-" : docs[i].source;
    const std::string head = "\n\n" + docs[i].title + ": " + docs[i].definition +
                             "\n\nSource: " + source + ".\n\nunit: " + docs[i].unit + ".\n\n    ";
    CHECK(found[i].text.substr(0, head.size()) == head);  // and a formula after it
  }
}

TEST_CASE("the golden values of docs/metrics.md are those of its matrix", "[metrics]") {
  std::map<std::string, double> documented;
  for (const Section& section : sections()) {
    const std::string mark = "golden: ";
    const size_t at = section.text.rfind(mark);
    if (at == std::string::npos) continue;
    documented[section.key] = std::stod(section.text.substr(at + mark.size()));
  }
  std::map<std::string, double> computed;
  for (const ScoreMetric& metric : score_metrics()) {
    if (const auto value = metric.of(golden_r(), {})) computed[metric.doc.key] = *value;
  }
  CHECK(documented.size() == 8);
  for (const auto& [key, value] : documented) {
    INFO(key);
    REQUIRE(computed.count(key) == 1);
    CHECK(value == Approx(computed.at(key)).epsilon(0).margin(1e-7));
  }
}

}  // namespace lethe
