// Runs one case of one client: JSON on standard input, JSON on standard output. The database's address and its certificate come
// from the environment (BENCH_URL, BENCH_CA), so that no secret is in the process list.
//   client, case, side   which
//   calls                parameters, one object a call
//   warm, warm_seconds   calls beforehand that are not timed, and when they end: an application is warm, and Node compiles what it repeats
//   seconds, least       when to stop; how many calls are made all the same
//   concurrency          calls at once
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import pg from "pg";
import { prepareValue } from "pg/lib/utils.js";
import { COLUMNS, newLogs } from "./logs.mjs";
import { options } from "./options.mjs";

// `timestamp` without a zone is UTC, as Prisma and Drizzle have it.
pg.types.setTypeParser(1114, (text) => new Date(`${text.replace(" ", "T")}Z`));

const job = JSON.parse(readFileSync(0, "utf8"));
const { open } = await import(`./${job.client}.mjs`);
// Batches go two at a time.
const client = open(Math.max(job.concurrency, 2));
const work = client[job.case][job.side];
const admin = new pg.Pool(options(1));
const writes = job.case.startsWith("insert");

// What was written is read back and taken away again, outside the time.
async function written({ sessionId }) {
  const list = COLUMNS.map((name) => `"${name}"`).join(", ");
  const { rows } = await admin.query(`SELECT ${list} FROM "BehaviorLog" WHERE "sessionId" = $1 ORDER BY "id"`, [sessionId]);
  await admin.query('DELETE FROM "BehaviorLog" WHERE "sessionId" = $1', [sessionId]);
  return rows;
}

const samples = [];
const results = [];

async function timed(number) {
  const given = job.calls[number];
  if (writes) newLogs(given);
  const began = performance.now();
  const rows = await work(given);
  samples[number] = performance.now() - began;
  results[number] = writes ? await written(given) : rows;
}

try {
  const warmed = performance.now() + job.warm_seconds * 1000;
  for (const given of job.calls.slice(0, job.warm)) {
    if (performance.now() >= warmed) break;
    await work(given);
    if (writes) await written(given);
  }
  const deadline = performance.now() + job.seconds * 1000;
  let next = 0;
  const lane = async () => {
    while (next < job.calls.length && (next < job.least || performance.now() < deadline)) await timed(next++);
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: Math.max(job.concurrency, 1) }, lane));
  const took = performance.now() - began;
  const statement = await (client[job.case].sql[job.side] ?? client[job.case].sql.before)(job.calls[0]);
  console.log(
    JSON.stringify({
      samples_ms: samples,
      results,
      took_ms: took,
      statement: statement && { sql: statement.sql, parameters: (statement.params ?? statement.parameters).map((value) => prepareValue(value)) },
    }),
  );
} finally {
  await client.end();
  await admin.end();
}
