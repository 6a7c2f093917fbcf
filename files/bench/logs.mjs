// What several clients need: the application's way of choosing in memory, and the rows that are inserted.
export const COLUMNS = ["id", "userId", "sessionId", "eventType", "actionCategory", "timestamp", "duration", "payload"];

const KINDS = ["page_view", "video_play", "quiz_answer", "exercise_attempt", "lesson_complete"];

/** The latest of all of a user's logs, as the application chose them before the database did. */
export function latest(rows, { since, limit }) {
  const from = new Date(since).getTime();
  return rows
    .filter((row) => row.timestamp.getTime() >= from)
    .sort((one, other) => other.timestamp - one.timestamp || (one.id < other.id ? 1 : -1))
    .slice(0, limit);
}

/** A user's figures out of all of their logs, as the application reckoned them. */
export function figures(userId, rows, since) {
  const from = new Date(since).getTime();
  const recent = rows.filter((row) => row.timestamp.getTime() >= from);
  const timed = recent.filter((row) => row.duration !== null);
  return {
    userId,
    events: recent.length,
    kinds: new Set(recent.map((row) => row.eventType)).size,
    meanDuration: timed.length ? timed.reduce((sum, row) => sum + row.duration, 0) / timed.length : null,
  };
}

/** The rows in the order of the users: a join promises none. */
export function inOrder(userIds, rows) {
  const known = new Map(rows.map((row) => [row.userId, row]));
  return userIds.map((userId) => known.get(userId));
}

let made = { given: undefined, logs: [] };

/** The logs that are inserted: the same for the same numbers, and made once, for an application has its logs already. */
export function newLogs(given) {
  if (made.given !== given) made = { given, logs: someLogs(given) };
  return made.logs;
}

function someLogs({ count, sessionId, users, from }) {
  const start = new Date(from).getTime();
  return Array.from({ length: count }, (_, number) => ({
    id: `${sessionId}-${String(number).padStart(8, "0")}`,
    userId: users[number % users.length],
    sessionId,
    eventType: KINDS[number % KINDS.length],
    actionCategory: "learning",
    timestamp: new Date(start + number * 250),
    duration: (number % 9000) / 100,
    payload: { v: 2, seq: number, device: { os: "ios", type: "mobile" }, progress: { percent: number % 101 } },
  }));
}
