#include "cli/page/page.hpp"

namespace spikeloom::cli {

/// Colours of the components are those of Okabe and Ito, told apart with any colour vision; where
/// two come close without red or green, stripes tell them apart. They mean the same in light and
/// dark.
std::string_view page_style() {
  return R"css(
:root { color-scheme: light dark; --ink: #1c1e21; --dim: #5b6168; --paper: #ffffff;
  --panel: #f5f6f8;
  --line: #d4d8dd; --link: #0b5cad; --bad: #a33c00; --mark: #0072b2; --over: #e69f00; --ring: #ffffff;
  --shade: rgba(0, 0, 0, .22); }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --dim: #a4abb3; --paper: #14171a;
  --panel: #1e2226; --line: #3a4047; --link: #7db9f0; --bad: #ff9a5c; --mark: #56b4e9; --over: #e69f00;
  --ring: #14171a;
  --shade: rgba(255, 255, 255, .3); } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 64rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.25rem 0 .35rem; }
p { margin: .4rem 0; max-width: 46rem; }
a { color: var(--link); }
.dim, figcaption { color: var(--dim); font-size: .875rem; }
.verdict { padding: .75rem 1rem; background: var(--panel); border-left: .3rem solid var(--mark);
  font-weight: 600; max-width: none; }
.verdict.lost { border-color: var(--bad); }
figure { margin: .5rem 0 1rem; }
.scroll { overflow-x: auto; background:
  linear-gradient(to right, var(--paper) 40%, transparent) 0 0 / 2.5rem 100% no-repeat local,
  linear-gradient(to left, var(--paper) 40%, transparent) 100% 0 / 2.5rem 100% no-repeat local,
  linear-gradient(to right, var(--shade), transparent) 0 0 / .8rem 100% no-repeat scroll,
  linear-gradient(to left, var(--shade), transparent) 100% 0 / .8rem 100% no-repeat scroll; }
.narrow { display: none; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
thead th { color: var(--dim); font-weight: 600; vertical-align: bottom; }
th.text, td.text { text-align: left; }
tbody th { font-weight: 500; }
.facts { display: flex; flex-wrap: wrap; gap: .35rem 1.5rem; margin: .5rem 0; padding: 0; }
.facts div { min-width: 7rem; }
.facts dt { color: var(--dim); font-size: .8rem; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
.bars { display: grid; grid-template-columns: max-content minmax(4rem, 1fr) max-content;
  gap: .3rem .6rem; align-items: center; font-size: .875rem; grid-auto-flow: row dense; }
.bars .name { grid-column: 1; overflow-wrap: anywhere; }
.bars .amount { grid-column: 3; text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.track { grid-column: 2; height: 1.4rem; display: flex; background: var(--panel); }
.track i { display: block; height: 100%; border-right: 1px solid var(--ring); min-width: 0; }
.fill { background: var(--mark); }
.c2 { background-image: repeating-linear-gradient(90deg,
  rgba(255,255,255,.5) 0 1px, transparent 1px 4px); }
.c5 { background-image: repeating-linear-gradient(0deg,
  rgba(255,255,255,.5) 0 1px, transparent 1px 4px); }
.hatched { background-image: repeating-linear-gradient(45deg, rgba(255,255,255,.55) 0 3px,
  rgba(0,0,0,.35) 3px 6px); }
.range, .ticks { position: relative; }
.range i, .range b { position: absolute; top: 0; bottom: 0; }
.range i { top: .2rem; bottom: .2rem; height: auto; }
b.published { border-left: 3px solid var(--bad); } b.equal { border-left: 2px dashed var(--dim); }
b.given { border-left: 1px solid var(--ink); }
.legend b { display: inline-block; height: 1em; margin-right: .35em; vertical-align: -.1em; }
.ticks { grid-column: 2; height: 1.3rem; color: var(--dim); }
.ticks span { position: absolute; transform: translateX(-50%); }
.ticks span:first-child { transform: none; }
.ticks span:last-child { transform: translateX(-100%); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem .9rem; padding: 0; margin: .4rem 0;
  list-style: none; font-size: .875rem; }
.legend i { display: inline-block; width: .9em; height: .9em; margin-right: .35em;
  vertical-align: -.1em; }
.c0 { background-color: #0072b2; } .c1 { background-color: #d55e00; }
.c2 { background-color: #009e73; } .c3 { background-color: #e69f00; }
.c4 { background-color: #56b4e9; } .c5 { background-color: #cc79a7; }
.c6 { background-color: #f0e442; } .c7 { background-color: #8a8f96; }
.c8 { background-color: #4d5259; } .c9 { background-color: #b8bdc4; }
.c10 { background-color: #7a5c00; } .c11 { background-color: #6a3d9a; }
svg { display: block; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg .small { fill: var(--dim); font-size: 11px; }
svg .box { fill: var(--panel); stroke: var(--line); }
svg .weights { stroke: var(--mark); stroke-width: 2; }
svg .arrow { fill: none; stroke: var(--dim); }
svg .back { stroke-dasharray: 4 3; }
.raster { width: 100%; height: 9rem; background: var(--panel); }
.raster.rate { height: 4rem; }
.raster path { stroke: var(--mark); fill: none; vector-effect: non-scaling-stroke; }
svg.machine { width: 100%; margin: .5rem 0; }
.f0 { fill: #0072b2; background-color: #0072b2; } .f1 { fill: #d55e00; background-color: #d55e00; }
.f2 { fill: #009e73; background-color: #009e73; } .f3 { fill: #e69f00; background-color: #e69f00; }
.f4 { fill: #56b4e9; background-color: #56b4e9; } .f5 { fill: #cc79a7; background-color: #cc79a7; }
.f6 { fill: #f0e442; background-color: #f0e442; } .f7 { fill: #8a8f96; background-color: #8a8f96; }
.f8 { fill: #4d5259; background-color: #4d5259; } .f9 { fill: #b8bdc4; background-color: #b8bdc4; }
.f10 { fill: #7a5c00; background-color: #7a5c00; } .f11 { fill: #6a3d9a; background-color: #6a3d9a; }
.hot { stroke: var(--mark); stroke-linecap: round; }
.full { stroke: var(--bad); }
.hotkey { background-color: var(--mark); } .fullkey, .badkey { background-color: var(--bad); }
.overkey { background-color: var(--over); }
.raster path.bad { stroke: var(--bad); } .raster path.over { stroke: var(--over); }
.raster.heat path { vector-effect: none; stroke-width: 1.02; }
.axis { display: flex; justify-content: space-between; }
.sources li { overflow-wrap: anywhere; font-size: .875rem; }
footer { margin-top: 2rem; }
@media (max-width: 60rem) { .broad { display: none; } .narrow { display: block; } }
@media (max-width: 40rem) { body { padding: .75rem; }
  .bars { grid-template-columns: 1fr max-content; }
  .bars .amount { grid-column: 2; } .bars .track, .bars .ticks { grid-column: 1 / -1; }
  table { font-size: .8125rem; } th, td { padding: .2rem .3rem; } }
)css";
}

}  // namespace spikeloom::cli
