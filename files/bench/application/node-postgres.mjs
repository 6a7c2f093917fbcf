import { columnsOf, inBatches } from "./batches.mjs";

/** Many logs. Those that are there already are left alone, so that sending them again does no harm. */
export function insertLogs(pool, rows) {
  return inBatches(rows, (batch) =>
    pool.query(
      `INSERT INTO "BehaviorLog" ("id", "userId", "sessionId", "eventType", "actionCategory", "timestamp", "duration", "payload")
       SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamp[], $7::float8[], $8::jsonb[])
       ON CONFLICT ("id") DO NOTHING`,
      columnsOf(batch),
    ),
  );
}
