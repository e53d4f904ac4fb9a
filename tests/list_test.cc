// The tables of `lethe list`, and the document made from them.
#include "tests/catch.h"
// After Catch.
#include "core/digest.h"
#include "core/error.h"
#include "core/plugin.h"
#include "experiments/cli.h"
#include "methods/methods.h"
#include "tests/files.h"

using namespace lethe;
using Catch::Matchers::Contains;

namespace {

const std::string kDocs = std::string(LETHE_SOURCE_DIR) + "/docs/";
const std::string kPlugins = std::string(LETHE_BINARY_DIR) + "/plugins/";

}  // namespace

TEST_CASE("docs/methods.md is what lethe list methods --format md prints") {
  // Where this fails: build/lethe list methods --format md > docs/methods.md
  const std::string printed = list_text("methods", true, builtin_methods());
  CHECK(file_bytes(kDocs + "methods.md") == printed);
}

TEST_CASE("a list names every method, stream, model and metric once") {
  const auto headings = [](const std::string& what) {
    std::vector<std::string> found;
    std::istringstream lines(list_text(what, true, builtin_methods()));
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("## ", 0) == 0) found.push_back(line.substr(3));
    }
    return found;
  };
  using Words = std::vector<std::string>;
  Words methods;
  for (const auto& [name, entry] : builtin_methods().entries()) methods.push_back(name);
  for (const auto& [name, alias] : builtin_methods().aliases()) methods.push_back(name);
  CHECK(headings("methods") == methods);
  for (const std::string name :
       {"distill", "ewc", "lora", "multitask", "si", "finetune", "joint", "qlora"}) {
    CHECK(std::count(methods.begin(), methods.end(), name) == 1);
  }
  CHECK(headings("streams") == Words{"instructions", "permuted", "rotated", "split", "text"});
  CHECK(headings("models") == Words{"decoder", "mlp", "pretrained"});
  CHECK(headings("metrics").size() > 10);
  CHECK_THROWS_WITH(list_text("method", false, builtin_methods()),
                    "unknown list 'method'; known lists: methods, metrics, models, streams");
}

TEST_CASE("an alias is listed with what it stands for and the papers of that") {
  const std::string text = list_text("methods", false, builtin_methods());
  CHECK_THAT(text, Contains("\nqlora\n"
                            "  lora on an NF4 base.\n"
                            "  source: Hu et al. 2021, arXiv:2106.09685; Dettmers et al. 2023, "
                            "arXiv:2305.14314\n"
                            "  stands for: lora on a model with base = nf4\n"));
  CHECK_THAT(text, Contains("\njoint\n"
                            "  multitask over all tasks at every stage.\n"
                            "  source: Caruana 1997, Machine Learning 28:41\n"
                            "  stands for: multitask with tasks = all\n"));
  CHECK_THAT(text, Contains("\nfinetune\n"
                            "  Full fine-tuning: no strategy at all, the lower bound.\n"
                            "  source: -\n"
                            "  stands for: no strategy\n"));
}

TEST_CASE("a method is listed with role, check, and its options with default and range") {
  CHECK_THAT(
      list_text("methods", false, builtin_methods()),
      Contains("\nsi\n") && Contains("  role: regulariser\n") && Contains("    xi = 0.1  (> 0; "));
}

TEST_CASE("every method says its source and its check, and every option what it means") {
  const std::string text = list_text("methods", false, builtin_methods());
  CHECK_FALSE(builtin_methods().entries().empty());
  for (const auto& [name, entry] : builtin_methods().entries()) {
    CAPTURE(name);
    CHECK_FALSE(entry.summary.empty());
    CHECK_FALSE(entry.source.empty());
    CHECK_FALSE(entry.verified.empty());
    const std::string head = fmt::format("{}\n  {}\n  source: {}\n  role: {}\n", name,
                                         entry.summary, entry.source, role_name(entry.role));
    CHECK_THAT(text, Contains(head + "  verified against: " + entry.verified + "\n"));
    for (const OptionDoc& doc : entry.docs()) {
      CAPTURE(doc.name);
      CHECK_FALSE(doc.doc.empty());
      CHECK_FALSE(doc.range.empty());
    }
  }
}

TEST_CASE("a plugin's method is listed with the digest of its file") {
  const std::string path = kPlugins + "tether.so";
  const std::string text = list_text("methods", false, registry_with({path}));
  CHECK_THAT(text, Contains("\ntether\n  Tether"));
  CHECK_THAT(text, Contains("  from the plugin with SHA-256: " + sha256_file(path) + "\n"));
  CHECK_THAT(list_text("methods", false, builtin_methods()), !Contains("SHA-256"));
}
