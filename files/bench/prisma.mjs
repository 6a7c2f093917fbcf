// Prisma 7 with its pg adapter.
import { PrismaPg } from "@prisma/adapter-pg";
import { insertLogs } from "./application/prisma.mjs";
import client from "./node_modules/.bench-client/index.js";
import { latest, newLogs } from "./logs.mjs";
import { options } from "./options.mjs";

const { PrismaClient } = client;

export function open(poolSize) {
  const db = new PrismaClient({ adapter: new PrismaPg(options(poolSize)) });
  // Prisma tells its SQL only when it runs it, and telling takes time: a second client does it.
  const told = (work) => async (given) => {
    const seen = [];
    const listening = new PrismaClient({ adapter: new PrismaPg(options(1)), log: [{ emit: "event", level: "query" }] });
    listening.$on("query", ({ query, params }) => seen.push({ sql: query, params: JSON.parse(params) }));
    await work(given, listening).finally(() => listening.$disconnect());
    return seen.find(({ sql }) => /BehaviorLog|"User"/.test(sql)) ?? null;
  };
  const allOf = ({ userId }, client = db) => client.behaviorLog.findMany({ where: { userId } });
  const recent = ({ userId, since, limit }, client = db) =>
    client.behaviorLog.findMany({
      where: { userId, timestamp: { gte: new Date(since) } },
      orderBy: [{ timestamp: "desc" }, { id: "desc" }],
      take: limit,
    });
  const path = (filter, found = []) => {
    const [[key, inner]] = Object.entries(filter);
    return typeof inner === "object" ? path(inner, [...found, key]) : { path: [...found, key], equals: inner };
  };
  const usersByPath = ({ filter }, client = db) => client.user.findMany({ where: { metadata: path(filter) }, select: { id: true, username: true } });
  const usersWith = ({ filter }, client = db) => client.$queryRaw`SELECT "id", "username" FROM "User" WHERE "metadata" @> ${JSON.stringify(filter)}::jsonb`;
  return {
    recent_logs: { before: async (given) => latest(await allOf(given), given), after: recent, sql: { before: told(allOf), after: told(recent) } },
    jsonb_users: { before: usersByPath, after: usersWith, sql: { before: told(usersByPath), after: told(usersWith) } },
    insert: {
      before: async (given) => {
        for (const data of newLogs(given)) await db.behaviorLog.create({ data });
      },
      after: (given) => insertLogs(db, newLogs(given)),
      sql: { before: () => null, after: () => null },
    },
    end: () => db.$disconnect(),
  };
}
