"""The style sheet of the report: panels side by side or stacked, light or dark, on a screen or on paper."""

from __future__ import annotations

CSS = """
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1a1f26; --soft: #56606d; --line: #d9dee5; --strong: #1a1f26;
  --accent: #0b62c4; --good: #0f7038; --warn: #8a4b00; --warn-page: #fdf3e3; --shadow: 0 1px 2px #0f172a14;
}
@media (prefers-color-scheme: dark) { :root {
  --page: #101418; --card: #181d23; --ink: #e8ebef; --soft: #a3adb9; --line: #313942; --strong: #c5ccd4;
  --accent: #7db8ff; --good: #63d191; --warn: #f3bd6d; --warn-page: #2d2414; --shadow: none;
} }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; overflow-wrap: anywhere; background: var(--page); color: var(--ink); line-height: 1.5;
  font: 400 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 2.5rem 1.5rem 3rem; }
h1, h2 { line-height: 1.2; letter-spacing: -.012em; margin: 0; text-wrap: balance; }
h1 { font-size: 2rem; font-weight: 700; }
h2 { font-size: 1.25rem; font-weight: 650; margin: 2.75rem 0 .9rem; }
p { margin: 0; }
.lead { font-size: 1.0625rem; color: var(--soft); max-width: 62rem; margin-top: .6rem; white-space: pre-line;
  }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .625rem;
  box-shadow: var(--shadow);
  padding: 1.25rem; min-width: 0; }
figure { margin: 0; }
figcaption, caption { color: var(--soft); font-size: .875rem; text-align: left; }

.results { display: grid; gap: 1.25rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr));
  align-items: start; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { padding-bottom: .6rem; }
thead th { border-top: 2px solid var(--strong); border-bottom: 1px solid var(--strong); font-weight: 600;
  vertical-align: bottom; }
th, td { padding: .42rem .4rem; text-align: right; white-space: nowrap; }
thead th { white-space: normal; }
th, td { overflow-wrap: normal; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: normal; font-weight: 400;
  overflow-wrap: anywhere; min-width: 7rem; }
th:last-child, td:last-child { padding-right: 0; }
thead th:first-child { font-weight: 600; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 2px solid var(--strong); }
td.best { font-weight: 700; }
td.none { color: var(--soft); font-style: italic; font-size: .875rem; white-space: normal; }
td.up { color: var(--good); } td.down { color: var(--warn); } td.same { color: var(--soft); }

.chart svg { display: block; width: 100%; height: auto; overflow: visible; }
.chart .narrow { display: none; }
.chart text { fill: var(--soft); font-size: 12px; font-family: inherit; font-variant-numeric: tabular-nums; }
.chart .name { fill: var(--ink); }
.chart .value { fill: var(--ink); font-weight: 650; paint-order: stroke; stroke: var(--card);
  stroke-width: 4px;
  stroke-linejoin: round; }
.chart .grid { stroke: var(--line); stroke-width: 1; }
.chart .axis { stroke: var(--strong); stroke-width: 1.25; }
.chart .raw { fill: none; stroke: var(--accent); stroke-width: 1; opacity: .35; }
.chart .curve { fill: none; stroke: var(--accent); stroke-width: 2.25; stroke-linejoin: round; }
.chart .dot { fill: var(--accent); stroke: var(--card); stroke-width: 1.5; }
.chart figcaption { margin-top: .5rem; }

.legend { display: flex; flex-wrap: wrap; gap: .35rem 1.5rem; color: var(--soft); font-size: .9375rem;
  margin: 0 0 1rem; padding: 0; list-style: none; }
.legend li { display: flex; align-items: center; gap: .5rem; }
.legend svg { flex: none; stroke: var(--ink); stroke-width: 2.5; fill: none; }
.sample + .sample { margin-top: 1.25rem; }
.source { color: var(--soft); font-size: .875rem; }
.question { font-size: 1.0625rem; font-weight: 600; margin: .1rem 0 1rem; }
.panels { display: grid; gap: 1.25rem 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
.panel { min-width: 0; }
.panel h3::first-letter, thead th::first-letter { text-transform: uppercase; }
.panel h3 { font-size: .875rem; font-weight: 650; margin: 0 0 .4rem; overflow-wrap: anywhere; }
.photo { position: relative; max-width: calc(27rem * var(--ratio)); }
.photo svg { display: block; width: 100%; height: auto; border-radius: 4px; }
.photo rect { fill: none; vector-effect: non-scaling-stroke; }
.photo .edge { stroke: #000; stroke-opacity: .6; stroke-width: 6; }
.photo .rim { stroke: #fff; stroke-width: 4.5; }
.photo .box { stroke-width: 3; }
.photo .true rect, .legend .true { stroke-dasharray: 7 4; }
.photo .given rect, .legend .given { stroke-dasharray: 2.5 3.5; }
.photo .faint .edge { stroke-opacity: .55; stroke-width: 4; } .photo .faint .rim { stroke-width: 2.75; }
.photo .faint .box { stroke-width: 1.75; }
.tag, .n { font-weight: 700; font-variant-numeric: tabular-nums; text-align: center; border-radius: 3px;
  background: var(--c); print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.tag { position: absolute; min-width: 1.125rem; padding: 0 .25rem; font-size: .75rem; line-height: 1.125rem;
  box-shadow: 0 0 0 1px #fff, 0 0 0 2px #000000b0; }
.said { margin-top: .65rem; }
mark { color: inherit; background: transparent; background: color-mix(in srgb, var(--c) 17%, transparent);
  border-bottom: 2px solid var(--c); border-radius: 3px 3px 0 0; padding: .05em .15em;
  -webkit-box-decoration-break: clone; box-decoration-break: clone;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
mark.unplaced { background: none; border-bottom-style: dotted; }
.n { margin-left: .3em; padding: .1em .38em; font-size: .6875em; vertical-align: .12em; user-select: none;
  -webkit-user-select: none; }
.status { margin-top: .5rem; font-size: .875rem; color: var(--soft); }
.status.bad { color: var(--warn); background: var(--warn-page); border-radius: 4px; padding: .25rem .5rem; }
.empty { color: var(--soft); font-style: italic; }

ul.notes { margin: 0; padding-left: 1.2rem; } ul.notes li + li { margin-top: .35rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 16rem), 1fr));
  gap: .9rem 1.5rem;
  margin: 0; }
dt { color: var(--soft); font-size: .875rem; overflow-wrap: anywhere; } dd { margin: 0;
  overflow-wrap: anywhere; }

@media (max-width: 40rem) {
  .bare .photo { display: none; }
  main { padding: 1.5rem 1rem 2rem; }
  h1 { font-size: 1.5rem; } h2 { margin-top: 2rem; } .lead { font-size: 1rem; }
  .card { padding: 1rem; }
  .chart .wide { display: none; } .chart .narrow { display: block; }
  th, td { padding-left: .25rem; padding-right: .25rem; font-size: .9375rem; }
}
@media print {
  :root { color-scheme: light; --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #ccc;
  --strong: #000;
    --accent: #0b62c4; --good: #0f7038; --warn: #8a4b00; --warn-page: #fff; --shadow: none; }
  main { max-width: none; padding: 0; }
  .sample, .results > *, figure { break-inside: avoid; } h2 { break-after: avoid; }
  .panels { grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); } body { font-size: 10pt; }
}
"""
