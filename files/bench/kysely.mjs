// Kysely, which does the analytics.
import { Kysely, PostgresDialect, sql } from "kysely";
import pg from "pg";
import { eventsSince, userFigures } from "./application/kysely.mjs";
import { figures, inOrder } from "./logs.mjs";
import { options } from "./options.mjs";

export function open(poolSize) {
  const db = new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool(options(poolSize)) }) });

  const allOf = (userId) => db.selectFrom("BehaviorLog").selectAll().where("userId", "=", userId);
  const oneUser = (userId, since) =>
    db
      .selectFrom("BehaviorLog")
      .select(({ fn }) => [
        sql`count(*)::int`.as("events"),
        sql`count(distinct "eventType")::int`.as("kinds"),
        fn.avg("duration").as("meanDuration"),
      ])
      .where("userId", "=", userId)
      .where("timestamp", ">=", new Date(since).toISOString());
  const together = async (given) => inOrder(given.userIds, await figuresOf(db, given));
  const untilNow = (days = 30) =>
    db
      .selectFrom("BehaviorLog")
      .select(({ fn }) => ["eventType", sql`count(*)::int`.as("events"), fn.avg("duration").as("meanDuration")])
      // From midnight: the answer must not change while before and after are measured.
      .where("timestamp", ">=", sql`date_trunc('day', now()) - ${days}::int * interval '1 day'`)
      .groupBy("eventType")
      .orderBy("eventType");
  const report = ({ filter }) =>
    db
      .selectFrom("BehaviorLog")
      .select(["eventType", sql`count(*)::int`.as("events")])
      .where("payload", "@>", sql`${JSON.stringify(filter)}::jsonb`)
      .groupBy("eventType")
      .orderBy("eventType");
  // Kysely tells its SQL without running it only of queries that are not run yet; of the functions, a second client tells it.
  const told = (work) => async (given) => {
    const seen = [];
    const dialect = new PostgresDialect({ pool: new pg.Pool(options(1)) });
    const listening = new Kysely({ dialect, log: ({ query }) => seen.push(query) });
    await work(listening, given).finally(() => listening.destroy());
    return seen[0];
  };
  const figuresOf = (client, given) => userFigures(client, given.userIds, new Date(given.since));
  const monthOf = (client, given) => eventsSince(client, new Date(given.since));
  const weekly = (before, statement) => ({
    before,
    after: together,
    sql: { before: (given) => statement(given.userIds[0], given.since).compile(), after: told(figuresOf) },
  });
  const asked = (query) => {
    const run = (given) => query(given).execute();
    return { before: run, after: run, sql: { before: (given) => query(given).compile() } };
  };

  return {
    weekly_scan: weekly(async ({ userIds, since: from }) => {
      const rows = [];
      for (const userId of userIds) rows.push(figures(userId, await allOf(userId).execute(), from));
      return rows;
    }, allOf),
    weekly_scan_aggregated: weekly(async ({ userIds, since: from }) => {
      const rows = [];
      for (const userId of userIds) rows.push({ userId, ...(await oneUser(userId, from).executeTakeFirst()) });
      return rows;
    }, oneUser),
    jsonb_logs_report: asked(report),
    analytics_now: asked(() => untilNow()),
    analytics_literal: {
      before: ({ days }) => untilNow(days).execute(),
      after: (given) => monthOf(db, given),
      sql: { before: ({ days }) => untilNow(days).compile(), after: told(monthOf) },
    },
    end: () => db.destroy(),
  };
}
