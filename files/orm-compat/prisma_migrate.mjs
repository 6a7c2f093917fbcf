// `prisma migrate deploy`, the command itself: once, and once more when nothing is left to do.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { MIGRATED } from "./options.mjs";

const here = new URL(".", import.meta.url).pathname;

async function prisma(...words) {
  const env = {
    ...process.env,
    PRISMA_SCHEMA_ENGINE_BINARY: `${here}schema_engine.mjs`,
    CHECKPOINT_DISABLE: "1",
    PRISMA_HIDE_UPDATE_MESSAGE: "1",
  };
  const command = [`${here}node_modules/prisma/build/index.js`, ...words, "--config", `${here}migrate.config.mjs`];
  try {
    return (await promisify(execFile)(process.execPath, command, { cwd: here, env, timeout: 60_000 })).stdout;
  } catch (error) {
    throw new Error(`prisma ${words.join(" ")}: ${error.stderr || error.stdout || error.message}`);
  }
}

/** Throws when the migration is not in the database, or Prisma's own table does not say so. `db` is a Prisma client. */
export async function deploy(db) {
  await prisma("migrate", "deploy");
  const rows = await db.$queryRawUnsafe(
    `SELECT migration_name, applied_steps_count FROM ${MIGRATED}._prisma_migrations WHERE finished_at IS NOT NULL`,
  );
  if (rows.length !== 1 || rows[0].migration_name !== "20260101000000_lesson") throw new Error(`recorded: ${JSON.stringify(rows)}`);
  await db.$executeRawUnsafe(`INSERT INTO ${MIGRATED}.lesson_prisma (title) VALUES ('fractions')`);
  const again = await prisma("migrate", "deploy");
  if (!again.includes("No pending migrations")) throw new Error(`a second run: ${again}`);
  await prisma("migrate", "status");
}
