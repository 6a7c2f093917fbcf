import { columnsOf, inBatches } from "./batches.mjs";

/** Many logs. Those that are there already are left alone, so that sending them again does no harm. */
export function insertLogs(prisma, rows) {
  return inBatches(rows, (batch) => {
    const [id, userId, sessionId, eventType, actionCategory, timestamp, duration, payload] = columnsOf(batch);
    return prisma.$executeRaw`
      INSERT INTO "BehaviorLog" ("id", "userId", "sessionId", "eventType", "actionCategory", "timestamp", "duration", "payload")
      SELECT * FROM unnest(${id}::text[], ${userId}::text[], ${sessionId}::text[], ${eventType}::text[], ${actionCategory}::text[],
                           ${timestamp}::timestamp[], ${duration}::float8[], ${payload}::jsonb[])
      ON CONFLICT ("id") DO NOTHING`;
  });
}
