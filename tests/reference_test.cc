// Results beside published figures: which stand together and how far they are apart, by hand.
#include "analysis/reference.h"

#include <catch2/catch.hpp>

#include "analysis/report.h"
#include "tests/near.h"
#include "tests/reference_case.h"

namespace lethe {
namespace {

using Lines = std::vector<std::string>;

const std::string kFigures =
    figure("joint", "published = [{ source = \"paper\", mean = 98.17 }]\nwhy = \"one seed\"") +
    figure("finetune",
           "published = [{ source = \"paper\", mean = 19, sem = 0.5 },\n"
           "  { source = \"first\", mean = 18, sem = 0.1, seeds = 25, why = \"other seeds\" }]\n"
           "measured = { 3 = 19.5, 2 = 19.79 }") +
    figure("ewc",
           "published = [{ source = \"paper\", mean = 20, sem = 0.5, status = \"confirmed\" }]\n"
           "why = \"a longer tail\"");

std::vector<Comparison> beside(const std::string& text) {
  auto comparisons = split_comparisons();
  CHECK(hold_against(parse_reference(text, "r.toml"), comparisons).empty());
  return comparisons;
}

Lines methods_of(const ReferenceTable& table) {
  Lines methods;
  for (const ReferenceCell& cell : table.cells) methods.push_back(cell.method);
  return methods;
}

}  // namespace

TEST_CASE("every source has a table, the first also what no figure is about", "[reference]") {
  const auto comparisons = beside(kSources + kStream + kFigures);
  REQUIRE(comparisons[0].references.size() == 2);
  const ReferenceTable& paper = comparisons[0].references[0];
  CHECK(comparisons[0].title == "Split, class");
  CHECK(paper.stream == "Split, class");
  CHECK(paper.cite == "A & B 2022");
  CHECK(paper.title == "Final average");
  CHECK(paper.unit == "fraction");
  CHECK(methods_of(paper) == Lines{"finetune", "ewc", "si", "joint"});  // as in the comparison
  CHECK(methods_of(comparisons[0].references[1]) == Lines{"finetune"});
  CHECK(paper.cells[0].measured == std::vector<std::pair<int64_t, double>>{{2, .1979}, {3, .195}});
  CHECK(comparisons[0].references[1].cells[0].measured.empty());  // said once
}

TEST_CASE("the difference is in published standard deviations of one seed", "[reference]") {
  const auto comparisons = beside(kSources + kStream + kFigures);
  const auto& cells = comparisons[0].references[0].cells;
  CHECK(cells[0].ours.mean == near(.2));
  CHECK(*cells[0].ours.sd == near(.01));
  CHECK(cells[0].published->mean == near(.19));
  CHECK(*cells[0].published->sd() == near(.01));  // .005 sqrt 4
  CHECK(*cells[0].deviations == near(1));
  CHECK(cells[0].agreement == Agreement::agrees);
  CHECK(*cells[1].deviations == near(5));  // (.25 - .2) / .01
  CHECK(cells[1].agreement == Agreement::differs);
  CHECK(cells[1].why == "a longer tail");
  CHECK(cells[1].published->status == FigureStatus::confirmed);
  CHECK(cells[0].published->status == FigureStatus::recalled);
  CHECK(cells[2].agreement == Agreement::no_figure);
  CHECK(cells[3].agreement == Agreement::no_spread);
  CHECK_FALSE(cells[3].deviations);
  const ReferenceCell& first = comparisons[0].references[1].cells[0];
  CHECK(*first.deviations == near(4));  // (.2 - .18) / (.001 sqrt 25)
  CHECK(first.why == "other seeds");
}

TEST_CASE("beside a figure without a spread the difference is in our own", "[reference]") {
  const auto comparisons = beside(
      kSources + kStream + figure("finetune", "published = [{ source = \"paper\", mean = 18 }]") +
      figure("joint", "published = [{ source = \"paper\", mean = 98.17 }]"));
  for (const ReferenceCell& cell : comparisons[0].references[0].cells) {
    if (cell.method == "finetune") {
      CHECK(*cell.own_deviations == near(2));  // (.2 - .18) / .01
      CHECK(cell.agreement == Agreement::no_spread);
    } else {
      CHECK_FALSE(cell.own_deviations);  // joint has one seed
    }
    CHECK_FALSE(cell.deviations);
  }
  const std::string text = report_markdown(comparisons, metric_docs(), {.sections = {"beside"}});
  CHECK(text.find("| 18.00 (unconfirmed) | 4 | +2.00 own | no spread known |\n") !=
        std::string::npos);
}

TEST_CASE("exactly two standard deviations agree", "[reference]") {
  const auto at = [](const std::string& mean) {
    return beside(kSources + kStream +
                  figure("si", "published = [{ source = \"paper\", mean = " + mean +
                                   ", sem = 12.5 }]"))[0]
        .references[0]
        .cells;
  };
  const auto agreement = [&](const std::string& mean) {
    for (const auto& cell : at(mean)) {
      if (cell.method == "si") return cell.agreement;
    }
    return Agreement::no_figure;
  };
  CHECK(agreement("130") == Agreement::agrees);  // 80 - 130 = -2 * 25
  CHECK(agreement("130.1") == Agreement::differs);
  CHECK(agreement("30") == Agreement::agrees);
  CHECK(agreement("29.9") == Agreement::differs);
}

TEST_CASE("a figure without a trial is not measured, and one without a source stands alone",
          "[reference]") {
  auto comparisons = compare({split_trial("finetune", 1, .2), split_trial("si", 1, .2, "task")});
  const std::string text =
      kSources + kStream + figure("si", "published = [{ source = \"paper\", mean = 21, sem = 1 }]");
  CHECK(hold_against(parse_reference(text, "r.toml"), comparisons).empty());
  const auto& cells = comparisons[0].references[0].cells;
  CHECK(methods_of(comparisons[0].references[0]) == Lines{"finetune", "si"});
  CHECK(cells[1].agreement == Agreement::not_measured);
  CHECK(comparisons[1].references.empty());
  const auto measured_only = beside(kStream + figure("finetune", "measured = { 7 = 20 }"));
  REQUIRE(measured_only[0].references.size() == 1);
  CHECK(measured_only[0].references[0].source.empty());
  CHECK(measured_only[0].references[0].cells[0].measured.size() == 1);
}

TEST_CASE("figures of a cost are in the units that a report shows", "[reference]") {
  auto records = std::vector{split_trial("finetune", 1, .2)};
  records[0].result.timing = {{"train", 3, 2, 0, 0}};
  auto comparisons = compare(records);
  const std::string seconds =
      "[[stream.figure]]\nmethod = \"finetune\"\nmetric = \"wall_seconds_train\"\n"
      "published = [{ source = \"paper\", mean = 2, sem = 0.25 }]\n";
  hold_against(parse_reference(kSources + kStream + seconds, "r.toml"), comparisons);
  REQUIRE(comparisons[0].references.size() == 1);
  CHECK(*comparisons[0].references[0].cells[0].deviations == near(2));  // (3 - 2) / .5
}

TEST_CASE("a stream is matched by its options, never by trials of a search", "[reference]") {
  const std::string text =
      kSources + kStream + figure("ewc", "published = [{ source = \"paper\", mean = 20 }]");
  auto other = compare({split_trial("ewc", 1, .2, "task"),
                        split_trial("ewc", 1, .2, "class", "\ntrain.evaluate = validation")});
  CHECK(hold_against(parse_reference(text, "r.toml"), other) ==
        Lines{"r.toml:10: no trial of split scenario=class tasks=5; the store's streams: split "
              "scenario=task, split"});
  CHECK(other[0].references.empty());
  const std::string of_decoder = text + "[[stream]]\nname = \"split\"\nmodel = \"decoder\"\n";
  auto comparisons = split_comparisons();
  CHECK(hold_against(parse_reference(of_decoder, "r.toml"), comparisons) ==
        Lines{"r.toml:19: no trial of split with decoder; the store's streams: split"});
}

TEST_CASE("a method that no comparison knows is named with the known ones", "[reference]") {
  auto comparisons = split_comparisons();
  const std::string text =
      kSources + kStream + figure("a-gm", "published = [{ source = \"paper\", mean = 20 }]");
  CHECK(
      hold_against(parse_reference(text, "r.toml"), comparisons) ==
      Lines{"r.toml:16: no trial of method 'a-gm'; the store's methods: ewc, finetune, joint, si"});
  CHECK(comparisons[0].references[0].cells.back().agreement == Agreement::not_measured);
}

}  // namespace lethe
