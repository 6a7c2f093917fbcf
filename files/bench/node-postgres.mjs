// node-postgres without an ORM.
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { inBatches } from "./application/batches.mjs";
import { insertLogs } from "./application/node-postgres.mjs";
import { COLUMNS, newLogs } from "./logs.mjs";
import { options } from "./options.mjs";

const LIST = COLUMNS.map((name) => `"${name}"`).join(", ");
const ONE = `INSERT INTO "BehaviorLog" (${LIST}) VALUES (${COLUMNS.map((_, number) => `$${number + 1}`).join(", ")})`;

const value = (row, column) => (column === "payload" ? JSON.stringify(row.payload) : column === "timestamp" ? row.timestamp.toISOString() : row[column]);
const line = (row) => `${COLUMNS.map((column) => String(value(row, column)).replace(/[\\\t\n\r]/g, (sign) => ({ "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" })[sign])).join("\t")}\n`;

export function open(poolSize) {
  const pool = new pg.Pool(options(poolSize));
  const values = (row) => COLUMNS.map((column) => value(row, column));
  const before = async (given) => {
    for (const row of newLogs(given)) await pool.query(ONE, values(row));
  };
  const sql = {
    before: (given) => ({ sql: ONE, params: values(newLogs({ ...given, count: 1 })[0]) }),
    // The statement as it is, caught instead of sent.
    after: async (given) => {
      const seen = [];
      await insertLogs({ query: (text, params) => seen.push({ sql: text, params }) }, newLogs(given));
      return seen[0];
    },
  };
  return {
    insert: { before, after: (given) => insertLogs(pool, newLogs(given)), sql },
    insert_copy: {
      before,
      after: async (given) => {
        await inBatches(newLogs(given), async (batch) => {
          const client = await pool.connect();
          try {
            await pipeline(Readable.from(batch.map(line)), client.query(copyFrom(`COPY "BehaviorLog" (${LIST}) FROM STDIN`)));
          } finally {
            client.release();
          }
        });
      },
      sql: { before: sql.before, after: () => null },
    },
    end: () => pool.end(),
  };
}
