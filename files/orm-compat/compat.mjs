// Tries every client against pgbouncer and against PostgreSQL's own port. Prints JSON: a row a client, a cell an ability:
// "ok" or what went wrong. Addresses come from the environment, so that no secret is in the process list.
import { readFileSync } from "node:fs";
import pg from "pg";
import { drizzleOrm, kysely, nodePostgres, prisma } from "./clients.mjs";
import { MIGRATED, options, SCHEMA } from "./options.mjs";

const { COMPAT_POOLED_URL: POOLED, COMPAT_DIRECT_URL: DIRECT, COMPAT_CA_FILE } = process.env;
const CA = readFileSync(COMPAT_CA_FILE, "utf8");
const STUDENTS = 50;
const CLIENTS = { "node-postgres": nodePostgres, Drizzle: drizzleOrm, Kysely: kysely, Prisma: prisma };

function expect(found, wanted, what) {
  if (found !== wanted) throw new Error(`${what} is ${found}, not ${wanted}`);
}

const ABILITIES = {
  "connect with the application's options": async (client) => expect(await client.show("application_name"), "", "application_name"),
  "statement timeout of 60 s": async (client) => expect(await client.show("statement_timeout"), "1min", "statement_timeout"),
  "prepared query, 200 times": async (client) => {
    const rows = await Promise.all(Array.from({ length: 200 }, (_, number) => client.prepared(number % STUDENTS)));
    rows.forEach((row, number) => expect(row.email, `student${number % STUDENTS}@example.org`, "email"));
  },
  "transaction, committed": async (client) => {
    const before = (await client.prepared(1)).seen;
    await Promise.all(Array.from({ length: 40 }, () => client.commit(1)));
    expect((await client.prepared(1)).seen, before + 40, "seen");
  },
  "transaction, rolled back": async (client) => {
    const before = (await client.prepared(2)).seen;
    await client.rollback(2);
    expect((await client.prepared(2)).seen, before, "seen");
  },
};

async function attempt(work, seconds = 30) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${seconds} s`)), seconds * 1000);
  });
  try {
    await Promise.race([work(), late]);
    return "ok";
  } catch (error) {
    return `${error.code ? `${error.code}: ` : ""}${String(error.message ?? error).split("\n").filter(Boolean).join(" ")}`;
  } finally {
    clearTimeout(timer);
  }
}

async function clear(admin) {
  for (const schema of [SCHEMA, MIGRATED]) await admin.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);
}

async function prepare(admin) {
  await clear(admin);
  for (const schema of [SCHEMA, MIGRATED]) await admin.query(`CREATE SCHEMA ${schema}`);
  await admin.query(`CREATE TABLE ${SCHEMA}.student (id integer PRIMARY KEY, email text NOT NULL UNIQUE, seen integer NOT NULL DEFAULT 0)`);
  await admin.query(
    `INSERT INTO ${SCHEMA}.student (id, email) SELECT n, 'student' || n || '@example.org' FROM generate_series(0, $1::int - 1) AS n`,
    [STUDENTS],
  );
}

const admin = new pg.Client(options(DIRECT, CA));
await admin.connect();
const rows = [];
try {
  await prepare(admin);
  for (const [name, make] of Object.entries(CLIENTS)) {
    const row = { client: name, pooled: {}, direct: {} };
    for (const [place, url] of [["pooled", POOLED], ["direct", DIRECT]]) {
      const client = make(url, CA);
      for (const [ability, work] of Object.entries(ABILITIES)) row[place][ability] = await attempt(() => work(client));
      if (place === "direct") row.direct.migration = await attempt(() => client.migrate(), 180);
      await client.end();
    }
    rows.push(row);
  }
} finally {
  await clear(admin);
  await admin.end();
}
console.log(JSON.stringify(rows, null, 2));
