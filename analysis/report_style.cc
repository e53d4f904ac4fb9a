#include "analysis/report_html_blocks.h"

namespace lethe {

namespace {

const char* const kStyle =
    R"(:root { color-scheme: light dark; --ink: #1d2329; --soft: #5c6670; --paper: #ffffff;
  --card: #f6f8fa; --line: #d8dee4; --good: #116329; --bad: #b3261e; --link: #0b5cad; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e8ed; --soft: #9aa5b1; --paper: #14181c; --card: #1d2329; --line: #38414a;
    --good: #5fd38a; --bad: #ff8f85; --link: #7ab7ff; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1400px; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; margin: 0 0 1rem; }
h2 { font-size: 1.35rem; margin: 2.5rem 0 .75rem; border-bottom: 2px solid var(--line); padding-bottom: .3rem; }
h3 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
h4 { font-size: .95rem; margin: 1.25rem 0 .4rem; }
p { max-width: 75ch; margin: .4rem 0 .8rem; }
a { color: var(--link); }
nav { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .5rem 1.25rem; }
nav h2 { font-size: 1rem; margin: .3rem 0; border: 0; padding: 0; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: .35rem 1.5rem;
  margin: .5rem 0; }
dt { color: var(--soft); font-size: .8rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: .5rem 0 1.25rem; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .4rem; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { text-align: right; vertical-align: bottom; border-bottom: 2px solid var(--line);
  font-weight: 600; min-width: 5.5rem; }
thead th.label, tbody th, .prose td, .samples td { text-align: left; }
thead th.label { min-width: 0; }
tbody th { font-weight: 600; white-space: nowrap; }
tbody th ~ th { font-weight: 400; }
.values td { text-align: right; white-space: nowrap; }
.values td.words { text-align: left; white-space: normal; min-width: 7rem; max-width: 60ch; }
.values tbody tr:hover { background: var(--card); }
.values th:first-child { position: sticky; left: 0; background: var(--paper); }
.better { color: var(--good); }
.worse { color: var(--bad); }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(330px, 1fr)); gap: .5rem 1.25rem; }
.maps { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(480px, 100%), 1fr)); gap: .5rem 1.25rem; }
.maps .scroll { margin: 0 0 .75rem; }
.heat { font-size: .8rem; }
.heat caption { color: var(--ink); font-weight: 600; }
.heat td { text-align: center; border: 1px solid var(--paper); min-width: 3.5rem; }
.heat thead th { text-align: center; min-width: 3.5rem; font-weight: 400; border-bottom: 0; }
.heat thead th.label { text-align: left; }
.heat tbody th { font-weight: 400; white-space: normal; border-bottom: 0; }
figure { margin: 0 0 1rem; background: #ffffff; border: 1px solid var(--line); border-radius: 6px;
  padding: .4rem; color: #1d2329; }
figcaption { font-weight: 600; font-size: .85rem; padding: 0 .4rem; }
figure svg { display: block; width: 100%; height: auto; }
.wide { max-width: 760px; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; margin: .25rem 0 .6rem; }
.legend span { display: inline-block; width: 1.4em; height: .3em; margin-right: .45em; vertical-align: middle;
  border-radius: 2px; border: 1px solid #88888855; }
.problem { color: var(--bad); }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: .4rem .9rem; }
summary { cursor: pointer; font-weight: 600; }
pre { margin: 0; font: .82rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.prompt { background: var(--card); border-left: 3px solid var(--line); padding: .5rem .75rem; margin: .3rem 0; }
.samples tbody th { font-weight: 400; }
.right td:nth-child(2) { color: var(--good); }
.wrong td:nth-child(2) { color: var(--bad); }
.prose { min-width: 44rem; }
@media print {
  :root { --ink: #000; --soft: #444; --paper: #fff; --card: #f4f4f4; --line: #bbb; --good: #0a4d1f; --bad: #8c1510; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  .scroll { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding: .15rem .3rem; }
  thead th { min-width: 0; }
  figure, .heat, tr { break-inside: avoid; }
  td { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
)";

}  // namespace

std::string html_style() { return kStyle; }
}  // namespace lethe
