"""The style sheet of the HTML report: system fonts, light and dark, laptop, phone and paper. No colour carries meaning alone."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #f6f6f3; --card: #ffffff; --ink: #1b1e23; --soft: #565c66; --line: #dfdfd9; --code: #f3f3ef;
  --bad: #a8231c; --warn: #84540a; --plan: #2f5d8f; --good: #1f6a3c; --unknown: #6b4a94; --bar: #4f7ea8; --track: #ebebe6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #121417; --card: #1a1d22; --ink: #e7e6e2; --soft: #a5abb5; --line: #2f343c; --code: #14171b;
    --bad: #ff9187; --warn: #efb95a; --plan: #95bff0; --good: #7fce9b; --unknown: #cbb2f3; --bar: #6f9fcb; --track: #262a31;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
h1, h2, h3, h4, p, ul, ol, dl, dd, table, pre { margin: 0; }
a { color: inherit; text-decoration-color: var(--soft); text-underline-offset: .2em; }
a:hover { text-decoration-color: currentColor; }
:focus-visible { outline: 2px solid var(--plan); outline-offset: 3px; border-radius: 3px; }
code, pre, .name {
  font-family: ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .875em;
}
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--card); padding: .5rem 1rem; }
.soft { color: var(--soft); }
.icon { width: 1.1em; height: 1.1em; flex: none; vertical-align: -.17em; fill: none; stroke: currentColor; stroke-width: 1.6; }
.bad { color: var(--bad); } .warn { color: var(--warn); } .plan { color: var(--plan); }
.good { color: var(--good); } .unknown { color: var(--unknown); } .none { color: var(--soft); }

.frame { max-width: 74rem; margin: 0 auto; padding: 2.25rem 1.5rem 5rem; }
.masthead { display: flex; flex-wrap: wrap; gap: .25rem 2rem; justify-content: space-between; align-items: baseline;
  color: var(--soft); font-size: .875rem; }
.masthead strong { color: var(--ink); letter-spacing: .01em; }

.verdict { margin: 1.5rem 0 1.25rem; padding: 1.75rem 2rem; background: var(--card); border: 1px solid var(--line);
  border-left: .375rem solid currentColor; border-radius: .5rem; }
.verdict .stamp { display: flex; align-items: center; gap: .5rem; font-weight: 650; font-size: .9375rem; }
.verdict h1 { color: var(--ink); font-size: clamp(1.3rem, 1.05rem + 1.3vw, 1.8rem); line-height: 1.3; font-weight: 650;
  letter-spacing: -.012em; margin: .5rem 0 0; max-width: 52rem; text-wrap: pretty; }
.verdict .todo { color: var(--ink); margin-top: 1.1rem; max-width: 56rem; }
.verdict a { text-decoration-color: var(--line); }
.verdict a:hover { text-decoration-color: currentColor; }
.verdict ol { color: var(--ink); margin-top: .6rem; padding-left: 1.3rem; max-width: 56rem; }
.verdict li { padding: .12rem 0; }
.verdict li::marker { color: var(--soft); }

.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1px; background: var(--line);
  border: 1px solid var(--line); border-radius: .5rem; overflow: hidden; }
.figures > div { background: var(--card); padding: 1rem 1.25rem 1.05rem; }
.figures dt { color: var(--soft); font-size: .8125rem; }
.figures .big { font-size: 1.5rem; font-weight: 600; line-height: 1.25; letter-spacing: -.015em; margin-top: .15rem; }
.figures .note { font-size: .8125rem; color: var(--soft); line-height: 1.4; margin-top: .15rem; }

.columns { display: grid; grid-template-columns: 11rem minmax(0, 1fr); gap: 3rem; margin-top: 2.75rem; align-items: start; }
nav { position: sticky; top: 1.5rem; font-size: .875rem; }
nav ul { list-style: none; padding: 0; }
nav a { display: flex; justify-content: space-between; gap: .75rem; padding: .3rem 0; color: var(--soft); text-decoration: none; }
nav a:hover { color: var(--ink); text-decoration: underline; }
section + section { margin-top: 3.5rem; }
h2 { font-size: 1.3rem; line-height: 1.3; font-weight: 650; letter-spacing: -.01em; padding-bottom: .5rem;
  border-bottom: 1px solid var(--line); margin-bottom: 1.1rem; }
h3 { font-size: 1rem; font-weight: 650; margin: 2rem 0 .6rem; }
h3:first-of-type { margin-top: 1.25rem; }
h3 .soft { font-weight: 400; }
section > p { max-width: 46rem; text-wrap: pretty; }
p + p { margin-top: .5rem; }

details.finding { background: var(--card); border: 1px solid var(--line); border-left: .25rem solid var(--edge);
  border-radius: .375rem; }
details.finding + details.finding { margin-top: .6rem; }
.p0 { --edge: var(--bad); } .p1 { --edge: var(--warn); } .p2 { --edge: var(--plan); }
.finding summary { display: grid; grid-template-columns: 3.1rem minmax(0, 1fr) auto; gap: .1rem .9rem; padding: .8rem 1.1rem;
  cursor: pointer; list-style: none; align-items: baseline; }
.finding summary::-webkit-details-marker { display: none; }
.finding summary:hover h4 { text-decoration: underline; text-decoration-color: var(--line); text-underline-offset: .25em; }
.finding summary .id { font-weight: 650; color: var(--edge); }
.finding summary .turn { color: var(--soft); transition: none; }
.finding[open] summary .turn { transform: rotate(90deg); }
.finding h4 { font-size: .9688rem; font-weight: 600; line-height: 1.45; }
.finding summary .about { grid-column: 2; color: var(--soft); font-size: .875rem; }
.finding summary .name { color: var(--ink); }
.finding .body { padding: .1rem 1.1rem 1.2rem 5.1rem; }
.finding .body h5 { margin: .9rem 0 .35rem; font-size: .8125rem; font-weight: 600; color: var(--soft); }
.finding .body h5:first-child { margin-top: .2rem; }
dl.evidence { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .65rem 1.25rem; }
dl.evidence dt { color: var(--soft); font-size: .8125rem; line-height: 1.35; }
dl.evidence .long { grid-column: 1 / -1; }
dl.facts { display: grid; grid-template-columns: minmax(7rem, max-content) minmax(0, 1fr); gap: .2rem 1.25rem;
  font-size: .9375rem; }
dl.facts dt { color: var(--soft); max-width: 14rem; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: .3rem; padding: .7rem .9rem; line-height: 1.5;
  white-space: pre-wrap; user-select: all; -webkit-user-select: all; }
.finding .mark { margin-top: .9rem; font-size: .8125rem; color: var(--soft); }

table { width: 100%; border-collapse: collapse; font-size: .9375rem; }
caption { text-align: left; color: var(--soft); font-size: .875rem; padding-bottom: .5rem; }
th, td { text-align: left; vertical-align: baseline; padding: .45rem 1rem .45rem 0; border-bottom: 1px solid var(--line); }
th:last-child, td:last-child { padding-right: 0; }
thead th { font-size: .8125rem; font-weight: 600; color: var(--soft); }
tbody th { font-weight: 500; }
tbody th:not(.name) { overflow-wrap: break-word; }
table.rules tbody th { overflow-wrap: anywhere; }
table.rules .soft { font-weight: 400; }
.objects { list-style: none; padding: 0; margin: .4rem 0 .2rem; font-weight: 400; }
.objects li { padding: .12rem 0 .12rem .7rem; border-left: 2px solid var(--line); }
tfoot th, tfoot td { font-weight: 650; border-bottom: 0; }
.num { text-align: right; white-space: nowrap; }
.tight { white-space: nowrap; width: 1%; overflow-wrap: normal; }
.bars { width: 45%; }
.bars svg { display: block; width: 100%; height: .7rem; }
.bars .track { fill: var(--track); } .bars .fill { fill: var(--bar); }
.trend { display: grid; align-items: end; grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr));
  gap: 1.5rem 2.5rem; margin-bottom: .6rem; }
.trend figure { margin: 0; }
.trend figcaption { display: flex; flex-wrap: wrap; gap: 0 .6rem; align-items: baseline; font-size: .875rem; color: var(--soft); }
.trend strong { color: var(--ink); font-size: 1.0625rem; }
.trend svg { display: block; width: 100%; height: auto; margin-top: .35rem; }
.trend .ground { stroke: var(--line); fill: none; }
.trend .budget { stroke: var(--warn); stroke-dasharray: 5 4; fill: none; }
.trend polyline { stroke: var(--bar); stroke-width: 1.6; fill: none; stroke-linejoin: round; }
.trend .dot { fill: var(--bar); } .trend .over { fill: var(--bad); }
.key { width: .75em; height: .75em; vertical-align: -.05em; }
.trend .good, .key .good { fill: var(--good); stroke: none; }
.trend .bad, .key .bad { stroke: var(--bad); stroke-width: 2; fill: none; }
.trend .unknown, .key .unknown { stroke: var(--unknown); stroke-width: 1.4; fill: none; stroke-dasharray: 2 1.2; }
.state { display: inline-flex; align-items: baseline; gap: .4rem; white-space: nowrap; }
.state .icon { align-self: center; }
.outcome { display: flex; align-items: center; gap: .5rem; font-weight: 650; margin-bottom: .35rem; }
.outcome + p { margin-bottom: 1rem; }
.block + .block { margin-top: 2.5rem; }
dl.facts + table, ul.void + table, table + table, .block > table { margin-top: 1.25rem; }

.void { border: 1.5px dashed var(--unknown); border-radius: .5rem; padding: 1rem 1.25rem; background: var(--card); }
.void strong { color: var(--unknown); display: flex; align-items: center; gap: .5rem; }
ul.void { list-style: none; }
ul.void li + li { margin-top: .9rem; }
.chips { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem .4rem; }
.chips li { border: 1px solid var(--line); border-radius: .3rem; padding: .02rem .45rem; background: var(--card); }
footer { margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .8125rem; }

@media (max-width: 60rem) {
  .columns { display: block; margin-top: 1.75rem; }
  nav { position: static; margin-bottom: 2.5rem; }
  nav ul { display: flex; flex-wrap: wrap; gap: .4rem; }
  nav a { border: 1px solid var(--line); border-radius: 1rem; padding: .2rem .75rem; background: var(--card); gap: .5rem; }
}
@media (max-width: 40rem) {
  .frame { padding: 1.25rem 1rem 3rem; }
  .verdict { padding: 1.25rem 1.15rem; }
  .figures { grid-template-columns: 1fr 1fr; }
  .figures > div { padding: .8rem .95rem; }
  .figures > div:last-child:nth-child(odd) { grid-column: 1 / -1; }
  .figures .big { font-size: 1.3rem; }
  .finding summary { grid-template-columns: minmax(0, 1fr) auto; padding: .8rem .9rem; }
  .finding summary h4, .finding summary .about { grid-column: 1 / -1; }
  .finding summary .turn { grid-column: 2; grid-row: 1; }
  .finding .body { padding: 0 .9rem 1rem; }
  dl.evidence { grid-template-columns: 1fr 1fr; }
  dl.facts { grid-template-columns: minmax(5.5rem, 38%) minmax(0, 1fr); gap: .2rem .9rem; }
  table { font-size: .875rem; }
  th, td { padding-right: .6rem; }
  .bars { width: 30%; }
  .tight .state { white-space: normal; min-width: 6rem; }
  .wide { display: none; }
}
@media print {
  :root {
    color-scheme: light; --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --code: #fff; --track: #e4e4e4;
    --bad: #8f1d17; --warn: #6d4508; --plan: #234b76; --good: #17552f; --unknown: #563a79; --bar: #557;
  }
  body { font-size: 9.5pt; }
  .frame { max-width: none; padding: 0; }
  nav, .turn, .skip { display: none !important; }
  .columns { display: block; }
  details::details-content { content-visibility: visible; block-size: auto; }
  details.finding, tr, .figures > div, .void { break-inside: avoid; }
  h2, h3, summary { break-after: avoid; }
}
"""
