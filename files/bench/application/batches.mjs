/**
 * Rows in statements of some thousand, two at a time: the server writes with two processors, and no statement takes long.
 * Each statement is all or none; after a failure no other is begun, and the same rows can be sent again.
 */
export async function inBatches(rows, insert, { size = 2500, atOnce = 2 } = {}) {
  let next = 0;
  const lane = async () => {
    while (next < rows.length) {
      const from = next;
      next += size;
      try {
        await insert(rows.slice(from, from + size));
      } catch (error) {
        next = rows.length;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: atOnce }, lane));
  const failed = lanes.find(({ status }) => status === "rejected");
  if (failed) throw failed.reason;
}

/** One array a column: eight parameters however many logs, where a parameter a value ends at 65,535 of them. */
export function columnsOf(logs) {
  return [
    logs.map((log) => log.id),
    logs.map((log) => log.userId),
    logs.map((log) => log.sessionId),
    logs.map((log) => log.eventType),
    logs.map((log) => log.actionCategory),
    logs.map((log) => log.timestamp.toISOString()),
    logs.map((log) => log.duration ?? null),
    logs.map((log) => (log.payload == null ? null : JSON.stringify(log.payload))),
  ];
}
