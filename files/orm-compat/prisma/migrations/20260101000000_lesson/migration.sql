-- CreateTable
CREATE TABLE "lesson_prisma" (
    "id" SERIAL NOT NULL,
    "title" TEXT NOT NULL,

    CONSTRAINT "lesson_prisma_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "lesson_prisma_title_key" ON "lesson_prisma"("title");
