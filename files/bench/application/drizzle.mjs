import { and, desc, eq, gte, sql } from "drizzle-orm";

/** A user's latest logs: chosen, sorted and cut by the database. The id makes the order of equal times certain. */
export function getRecentBehaviorLogs(db, logs, { userId, limit, since }) {
  return db
    .select()
    .from(logs)
    .where(and(eq(logs.userId, userId), gte(logs.timestamp, since)))
    .orderBy(desc(logs.timestamp), desc(logs.id))
    .limit(limit);
}

/** Many logs at once: all or none. PostgreSQL takes 65,535 parameters a statement, and a log has eight. */
export function insertLogs(db, logs, rows) {
  return db.transaction(async (tx) => {
    for (let first = 0; first < rows.length; first += 1000) {
      await tx.insert(logs).values(rows.slice(first, first + 1000));
    }
  });
}

/** Users whose metadata contains a document, for instance {"preferences": {"theme": "dark"}}: @> is what a GIN index serves. */
export function usersWith(db, users, document) {
  return db
    .select({ id: users.id, username: users.username })
    .from(users)
    .where(sql`${users.metadata} @> ${JSON.stringify(document)}::jsonb`);
}
