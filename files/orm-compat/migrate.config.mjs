// Where `prisma migrate deploy` goes. The password is not in this address: the engine has its own from the environment.
import { defineConfig } from "prisma/config";

export default defineConfig({
  schema: "prisma/migrate.prisma",
  migrations: { path: "prisma/migrations" },
  datasource: { url: "postgresql://app@compat/edtech" },
});
