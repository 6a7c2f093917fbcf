import { and, desc, eq, gte, sql } from "drizzle-orm";
import { columnsOf, inBatches } from "./batches.mjs";

/** A user's latest logs: chosen, sorted and cut by the database. The id makes the order of equal times certain. */
export function getRecentBehaviorLogs(db, logs, { userId, limit, since }) {
  return db
    .select()
    .from(logs)
    .where(and(eq(logs.userId, userId), gte(logs.timestamp, since)))
    .orderBy(desc(logs.timestamp), desc(logs.id))
    .limit(limit);
}

/** Many logs. Those that are there already are left alone, so that sending them again does no harm. */
export function insertLogs(db, rows) {
  return inBatches(rows, (batch) => {
    const [id, userId, sessionId, eventType, actionCategory, timestamp, duration, payload] = columnsOf(batch).map((values) => sql.param(values));
    return db.execute(sql`
      INSERT INTO "BehaviorLog" ("id", "userId", "sessionId", "eventType", "actionCategory", "timestamp", "duration", "payload")
      SELECT * FROM unnest(${id}::text[], ${userId}::text[], ${sessionId}::text[], ${eventType}::text[], ${actionCategory}::text[],
                           ${timestamp}::timestamp[], ${duration}::float8[], ${payload}::jsonb[])
      ON CONFLICT ("id") DO NOTHING`);
  });
}

/** Users whose metadata contains a document, for instance {"preferences": {"theme": "dark"}}: @> is what a GIN index serves. */
export function usersWith(db, users, document) {
  return db
    .select({ id: users.id, username: users.username })
    .from(users)
    .where(sql`${users.metadata} @> ${JSON.stringify(document)}::jsonb`);
}
