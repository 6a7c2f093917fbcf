// Drizzle, with the columns of files/edtech/drizzle/schema.ts.
import { eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { doublePrecision, jsonb, PgDialect, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import pg from "pg";
import { getRecentBehaviorLogs, insertLogs, usersWith as findUsers } from "./application/drizzle.mjs";
import { latest, newLogs } from "./logs.mjs";
import { options } from "./options.mjs";

const users = pgTable("User", { id: text("id").primaryKey(), username: text("username").notNull(), metadata: jsonb("metadata") });
const logs = pgTable("BehaviorLog", {
  id: text("id").primaryKey(),
  userId: text("userId").notNull(),
  sessionId: text("sessionId").notNull(),
  eventType: text("eventType").notNull(),
  actionCategory: text("actionCategory").notNull(),
  timestamp: timestamp("timestamp", { precision: 3 }).notNull().defaultNow(),
  duration: doublePrecision("duration"),
  payload: jsonb("payload"),
});

const dialect = new PgDialect();

export function open(poolSize) {
  const pool = new pg.Pool(options(poolSize));
  const db = drizzle({ client: pool });

  const allOf = ({ userId }) => db.select().from(logs).where(eq(logs.userId, userId));
  const recent = ({ userId, since, limit }) => getRecentBehaviorLogs(db, logs, { userId, limit, since: new Date(since) });
  const usersWith = ({ filter }) => findUsers(db, users, filter);
  const logsWith = ({ filter }) =>
    db
      .select({ id: logs.id, userId: logs.userId })
      .from(logs)
      .where(sql`${logs.payload} @> ${JSON.stringify(filter)}::jsonb`);
  const insert = (rows) => db.insert(logs).values(rows);

  return {
    recent_logs: {
      before: async (given) => latest(await allOf(given), given),
      after: recent,
      sql: { before: (given) => allOf(given).toSQL(), after: (given) => recent(given).toSQL() },
    },
    jsonb_users: { before: usersWith, after: usersWith, sql: { before: (given) => usersWith(given).toSQL() } },
    jsonb_logs: { before: logsWith, after: logsWith, sql: { before: (given) => logsWith(given).toSQL() } },
    insert: {
      before: async (given) => {
        for (const row of newLogs(given)) await insert(row);
      },
      after: (given) => insertLogs(db, newLogs(given)),
      sql: {
        before: (given) => insert(newLogs({ ...given, count: 1 })).toSQL(),
        // The statement as it is, caught instead of sent.
        after: async (given) => {
          const seen = [];
          await insertLogs({ execute: (statement) => seen.push(dialect.sqlToQuery(statement)) }, newLogs(given));
          return seen[0];
        },
      },
    },
    end: () => pool.end(),
  };
}
