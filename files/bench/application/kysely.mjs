import { sql } from "kysely";

/**
 * Events, kinds of event and mean duration of each user since then, in one query; users without a log have zeros.
 * A join to the ids is planned at once; for `in (…)` with a thousand of them, planning takes as long as the rest.
 */
export function userFigures(db, userIds, since) {
  return db
    .selectFrom(sql`unnest(${userIds}::text[])`.as(sql`asked("userId")`))
    .innerJoinLateral(
      (log) =>
        log
          .selectFrom("BehaviorLog")
          .select(({ fn }) => [
            sql`count(*)::int`.as("events"),
            sql`count(distinct "eventType")::int`.as("kinds"),
            fn.avg("duration").as("meanDuration"),
          ])
          .whereRef("BehaviorLog.userId", "=", "asked.userId")
          .where("timestamp", ">=", since.toISOString())
          .as("figures"),
      (join) => join.onTrue(),
    )
    .select(["asked.userId", "events", "kinds", "meanDuration"])
    .execute();
}

/** Events and mean duration by kind since a date. The date is a parameter, not now(): only so a partial index can serve it. */
export function eventsSince(db, since) {
  return db
    .selectFrom("BehaviorLog")
    .select(({ fn }) => ["eventType", sql`count(*)::int`.as("events"), fn.avg("duration").as("meanDuration")])
    .where("timestamp", ">=", since.toISOString())
    .groupBy("eventType")
    .orderBy("eventType")
    .execute();
}
