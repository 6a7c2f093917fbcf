// How the application opens its pools, and where the trials take place.
export const SCHEMA = "orm_compat";
// `prisma migrate deploy` refuses a schema that has tables and no history of migrations.
export const MIGRATED = "orm_compat_prisma";

/** The application's own options: pool 20, idle 30 s, connect 5 s, statements and queries 60 s. */
export function options(url, ca, max = 20) {
  return {
    connectionString: url,
    max,
    idleTimeoutMillis: 30_000,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 60_000,
    query_timeout: 60_000,
    ssl: { ca, rejectUnauthorized: true },
  };
}
