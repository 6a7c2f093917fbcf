// The four clients, set up as the application sets them up; each offers the same few operations.
import { drizzle } from "drizzle-orm/node-postgres";
import { migrate } from "drizzle-orm/node-postgres/migrator";
import { eq, sql as drizzleSql } from "drizzle-orm";
import { integer, pgSchema, text } from "drizzle-orm/pg-core";
import { Kysely, Migrator, PostgresDialect, sql as kyselySql } from "kysely";
import { PrismaPg } from "@prisma/adapter-pg";
import pg from "pg";
import { options, SCHEMA } from "./options.mjs";
import { deploy } from "./prisma_migrate.mjs";
import prismaClient from "./node_modules/.compat-client/index.js";

class RolledBack extends Error {}

async function rolledBack(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof RolledBack)) throw error;
  }
}

export function nodePostgres(url, ca) {
  const pool = new pg.Pool(options(url, ca));
  const increment = `UPDATE ${SCHEMA}.student SET seen = seen + 1 WHERE id = $1`;
  const transaction = async (id, fail) => {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      await client.query(increment, [id]);
      await client.query(fail ? "ROLLBACK" : "COMMIT");
    } finally {
      client.release();
    }
  };
  return {
    show: async (name) => (await pool.query(`SHOW ${name}`)).rows[0][name],
    // A named statement is prepared by the protocol once for each connection of the pool.
    prepared: async (id) =>
      (await pool.query({ name: "by_id", text: `SELECT email, seen FROM ${SCHEMA}.student WHERE id = $1`, values: [id] })).rows[0],
    commit: (id) => transaction(id, false),
    rollback: (id) => transaction(id, true),
    migrate: async () => {
      const client = await pool.connect();
      try {
        await client.query(`BEGIN; CREATE TABLE ${SCHEMA}.lesson_pg (id integer PRIMARY KEY); COMMIT`);
      } finally {
        client.release();
      }
    },
    end: () => pool.end(),
  };
}

export function drizzleOrm(url, ca) {
  const pool = new pg.Pool(options(url, ca));
  const db = drizzle({ client: pool });
  const student = pgSchema(SCHEMA).table("student", {
    id: integer().primaryKey(),
    email: text().notNull(),
    seen: integer().notNull(),
  });
  const byId = db
    .select({ email: student.email, seen: student.seen })
    .from(student)
    .where(eq(student.id, drizzleSql.placeholder("id")))
    .prepare("drizzle_by_id");
  const increment = (tx, id) =>
    tx
      .update(student)
      .set({ seen: drizzleSql`${student.seen} + 1` })
      .where(eq(student.id, id));
  return {
    show: async (name) => (await db.execute(drizzleSql.raw(`SHOW ${name}`))).rows[0][name],
    prepared: async (id) => (await byId.execute({ id }))[0],
    commit: (id) => db.transaction((tx) => increment(tx, id)),
    rollback: (id) =>
      rolledBack(() =>
        db.transaction(async (tx) => {
          await increment(tx, id);
          throw new RolledBack();
        }),
      ),
    migrate: () =>
      migrate(db, { migrationsFolder: new URL("drizzle", import.meta.url).pathname, migrationsSchema: SCHEMA }),
    end: () => pool.end(),
  };
}

export function kysely(url, ca) {
  const db = new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool(options(url, ca, 10)) }) });
  const scoped = db.withSchema(SCHEMA);
  const increment = (tx, id) =>
    tx
      .withSchema(SCHEMA)
      .updateTable("student")
      .set((row) => ({ seen: row("seen", "+", 1) }))
      .where("id", "=", id)
      .execute();
  const migrations = {
    "0001_lesson": {
      up: (to) => to.schema.withSchema(SCHEMA).createTable("lesson_kysely").addColumn("id", "integer").execute(),
    },
  };
  return {
    show: async (name) => (await kyselySql`${kyselySql.raw(`SHOW ${name}`)}`.execute(db)).rows[0][name],
    prepared: (id) => scoped.selectFrom("student").select(["email", "seen"]).where("id", "=", id).executeTakeFirst(),
    commit: (id) => db.transaction().execute((tx) => increment(tx, id)),
    rollback: (id) =>
      rolledBack(() =>
        db.transaction().execute(async (tx) => {
          await increment(tx, id);
          throw new RolledBack();
        }),
      ),
    migrate: async () => {
      const provider = { getMigrations: async () => migrations };
      const { error } = await new Migrator({ db, provider, migrationTableSchema: SCHEMA }).migrateToLatest();
      if (error) throw error;
    },
    end: () => db.destroy(),
  };
}

export function prisma(url, ca) {
  const db = new prismaClient.PrismaClient({ adapter: new PrismaPg(options(url, ca, 5), { schema: SCHEMA }) });
  const increment = (tx, id) => tx.student.update({ where: { id }, data: { seen: { increment: 1 } } });
  return {
    show: async (name) => (await db.$queryRawUnsafe(`SHOW ${name}`))[0][name],
    prepared: (id) => db.student.findUnique({ where: { id }, select: { email: true, seen: true } }),
    commit: (id) => db.$transaction((tx) => increment(tx, id)),
    rollback: (id) =>
      rolledBack(() =>
        db.$transaction(async (tx) => {
          await increment(tx, id);
          throw new RolledBack();
        }),
      ),
    migrate: () => deploy(db),
    end: () => db.$disconnect(),
  };
}
