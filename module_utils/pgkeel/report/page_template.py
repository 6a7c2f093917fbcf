"""The Jinja2 template of the HTML report. In Python, because Ansible ships no other files beside module_utils."""

from __future__ import annotations

TEMPLATE = """\
{%- macro icon(kind) -%}
<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
{%- if kind == "good" %}<circle cx="8" cy="8" r="6.7"/><path d="M4.8 8.2l2.2 2.3 4.2-4.8"/>
{%- elif kind == "bad" %}<path d="M5.2 1.3h5.6l3.9 3.9v5.6l-3.9 3.9H5.2l-3.9-3.9V5.2z"/>
{#- #}<path d="M5.6 5.6l4.8 4.8M10.4 5.6l-4.8 4.8"/>
{%- elif kind == "warn" %}<path d="M8 1.8l6.6 12H1.4z"/><path d="M8 6.2v3.6M8 11.3v1.2"/>
{%- elif kind == "unknown" %}<circle cx="8" cy="8" r="6.7" stroke-dasharray="2.6 1.9"/>
{#- -#}<path d="M6.1 6.3c0-2.6 4-2.5 3.9-.1 0 1.5-2 1.5-2 3M8 10.8v1.3"/>
{%- elif kind == "plan" %}<circle cx="8" cy="8" r="6.7"/><path d="M8 7.2v4.2M8 4.4v1.2"/>
{%- elif kind == "turn" %}<path d="M6 3.5L10.5 8 6 12.5"/>
{%- else %}<circle cx="8" cy="8" r="6.7"/><path d="M5 8h6"/>{% endif -%}
</svg>
{%- endmacro -%}

{%- macro state(mood, words) -%}
<span class="state {{ mood }}">{{ icon(mood) }} {{ words }}</span>
{%- endmacro -%}

{%- macro head(columns) -%}
<thead><tr>
{%- for name, kind in columns %}<th scope="col"{% if kind %} class="{{ kind }}"{% endif %}>{{ name }}</th>{% endfor -%}
</tr></thead>
{%- endmacro -%}

{%- macro not_run(playbook, what) -%}
<div class="void"><strong>{{ icon("unknown") }} Not run</strong>
<p>{{ what }} <span class="soft">Run <code>playbooks/{{ playbook }}.yml</code>.</span></p></div>
{%- endmacro -%}

{%- macro fact(one) -%}
<dt>{{ one.label }}</dt><dd{% if one.exact %} title="{{ one.exact }}"{% endif %}>{{ one.text }}</dd>
{%- endmacro -%}

{%- macro shown(one) -%}
<span{% if one.exact %} title="{{ one.exact }}"{% endif %}>{{ one.text }}</span>
{%- endmacro -%}

{%- macro waterfall(bars, total, caption, statuses) -%}
<table>
<caption>{{ caption }}</caption>
{% if statuses %}{{ head([("Phase", ""), ("Status", "tight"), ("Share", "bars"), ("Time", "num")]) }}
{%- else %}{{ head([("Phase", ""), ("Share", "bars"), ("Time", "num")]) }}{% endif %}
<tbody>
{%- for bar in bars %}
<tr><th scope="row">{{ bar.name }}</th>
{%- if statuses %}<td class="tight">{{ state(bar.mood, bar.status or "no status") }}</td>{% endif %}
<td class="bars"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
{#- #}<rect class="track" width="100" height="8"/>
{#- #}<rect class="fill" x="{{ bar.start }}" width="{{ bar.width }}" height="8"/></svg></td>
<td class="num">{{ shown(bar.seconds) }}</td></tr>
{%- endfor %}
</tbody>
<tfoot><tr><th scope="row" colspan="{{ 3 if statuses else 2 }}">Together</th><td class="num">{{ shown(total) }}</td></tr></tfoot>
</table>
{%- endmacro -%}

{%- macro mark(kind, x, y) -%}
{%- if kind == "good" %}<circle class="good" cx="{{ x }}" cy="{{ y }}" r="3"/>
{%- elif kind == "bad" %}<path class="bad" d="M{{ x - 3 }} {{ y - 3 }}l6 6m0 -6l-6 6"/>
{%- else %}<circle class="unknown" cx="{{ x }}" cy="{{ y }}" r="2.6"/>{% endif -%}
{%- endmacro -%}

{%- macro trend_of(found, database) -%}
{%- if found.panels %}
<h3>Trend{% if database %} of {{ database }}{% endif %} <span class="soft">· {{ found.first }} to {{ found.last }}</span></h3>
<div class="trend">
{%- for panel in found.panels %}
<figure><figcaption><span>{{ panel.label }}</span> <strong>{{ panel.latest.text }}</strong>
{%- if panel.note %} <span class="soft">{{ panel.note }}</span>{% endif %}</figcaption>
<svg viewBox="0 0 300 96" role="img" aria-label="{{ panel.spoken }}">
<path class="ground" d="M8 76.5H292"/>
{%- if panel.budget_y %}<path class="budget" d="M8 {{ panel.budget_y }}H292"/>{% endif %}
{%- for points in panel.lines %}<polyline points="{{ points }}"/>{% endfor %}
{%- for one in panel.marks %}
<g><title>{{ one.told }}</title>
{%- if one.y %}<circle class="dot{% if one.over %} over{% endif %}" cx="{{ one.x }}" cy="{{ one.y }}" r="2.2"/>{% endif %}
{{- mark(one.mood, one.x, 88) }}</g>
{%- endfor %}
</svg></figure>
{%- endfor %}
</div>
<p class="soft">Each column is one drill, its verdict below the line:
<svg class="key" viewBox="0 0 10 10" aria-hidden="true">{{ mark("good", 5, 5) }}</svg> PASS,
<svg class="key" viewBox="0 0 10 10" aria-hidden="true">{{ mark("bad", 5, 5) }}</svg> FAIL,
<svg class="key" viewBox="0 0 10 10" aria-hidden="true">{{ mark("unknown", 5, 5) }}</svg> COULD NOT VERIFY.
{#- #} A dashed line is a budget.</p>
{%- endif %}
{%- if found.rows %}
<table>
<caption>The last drills, newest first.</caption>
{{ head([("Began (UTC)", ""), ("Verdict", "tight"), ("To recover", "num"), ("At risk", "num"),
  ("Took", "num wide"), ("Size", "num wide")]) }}
<tbody>
{%- for row in found.rows | reverse %}
<tr><th scope="row">{{ row.time }}</th><td class="tight">{{ state(row.mood, row.verdict) }}</td>
<td class="num">{{ shown(row.recover) }}</td><td class="num">{{ shown(row.at_risk) }}</td>
<td class="num wide">{{ shown(row.took) }}</td><td class="num wide">{{ shown(row.size) }}</td></tr>
{%- endfor %}
</tbody>
</table>
{%- endif %}
{%- endmacro -%}

<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'sha256-{{ style_hash }}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>{{ verdict.standing.words }}: {{ host }} · pgkeel report</title>
<style>{{ style }}</style>
</head>
<body>
<a class="skip" href="#report">Skip to the report</a>
<div class="frame">
<header>
<div class="masthead"><span><strong>pgkeel</strong> {{ title }}</span>
{#- #}<span>{{ host }}{% if started %} · {{ started }}{% endif %}</span></div>
<div class="verdict {{ mood }}">
<p class="stamp">{{ icon(mood) }} {{ verdict.standing.words }}</p>
<h1>{{ verdict.sentence }}</h1>
<p class="todo"><strong>First:</strong> {% if verdict.steps %}<a href="#{{ verdict.steps[0].anchor }}">{{ verdict.first }}</a>
{%- else %}{{ verdict.first }}{% endif %}</p>
{%- if verdict.steps | length > 1 %}
<ol start="2" aria-label="After that">
{%- for step in verdict.steps[1:] %}<li><a href="#{{ step.anchor }}">{{ step.action }}</a></li>{% endfor %}
</ol>
{%- endif %}
</div>
<dl class="figures" aria-label="Key figures">
{%- for tile in tiles %}
<div><dt>{{ tile.label }}</dt>
<dd class="big {{ tile.mood }}">{{ shown(tile) }}</dd><dd class="note">{{ tile.note }}</dd></div>
{%- endfor %}
</dl>
</header>

<div class="columns">
<nav aria-label="Sections"><ul>
{%- for section in sections %}
<li><a href="#{{ section.anchor }}"><span>{{ section.label }}</span>
{%- if section.note %}<span>{{ section.note }}</span>{% endif %}</a></li>
{%- endfor %}
</ul></nav>

<main id="report">
<section id="findings" aria-labelledby="findings-title">
<h2 id="findings-title">Findings</h2>
{%- if audit is none %}
{{ not_run("audit", "Nobody has looked for findings yet, so nothing is known to be in order.") }}
{%- elif not audit.results %}
<div class="void"><strong>{{ icon("unknown") }} Could not run</strong><p>{{ audit.reason or "The audit ran no check." }}</p></div>
{%- elif not audit.findings %}
<p class="state good">{{ icon("good") }} No check found anything to act on.</p>
{%- else %}
<p class="soft">Most urgent first; among equals, the least effort first. One click on a remedy selects all of it.</p>
{%- for group in groups if group.findings %}
<h3>{{ group.priority }} <span class="soft">· {{ group.meaning }} · {{ group.findings | length }}</span></h3>
{%- for finding in group.findings %}
<details class="finding {{ group.priority | lower }}" id="{{ finding.fingerprint }}"{% if group.open %} open{% endif %}>
<summary><span class="id"><span title="Priority {{ group.priority }}">{{ finding.id }}</span></span>
<h4>{{ finding.summary }}</h4>
<span class="turn">{{ icon("turn") }}</span>
<span class="about"><span class="name">{{ finding.subject }}</span>
{#- #} · effort {{ finding.effort }} · risk {{ finding.risk }}</span></summary>
<div class="body">
{%- if finding.evidence %}
<h5>Evidence</h5>
<dl class="evidence">
{%- for one in finding.evidence | figures %}
<div{% if one.text | length > 30 %} class="long"{% endif %}>{{ fact(one) }}</div>
{%- endfor %}
</dl>
{%- endif %}
{%- if finding.remedy %}
<h5>Remedy</h5>
{% if finding.remedy | looks_like_sql %}<pre tabindex="0" aria-label="Remedy">{{ finding.remedy }}</pre>
{%- else %}<p>{{ finding.remedy }}</p>{% endif %}
{%- endif %}
<p class="mark">{{ group.priority }} · fingerprint <code>{{ finding.fingerprint }}</code></p>
</div>
</details>
{%- endfor %}
{%- endfor %}
{%- endif %}
</section>

<section id="checks" aria-labelledby="checks-title">
<h2 id="checks-title">Checks</h2>
{%- if audit is none %}
{{ not_run("audit", "No check has run.") }}
{%- else %}
{%- if unverified %}
<h3 class="unknown">Could not be verified <span class="soft">· {{ unverified | length }}</span></h3>
<ul class="void" aria-label="Checks that could not be verified">
{%- for result in unverified %}
<li><strong>{{ icon("unknown") }} {{ result.id }} {{ result.title }}</strong>
<span>{{ result.reason or "No reason was given." }}</span></li>
{%- endfor %}
</ul>
{%- endif %}
<h3>All checks <span class="soft">· {{ audit.results | length }}
{%- if audit.seconds is not none %} in {{ shown(audit_seconds) }}{% endif %}</span></h3>
<table>
<caption>“Nothing found” means that the check ran and was satisfied.</caption>
{{ head([("Check", "tight"), ("Looks at", ""), ("Area", "wide"), ("Outcome", "tight")]) }}
<tbody>
{%- for result in audit.results %}
<tr><td class="tight">{{ result.id }}</td><th scope="row">{{ result.title }}
{%- if result.reason and result not in unverified %}<br><span class="soft">{{ result.reason }}</span>{% endif %}</th>
<td class="wide soft">{{ result.area }}</td><td class="tight">{{ state(result | result_mood, result | outcome) }}</td></tr>
{%- endfor %}
</tbody>
</table>
{%- if waived %}
<h3>Waived findings <span class="soft">· {{ waived | length }}</span></h3>
<table>
<caption>Somebody decided that these may stay as they are until the day given.</caption>
{{ head([("Check", "tight"), ("Object", ""), ("Until", "tight"), ("Because", "")]) }}
<tbody>
{%- for id, subject, until, because in waived %}
<tr><td class="tight">{{ id }}</td><th scope="row" class="name">{{ subject }}</th>
{#- #}<td class="tight">{{ until }}</td><td>{{ because }}</td></tr>
{%- endfor %}
</tbody>
</table>
{%- endif %}
{%- if declared %}
<h3>Declared indexes <span class="soft">· {{ declared | length }}</span></h3>
<table>
<caption>The indexes that the inventory asks for, and whether queries use them.</caption>
{{ head([("Index", ""), ("Table", "wide"), ("State", ""), ("Scans", "num"), ("Size", "num")]) }}
<tbody>
{%- for one in declared %}
<tr><th scope="row" class="name">{{ one.name }}</th><td class="name wide">{{ one.table }}</td>
<td><span class="{{ one.mood }}">{{ icon(one.mood) }} {{ one.state }}</span></td>
<td class="num">{{ shown(one.scans) }}</td><td class="num">{{ shown(one.size) }}</td></tr>
{%- endfor %}
</tbody>
</table>
{%- endif %}
{%- endif %}
</section>

<section id="schemas" aria-labelledby="schemas-title">
<h2 id="schemas-title">Schemas</h2>
{%- if schemas is none and not schemas_expected %}
<p class="soft">The inventory names no application's schemas: there is nothing to compare.</p>
{%- elif schemas is none %}
<div class="void"><strong>{{ icon("unknown") }} Could not verify</strong>
<p>Nobody has compared the application's schemas with the database.
<span class="soft">Run <code>playbooks/schema_audit.yml</code>.</span></p></div>
{%- else %}
<p class="outcome {{ schemas.verdict | schema_mood }}">{{ icon(schemas.verdict | schema_mood) }}
{#- #} {{ schemas.verdict | capitalize }}</p>
<dl class="facts"><dt>type-safe columns</dt><dd>{{ schemas.percent }}</dd></dl>
{%- if schemas.unverified %}
<h3 class="unknown">Could not be verified <span class="soft">· {{ schemas.unverified | length }}</span></h3>
<ul class="void" aria-label="Schemas that could not be verified">
{%- for reason in schemas.unverified %}<li><span>{{ reason }}</span></li>{% endfor %}
</ul>
{%- endif %}
{%- if schemas.pairs %}
<table>
<caption>Each two sides. Differences are told once, for the pairs with the truest side.</caption>
{{ head([("Pair", ""), ("Verdict", "tight"), ("Differences", "num")]) }}
<tbody>
{%- for one in schemas.pairs %}
<tr><th scope="row" class="name">{{ one.pair }}</th>
{#- #}<td class="tight">{{ state(one.verdict | schema_mood, one.verdict) }}</td><td class="num">{{ one.differences }}</td></tr>
{%- endfor %}
</tbody>
</table>
{%- endif %}
{%- if schemas.checklist %}
<h3>Compliance <span class="soft">· {{ schemas.checklist | length }}</span></h3>
<table class="rules">
<caption>The rules that keep three ORMs on one database.</caption>
{{ head([("Rule and evidence", ""), ("Kept", "tight")]) }}
<tbody>
{%- for one in schemas.checklist %}
<tr><th scope="row">{{ one.criterion }}<br><span class="soft">{{ one.evidence }}</span>
{%- if one.objects %}
<ul class="objects">{% for thing in one.objects %}<li class="name">{{ thing }}</li>{% endfor %}</ul>{% endif %}</th>
{#- #}<td class="tight">{{ state(one.status | schema_mood, one.status) }}</td></tr>
{%- endfor %}
</tbody>
</table>
{%- endif %}
{%- for priority, meaning, found in schema_groups if found %}
<h3>{{ priority }} <span class="soft">· {{ meaning }} · {{ found | length }}</span></h3>
{%- for one in found %}
<details class="finding {{ priority | lower }}" id="schema-{{ one.fingerprint }}"{% if priority == "P0" %} open{% endif %}>
<summary><span class="id"><span title="Priority {{ priority }}">{{ one.id }}</span></span>
<h4><span class="name">{{ one.thing }}</span>: {{ one.kind }}</h4>
<span class="turn">{{ icon("turn") }}</span>
<span class="about">{{ one.pair }}</span></summary>
<div class="body">
<dl class="evidence"><div class="long"><dt>expected</dt><dd class="name">{{ one.expected }}</dd></div>
{#- #}<div class="long"><dt>actual</dt><dd class="name">{{ one.actual }}</dd></div></dl>
<h5>Impact</h5><p>{{ one.impact }}</p>
<h5>Fix</h5><p>{{ one.fix }}</p>
</div>
</details>
{%- endfor %}
{%- endfor %}
{%- endif %}
</section>

<section id="backup" aria-labelledby="backup-title">
<h2 id="backup-title">Backup</h2>
{%- if not backups %}
{{ not_run("backup", "No backup is known.") }}
{%- endif %}
{%- for backup in backups or () %}
<div class="block">
{%- if backup | failure %}
<p class="outcome bad">{{ icon("bad") }} Failed</p><p>{{ backup | failure }}</p>
{%- endif %}
<dl class="facts">{% for one in backup | backup_figures %}{{ fact(one) }}{% endfor %}</dl>
</div>
{%- endfor %}
</section>

<section id="drill" aria-labelledby="drill-title">
<h2 id="drill-title">Restore drill</h2>
{%- if not drills %}
{{ not_run("restore_drill", "No backup has been restored, so none is known to be good.") }}
{%- endif %}
{%- for drill in drills or () %}
<div class="block">
<p class="outcome {{ drill | drill_mood }}">{{ icon(drill | drill_mood) }} {{ drill | drill_verdict }}</p>
{%- if drill | why %}<p>{{ drill | why }}</p>{% endif %}
<dl class="facts">{% for one in drill | drill_figures %}{{ fact(one) }}{% endfor %}</dl>
{%- if drill | drill_checks %}
<table>
<caption>What was compared with the manifest of the backup.</caption>
{{ head([("Check", ""), ("Evidence", ""), ("Verdict", "tight")]) }}
<tbody>
{%- for check in drill | drill_checks %}
<tr><th scope="row">{{ check.name }}</th><td class="soft">{{ check.evidence | plain }}</td>
<td class="tight">{{ state(check.verdict | verdict_mood, check.verdict) }}</td></tr>
{%- endfor %}
</tbody>
</table>
{%- endif %}
{%- if drill | drill_gaps %}
<table>
<caption>What a drill of this kind cannot tell.</caption>
{{ head([("Not verified", ""), ("Why", "")]) }}
<tbody>
{%- for name, why in drill | drill_gaps %}
<tr><th scope="row">{{ icon("unknown") }} {{ name }}</th><td class="soft">{{ why }}</td></tr>
{%- endfor %}
</tbody>
</table>
{%- endif %}
{%- if drill | bars("drill") %}
{{ waterfall(drill | bars("drill"), drill | together("drill"), "Where the time of the drill went.", false) }}
{%- endif %}
{{ trend_of(drill | trend, drill.get("database", "") | plain if drill.get("database") else "") }}
</div>
{%- endfor %}
</section>

<section id="workload" aria-labelledby="workload-title">
<h2 id="workload-title">Workload</h2>
{%- if workload is none and load is none %}
<p class="soft">{{ icon("none") }} No workload was run against this server, and no reference data loaded.</p>
{%- endif %}
{%- if operations %}
<table>
<caption>What the application does, as its client saw it. p95: 95 of 100 were at least this fast.</caption>
{{ head([("Operation", ""), ("Count", "num"), ("p50", "num"), ("p95", "num"), ("Errors", "num")]) }}
<tbody>
{%- for row in operations %}
<tr><th scope="row">{{ row.kind }}
{%- if row.failed and row.first_error %}<br><span class="soft">{{ row.first_error }}</span>{% endif %}</th>
{#- #}<td class="num">{{ shown(row.count) }}</td><td class="num">{{ shown(row.p50) }}</td>
{#- #}<td class="num">{{ shown(row.p95) }}</td><td class="num {{ 'bad' if row.failed }}">{{ shown(row.errors) }}</td></tr>
{%- endfor %}
</tbody>
</table>
{%- elif workload is not none %}
<p class="unknown">{{ icon("unknown") }} The workload recorded no operation.</p>
{%- endif %}
{%- if load is not none %}
<h3>Data loaded <span class="soft">· {{ shown(loaded.total) }} rows in {{ shown(loaded.seconds) }}</span></h3>
{%- if loaded.tables %}
<table>
{{ head([("Table", ""), ("Rows", "num")]) }}
<tbody>
{%- for one in loaded.tables %}
<tr><th scope="row" class="name">{{ one.label }}</th><td class="num">{{ shown(one) }}</td></tr>
{%- endfor %}
</tbody>
</table>
{%- endif %}
{%- endif %}
</section>

<section id="configuration" aria-labelledby="configuration-title">
<h2 id="configuration-title">Configuration</h2>
{%- if site is none %}
{{ not_run("site", "What was configured on this server is not recorded.") }}
{%- else %}
<dl class="facts">
{%- for one in configured.facts %}{{ fact(one) }}{% endfor %}
{%- for list in configured.lists %}
<dt>{{ list.label }}</dt><dd>
{%- if list.entries %}<ul class="chips">{% for name in list.entries %}<li class="name">{{ name }}</li>{% endfor %}</ul>
{%- else %}none{% endif %}</dd>
{%- endfor %}
</dl>
{%- for block in configured.tables %}
<h3>{{ block.label | capitalize }} <span class="soft">· {{ block.rows | length }}</span></h3>
<table>
{{ head([("Name", ""), ("Value", "")]) }}
<tbody>
{%- for name, value in block.rows %}
<tr><th scope="row" class="name">{{ name }}</th><td class="name">{{ value }}</td></tr>
{%- endfor %}
</tbody>
</table>
{%- endfor %}
{%- endif %}
</section>

<section id="timings" aria-labelledby="timings-title">
<h2 id="timings-title">Timings</h2>
{%- if run is none or not timings %}
<p class="soft">{{ icon("none") }} No run was timed.</p>
{%- else %}
{{ waterfall(timings, run | together("run"), "What ran, in order.", true) }}
{%- endif %}
{%- if changed %}
<p class="soft">A second run of <code>site.yml</code> changed {{ changed }}.</p>
{%- endif %}
</section>
</main>
</div>
<footer>Made by pgkeel from the JSON documents beside this page. Figures are rounded: hold the pointer over one for the exact
value. Sizes are decimal: 1 MB is 1,000,000 bytes.</footer>
</div>
</body>
</html>
"""
