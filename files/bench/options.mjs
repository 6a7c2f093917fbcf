/** The application's own options: idle 30 s, connect 5 s, statements and queries 60 s. */
export function options(max) {
  return {
    connectionString: process.env.BENCH_URL,
    max,
    idleTimeoutMillis: 30_000,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 60_000,
    query_timeout: 60_000,
    ...(process.env.BENCH_CA ? { ssl: { ca: process.env.BENCH_CA, rejectUnauthorized: true } } : {}),
  };
}
