#include "analysis/report_findings.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/relation.h"
#include "analysis/report_numbers.h"

namespace lethe {
namespace {

std::string in_unit(const std::string& title, const std::string& unit) {
  const std::string name = shown_unit(unit).name;
  return name.empty() ? title : fmt::format("{} ({})", title, name);
}

std::string published_text(const ReferenceCell& cell, const std::string& unit) {
  if (!cell.published) return "-";
  const PublishedFigure& figure = *cell.published;
  std::string text = rounded(figure.mean, unit);
  if (figure.sem) text += " ± " + rounded(*figure.sem, unit);
  if (figure.status == FigureStatus::recalled) text += " (unconfirmed)";
  if (figure.status == FigureStatus::quoted) text += " (quoted)";
  return text;
}

std::string measured_text(const ReferenceCell& cell, const std::string& unit) {
  std::string text;
  for (const auto& [seed, value] : cell.measured) {
    text += fmt::format("{}{} (seed {})", text.empty() ? "" : ", ", rounded(value, unit), seed);
  }
  return text.empty() ? "-" : text;
}

std::string deviations_text(const ReferenceCell& cell) {
  if (cell.own_deviations) return fmt::format("{:+.2f} own", *cell.own_deviations);
  return cell.deviations ? fmt::format("{:+.2f}", *cell.deviations) : "-";
}

// Said where a figure that could be compared is not met.
std::string reason(const ReferenceCell& cell) {
  if (cell.agreement == Agreement::differs) return cell.why.empty() ? "unexplained" : cell.why;
  return cell.agreement == Agreement::no_spread ? cell.why : "";
}

bool any_measured(const ReferenceTable& table) {
  return std::any_of(table.cells.begin(), table.cells.end(),
                     [](const ReferenceCell& cell) { return !cell.measured.empty(); });
}

bool any_reason(const ReferenceTable& table) {
  return std::any_of(table.cells.begin(), table.cells.end(),
                     [](const ReferenceCell& cell) { return !reason(cell).empty(); });
}

std::string caption_of(const ReferenceTable& table) {
  std::string caption = in_unit(table.title, table.unit);
  if (!table.cite.empty()) {
    caption +=
        fmt::format(" beside {}. Published: mean ± standard error over its n seeds", table.cite);
  }
  caption += ".";
  if (any_measured(table) && !table.code.empty()) {
    caption += fmt::format(" Reference code: {}.", table.code);
  }
  return caption;
}

Table table_of(const ReferenceTable& from) {
  const bool measured = any_measured(from), reasons = any_reason(from);
  Table table{.caption = caption_of(from), .texts = reasons ? size_t{2} : size_t{1}};
  table.head = {"Method", "Ours", "sd", "n", "Published", "n"};
  if (measured) table.head.emplace_back("Reference code");
  table.head.emplace_back("Difference (sd)");
  table.head.emplace_back("Verdict");
  if (reasons) table.head.emplace_back("Why");
  for (const ReferenceCell& cell : from.cells) {
    const auto& seeds = cell.published ? cell.published->seeds : std::nullopt;
    std::vector<TableCell> row = {{cell.method},
                                  {cell.ours.n > 0 ? rounded(cell.ours.mean, from.unit) : "-"},
                                  {cell.ours.sd ? rounded(*cell.ours.sd, from.unit) : "-"},
                                  {std::to_string(cell.ours.n)},
                                  {published_text(cell, from.unit)},
                                  {seeds ? std::to_string(*seeds) : "-"}};
    if (measured) row.push_back({measured_text(cell, from.unit)});
    row.push_back({deviations_text(cell)});
    row.push_back({agreement_text(cell.agreement)});
    if (reasons) row.push_back({reason(cell)});
    table.rows.push_back(row);
  }
  return table;
}

std::string mean_text(const std::optional<double>& mean, const std::string& unit) {
  return mean ? rounded(*mean, unit) : "-";
}

std::string link_text(const RelationLink& link) {
  if (!link.left_mean || !link.right_mean) return "not measured";
  if (!link.holds) return "broken";
  if (!link.difference.half_width) return "holds, without an interval";
  return excludes_zero(link.difference) ? "holds" : "holds, but the interval includes 0";
}

std::string verdict_of(const RelationResult& relation) {
  const bool broken = std::any_of(
      relation.links.begin(), relation.links.end(),
      [](const RelationLink& link) { return link.left_mean && link.right_mean && !link.holds; });
  return relation.holds() ? "holds" : broken ? "broken" : "not measured";
}

// A number is shown as the means beside it are: "0.95" as "95.00".
std::string shown_member(const std::string& member, const std::string& unit) {
  const auto number = constant(member);
  return number ? rounded(*number, unit) : member;
}

std::string shown_term(const std::string& term, const std::string& unit) {
  const std::vector<std::string> members = members_of(term);
  if (members.size() == 1 && members[0] == term) return shown_member(term, unit);
  std::string text;
  for (const std::string& member : members) {
    text += (text.empty() ? "{" : ", ") + shown_member(member, unit);
  }
  return text + "}";
}

// "Final average (%): {si, ewc} > 95.00 > finetune"
std::string shown_relation(const RelationResult& relation) {
  const Chain chain = parse_chain(relation.expression);
  std::string text = in_unit(relation.title, relation.unit) + ":";
  for (size_t i = 0; i < chain.terms.size(); ++i) {
    if (i > 0) text += " " + chain.operators[i - 1];
    text += " " + shown_term(chain.terms[i], relation.unit);
  }
  return relation.margin == 0 ? text : text + " by " + rounded(relation.margin, relation.unit);
}

std::string line_of(const RelationResult& relation) {
  return shown_relation(relation) + ": " + verdict_of(relation);
}

Table table_of(const RelationResult& relation) {
  Table table{.caption = line_of(relation), .labels = 1, .texts = 1};
  table.head = {"Step", "Left", "Right", "Difference", "n", "Verdict"};
  for (const RelationLink& link : relation.links) {
    table.rows.push_back({{fmt::format("{} {} {}", shown_member(link.left, relation.unit), link.op,
                                       shown_member(link.right, relation.unit))},
                          {mean_text(link.left_mean, relation.unit)},
                          {mean_text(link.right_mean, relation.unit)},
                          {difference_and_interval(link.difference, relation.unit)},
                          {std::to_string(link.difference.n)},
                          {link_text(link)}});
  }
  return table;
}

int64_t count(const ReferenceTable& table, Agreement agreement) {
  return std::count_if(table.cells.begin(), table.cells.end(), [&](const ReferenceCell& cell) {
    return cell.published && cell.agreement == agreement;
  });
}

Table counts_of(const std::vector<const ReferenceTable*>& tables) {
  Table table{.caption =
                  "Published figures by how ours compare: within 2 of the published standard "
                  "deviations of one seed, farther, or without a known spread.",
              .labels = 2};
  table.head = {"Stream", "Source",          "Figures",     "Agree",
                "Differ", "No spread known", "Not measured"};
  for (const ReferenceTable* one : tables) {
    const auto figures = std::count_if(one->cells.begin(), one->cells.end(),
                                       [](const auto& cell) { return cell.published.has_value(); });
    table.rows.push_back({{one->stream},
                          {one->cite},
                          {std::to_string(figures)},
                          {std::to_string(count(*one, Agreement::agrees))},
                          {std::to_string(count(*one, Agreement::differs))},
                          {std::to_string(count(*one, Agreement::no_spread))},
                          {std::to_string(count(*one, Agreement::not_measured))}});
  }
  return table;
}

}  // namespace

std::string agreement_text(Agreement agreement) {
  switch (agreement) {
    case Agreement::agrees:
      return "agrees";
    case Agreement::differs:
      return "differs";
    case Agreement::no_spread:
      return "no spread known";
    case Agreement::no_figure:
      return "no figure";
    case Agreement::not_measured:
      return "not measured";
  }
  return "";
}

std::string status_text(FigureStatus status) {
  if (status == FigureStatus::confirmed) return "confirmed";
  return status == FigureStatus::recalled ? "recalled" : "quoted";
}

Blocks reference_section(const Comparison& comparison) {
  if (comparison.references.empty()) return {};
  Blocks blocks = {
      Heading{3, "Beside published figures"},
      Paragraph{"Ours: mean and standard deviation over n seeds. Difference: ours minus published, "
                "in published standard deviations of one seed, which are the standard error times "
                "√n. Agrees: at most 2 of them apart. A figure without a spread is told apart in "
                "our own standard deviations, marked own, without a verdict."}};
  for (const ReferenceTable& table : comparison.references) blocks.emplace_back(table_of(table));
  return blocks;
}

Blocks relation_section(const Comparison& comparison) {
  if (comparison.relations.empty()) return {};
  Blocks blocks = {
      Heading{3, "Relations"},
      Paragraph{"Held to means over seeds. Difference: left minus right by seed, mean ± "
                "half width of the 95 % Student-t interval over the n seeds that both "
                "have."}};
  for (const RelationResult& relation : comparison.relations) {
    blocks.emplace_back(table_of(relation));
  }
  return blocks;
}

Blocks findings_summary(const std::vector<Comparison>& comparisons) {
  std::vector<const ReferenceTable*> tables;
  Bullets differing, relations;
  for (const Comparison& comparison : comparisons) {
    for (const ReferenceTable& table : comparison.references) {
      if (!table.source.empty()) tables.push_back(&table);
      for (const ReferenceCell& cell : table.cells) {
        if (cell.agreement != Agreement::differs) continue;
        differing.items.push_back(fmt::format("{}, {}, {}: {} sd. {}", table.stream, cell.method,
                                              table.source, deviations_text(cell), reason(cell)));
      }
    }
    for (const RelationResult& relation : comparison.relations) {
      relations.items.push_back(comparison.title + ": " + line_of(relation));
    }
  }
  Blocks blocks;
  if (!tables.empty() || !relations.items.empty()) blocks.emplace_back(Heading{2, "In short"});
  if (!tables.empty()) blocks.emplace_back(counts_of(tables));
  if (!differing.items.empty()) {
    blocks.emplace_back(Paragraph{"Figures that ours do not agree with:"});
    blocks.emplace_back(std::move(differing));
  }
  if (!relations.items.empty()) {
    blocks.emplace_back(Paragraph{"Relations:"});
    blocks.emplace_back(std::move(relations));
  }
  return blocks;
}

}  // namespace lethe
