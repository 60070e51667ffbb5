// SPDX-License-Identifier: BSD-3-Clause
// The report's style sheet and its script. Neither holds <, > or &, so both are the same in HTML and XML.
#pragma once
#include <string_view>

namespace bench {

/// Series 0, the baseline, is grey; the colours of the others stay apart for the colour-blind, and lines also differ in
/// their dashes. Text has a contrast of at least 4.5, what is drawn of at least 3, in both schemes.
inline constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark;
  --page: #f5f7fa; --card: #ffffff; --text: #16202c; --dim: #55606e; --edge: #d5dbe3; --grid: #e6eaef;
  --better: #0a5bb5; --better-back: #e3effc; --worse: #9a3b00; --worse-back: #fdeadd; --link: #0a5bb5;
  --s0: #838d9a; --s1: #0a5bb5; --s2: #c2570c; --s3: #0b7a5c; --s4: #a63d8f; --s5: #22262c; }
@media screen and (prefers-color-scheme: dark) { :root {
  --page: #0e141b; --card: #172029; --text: #e8edf3; --dim: #a3afbd; --edge: #303c49; --grid: #26313c;
  --better: #7cb8ff; --better-back: #14304f; --worse: #ffae75; --worse-back: #4a2811; --link: #7cb8ff;
  --s0: #8b97a5; --s1: #5aa7ff; --s2: #f58b3f; --s3: #35c79a; --s4: #e58bd0; --s5: #f5f1d8; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
main, header, footer { max-width: 1320px; margin: 0 auto; padding: 0 clamp(12px, 3vw, 32px); }
header { padding-top: 28px; }
h1 { font-size: clamp(1.5rem, 4vw, 2.1rem); line-height: 1.2; margin: 0 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 0 0 10px; overflow-wrap: anywhere; }
h3 { font-size: 1.05rem; margin: 22px 0 8px; }
h4 { font-size: 1rem; margin: 18px 0 6px; }
p { margin: 0 0 12px; max-width: 90ch; }
a { color: var(--link); }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 12px 0 20px; }
section { background: var(--card); border: 1px solid var(--edge); border-radius: 10px; margin: 0 0 22px;
  padding: clamp(14px, 2.4vw, 26px); }
:focus-visible { outline: 3px solid var(--s1); outline-offset: 2px; }
.sub { color: var(--dim); }
.num { font-variant-numeric: tabular-nums; text-align: right; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 160px), 1fr)); gap: 12px;
  margin: 0 0 24px; }
.tile { background: var(--card); border: 1px solid var(--edge); border-radius: 10px; padding: 14px 18px 18px; }
.tile h3 { margin: 0; font-size: .95rem; color: var(--dim); font-weight: 500; }
.tile .big { margin: 2px 0 8px; line-height: 1.2; }
.tile { container-type: inline-size; } .tiles.wide { grid-template-columns: repeat(auto-fit, minmax(min(100%, 310px), 1fr)); }
.tile .big .ratio { background: none; padding: 0; font-size: 1.5rem; font-size: clamp(1.1rem, 13cqi, 2rem); white-space: normal; }
.tile .row { display: flex; justify-content: space-between; gap: 10px; font-size: .84rem; }
.tile .row .name { color: var(--dim); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.tile .row .num { white-space: nowrap; } .tile .row .ratio { margin-left: 6px; }
.track { height: 8px; margin: 2px 0 7px; background: var(--grid); border-radius: 4px; }
.fill { display: block; height: 8px; min-width: 2px; border-radius: 4px; print-color-adjust: exact; }
.f0 { background: var(--s0); } .f1 { background: var(--s1); } .f2 { background: var(--s2); }
.f3 { background: var(--s3); } .f4 { background: var(--s4); } .f5 { background: var(--s5); }
.scroll { overflow-x: auto; margin: 0 0 12px; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th, td { text-align: left; padding: 7px 10px; vertical-align: top; border-top: 1px solid var(--edge); }
thead th { border-top: 0; border-bottom: 2px solid var(--edge); color: var(--dim); vertical-align: bottom; }
th.num, td.num { text-align: right; }
td.num { white-space: nowrap; }
.ratios th[scope=rowgroup] { font-weight: 500; }
.figures th[scope=rowgroup] { padding-top: 16px; }
.figures th.port, td.port { font-weight: 400; padding-left: 18px; white-space: nowrap; }
.figures { width: auto; min-width: 60%; }
.ratio { white-space: nowrap; padding: 1px 7px; border-radius: 6px; print-color-adjust: exact; }
.better { color: var(--better); background: var(--better-back); }
.worse, .bad { color: var(--worse); background: var(--worse-back); }
.bad { font-weight: 700; }
.even { color: var(--dim); }
.pair { color: var(--dim); font-size: .85rem; } .pair span { white-space: nowrap; }
.ratios thead th { width: 22%; } .ratios thead th:first-child { width: auto; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 22px; }
.key { display: inline-flex; align-items: center; gap: 8px; overflow-wrap: anywhere; }
.swatch { width: 28px; height: 12px; flex: none; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); gap: 14px 26px; }
figure { margin: 0; max-width: 600px; break-inside: avoid; }
figcaption { font-weight: 600; font-size: .9rem; overflow-wrap: anywhere; }
figure svg { width: 100%; height: auto; display: block; }
svg text { font: 11.5px system-ui, sans-serif; fill: var(--dim); font-variant-numeric: tabular-nums; }
svg .x { text-anchor: middle; } svg .y, svg .name, svg .note { text-anchor: end; }
svg .label { fill: var(--text); font-weight: 600; }
.grid { stroke: var(--grid); fill: none; } .axis { stroke: var(--s0); fill: none; }
.divide { stroke: var(--dim); stroke-dasharray: 3 4; fill: none; }
.line, .line path { fill: none; stroke-width: 2.4; stroke-linejoin: round; }
.line circle { stroke: none; }
.band { opacity: .3; stroke: none; }
.bar.s0, .band.s0, .s0 circle { fill: var(--s0); } .line.s0 { stroke: var(--s0); }
.bar.s1, .band.s1, .s1 circle { fill: var(--s1); } .line.s1 { stroke: var(--s1); }
.bar.s2, .band.s2, .s2 circle { fill: var(--s2); } .line.s2 { stroke: var(--s2); stroke-dasharray: 9 3; }
.bar.s3, .band.s3, .s3 circle { fill: var(--s3); } .line.s3 { stroke: var(--s3); stroke-dasharray: 3 3; }
.bar.s4, .band.s4, .s4 circle { fill: var(--s4); } .line.s4 { stroke: var(--s4); stroke-dasharray: 9 3 2 3; }
.bar.s5, .band.s5, .s5 circle { fill: var(--s5); } .line.s5 { stroke: var(--s5); stroke-dasharray: 14 4; }
details { margin: 10px 0; }
summary { cursor: pointer; font-weight: 600; padding: 4px 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 0 0 14px; }
dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
ul.notes { padding-left: 20px; margin: 8px 0; } .notes li { overflow-wrap: anywhere; margin: 3px 0; }
pre { background: var(--page); border: 1px solid var(--edge); border-radius: 8px; padding: 12px; overflow: auto;
  max-height: 480px; font-size: .8rem; line-height: 1.4; }
pre.command { white-space: pre-wrap; overflow-wrap: anywhere; }
button { font: inherit; color: var(--text); background: var(--card); border: 1px solid var(--s0); border-radius: 6px;
  padding: 4px 14px; cursor: pointer; }
footer { color: var(--dim); padding-bottom: 30px; font-size: .9rem; }
@media screen and (max-width: 560px) { html { font-size: 15px; } th, td { padding: 6px 4px; }
  table { font-size: .84rem; } .ratio { padding: 1px 4px; }
  .pair { font-size: .76rem; } .ratios, .ratios tbody { display: block; } .ratios thead { display: none; }
  .ratios tr { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); border-top: 1px solid var(--edge); }
  .ratios tr *:is(th, td.port) { grid-column: 1 / -1; font-weight: 600; padding-bottom: 0; border: 0; }
  .ratios td { border: 0; } .ratios td.num { text-align: left; white-space: normal; }
  .ratios td[data-name]::before { content: attr(data-name); display: block; color: var(--dim); }
  .tile { padding: 10px 12px 12px; } dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 6px; } }
@media print { html { font-size: 10px; } body { background: #fff; } nav, button, #raw { display: none; }
  main, header, footer { max-width: none; padding: 0; } section, .tile { border: 0; padding: 0 0 1rem; }
  .charts { grid-template-columns: 1fr 1fr; } .tiles:not(.wide) { grid-template-columns: repeat(5, 1fr); }
  .scroll { overflow: visible; } th, td { padding: 3px 6px; } .case, .tile, tr, figure { break-inside: avoid; }
  h2, h3, h4, summary { break-after: avoid; } }
)";

/// Shows the button and lets it copy; without scripts the text can be selected as any other.
inline constexpr std::string_view kScript = R"(
var button = document.getElementById('copy'), text = document.getElementById('json-text');
button.hidden = false;
button.onclick = function () {
  var range = document.createRange();
  range.selectNodeContents(text);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  button.textContent = document.execCommand('copy') ? 'Copied' : 'Selected: press Ctrl+C';
};
)";
/// What the page's security policy names the script by; a test says the new one when the script changes.
inline constexpr std::string_view kScriptHash = "sha256-pGl/1EMixK3D+TazzlToHWxVXDxzXfVCpnJ+cbj9scQ=";

}  // namespace bench
