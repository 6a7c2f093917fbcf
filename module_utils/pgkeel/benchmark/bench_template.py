"""The Jinja2 template of the page of the success metrics; the report's macros stand before it."""

# ruff: noqa: E501 - lines of HTML

from __future__ import annotations

EXTRA_STYLE = """
.chart { overflow-x: auto; }
.chart table { min-width: 46rem; }
.chart svg { display: block; width: 100%; min-width: 40rem; height: auto; }
.chart text, .growth text { fill: var(--soft); font-size: 11px; font-family: system-ui, sans-serif; }
.chart .label { fill: var(--ink); font-size: 12px; }
.chart .grid, .growth .grid { stroke: var(--line); fill: none; }
.chart .gap { stroke-width: 2; stroke: var(--bar); opacity: .55; }
.chart .was, .growth .was { fill: var(--card); stroke: var(--soft); stroke-width: 1.8; }
.chart .is, .growth .is { fill: var(--good); stroke: none; }
.chart .bad .is { fill: var(--bad); } .chart .none .is { fill: var(--bar); }
.chart .ratio { font-weight: 650; fill: var(--ink); } .chart .bad .ratio { fill: var(--bad); }
.growth { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr)); gap: 1.75rem 2.5rem; }
/* A table may be wider than a phone; what it is about is not to be scrolled for. */
.chart caption { box-sizing: border-box; max-width: calc(100vw - 2rem); }
.growth figure { margin: 0; } .growth figcaption { font-size: .875rem; font-weight: 600; }
.growth figcaption span { display: block; font-weight: 400; color: var(--soft); }
.growth svg { display: block; width: 100%; height: auto; margin-top: .35rem; }
.growth polyline { fill: none; stroke-width: 1.8; } .growth .wasline { stroke: var(--soft); stroke-dasharray: 4 3; }
.growth .isline { stroke: var(--good); }
.metric td, .metric th { vertical-align: top; }
.metric .mark { width: 1%; }
.metric tbody th:not(.name) { overflow-wrap: anywhere; }
@media (max-width: 40rem) { .metric td.mark { font-size: 0; } .metric td.mark .icon { font-size: 1rem; } .metric td, .metric th { padding-right: .45rem; } }
details.plan { margin-top: .6rem; } details.plan summary { cursor: pointer; font-size: .9375rem; }
details.plan pre { font-size: .75rem; overflow-x: auto; white-space: pre; margin: .4rem 0 .8rem; }
"""

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'sha256-{{ style_hash }}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{ sentence }} · pgkeel success metrics</title>
<style>{{ style }}</style>
</head>
<body>
<div class="frame">
<header>
<div class="masthead"><span><strong>pgkeel</strong> success metrics</span>
{#- #}<span>{{ about.started }} · {{ about.seconds | duration }}</span></div>
<div class="verdict {{ mood_of_all }}">
<p class="stamp">{{ icon(mood_of_all) }} {{ "Missed" if mood_of_all == "bad" else "Not all measured" if mood_of_all == "unknown" else "Met" }}</p>
<h1>{{ sentence }}</h1>
<p class="todo">{{ about.data.logs | logs }} logs, {{ "{:,}".format(about.data.users) }} users;
{%- if about.machine %} {{ about.machine.cores }} cores, PostgreSQL {{ about.machine.postgresql }};{% endif %}
 the application's own clients through pgbouncer, before and after on the same rows.
{%- if about.stopped %} <strong class="bad">It stopped before the end, because {{ about.stopped }}.</strong>{% endif %}</p>
{%- if about.remark is defined %}
<p class="soft">{{ about.remark }}</p>{% endif %}
</div>
</header>
<main>
<section aria-labelledby="table-title">
<h2 id="table-title">Before and after</h2>
<table class="metric">
<caption>Medians, p95 below. The target is a ratio of medians; answers were compared row by row.
{%- if about.data.logs < 10000000 %} Targets are for 10 million logs: with fewer there is less to gain.{% endif %}</caption>
{{ head([("What, by which client", ""), ("Asked for", "wide"), ("Before", "num"), ("After", "num"), ("Ratio", "num"),
  ("Target", "num wide"), ("", "tight")]) }}
<tbody>
{%- for row in rows %}
{%- set words = row.metric | words %}
<tr><th scope="row">{{ words.title }} <span class="soft">· {{ row.client }}</span>
{%- if row.reason or row.difference %}<br><span class="{{ row | mood_of }}">{{ row.reason or row.difference }}</span>
{%- elif row.note %}<br><span class="soft">{{ row.note }}</span>
{%- elif words.before %}<br><span class="soft">{{ words.before }} → {{ words.after }}</span>{% endif %}</th>
<td class="tight wide soft">{{ words.asked }}</td>
{%- for side in ("before_ms", "after_ms") %}
<td class="num">{% if row[side] %}{{ row[side].median | milliseconds }}<br><span class="soft">{{ row[side].p95 | milliseconds }}</span>
{%- else %}-{% endif %}</td>
{%- endfor %}
<td class="num"><strong class="{{ 'bad' if row.met is false }}">{{ row.ratio | times }}</strong></td>
<td class="num wide">{% if row.target %}≥ {{ row.target }}{% else %}-{% endif %}</td>
<td class="mark">{{ state(row | mood_of, row | verdict) }}</td></tr>
{%- endfor %}
</tbody>
</table>
</section>

{%- if plot %}
<section aria-labelledby="plot-title">
<h2 id="plot-title">The same, drawn</h2>
<p class="soft">Medians on a logarithmic scale: hollow before, filled after, red where the target was missed.</p>
<div class="chart"><svg viewBox="0 0 880 {{ plot.height + 10 }}" role="img" aria-label="Medians before and after">
{%- for tick in plot.ticks %}
<path class="grid" d="M{{ tick.at }} 18V{{ plot.height }}"/><text x="{{ tick.at }}" y="12" text-anchor="middle">{{ tick.label }}</text>
{%- endfor %}
{%- for one in plot.pairs %}
<g class="{{ one.mood }}"><title>{{ one.told }}</title>
<text class="label" x="292" y="{{ one.y + 4 }}" text-anchor="end">{{ one.name }}</text>
<path class="gap" d="M{{ one.before }} {{ one.y }}H{{ one.after }}"/>
<circle class="was" cx="{{ one.before }}" cy="{{ one.y }}" r="4.5"/><circle class="is" cx="{{ one.after }}" cy="{{ one.y }}" r="5"/>
<text class="ratio" x="876" y="{{ one.y + 4 }}" text-anchor="end">{{ one.ratio }}</text></g>
{%- endfor %}
</svg></div>
</section>
{%- endif %}

<section aria-labelledby="little-title">
<h2 id="little-title">Where the index does not help</h2>
{%- if little %}
<ul>
{%- for row in little %}<li>{{ (row.metric | words).title }}, {{ row.client }}: {{ row.ratio | times }}. {{ row.note }}</li>{% endfor %}
</ul>
{%- else %}<p class="soft">Each containment that was measured became at least twice as fast.</p>{% endif %}
</section>

<section aria-labelledby="growth-title">
<h2 id="growth-title">What grows with the data</h2>
{%- if panels %}
<p class="soft">Medians over the number of logs, both scales logarithmic: dashed before, solid after. A flat line does not grow.</p>
<div class="growth">
{%- for panel in panels %}
<figure><figcaption>{{ panel.title }}<span>{{ panel.grows }}</span></figcaption>
<svg viewBox="0 0 300 150" role="img" aria-label="{{ panel.spoken }}">
{%- for tick in panel.y_ticks %}<path class="grid" d="M46 {{ tick.at }}H288"/>
<text x="40" y="{{ tick.at + 4 }}" text-anchor="end">{{ tick.label }}</text>{% endfor %}
{%- for tick in panel.x_ticks %}<text x="{{ tick.at }}" y="142" text-anchor="middle">{{ tick.label }}</text>{% endfor %}
{%- for name, dots in (("was", panel.before), ("is", panel.after)) %}
<polyline class="{{ name }}line" points="{% for dot in dots %}{{ dot.x }},{{ dot.y }} {% endfor %}"/>
{%- for dot in dots %}<g><title>{{ dot.told }}</title><circle class="{{ name }}" cx="{{ dot.x }}" cy="{{ dot.y }}" r="3.2"/></g>{% endfor %}
{%- endfor %}
</svg></figure>
{%- endfor %}
</div>
{%- else %}<p class="soft">{{ icon("none") }} One size only was measured.</p>{% endif %}
</section>

<section aria-labelledby="indexes-title">
<h2 id="indexes-title">What the indexes cost</h2>
{%- if indexes %}
<div class="chart"><table>
<caption>Building it, and writing 10,000 logs in one statement without and with it, each right after a checkpoint.</caption>
{{ head([("Index", ""), ("Logs", "num"), ("Size", "num"), ("Built in", "num"), ("WAL", "num wide"), ("Insert without", "num"), ("with", "num"),
  ("WAL of the insert", "num wide")]) }}
<tbody>
{%- for one, index in indexes %}
<tr><th scope="row" class="name">{{ index.index }}</th><td class="num">{{ one.logs | logs }}</td><td class="num">{{ index.bytes | size }}</td>
<td class="num">{{ index.seconds | duration }}</td><td class="num wide">{{ index.wal_bytes | size }}</td>
{%- if index.insert_with is defined and index.insert_without %}
<td class="num">{{ index.insert_without.milliseconds | milliseconds }}</td><td class="num">{{ index.insert_with.milliseconds | milliseconds }}</td>
<td class="num wide">{{ index.insert_without.wal_bytes | size }} → {{ index.insert_with.wal_bytes | size }}</td>
{%- else %}<td class="num">-</td><td class="num">-</td><td class="num wide">-</td>{% endif %}</tr>
{%- endfor %}
</tbody>
</table></div>
{%- else %}<p class="soft">{{ icon("none") }} No index was built.</p>{% endif %}
</section>

{%- if costs %}
<section aria-labelledby="costs-title">
<h2 id="costs-title">What pgkeel itself costs</h2>
{%- for block in costs %}
<h3>{{ block.title }}</h3>
<div class="chart"><table>
<caption>{{ block.caption }} Measured on {{ block.measured[:10] }}.</caption>
{{ head(block.columns) }}
<tbody>{% for line in block.lines %}<tr><th scope="row">{{ line[0] }}</th>
{%- set outer = loop %}
{%- for cell in line[1:] %}<td class="num{{ ' bad' if loop.last and block.met[outer.index0] is false }}">{{ cell }}</td>{% endfor %}</tr>{% endfor %}</tbody>
</table></div>
{%- endfor %}
</section>
{%- endif %}

<section aria-labelledby="plans-title">
<h2 id="plans-title">Plans</h2>
<p class="soft">Of one statement each, as the client sent it, run once more.</p>
{%- for row in rows if row.plan_before or row.plan_after %}
<details class="plan"><summary>{{ (row.metric | words).title }} · {{ row.client }}</summary>
{%- for side in ("before", "after") if row["plan_" ~ side] %}
<p class="soft">{{ side | capitalize }}</p><pre>{{ row["plan_" ~ side] }}</pre>
{%- endfor %}
</details>
{%- endfor %}
</section>

<section aria-labelledby="machine-title">
<h2 id="machine-title">How it was measured</h2>
<dl class="facts">
<dt>command</dt><dd><code>{{ about.command }}</code></dd>
{%- if about.machine %}
<dt>processor</dt><dd>{{ about.machine.processor or "unknown" }}, {{ about.machine.cores }} cores, clients included</dd>
<dt>memory</dt><dd>{{ about.machine.memory_bytes | size }}, of which shared_buffers {{ about.machine.settings.shared_buffers }}</dd>
<dt>kernel</dt><dd>{{ about.machine.kernel }}</dd>
<dt>PostgreSQL</dt><dd>{{ about.machine.postgresql }};
{%- for name, value in about.machine.settings.items() %} {{ name }} {{ value }}{{ "," if not loop.last }}{% endfor %}</dd>
{%- endif %}
<dt>data</dt><dd>{{ about.data.logs | logs }} logs in 90 days, {{ "{:,}".format(about.data.users) }} users, size {{ about.data.size }}</dd>
<dt>raw samples</dt><dd><code>raw/{{ about.data.size }}/</code>, a file a metric and client</dd>
</dl>
</section>
</main>
<footer>Made by pgkeel from results.json and run.json beside this page.</footer>
</div>
</body>
</html>
"""
