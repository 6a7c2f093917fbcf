const COLUMNS = '"id", "userId", "sessionId", "eventType", "actionCategory", "timestamp", "duration", "payload"';

/** Many logs in one statement with eight parameters, one array a column: no limit of rows, and always the same text. */
export function insertLogs(pool, rows) {
  return pool.query(
    `INSERT INTO "BehaviorLog" (${COLUMNS})
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamp[], $7::float8[], $8::jsonb[])`,
    [
      rows.map((row) => row.id),
      rows.map((row) => row.userId),
      rows.map((row) => row.sessionId),
      rows.map((row) => row.eventType),
      rows.map((row) => row.actionCategory),
      rows.map((row) => row.timestamp.toISOString()),
      rows.map((row) => row.duration),
      rows.map((row) => JSON.stringify(row.payload)),
    ],
  );
}
