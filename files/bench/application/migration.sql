-- Indexes that pgkeel built without blocking anybody. Where one is there already, its statement does nothing.
-- Declare in schema.prisma what its language can say; otherwise the next `prisma migrate dev` writes a DROP INDEX:
--   BehaviorLog: @@index([payload(ops: raw("jsonb_path_ops"))], type: Gin, map: "BehaviorLog_payload_idx")
--   User: @@index([metadata(ops: raw("jsonb_path_ops"))], type: Gin, map: "User_metadata_idx")
CREATE INDEX IF NOT EXISTS "BehaviorLog_payload_idx" ON "public"."BehaviorLog" USING "gin" ("payload" "jsonb_path_ops");
CREATE INDEX IF NOT EXISTS "User_metadata_idx" ON "public"."User" USING "gin" ("metadata" "jsonb_path_ops");
