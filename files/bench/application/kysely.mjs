import { sql } from "kysely";

/** Events, kinds of event and mean duration of each user since then, in one query. Users without a log are not in it. */
export function userFigures(db, userIds, since) {
  return db
    .selectFrom("BehaviorLog")
    .select(({ fn }) => [
      "userId",
      sql`count(*)::int`.as("events"),
      sql`count(distinct "eventType")::int`.as("kinds"),
      fn.avg("duration").as("meanDuration"),
    ])
    .where("userId", "=", sql`any(${userIds}::text[])`)
    .where("timestamp", ">=", since.toISOString())
    .groupBy("userId")
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
